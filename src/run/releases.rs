use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Run;
use crate::drive::{self, Piece};
use crate::label::Label;
use crate::output::{LabelStream, OutputError, Receipt};
use crate::threads::{Threads, made_ahead};
use crate::time::SimTime;

/// Labels on their way into a stream: all rows of an incident together, when the records in which it shows have
/// arrived, in the order of (that moment, incident).
pub struct Releases {
    stream: Box<dyn LabelStream>,
    feed: Feed,
    /// The last moment that labels can have: what would come later comes at the end.
    end: SimTime,
    /// Not released yet.
    waiting: BTreeMap<(SimTime, String), Vec<Label>>,
    /// Sent so many records by the event time, and not all acknowledged.
    unacknowledged: VecDeque<(u64, SimTime)>,
    /// Of the rows released last: their moment, and how many had it.
    last: (SimTime, u64),
}

/// Where labels come from.
enum Feed {
    /// They are handed in, before the first record after their beginning is sent.
    HandedIn,
    /// They are made on a thread of its own: of incidents up to this moment all are here.
    Made(Box<dyn Iterator<Item = Item> + Send>, SimTime),
}

/// What a thread makes.
enum Item {
    Incident(Vec<Label>),
    Followed(SimTime),
}

/// Incidents that wait for whoever takes them.
const AHEAD: usize = 64;

impl Releases {
    /// Labels that are handed in.
    pub fn new(stream: Box<dyn LabelStream>, end: SimTime) -> Releases {
        Releases {
            stream,
            feed: Feed::HandedIn,
            end,
            waiting: BTreeMap::new(),
            unacknowledged: VecDeque::new(),
            last: (SimTime(i64::MIN), 0),
        }
    }

    /// Those of a run.
    pub(super) fn of(run: &Run, stream: Box<dyn LabelStream>) -> Releases {
        let end = run.plan.clock().at(run.whole.to()) + run.shift();
        let run = run.clone();
        let items = made_ahead(AHEAD, move |give| {
            let one = Threads::new(std::num::NonZeroUsize::MIN);
            // Who takes them may have ended: then nobody wants the rest.
            let _ = drive::pieces(
                &run.plan,
                None,
                Some(run.label_span()),
                &one,
                |_| (),
                |piece| match piece {
                    Piece::Records(()) => Ok(()),
                    Piece::Labels(rows) => give(Item::Incident(run.moved(rows).collect())),
                    Piece::Followed(moment) => give(Item::Followed(moment + run.shift())),
                },
            );
        });
        let feed = Feed::Made(Box::new(items), SimTime(i64::MIN));
        Releases { feed, ..Releases::new(stream, end) }
    }

    /// Takes in labels of incidents that begin later than what was sent.
    pub fn hand_in(&mut self, labels: impl IntoIterator<Item = Label>) {
        let mut incidents: BTreeMap<String, Vec<Label>> = BTreeMap::new();
        for label in labels {
            incidents.entry(label.incident_id.clone()).or_default().push(label);
        }
        incidents.into_values().for_each(|rows| self.take_in(rows));
    }

    fn take_in(&mut self, rows: Vec<Label>) {
        let Some(last) = rows.iter().map(|label| label.effect_end).max() else { return };
        let id = rows[0].incident_id.clone();
        self.waiting.insert((last.min(self.end), id), rows);
    }

    /// So many records were sent in all, the last one with this event time, and so many acknowledged.
    ///
    /// # Errors
    /// If labels that are due can't be sent.
    pub fn sent(&mut self, records: u64, moment: SimTime, acknowledged: u64) -> Result<(), OutputError> {
        if self.unacknowledged.back().is_none_or(|(sent, _)| *sent < records) {
            self.unacknowledged.push_back((records, moment));
        }
        self.acknowledged(acknowledged, Duration::ZERO)
    }

    /// So many records are acknowledged, after so much time.
    ///
    /// # Errors
    /// If labels that are due can't be sent.
    pub fn acknowledged(&mut self, records: u64, passed: Duration) -> Result<(), OutputError> {
        let mut arrived = None;
        while let Some((_, moment)) = self.unacknowledged.front().filter(|(sent, _)| *sent <= records) {
            arrived = Some(*moment);
            self.unacknowledged.pop_front();
        }
        match arrived {
            Some(moment) => self.release(moment),
            None => self.stream.idle(passed),
        }
    }

    /// Sends what is complete at a moment.
    fn release(&mut self, moment: SimTime) -> Result<(), OutputError> {
        while let Feed::Made(items, followed) = &mut self.feed
            && *followed <= moment
        {
            match items.next() {
                Some(Item::Followed(until)) => *followed = until,
                Some(Item::Incident(rows)) => self.take_in(rows),
                None => self.feed = Feed::HandedIn,
            }
        }
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= moment) {
            let ((moment, _), rows) = first.remove_entry();
            if self.last.0 != moment {
                self.last = (moment, 0);
            }
            self.stream.write(&rows, moment, self.last.1)?;
            self.last.1 += rows.len() as u64;
        }
        self.stream.idle(Duration::ZERO)
    }

    /// Everything has arrived; the rest of the labels too, unless it was stopped, and may take so long to end: a run
    /// that goes on sends them.
    ///
    /// # Errors
    /// If a label is not acknowledged.
    pub fn finish(mut self, stopped_within: Option<Duration>) -> Result<Receipt, OutputError> {
        self.acknowledged(u64::MAX, Duration::ZERO)?;
        match stopped_within {
            Some(limit) => self.stream.hurry(limit),
            None => self.release(SimTime(i64::MAX))?,
        }
        self.stream.finish()
    }
}
