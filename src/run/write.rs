//! Writes a run to its open outputs from the first batch to publication, and returns a summary.

use std::collections::BTreeMap;

use super::Run;
use super::error::RunError;
use super::label_scheduler::LabelScheduler;
use super::open::Opened;
use super::paced_writer::PacedWriter;
use crate::batch::Batch;
use crate::label::Label;
use crate::output::{Encode, FanPart, Holds, Receipt};
use crate::pipeline::{self, Piece};
use crate::player::{Kept, Moment, Pace, Player, Unattended};
use crate::recording::{Manifest, Part};
use crate::time::{SimTime, Span, Window};

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The event time of the last record that was rendered.
    pub event_time: SimTime,
    /// The number of records rendered so far.
    pub rows: u64,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Written {
    /// One receipt per output.
    pub receipts: Vec<Receipt>,
    /// The number of label rows, in files or in a topic.
    pub labels: u64,
    /// The number of labelled incidents by kind; empty if no labels were computed.
    pub incidents: BTreeMap<String, u64>,
    /// The ids of labelled incidents that are not visible in any metric.
    pub unseen: Vec<String>,
    /// How well the pace was kept; `None` without a pace.
    pub kept: Option<Kept>,
    /// The event time at which the run stopped, if it was stopped. Records from then on were not written.
    pub stopped_at: Option<SimTime>,
    /// Whether the reader of a pipe took no more data after the stop. Its data may then end within a row.
    pub is_stalled: bool,
}

/// A summary of the labels.
#[derive(Debug, Default)]
struct LabelSummary {
    rows: u64,
    /// The number of incidents, by kind.
    incidents: BTreeMap<String, u64>,
    /// The ids of incidents that stayed below a quarter of the scale in all of their rows.
    unseen: Vec<String>,
}

impl LabelSummary {
    /// Adds the rows of one incident, and whether it is visible.
    fn add(&mut self, rows: &[Label], shows: bool) {
        let Some(first) = rows.first() else { return };
        self.rows += rows.len() as u64;
        *self.incidents.entry(first.kind.clone()).or_insert(0) += 1;
        if !shows {
            self.unseen.push(first.incident_id.clone());
        }
    }
}

/// Rows that are sent together.
struct Leaving {
    /// The event time of the last of them.
    moment: SimTime,
    rows: u64,
    part: FanPart,
}

impl Leaving {
    fn new(batch: &Batch, encode: &impl Encode<Part = FanPart>) -> Option<Leaving> {
        let (moment, rows) = (batch.last_event()?, batch.num_rows() as u64);
        Some(Leaving { moment, rows, part: encode.encode(batch) })
    }
}

/// The state that is needed while records are being written.
struct Writing<'p, 'c> {
    writer: PacedWriter<'p, 'c>,
    progress: Progress,
    stopped_at: Option<SimTime>,
}

impl Writing<'_, '_> {
    /// Writes rows when the last of them is due.
    fn leave(&mut self, Leaving { moment, rows, part }: Leaving) -> Result<(), RunError> {
        if self.writer.wait(moment)? == Moment::Interrupted {
            return self.stop(moment);
        }
        match self.writer.leave(moment, rows, || part) {
            Err(RunError::Stopped) => return self.stop(moment),
            left => left?,
        }
        self.progress = Progress { event_time: moment, rows: self.writer.rows() };
        Ok(())
    }

    /// Stops if a stop was requested while there is nothing to write.
    fn heed(&mut self) -> Result<(), RunError> {
        if self.writer.player.heed() { self.stop(self.progress.event_time) } else { Ok(()) }
    }

    fn stop(&mut self, moment: SimTime) -> Result<(), RunError> {
        // Without a pace, many ticks are sent together, and the first one of these rows is not known.
        self.stopped_at = Some(if self.writer.player.is_paced() { moment } else { self.progress.event_time });
        Err(RunError::Stopped)
    }
}

/// Returns the number of label rows that were sent to a topic.
pub fn labels_sent(receipts: &[Receipt]) -> u64 {
    receipts.iter().filter(|receipt| receipt.holds == Holds::Labels).map(|receipt| receipt.rows).sum()
}

impl Run {
    /// Writes the run to open outputs.
    ///
    /// # Errors
    /// If an output fails. Nothing is published then.
    pub fn write_opened(&self, opened: Opened) -> Result<Written, RunError> {
        let mut unattended = Unattended;
        let mut player = Player::new(Pace::AsFastAsPossible, &mut unattended);
        self.write_played(opened, &mut player, |_| ())
    }

    /// Writes the run at a pace, until its end or until a stop is requested. `watch` is called with the progress.
    ///
    /// After a stop, outputs with a pace and streamed outputs are shorter but complete. Files and datasets without a
    /// pace are not published.
    ///
    /// # Errors
    /// If an output fails, or if the run is stopped before there is something to publish. Nothing is published then.
    pub fn write_played(
        &self,
        mut opened: Opened,
        player: &mut Player<'_>,
        mut watch: impl FnMut(&Progress),
    ) -> Result<Written, RunError> {
        let (encode, sink) = opened.take_tee();
        let scheduler = opened.take_label_stream().map(|stream| LabelScheduler::of(self, stream)).transpose();
        let scheduler = scheduler.map_err(|source| {
            opened.discard();
            RunError::NoThread(source)
        })?;
        let is_paced = player.is_paced();
        let has_files = opened.wants_labels();
        let is_wanted = has_files || self.plan().expects_visible();
        // With a pace, labels are written last: only then is it known where the run ends and which labels are valid by
        // then.
        let span = (is_wanted && !is_paced).then(|| self.label_span());
        let mut summary = LabelSummary::default();
        let shift = self.shift();
        player.moved_by(shift);
        let progress = Progress { event_time: self.first_event() + shift, rows: 0 };
        let writer = PacedWriter::new(player, sink, scheduler, is_wanted);
        let mut writing = Writing { writer, progress, stopped_at: None };
        let leaving = |batch: &Batch| -> Vec<Leaving> {
            let moved = (shift != Span::ZERO).then(|| {
                let mut moved = batch.clone();
                moved.move_by(shift);
                moved
            });
            let batch = moved.as_ref().unwrap_or(batch);
            match is_paced {
                true => batch.ticks().filter_map(|tick| Leaving::new(&tick, &encode)).collect(),
                false => Leaving::new(batch, &encode).into_iter().collect(),
            }
        };
        let take = |piece: Piece<Vec<Leaving>>| match piece {
            Piece::Records(parts) => parts.into_iter().try_for_each(|part| {
                writing.leave(part)?;
                watch(&writing.progress);
                Ok(())
            }),
            Piece::Labels(rows) => {
                writing.heed()?;
                self.take_labels(rows, &mut opened, &mut summary)?;
                if opened.is_stalled() { writing.stop(writing.progress.event_time) } else { Ok(()) }
            }
            // Measuring an incident's labels can go on long after the last record.
            Piece::Followed(_) => writing.heed(),
        };
        let rendered =
            pipeline::pieces(self.plan(), Some(self.left()), span, self.on_threads(), leaving, take);
        let Writing { writer, progress, mut stopped_at } = writing;
        let receipts = match rendered {
            Ok(()) => writer.finish(false),
            Err(RunError::Output(error)) => {
                drop(writer);
                Err(error)
            }
            Err(stopped) => {
                let flushed = writer.finish(true);
                if !is_paced && !opened.is_streamed() {
                    opened.discard();
                    return Err(flushed.err().map_or(stopped, RunError::from));
                }
                flushed
            }
        };
        let receipts = opened.ended(receipts)?;
        let Some(written) = self.until(stopped_at) else {
            opened.discard();
            return Err(RunError::Stopped);
        };
        if is_wanted && is_paced {
            written.write_labels(&mut opened, &mut summary)?;
        }
        let is_stalled = opened.is_stalled() || receipts.iter().any(|receipt| receipt.is_stalled);
        if is_stalled {
            stopped_at.get_or_insert(progress.event_time);
        }
        let receipts = opened.publish(
            receipts,
            |receipt, labels| Manifest {
                parts: receipt.parts.iter().map(Part::from).collect(),
                digest: receipt.digest.clone().unwrap_or_default(),
                labels,
                incidents: summary.incidents.clone(),
                ..written.manifest()
            },
            self.plan().scenario_yaml(),
        )?;
        let LabelSummary { rows, incidents, unseen } = summary;
        let labels = if has_files { rows } else { labels_sent(&receipts) };
        Ok(Written { receipts, labels, incidents, unseen, kept: player.kept(), stopped_at, is_stalled })
    }

    /// Returns the part of the run that was written; `None` if nothing was.
    fn until(&self, stopped_at: Option<SimTime>) -> Option<Run> {
        let Some(moment) = stopped_at else { return Some(self.clone()) };
        let to = self.plan().clock().tick_at_or_after(moment - self.shift());
        let window = Window::new(self.window().from(), to)?;
        Some(Run { whole: window, window, shard: None, ..self.clone() })
    }

    fn write_labels(&self, opened: &mut Opened, summary: &mut LabelSummary) -> Result<(), RunError> {
        let span = Some(self.label_span());
        let written = pipeline::pieces(
            self.plan(),
            None,
            span,
            self.on_threads(),
            |_| (),
            |piece| match piece {
                Piece::Labels(rows) => self.take_labels(rows, opened, summary),
                _ => Ok(()),
            },
        );
        if written.is_err() {
            opened.discard();
        }
        written
    }

    /// Writes the labels of one incident.
    fn take_labels(
        &self,
        rows: Vec<Label>,
        opened: &mut Opened,
        summary: &mut LabelSummary,
    ) -> Result<(), RunError> {
        // Visibility depends on all rows of the incident, including those outside the window.
        let shows = rows.iter().any(Label::is_visible);
        let rows: Vec<Label> = self.moved(rows).collect();
        summary.add(&rows, shows);
        Ok(opened.write_labels(&rows)?)
    }
}
