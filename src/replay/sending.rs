//! Sends one batch after another at the pace, tick by tick, until the end or a stop.

use super::ReplayError;
use super::truth::{LoopNames, Truth};
use crate::batch::Batch;
use crate::label::Label;
use crate::output::{Encode as _, TeeEncode};
use crate::player::Moment;
use crate::run::{PacedWriter, RunError};
use crate::time::{SimTime, Span};

/// The state while records are sent.
pub(super) struct Sending<'p, 'c> {
    pub(super) encode: TeeEncode,
    pub(super) writer: PacedWriter<'p, 'c>,
    /// The labels for files.
    pub(super) truth: Option<Truth>,
    /// The labels of one loop, for a stream.
    pub(super) labels: Vec<Label>,
    pub(super) loop_names: LoopNames,
    /// The number of rows that the topic already contains.
    pub(super) there: u64,
    pub(super) stopped_at: Option<SimTime>,
}

impl Sending<'_, '_> {
    /// Sends a batch with its times moved by `shift`.
    pub(super) fn send(&mut self, mut batch: Batch, shift: Span) -> Result<(), ReplayError> {
        if !batch.move_by(shift) {
            return Err(ReplayError::Beyond);
        }
        if !self.writer.player.is_paced() || self.is_there(&batch) {
            return self.leave(&batch, shift);
        }
        for tick in batch.ticks() {
            self.leave(&tick, shift)?;
            if self.stopped_at.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn is_there(&self, batch: &Batch) -> bool {
        self.writer.rows() + batch.num_rows() as u64 <= self.there
    }

    /// Sends rows when the last of them is due. Does not wait for rows that the topic already contains.
    fn leave(&mut self, batch: &Batch, shift: Span) -> Result<(), ReplayError> {
        let Some(moment) = batch.last_event() else { return Ok(()) };
        if self.is_there(batch) {
            // Without a wait, a requested stop must be noticed here.
            if self.writer.player.heed() {
                return self.stop(batch, shift);
            }
        } else if !self.has_begun(moment) && self.writer.wait(moment)? == Moment::Interrupted {
            return self.stop(batch, shift);
        }
        self.give(batch, moment, shift)
    }

    /// Whether rows of the same tick were already sent. A batch of lines can end within a tick.
    fn has_begun(&self, moment: SimTime) -> bool {
        moment == self.writer.last()
    }

    /// Sends the rest of the tick that was begun, and nothing after it.
    fn stop(&mut self, batch: &Batch, shift: Span) -> Result<(), ReplayError> {
        for tick in batch.ticks() {
            let Some(moment) = tick.last_event() else { continue };
            if !self.has_begun(moment) {
                self.stopped_at = Some(moment);
                break;
            }
            self.give(&tick, moment, shift)?;
        }
        Ok(())
    }

    fn give(&mut self, batch: &Batch, moment: SimTime, shift: Span) -> Result<(), ReplayError> {
        if let Some(truth) = &mut self.truth {
            truth.see(batch, shift);
        }
        let Sending { encode, writer, .. } = self;
        match writer.leave(moment, batch.num_rows() as u64, || encode.encode(batch)) {
            // No output has a reader any more.
            Err(RunError::Stopped) => self.stopped_at = Some(moment),
            left => left?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::batch::{BatchBuilder, Entities};
    use crate::engine::models::builtin;
    use crate::fleet::SERVER;
    use crate::output::{Encode, OutputError, Receipt, Sink, Tee};
    use crate::player::{Command, Controls, Pace, Player, Status};

    /// The event times of the rows that were sent, in ms.
    #[derive(Clone, Default)]
    struct Times(Arc<Mutex<Vec<i64>>>);

    impl Encode for Times {
        type Part = Vec<i64>;

        fn encode(&self, batch: &Batch) -> Vec<i64> {
            batch.rows().map(|row| row.timestamp().0).collect()
        }
    }

    impl Sink for Times {
        type Part = Vec<i64>;

        fn write(&mut self, part: Vec<i64>) -> Result<(), OutputError> {
            self.0.lock().unwrap().extend(part);
            Ok(())
        }

        fn finish(self) -> Result<Receipt, OutputError> {
            Ok(Receipt::default())
        }
    }

    /// Requests the end as soon as something was sent.
    struct Ending(Times);

    impl Controls for Ending {
        fn command(&mut self) -> Option<Command> {
            (!self.0.0.lock().unwrap().is_empty()).then_some(Command::End)
        }

        fn watch(&mut self, _: &Status) {}
    }

    fn batch(times: &[i64]) -> Batch {
        let mut entities = Entities::new(Arc::clone(builtin()));
        entities.of_mut(SERVER).push(["srv-001", "R01", "marseille-1"]);
        let mut rows = BatchBuilder::new(builtin());
        for time in times {
            rows.begin(SERVER, SimTime(*time), 0..1);
        }
        rows.build(Arc::new(entities))
    }

    #[test]
    fn a_tick_that_has_begun_is_finished_even_where_a_batch_ends_within_it() {
        for pace in [Pace::AsFastAsPossible, Pace::at(1e6).expect("a speed")] {
            let times = Times::default();
            let mut ending = Ending(times.clone());
            let mut player = Player::new(pace, &mut ending);
            let mut tee = Tee::default();
            tee.add(times.clone(), times.clone());
            let (encode, sink) = tee.split();
            let writer = PacedWriter::new(&mut player, sink, None, false);
            let mut sending = Sending {
                encode,
                writer,
                truth: None,
                labels: Vec::new(),
                loop_names: LoopNames::of(&[]),
                there: 0,
                stopped_at: None,
            };
            for part in [batch(&[1_000, 1_000]), batch(&[1_000]), batch(&[1_000, 2_000]), batch(&[2_000])] {
                if sending.stopped_at.is_none() {
                    sending.send(part, Span::ZERO).unwrap();
                }
            }
            assert_eq!(*times.0.lock().unwrap(), [1_000; 4], "{pace:?}");
            assert_eq!(sending.stopped_at, Some(SimTime(2_000)));
        }
    }
}
