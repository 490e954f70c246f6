//! Several outputs as one: each batch is rendered once and encoded for all.

use std::any::Any;
use std::time::Duration;

use super::{Encode, OutputError, Receipt, Sink};
use crate::batch::Batch;
use crate::time::SimTime;

type AnyPart = Box<dyn Any + Send>;

/// What a batch becomes for all outputs.
pub struct FanPart(Vec<AnyPart>);

/// Collects outputs before a run.
#[derive(Default)]
pub struct Fan {
    encode: FanEncode,
    sink: FanSink,
}

/// The encoders of all outputs.
#[derive(Default)]
pub struct FanEncode(Vec<Box<dyn AnyEncode>>);

/// The sinks of all outputs.
#[derive(Default)]
pub struct FanSink(Vec<Box<dyn AnySink>>);

impl Fan {
    /// Adds an output.
    pub fn add<E, S>(&mut self, encode: E, sink: S)
    where
        E: Encode + Send + 'static,
        E::Part: 'static,
        S: Sink<Part = E::Part> + 'static,
    {
        self.encode.0.push(Box::new(encode));
        self.sink.0.push(Box::new(sink));
    }

    /// The two halves.
    pub fn split(self) -> (FanEncode, FanSink) {
        (self.encode, self.sink)
    }
}

impl Encode for FanEncode {
    type Part = FanPart;

    fn encode(&self, batch: &Batch) -> FanPart {
        FanPart(self.0.iter().map(|encode| encode.encode_any(batch)).collect())
    }
}

impl FanSink {
    /// Lets each output take in what came back.
    ///
    /// # Errors
    /// The first output that fails.
    pub fn idle(&mut self, passed: Duration) -> Result<(), OutputError> {
        self.0.iter_mut().try_for_each(|sink| sink.idle_any(passed))
    }

    /// How many rows are on their way to whoever acknowledges them, in all; none where nobody does.
    pub fn unacknowledged(&self) -> Option<u64> {
        self.0.iter().filter_map(|sink| sink.unacknowledged_any()).reduce(|some, more| some + more)
    }

    /// The event time of the oldest of them, over all outputs; none where none is on its way.
    pub fn oldest_unacknowledged(&self) -> Option<SimTime> {
        self.0.iter().filter_map(|sink| sink.oldest_unacknowledged_any()).min()
    }

    /// `finish` may take so long at most, where an output waits for others.
    pub fn hurry(&mut self, limit: Duration) {
        self.0.iter_mut().for_each(|sink| sink.hurry_any(limit));
    }

    /// Ends all outputs: one receipt each, in the order in which they were added.
    ///
    /// # Errors
    /// The first output that fails.
    pub fn finish(self) -> Result<Vec<Receipt>, OutputError> {
        self.0.into_iter().map(|sink| sink.finish_any()).collect()
    }

    /// Gives each output its part. A closed pipe drops out while another output goes on.
    ///
    /// # Errors
    /// The first output that fails, or `Closed` when none is left.
    pub fn write(&mut self, part: FanPart) -> Result<(), OutputError> {
        let mut closed = Vec::new();
        for (i, (sink, part)) in self.0.iter_mut().zip(part.0).enumerate() {
            match sink.write_any(part) {
                Err(OutputError::Closed) => closed.push(i),
                result => result?,
            }
        }
        if closed.len() == self.0.len() && !closed.is_empty() {
            return Err(OutputError::Closed);
        }
        for i in closed {
            self.0[i] = Box::new(Gone);
        }
        Ok(())
    }
}

trait AnyEncode: Sync + Send {
    fn encode_any(&self, batch: &Batch) -> AnyPart;
}

impl<E: Encode + Send> AnyEncode for E
where
    E::Part: 'static,
{
    fn encode_any(&self, batch: &Batch) -> AnyPart {
        Box::new(self.encode(batch))
    }
}

trait AnySink {
    fn write_any(&mut self, part: AnyPart) -> Result<(), OutputError>;
    fn idle_any(&mut self, passed: Duration) -> Result<(), OutputError>;
    fn unacknowledged_any(&self) -> Option<u64>;
    fn oldest_unacknowledged_any(&self) -> Option<SimTime>;
    fn hurry_any(&mut self, limit: Duration);
    fn finish_any(self: Box<Self>) -> Result<Receipt, OutputError>;
}

impl<S: Sink> AnySink for S
where
    S::Part: 'static,
{
    fn write_any(&mut self, part: AnyPart) -> Result<(), OutputError> {
        let part = part.downcast().expect("a sink gets what its own encoder made");
        self.write(*part)
    }

    fn idle_any(&mut self, passed: Duration) -> Result<(), OutputError> {
        self.idle(passed)
    }

    fn unacknowledged_any(&self) -> Option<u64> {
        self.unacknowledged()
    }

    fn oldest_unacknowledged_any(&self) -> Option<SimTime> {
        self.oldest_unacknowledged()
    }

    fn hurry_any(&mut self, limit: Duration) {
        self.hurry(limit);
    }

    fn finish_any(self: Box<Self>) -> Result<Receipt, OutputError> {
        (*self).finish()
    }
}

/// Stands where a closed pipe was.
struct Gone;

impl AnySink for Gone {
    fn write_any(&mut self, _: AnyPart) -> Result<(), OutputError> {
        Ok(())
    }

    fn idle_any(&mut self, _: Duration) -> Result<(), OutputError> {
        Ok(())
    }

    fn unacknowledged_any(&self) -> Option<u64> {
        None
    }

    fn oldest_unacknowledged_any(&self) -> Option<SimTime> {
        None
    }

    fn hurry_any(&mut self, _: Duration) {}

    fn finish_any(self: Box<Self>) -> Result<Receipt, OutputError> {
        Ok(Receipt {
            target: "ndjson:-".into(),
            notes: vec!["closed by its reader".into()],
            ..Receipt::default()
        })
    }
}
