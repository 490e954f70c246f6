//! Sends batches and labels to open outputs at the pace of a player. Runs and replays share it.

use std::time::Duration;

use super::error::RunError;
use super::label_scheduler::LabelScheduler;
use crate::output::{FanPart, OutputError, Receipt, TeeSink};
use crate::pace;
use crate::player::{Moment, Player};
use crate::time::{SimTime, Span};

/// How long records that were written before a stop may take to arrive.
const FLUSH: Duration = Duration::from_secs(10);

/// How long the remaining labels may take after a stop, at least, even if the records used up all of `FLUSH`.
const LABELS: Duration = Duration::from_secs(2);

/// Sends records when they are due, and labels when the records that they describe have arrived.
pub struct PacedWriter<'p, 'c> {
    /// Decides when the next records are due.
    pub player: &'p mut Player<'c>,
    sink: TeeSink,
    scheduler: Option<LabelScheduler>,
    /// Whether labels are needed even if nothing reads the records.
    wants_labels: bool,
    /// Whether the reader of the records has closed its end.
    is_closed: bool,
    rows: u64,
    /// The event time of the records sent last.
    last: SimTime,
}

impl<'p, 'c> PacedWriter<'p, 'c> {
    /// Creates an writer that has not sent anything yet.
    pub fn new(
        player: &'p mut Player<'c>,
        sink: TeeSink,
        scheduler: Option<LabelScheduler>,
        wants_labels: bool,
    ) -> PacedWriter<'p, 'c> {
        PacedWriter {
            player,
            sink,
            scheduler,
            wants_labels,
            is_closed: false,
            rows: 0,
            last: SimTime(i64::MIN),
        }
    }

    /// Returns the number of rows sent.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the event time of the row sent last.
    pub fn last(&self) -> SimTime {
        self.last
    }

    /// Returns the labels on their way to a stream, if there is one.
    pub fn scheduler(&mut self) -> Option<&mut LabelScheduler> {
        self.scheduler.as_mut()
    }

    /// Waits until `moment` is due, or until a stop is requested.
    ///
    /// # Errors
    /// If an output fails while waiting.
    pub fn wait(&mut self, moment: SimTime) -> Result<Moment, RunError> {
        let PacedWriter { player, sink, scheduler, rows, last, .. } = self;
        if self.is_closed {
            return Ok(if player.heed() { Moment::Interrupted } else { Moment::Came });
        }
        Ok(player.until(moment, |passed| {
            sink.idle(passed)?;
            if let Some(scheduler) = &mut *scheduler {
                scheduler.arrived(arrived(sink, *last), passed)?;
            }
            Ok::<_, OutputError>(acknowledged(sink, *rows))
        })?)
    }

    /// Sends rows. `moment` is the event time of the last of them.
    ///
    /// # Errors
    /// If an output fails. A closed reader is an error only if labels are not needed either.
    pub fn leave(
        &mut self,
        moment: SimTime,
        rows: u64,
        part: impl FnOnce() -> FanPart,
    ) -> Result<(), RunError> {
        if self.is_closed {
            return Ok(());
        }
        match self.sink.write(part()) {
            Err(OutputError::Closed) if self.wants_labels => {
                self.is_closed = true;
                return Ok(());
            }
            written => written?,
        }
        (self.rows, self.last) = (self.rows + rows, moment);
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.arrived(arrived(&mut self.sink, moment), Duration::ZERO)?;
        }
        self.player.sent(rows, acknowledged(&mut self.sink, self.rows));
        Ok(())
    }

    /// Completes all outputs. After a stop, it does not wait for long, and sends no labels of incidents that are not
    /// over.
    ///
    /// # Errors
    /// If an output fails; `Closed` if the reader of the records has closed its end.
    pub fn finish(self, is_stopped: bool) -> Result<Vec<Receipt>, OutputError> {
        let PacedWriter { player, mut sink, scheduler, last, .. } = self;
        player.rest();
        if self.is_closed {
            return Err(OutputError::Closed);
        }
        let begun = pace::wall();
        if is_stopped {
            sink.hurry(FLUSH);
        }
        let mut receipts = sink.finish()?;
        if let Some(mut scheduler) = scheduler {
            if is_stopped {
                scheduler.hurry(FLUSH.saturating_sub(pace::wall() - begun).max(LABELS));
            }
            scheduler.arrived(last, Duration::ZERO)?;
            receipts.push(scheduler.finish(is_stopped)?);
        }
        player.end();
        Ok(receipts)
    }
}

/// Returns the event time up to which all rows have arrived; `last` is that of the row sent last.
fn arrived(sink: &mut TeeSink, last: SimTime) -> SimTime {
    sink.oldest_unacknowledged().map_or(last, |oldest| oldest + Span(-1))
}

/// Returns how many of the sent rows are acknowledged; `None` if no output acknowledges rows.
fn acknowledged(sink: &mut TeeSink, rows: u64) -> Option<u64> {
    sink.unacknowledged().map(|left| rows.saturating_sub(left))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::Batch;
    use crate::batch::{BatchBuilder, Entities};
    use crate::engine::models;
    use crate::output::{Acknowledgements, Encode, Sink, Tee};
    use crate::player::{Pace, Unattended};
    use crate::run::label_scheduler::tests::{Notes, label, written};

    /// An output; the value is the event time of its oldest record that has not arrived.
    #[derive(Clone)]
    struct Behind(Option<SimTime>);

    impl Encode for Behind {
        type Part = ();

        fn encode(&self, _: &Batch) {}
    }

    impl Acknowledgements for Behind {
        fn idle(&mut self, _: Duration) -> Result<(), OutputError> {
            Ok(())
        }

        fn unacknowledged(&self) -> u64 {
            self.0.into_iter().count() as u64
        }

        fn oldest_unacknowledged(&self) -> Option<SimTime> {
            self.0
        }

        fn hurry(&mut self, _: Duration) {}
    }

    impl Sink for Behind {
        type Part = ();

        fn write(&mut self, (): ()) -> Result<(), OutputError> {
            Ok(())
        }

        fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
            Some(self)
        }

        fn finish(self) -> Result<Receipt, OutputError> {
            Ok(Receipt::default())
        }
    }

    fn moments(notes: &Notes) -> Vec<i64> {
        written(notes).into_iter().map(|(moment, ..)| moment).collect()
    }

    /// Returns the moments of the released labels: after a record at 20 s was sent, and after the run was stopped.
    fn released(outputs: &[Option<i64>]) -> [Vec<i64>; 2] {
        let notes = Notes::default();
        let mut scheduler = LabelScheduler::new(Box::new(notes.clone()), SimTime(60_000));
        scheduler.hand_in([10, 15, 20, 30].map(|until| label(&until.to_string(), until)));
        let mut tee = Tee::default();
        for oldest in outputs {
            let behind = Behind(oldest.map(SimTime));
            tee.add(behind.clone(), behind);
        }
        let (encode, sink) = tee.split();
        let mut unattended = Unattended;
        let mut player = Player::new(Pace::AsFastAsPossible, &mut unattended);
        let mut writer = PacedWriter::new(&mut player, sink, Some(scheduler), false);
        let schema = models::builtin();
        let nothing = BatchBuilder::new(schema).build(Arc::new(Entities::new(Arc::clone(schema))));
        writer.leave(SimTime(20_000), 1, || encode.encode(&nothing)).unwrap();
        let before = moments(&notes);
        writer.finish(true).unwrap();
        [before, moments(&notes)]
    }

    #[test]
    fn labels_wait_for_the_oldest_record_on_its_way_to_any_output() {
        let all = vec![10_000, 15_000, 20_000];
        assert_eq!(released(&[None, None]), [all.clone(), all.clone()]);
        assert_eq!(released(&[None, Some(15_000)]), [vec![10_000], all.clone()]);
        assert_eq!(released(&[Some(15_001), Some(12_000)]), [vec![10_000], all.clone()]);
        assert_eq!(released(&[Some(15_001)]), [vec![10_000, 15_000], all]);
    }
}
