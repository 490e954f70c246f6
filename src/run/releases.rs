use std::collections::BTreeMap;
use std::io;
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
    /// Up to this event time all records have arrived.
    arrived: SimTime,
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
            arrived: SimTime(i64::MIN),
            last: (SimTime(i64::MIN), 0),
        }
    }

    /// Those of a run.
    ///
    /// # Errors
    /// If no thread can be started to make them.
    pub(super) fn of(run: &Run, stream: Box<dyn LabelStream>) -> io::Result<Releases> {
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
        })?;
        let feed = Feed::Made(Box::new(items), SimTime(i64::MIN));
        Ok(Releases { feed, ..Releases::new(stream, end) })
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

    /// All records up to an event time have arrived; so much time has passed.
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

    /// Ends within this time.
    pub fn hurry(&mut self, limit: Duration) {
        self.stream.hurry(limit);
    }

    /// Everything has arrived; the rest of the labels too, unless it was stopped: a run that goes on sends them.
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

    /// Notes the moment, the ordinal and the incident of what is written.
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

    /// A row of an incident, which shows until so many seconds after 1970.
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

    fn releases() -> (Releases, Notes) {
        let notes = Notes::default();
        let mut releases = Releases::new(Box::new(notes.clone()), END);
        releases.hand_in([label("b", 20), label("a", 10), label("c", 20), label("c", 15), label("late", 90)]);
        (releases, notes)
    }

    pub fn written(notes: &Notes) -> Vec<(i64, u64, String)> {
        notes.0.lock().unwrap().clone()
    }

    #[test]
    fn an_incident_s_labels_wait_until_the_last_record_in_which_it_shows_has_arrived() {
        let (mut releases, notes) = releases();
        releases.arrived(SimTime(9_999), Duration::ZERO).unwrap();
        assert_eq!(written(&notes), []);
        releases.arrived(SimTime(10_000), Duration::ZERO).unwrap();
        assert_eq!(written(&notes), [(10_000, 0, "a".into())]);
        releases.arrived(SimTime(30_000), Duration::ZERO).unwrap();
        assert_eq!(written(&notes)[1..], [(20_000, 0, "b".into()), (20_000, 1, "c".into())]);
    }

    #[test]
    fn what_is_whole_has_all_labels_and_what_is_stopped_those_of_what_is_over() {
        let (whole, notes) = releases();
        whole.finish(false).unwrap();
        assert_eq!(written(&notes).last(), Some(&(END.0, 0, "late".into())));
        assert_eq!(written(&notes).len(), 4);
        let (mut stopped, notes) = releases();
        stopped.arrived(SimTime(10_000), Duration::ZERO).unwrap();
        stopped.finish(true).unwrap();
        assert_eq!(written(&notes), [(10_000, 0, "a".into())]);
    }
}
