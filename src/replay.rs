//! A recording → outputs, at any speed.
//!
//! In: a recording, a pace, a rule for its times. Out: receipts, and how well the pace was kept.
//! What may never happen here: a wait that is not told by `pace`.

use std::iter::Peekable;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::batch::{Batch, RecordType};
use crate::output::{Encode, OutputError, Receipt};
use crate::pace::{self, Moment, Pacer, Speed};
use crate::recording::{Batches, Recording, RecordingError};
use crate::run::{About, Opened, RunError};
use crate::threads::Threads;
use crate::time::{SimTime, Span};

/// How fast a recording is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many event seconds a second.
    At(Speed),
    /// Without waiting.
    AsFastAsPossible,
}

impl Pace {
    /// A pace of `speed` event seconds a second, if that is above zero.
    pub fn at(speed: f64) -> Option<Pace> {
        Speed::new(speed).map(Pace::At)
    }
}

/// What becomes of event times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebase {
    /// They stay.
    Keep,
    /// They move, distances kept, so that the first record's is the moment of its sending.
    Now,
}

/// A recording that is about to be sent.
pub struct Replay {
    batches: Peekable<Batches>,
    pace: Pace,
    shift: Span,
    first: SimTime,
    sequence: String,
}

/// How a replay went.
#[derive(Clone, Debug)]
pub struct Summary {
    /// One for each output.
    pub receipts: Vec<Receipt>,
    /// Event seconds a second, reached; none without a pace.
    pub speed: Option<f64>,
    /// How late records left, at most.
    pub lag_max: Duration,
}

/// A replay that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording could not be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// An output failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Replay {
    /// Opens a recording and looks at its first record.
    ///
    /// # Errors
    /// If it can't be read, or has no record.
    pub fn open(recording: &Recording, pace: Pace, rebase: Rebase) -> Result<Replay, RecordingError> {
        let mut batches = recording.batches()?.peekable();
        let recorded = match batches.peek() {
            Some(Ok(batch)) => batch.rows().next().map(|row| row.timestamp()),
            Some(Err(_)) => match batches.next() {
                Some(Err(error)) => return Err(error),
                _ => None,
            },
            None => None,
        };
        let Some(recorded) = recorded else { return Err(recording.lacks("record")) };
        let shift = match rebase {
            Rebase::Keep => Span::ZERO,
            Rebase::Now => pace::now() - recorded,
        };
        let sequence = format!("replay\nrebase={rebase:?}");
        Ok(Replay { batches, pace, shift, first: recorded + shift, sequence })
    }

    /// Takes in which recording it is, as topics want to know: a single file is read for it.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn identify(&mut self, recording: &Recording) -> Result<(), RecordingError> {
        let digest = recording.digest()?.unwrap_or_default();
        self.sequence.push_str(&format!("\nrecording={digest}"));
        Ok(())
    }

    /// What outputs are told before the first record.
    pub fn about(&self) -> About {
        About {
            first_event: self.first,
            first_row: 0,
            sequence: self.sequence.clone(),
            threads: Threads::new(NonZeroUsize::MIN),
            facts: Vec::new(),
        }
    }

    /// Sends everything.
    ///
    /// # Errors
    /// If the recording is damaged or an output fails.
    pub fn send(&mut self, opened: Opened) -> Result<Summary, ReplayError> {
        self.send_until(opened, || false)
    }

    /// Sends everything, or until someone asks to stop: what was sent by then is whole, and shorter.
    ///
    /// # Errors
    /// If the recording is damaged or an output fails.
    pub fn send_until(
        &mut self,
        mut opened: Opened,
        is_asked: impl Fn() -> bool,
    ) -> Result<Summary, ReplayError> {
        let (encode, mut sink) = opened.take_fan();
        let mut pacer = match self.pace {
            Pace::At(speed) => Some(Pacer::new(speed)),
            Pace::AsFastAsPossible => None,
        };
        let mut last = self.first;
        let mut send = |batch: &Batch| sink.write(encode.encode(batch));
        let mut sent: Result<(), OutputError> = Ok(());
        for batch in &mut self.batches {
            if is_asked() {
                break;
            }
            let mut batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    opened.discard();
                    return Err(error.into());
                }
            };
            move_times(&mut batch, self.shift);
            sent = match &mut pacer {
                None => send(&batch),
                Some(pacer) => ticks(&batch).try_for_each(|(moment, tick)| {
                    if pacer.wait_for(moment, &is_asked) == Moment::Interrupted {
                        return Ok(());
                    }
                    last = moment;
                    send(&tick)
                }),
            };
            if sent.is_err() {
                break;
            }
        }
        let speed = pacer.as_ref().and_then(|pacer| pacer.speed_reached(last));
        let receipts = opened.ended(sent.and_then(|()| sink.finish()))?;
        let receipts = opened.publish_records(receipts)?;
        Ok(Summary { receipts, speed, lag_max: pacer.map_or(Duration::ZERO, |pacer| pacer.lag_max()) })
    }
}

fn move_times(batch: &mut Batch, shift: Span) {
    if shift != Span::ZERO {
        for record in RecordType::ALL {
            batch.table_mut(record).timestamp.iter_mut().for_each(|moment| *moment = *moment + shift);
        }
    }
}

/// A batch cut where its time changes.
fn ticks(batch: &Batch) -> impl Iterator<Item = (SimTime, Batch)> + '_ {
    let mut rows = batch.rows().peekable();
    std::iter::from_fn(move || {
        let moment = rows.peek()?.timestamp();
        let mut tick = Batch::with_capacity(batch.entities.clone(), 64, 64);
        while let Some(row) = rows.next_if(|row| row.timestamp() == moment) {
            tick.append_row(&row);
        }
        Some((moment, tick))
    })
}
