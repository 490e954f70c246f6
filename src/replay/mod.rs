//! Sends a recording to outputs, at any speed.
//!
//! In: a recording, a selection of its rows, and a rule for its times. Out: receipts, and how well the pace was kept.
//! Only `player` decides when to wait. Every row is sent unless the user excludes it.

mod error;
mod extent;
mod options;
mod sending;
#[cfg(feature = "kafka")]
mod topic;
mod truth;

#[cfg(feature = "kafka")]
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::num::NonZeroUsize;
#[cfg(feature = "kafka")]
use std::ops::RangeInclusive;
use std::sync::Arc;

pub use error::ReplayError;
pub use extent::Extent;
pub use options::Options;
use sending::Sending;
use truth::{LoopNames, Truth};

use crate::label::Label;
use crate::output::{Event, LabelStream, Receipt};
use crate::player::{Kept, Player};
use crate::recording::{Batches, GoesBack, Order, Recording, RecordingError, Selection};
use crate::run::{About, LabelScheduler, Opened, PacedWriter, Rebase, RunError, labels_sent};
use crate::threads::Threads;
use crate::time::{SimTime, Span};

/// A recording that is about to be sent.
pub struct Replay {
    recording: Recording,
    options: Options,
    /// The batches of the first loop.
    batches: Peekable<Batches>,
    first: SimTime,
    /// Known if the whole recording was read.
    extent: Option<(Extent, Order)>,
    /// How much event times move in the first loop.
    shift: Span,
    labels: Option<Vec<Label>>,
    sequence: String,
    /// Where event times go back, as far as the recording was read.
    order: Order,
    /// If the replay is resumed: the number of rows, from the first on, that the topic already contains. The pace
    /// begins after them.
    there: Option<u64>,
    /// The rows of each key. Empty until they are requested.
    #[cfg(feature = "kafka")]
    rows_of: BTreeMap<String, RangeInclusive<u64>>,
}

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Summary {
    /// One receipt for each output.
    pub receipts: Vec<Receipt>,
    /// The number of label rows, in files or in a topic.
    pub labels: u64,
    /// How well the pace was kept; `None` without a pace.
    pub kept: Option<Kept>,
    /// The event time at which the replay was stopped, if it was. Records from then on were not sent.
    pub stopped_at: Option<SimTime>,
    /// Whether the reader of a pipe read nothing after the stop. Its output may end within a row.
    pub is_stalled: bool,
    /// Where the event times of the recording go back, if they do.
    pub goes_back: Option<GoesBack>,
}

impl Replay {
    /// Opens a recording and reads its first record. Reads the whole recording if its end must be known.
    ///
    /// # Errors
    /// If the recording can't be read, or the selection contains no record.
    pub fn open(recording: Recording, options: Options) -> Result<Replay, ReplayError> {
        check_incidents(&recording, &options.selection)?;
        let needs_end = options.loops.get() > 1 || matches!(options.rebase, Rebase::End(_));
        if needs_end && recording.is_read_once() {
            return Err(ReplayError::Once);
        }
        let order = Order::default();
        let mut batches = recording.select_and_watch(&options.selection, &order)?.peekable();
        let first = match batches.peek() {
            Some(Ok(batch)) => batch.rows().next().map(|row| row.timestamp()),
            Some(Err(_)) => match batches.next() {
                Some(Err(error)) => return Err(error.into()),
                _ => None,
            },
            None => None,
        };
        let Some(first) = first else {
            return Err(match options.selection.is_all() {
                true => recording.lacks("record").into(),
                false => ReplayError::Nothing,
            });
        };
        let mut sequence = format!(
            "replay\nfrom={:?}\nto={:?}\nonly={:?}\nincidents={:?}\nrebase={:?}\nloops={}",
            options.selection.from,
            options.selection.to,
            options.selection.only,
            options.selection.incidents,
            options.rebase,
            options.loops,
        );
        if let (Rebase::End(_), Some(max_gap)) = (options.rebase, options.max_gap) {
            sequence.push_str(&format!("\nmax_gap={max_gap}"));
        }
        let mut replay = Replay {
            recording,
            options,
            batches,
            first,
            extent: None,
            shift: Span::ZERO,
            labels: None,
            sequence,
            order,
            there: None,
            #[cfg(feature = "kafka")]
            rows_of: BTreeMap::new(),
        };
        if needs_end {
            replay.measure()?;
        }
        let now = replay.options.now;
        replay.begins(now)?;
        Ok(replay)
    }

    /// Begins at `now` instead of the moment in the options, because reading the whole recording may have taken long.
    ///
    /// # Errors
    /// If a time would be outside the range that records can have.
    pub fn begins(&mut self, now: SimTime) -> Result<(), ReplayError> {
        self.options.now = now;
        let last = self.last().unwrap_or(self.first);
        self.shift = self.options.rebase.shift(self.first, last, self.played(), now);
        self.check_times()
    }

    /// Checks that the known event times are valid for records and labels.
    ///
    /// # Errors
    /// If they are not valid.
    pub fn check_times(&self) -> Result<(), ReplayError> {
        let known = [Some(self.first_event()), self.last_event()];
        let is_beyond = self.last_label().is_some_and(|last| last > SimTime::END);
        match known.into_iter().flatten().all(SimTime::is_recordable) && !is_beyond {
            true => Ok(()),
            false => Err(ReplayError::Beyond),
        }
    }

    /// Returns the last time in the labels as they are sent; `None` if no labels are loaded or their times do not move.
    fn last_label(&self) -> Option<SimTime> {
        let shift = self.before_loop(self.options.loops.get() - 1);
        let labels = self.labels.as_deref().filter(|_| (self.shift, shift) != (Span::ZERO, Span::ZERO))?;
        let last =
            labels.iter().map(|label| label.cause_end.max(label.effect_end).max(label.peak_at)).max()?;
        Some(later(later(last, shift), self.shift))
    }

    /// Determines which recording this is and where it ends, because topics need to know both. Reads the recording if
    /// it does not contain these facts, except if it can be read only once.
    ///
    /// # Errors
    /// If the recording can't be read.
    pub fn identify(&mut self) -> Result<(), ReplayError> {
        let digest = self.recording.digest()?.unwrap_or_default();
        self.sequence.push_str(&format!("\nrecording={digest}"));
        let is_known = self.last().is_some() && self.options.max_gap.is_none();
        if !is_known && !self.recording.is_read_once() {
            self.measure()?;
        }
        Ok(())
    }

    /// Loads the labels of the recording, which then move with its records. Returns whether the recording has labels.
    ///
    /// # Errors
    /// If the labels can't be read.
    pub fn with_labels(&mut self) -> Result<bool, RecordingError> {
        self.labels = self.recording.labels()?;
        Ok(self.labels.is_some())
    }

    /// The event time of the first record as it is sent.
    pub fn first_event(&self) -> SimTime {
        self.first + self.shift
    }

    /// The last event time that is sent, if it is known.
    pub fn last_event(&self) -> Option<SimTime> {
        self.last().map(|last| later(last, self.shift))
    }

    /// The labels of the recording, if they are loaded.
    pub fn labels(&self) -> Option<&[Label]> {
        self.labels.as_deref()
    }

    /// How much event times move in the first loop.
    pub fn shift(&self) -> Span {
        self.shift
    }

    /// What outputs need to know before the first record.
    pub fn about(&self) -> About {
        About {
            schema: Arc::clone(self.recording.schema()),
            first_event: self.first_event(),
            last_event: self.last_event(),
            last_label: self.last_label(),
            played: self.played(),
            first_row: 0,
            begun: self.options.now,
            is_rendered: false,
            sequence: self.sequence.clone(),
            threads: Threads::new(NonZeroUsize::MIN),
            facts: Vec::new(),
        }
    }

    /// Whether the replay is resumed, so that some rows may already be in the topic.
    pub fn is_resumed(&self) -> bool {
        self.there.is_some()
    }

    /// Sends the recording until its end or until a stop is requested. A stopped output is complete but shorter.
    ///
    /// # Errors
    /// If the recording is damaged or an output fails.
    pub fn send(mut self, mut opened: Opened, player: &mut Player<'_>) -> Result<Summary, ReplayError> {
        let (encode, sink) = opened.take_tee();
        let released = opened.take_label_stream().map(|stream| self.scheduler(stream)).transpose();
        let (scheduler, labels) = match released {
            Ok(released) => released.unzip(),
            Err(error) => {
                opened.discard();
                return Err(error);
            }
        };
        let has_files = opened.wants_labels();
        let loop_names = LoopNames::of(self.labels.as_deref().unwrap_or_default());
        let truth = self.labels.take().filter(|_| has_files).map(Truth::new);
        let writer = PacedWriter::new(player, sink, scheduler, truth.is_some());
        let labels = labels.unwrap_or_default();
        let there = self.there.unwrap_or(0);
        let goes_back = self.goes_back();
        goes_back.iter().for_each(|found| self.warn(found));
        let mut sending = Sending { encode, writer, truth, labels, loop_names, there, stopped_at: None };
        let sent = self.send_loops(&mut sending);
        let Sending { writer, truth, mut stopped_at, .. } = sending;
        let last = writer.last();
        let receipts = match sent {
            Ok(()) if stopped_at.is_some() && writer.rows() == 0 && !opened.is_streamed() => {
                opened.discard();
                return Err(RunError::Stopped.into());
            }
            Ok(()) => writer.finish(stopped_at.is_some()),
            Err(ReplayError::Run(RunError::Output(error))) => {
                drop(writer);
                Err(error)
            }
            Err(error) => {
                drop(writer);
                opened.discard();
                return Err(error);
            }
        };
        let receipts = opened.ended(receipts)?;
        let labels = truth.map(Truth::sent).unwrap_or_default();
        if let Err(error) = opened.write_labels(&labels) {
            opened.discard();
            return Err(error.into());
        }
        let is_stalled = opened.is_stalled() || receipts.iter().any(|receipt| receipt.is_stalled);
        if is_stalled {
            stopped_at.get_or_insert(last);
        }
        let receipts = opened.publish_records(receipts)?;
        let goes_back = goes_back.or_else(|| self.order.found());
        let labels = if has_files { labels.len() as u64 } else { labels_sent(&receipts) };
        Ok(Summary { receipts, labels, kept: player.kept(), stopped_at, is_stalled, goes_back })
    }

    /// Prepares to release the labels of one loop into a stream. Incidents that are not over at the last record are
    /// released at the end.
    fn scheduler(
        &mut self,
        stream: Box<dyn LabelStream>,
    ) -> Result<(LabelScheduler, Vec<Label>), ReplayError> {
        let labels = self.labels_of_selection()?;
        let Extent { step, .. } = self.measure()?;
        let end = self.last_event().unwrap_or(self.first) + step;
        Ok((LabelScheduler::new(stream, end), labels))
    }

    /// Returns where event times go back; `None` if they do not, or if the whole recording was not read yet.
    pub fn goes_back(&self) -> Option<GoesBack> {
        self.extent.as_ref().and_then(|(_, order)| order.found())
    }

    fn warn(&self, found: &GoesBack) {
        self.options.on_event.iter().for_each(|on_event| on_event(&Event::Warning(found.to_string())));
    }

    /// Returns the labels of the selected records in one loop; none if no labels are loaded.
    fn labels_of_selection(&self) -> Result<Vec<Label>, ReplayError> {
        let recorded = self.labels.clone().unwrap_or_default();
        if self.options.selection.is_all() {
            return Ok(recorded);
        }
        // Only reading all selected records shows which labels belong to them.
        let mut truth = Truth::new(recorded);
        for batch in self.recording.select(&self.options.selection)? {
            truth.see(&batch?, Span::ZERO);
        }
        truth.end_loop(1, Span::ZERO, false);
        Ok(truth.sent())
    }

    /// Returns the number of labels of the selected records in all loops; 0 if no labels are loaded.
    ///
    /// # Errors
    /// If the recording can't be read.
    pub fn num_labels(&self) -> Result<u64, ReplayError> {
        let one = self.labels_of_selection()?.len() as u64;
        Ok(one.saturating_mul(self.options.loops.get()))
    }

    fn send_loops(&mut self, sending: &mut Sending<'_, '_>) -> Result<(), ReplayError> {
        let mut is_warned = self.goes_back().is_some();
        for number in 0..self.options.loops.get() {
            let shift = Span(self.shift.0.saturating_add(self.before_loop(number).0));
            let mut batches = match number {
                0 => None,
                _ => Some(self.recording.select(&self.options.selection)?.peekable()),
            };
            sending.writer.player.moved_by(shift);
            if let Some(scheduler) = sending.writer.scheduler() {
                let moved = |label| truth::moved(label, sending.loop_names, number + 1, shift);
                scheduler.hand_in(sending.labels.iter().map(moved));
            }
            while let Some(batch) = batches.as_mut().unwrap_or(&mut self.batches).next() {
                if !is_warned && let Some(found) = self.order.found() {
                    is_warned = true;
                    self.warn(&found);
                }
                sending.send(batch?, shift)?;
                if sending.stopped_at.is_some() {
                    break;
                }
            }
            let is_whole = self.options.selection.is_all() && sending.stopped_at.is_none();
            if let Some(truth) = &mut sending.truth {
                truth.end_loop(number + 1, shift, is_whole);
            }
            if sending.stopped_at.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Adds `shift` to a moment, up to the last possible `SimTime`.
fn later(moment: SimTime, shift: Span) -> SimTime {
    SimTime(moment.0.saturating_add(shift.0))
}

/// Checks that the recording contains each requested incident.
fn check_incidents(recording: &Recording, selection: &Selection) -> Result<(), ReplayError> {
    if selection.incidents.is_empty() {
        return Ok(());
    }
    let labels = recording.labels()?.ok_or(ReplayError::NoLabels)?;
    let is_known =
        |pattern: &&String| labels.iter().any(|label| crate::glob::matches(pattern, &label.incident_id));
    match selection.incidents.iter().flatten().find(|pattern| !is_known(pattern)) {
        Some(pattern) => Err(ReplayError::NoIncident(pattern.clone())),
        None => Ok(()),
    }
}
