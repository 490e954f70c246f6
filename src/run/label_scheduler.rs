//! Holds back the labels of an incident until all records that they describe have arrived.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::Run;
use crate::label::Label;
use crate::output::{LabelStream, OutputError, Receipt};
use crate::pipeline::{self, Piece};
use crate::threads::{Threads, made_ahead};
use crate::time::SimTime;

/// Labels on their way to a stream. All rows of an incident are sent together, once the records up to the end of its
/// last effect have arrived. The order is (end of the last effect, incident).
pub struct LabelScheduler {
    stream: Box<dyn LabelStream>,
    feed: Feed,
    /// The latest release time. Effects that end later count as ending here.
    end: SimTime,
    /// Labels that are not released yet.
    waiting: BTreeMap<(SimTime, String), Vec<Label>>,
    /// The event time up to which all records have arrived.
    arrived: SimTime,
    /// The release time of the rows released last, and how many rows were released for it so far.
    last: (SimTime, u64),
}

/// Where labels come from.
enum Feed {
    /// The caller hands them in, before it sends the first record after the incident's beginning.
    HandedIn,
    /// A separate thread makes them. All incidents that begin before this time have been received.
    Made(Box<dyn Iterator<Item = Item> + Send>, SimTime),
}

/// What the thread makes.
enum Item {
    Incident(Vec<Label>),
    Followed(SimTime),
}

/// The number of incidents that the thread makes ahead.
const AHEAD: usize = 64;

impl LabelScheduler {
    /// Creates a queue for labels that the caller hands in.
    pub fn new(stream: Box<dyn LabelStream>, end: SimTime) -> LabelScheduler {
        LabelScheduler {
            stream,
            feed: Feed::HandedIn,
            end,
            waiting: BTreeMap::new(),
            arrived: SimTime(i64::MIN),
            last: (SimTime(i64::MIN), 0),
        }
    }

    /// Creates a queue for the labels of a run, which a separate thread makes.
    ///
    /// # Errors
    /// If the thread that makes them can't be started.
    pub(super) fn of(run: &Run, stream: Box<dyn LabelStream>) -> io::Result<LabelScheduler> {
        let end = run.plan.clock().at(run.whole.to()) + run.shift();
        let run = run.clone();
        let items = made_ahead(AHEAD, move |give| {
            let one = Threads::new(std::num::NonZeroUsize::MIN);
            // An error means that the receiver has ended, so the remaining labels are not needed.
            let _ = pipeline::pieces(
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
        })?;
        let feed = Feed::Made(Box::new(items), SimTime(i64::MIN));
        Ok(LabelScheduler { feed, ..LabelScheduler::new(stream, end) })
    }

    /// Adds labels of incidents that begin later than the records sent so far.
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

    /// Notes that all records up to an event time have arrived, and that the time `passed` has gone by.
    ///
    /// # Errors
    /// If labels that are due can't be sent.
    pub fn arrived(&mut self, moment: SimTime, passed: Duration) -> Result<(), OutputError> {
        if moment <= self.arrived {
            return self.stream.idle(passed);
        }
        self.arrived = moment;
        self.release(moment)
    }

    /// Sends the labels of the incidents that are complete at a moment.
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

    /// Limits the time that `finish` may take.
    pub fn hurry(&mut self, limit: Duration) {
        self.stream.hurry(limit);
    }

    /// Ends the stream after all records have arrived. Sends the remaining labels, unless the run was stopped: the run
    /// that resumes it sends them.
    ///
    /// # Errors
    /// If a label is not acknowledged.
    pub fn finish(mut self, is_stopped: bool) -> Result<Receipt, OutputError> {
        if !is_stopped {
            self.release(SimTime(i64::MAX))?;
        }
        self.stream.finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Records the moment, the ordinal and the incident of each write.
    #[derive(Clone, Default)]
    pub struct Notes(Arc<Mutex<Vec<(i64, u64, String)>>>);

    impl LabelStream for Notes {
        fn write(&mut self, rows: &[Label], moment: SimTime, ordinal: u64) -> Result<(), OutputError> {
            self.0.lock().unwrap().push((moment.0, ordinal, rows[0].incident_id.clone()));
            Ok(())
        }

        fn idle(&mut self, _: Duration) -> Result<(), OutputError> {
            Ok(())
        }

        fn hurry(&mut self, _: Duration) {}

        fn finish(self: Box<Self>) -> Result<Receipt, OutputError> {
            Ok(Receipt::default())
        }
    }

    /// Creates a label row of an incident, with effects from 1970 until `until` seconds later.
    pub fn label(incident: &str, until: i64) -> Label {
        let (start, until) = (SimTime(0).to_string(), SimTime(until * 1_000).to_string());
        let [entity, decimal] = ["srv-001", "1.0"];
        let fields = [
            incident,
            "cpu_spike",
            "high",
            "4",
            "scheduled",
            "false",
            "cause",
            "server",
            entity,
            "cpu_usage_percent",
            &start,
            &until,
            &start,
            &until,
            &start,
            decimal,
            decimal,
            "",
            entity,
        ];
        Label::from_fields(&fields.map(String::from), crate::engine::models::builtin()).unwrap()
    }

    const END: SimTime = SimTime(60_000);

    fn scheduler() -> (LabelScheduler, Notes) {
        let notes = Notes::default();
        let mut scheduler = LabelScheduler::new(Box::new(notes.clone()), END);
        scheduler.hand_in([
            label("b", 20),
            label("a", 10),
            label("c", 20),
            label("c", 15),
            label("late", 90),
        ]);
        (scheduler, notes)
    }

    pub fn written(notes: &Notes) -> Vec<(i64, u64, String)> {
        notes.0.lock().unwrap().clone()
    }

    #[test]
    fn an_incident_s_labels_wait_until_the_last_record_in_which_it_shows_has_arrived() {
        let (mut scheduler, notes) = scheduler();
        scheduler.arrived(SimTime(9_999), Duration::ZERO).unwrap();
        assert_eq!(written(&notes), []);
        scheduler.arrived(SimTime(10_000), Duration::ZERO).unwrap();
        assert_eq!(written(&notes), [(10_000, 0, "a".into())]);
        scheduler.arrived(SimTime(30_000), Duration::ZERO).unwrap();
        assert_eq!(written(&notes)[1..], [(20_000, 0, "b".into()), (20_000, 1, "c".into())]);
    }

    #[test]
    fn what_is_whole_has_all_labels_and_what_is_stopped_those_of_what_is_over() {
        let (whole, notes) = scheduler();
        whole.finish(false).unwrap();
        assert_eq!(written(&notes).last(), Some(&(END.0, 0, "late".into())));
        assert_eq!(written(&notes).len(), 4);
        let (mut stopped, notes) = scheduler();
        stopped.arrived(SimTime(10_000), Duration::ZERO).unwrap();
        stopped.finish(true).unwrap();
        assert_eq!(written(&notes), [(10_000, 0, "a".into())]);
    }
}
