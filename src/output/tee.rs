//! Combines several outputs: each batch is rendered once and encoded for every output.

use std::any::Any;
use std::time::Duration;

use super::{Acknowledgements, Encode, OutputError, Receipt, Sink};
use crate::batch::Batch;
use crate::time::SimTime;

type AnyPart = Box<dyn Any + Send>;

/// A batch, encoded for every output.
pub struct FanPart(Vec<AnyPart>);

/// Collects outputs before a run.
#[derive(Default)]
pub struct Tee {
    encode: TeeEncode,
    sink: TeeSink,
}

/// The encoders of all outputs.
#[derive(Default)]
pub struct TeeEncode(Vec<Box<dyn AnyEncode>>);

/// The sinks of all outputs.
#[derive(Default)]
pub struct TeeSink(Vec<Box<dyn AnySink>>);

impl Tee {
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

    /// Returns the encoders and the sinks.
    pub fn split(self) -> (TeeEncode, TeeSink) {
        (self.encode, self.sink)
    }
}

impl Encode for TeeEncode {
    type Part = FanPart;

    fn encode(&self, batch: &Batch) -> FanPart {
        FanPart(self.0.iter().map(|encode| encode.encode_any(batch)).collect())
    }
}

impl TeeSink {
    /// Lets each output process the acknowledgements that have arrived, after `passed`, a time without anything to
    /// write.
    ///
    /// # Errors
    /// The error of the first output that fails.
    pub fn idle(&mut self, passed: Duration) -> Result<(), OutputError> {
        self.acknowledgements().try_for_each(|of_sink| of_sink.idle(passed))
    }

    /// Returns the number of rows that are not acknowledged yet, over all outputs; `None` if no output acknowledges
    /// rows.
    pub fn unacknowledged(&mut self) -> Option<u64> {
        self.acknowledgements().map(|of_sink| of_sink.unacknowledged()).reduce(|some, more| some + more)
    }

    /// Returns the event time of the oldest row that is not acknowledged yet, over all outputs; `None` if there is
    /// none.
    pub fn oldest_unacknowledged(&mut self) -> Option<SimTime> {
        self.acknowledgements().filter_map(|of_sink| of_sink.oldest_unacknowledged()).min()
    }

    /// Makes `finish` wait for acknowledgements for at most `limit`.
    pub fn hurry(&mut self, limit: Duration) {
        self.acknowledgements().for_each(|of_sink| of_sink.hurry(limit));
    }

    fn acknowledgements(&mut self) -> impl Iterator<Item = &mut dyn Acknowledgements> {
        self.0.iter_mut().filter_map(|sink| sink.acknowledgements())
    }

    /// Closes all outputs. Returns one receipt for each, in the order in which the outputs were added.
    ///
    /// # Errors
    /// The error of the first output that fails.
    pub fn finish(self) -> Result<Vec<Receipt>, OutputError> {
        let finish = |sink: Box<dyn AnySink>| match sink.finish_any() {
            Err(error @ OutputError::Stalled { .. }) => Ok(Unread::after(&error).receipt()),
            finished => finished,
        };
        self.0.into_iter().map(finish).collect()
    }

    /// Writes each output's part. If the reader of a pipe is gone, that output is dropped and the others continue.
    ///
    /// # Errors
    /// The error of the first output that fails; `Closed` or `Stalled` if no output is left.
    pub fn write(&mut self, part: FanPart) -> Result<(), OutputError> {
        let mut unread = None;
        for (sink, part) in self.0.iter_mut().zip(part.0) {
            match sink.write_any(part) {
                Ok(()) => {}
                Err(error @ (OutputError::Closed | OutputError::Stalled { .. })) => {
                    *sink = Box::new(Unread::after(&error));
                    unread = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match unread {
            Some(error) if self.0.iter().all(|sink| sink.is_unread()) => Err(error),
            _ => Ok(()),
        }
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
    fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
        None
    }
    fn is_unread(&self) -> bool {
        false
    }
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

    fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
        Sink::acknowledgements(self)
    }

    fn finish_any(self: Box<Self>) -> Result<Receipt, OutputError> {
        (*self).finish()
    }
}

/// Replaces a pipe that has lost its reader.
struct Unread {
    target: String,
    is_stalled: bool,
}

impl Unread {
    /// Creates the replacement for an output that failed with `Closed` or `Stalled`.
    fn after(error: &OutputError) -> Unread {
        match error {
            OutputError::Stalled { path } => {
                Unread { target: format!("ndjson:{}", path.display()), is_stalled: true }
            }
            _ => Unread { target: "ndjson:-".into(), is_stalled: false },
        }
    }

    fn receipt(&self) -> Receipt {
        let note =
            if self.is_stalled { "cut short: its reader stopped reading" } else { "closed by its reader" };
        Receipt {
            target: self.target.clone(),
            notes: vec![note.into()],
            is_stalled: self.is_stalled,
            ..Receipt::default()
        }
    }
}

impl AnySink for Unread {
    fn write_any(&mut self, _: AnyPart) -> Result<(), OutputError> {
        Ok(())
    }

    fn is_unread(&self) -> bool {
        true
    }

    fn finish_any(self: Box<Self>) -> Result<Receipt, OutputError> {
        Ok(self.receipt())
    }
}
