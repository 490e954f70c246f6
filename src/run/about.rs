//! Collects what outputs need to know before the first record, such as event times and the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Rebase, Run, RunError};
use crate::digest;
use crate::recording::{ClockFacts, FORMAT, Manifest, WindowFacts};
use crate::schema::Schema;
use crate::threads::Threads;
use crate::time::{BLOCK, SimTime, Span};

/// What outputs need to know before the first record.
#[derive(Clone, Debug)]
pub struct About {
    /// The types of the records.
    pub schema: Arc<Schema>,
    /// The event time of the first record.
    pub first_event: SimTime,
    /// The event time of the last record, if it is known.
    pub last_event: Option<SimTime>,
    /// An upper bound of the times in labels; `None` if labels are not moved.
    pub last_label: Option<SimTime>,
    /// The event time that is played from the first record to the last. A replay can skip silences.
    pub played: Span,
    /// The number of the first record: in a run, the ticks before it × the entities.
    pub first_row: u64,
    /// The time at which sending begins.
    pub begun: SimTime,
    /// Whether a dataset can state how its records are rendered again.
    pub is_rendered: bool,
    /// A text of everything that decides which records are sent.
    pub sequence: String,
    /// The threads that may encode.
    pub threads: Threads,
    /// What files may state about the run, by key.
    pub facts: Vec<(String, String)>,
}

impl About {
    /// Refuses times that a record can't have or that a label can't show.
    pub(super) fn check_times(&self) -> Result<(), RunError> {
        let events = [Some(self.first_event), self.last_event].into_iter().flatten();
        let what = match self.last_label {
            _ if !events.clone().all(SimTime::is_recordable) => "an event time",
            Some(last) if last > SimTime::END => "the time of a label",
            _ => return Ok(()),
        };
        let message =
            format!("{what} would be out of range: times must be between 1970 and {}", SimTime::END);
        Err(RunError::Target { message, help: "choose another `--rebase`".into() })
    }
}

impl Run {
    /// Returns what outputs need to know before the first record.
    pub fn about(&self) -> About {
        let manifest = self.manifest();
        About {
            schema: Arc::clone(self.plan.schema()),
            first_event: self.first_event() + self.shift(),
            last_event: Some(self.last_event() + self.shift()),
            last_label: (self.shift() != Span::ZERO).then(|| self.last_label() + self.shift()),
            played: self.last_event() - self.first_event(),
            first_row: self.plan.rows().before(self.left().from()),
            begun: self.begun,
            is_rendered: self.rebase == Rebase::Keep,
            sequence: self.sequence(&manifest),
            threads: self.threads.clone(),
            facts: manifest.facts(),
        }
    }

    /// Returns an upper bound of the times in labels.
    fn last_label(&self) -> SimTime {
        let last = self.last_event();
        let ends = self.plan.times_between(last, last + Span(1)).map(|(_, end)| end);
        // After-effects end at the first block start that is at least one hour (the warm-up) after the incident's end.
        // Two blocks are always enough for that.
        ends.max().unwrap_or(last).max(last) + BLOCK + BLOCK
    }

    /// Returns the manifest as far as it is known before the first record.
    pub(super) fn manifest(&self) -> Manifest {
        let clock = self.plan.clock();
        Manifest {
            format: FORMAT,
            program: concat!("reenact ", env!("CARGO_PKG_VERSION")).into(),
            epoch: crate::plan::VALUES_EPOCH,
            name: self.plan.name().into(),
            scenario_digest: digest::of_text(self.plan.scenario_json()),
            seed: self.plan.seed(),
            clock: ClockFacts {
                start: clock.start().to_string(),
                run: clock.run().to_string(),
                step: clock.step().to_string(),
            },
            window: WindowFacts {
                from: clock.at(self.whole.from()).to_string(),
                to: clock.at(self.whole.to()).to_string(),
            },
            shard: self.shard.map(|(i, n)| format!("{i}/{n}")),
            without: self.without.clone(),
            parts: Vec::new(),
            digest: String::new(),
            labels: None,
            incidents: BTreeMap::new(),
        }
    }

    /// Returns a text that identifies the records: two runs with the same text send the same records.
    fn sequence(&self, manifest: &Manifest) -> String {
        let Manifest { epoch, scenario_digest, shard, without, .. } = manifest;
        let scenario_digest = match self.starts_now {
            true => &digest::of_text(&starting_now(self.plan.scenario_json())),
            false => scenario_digest,
        };
        let (from, to) = (self.whole.from().0, self.whole.to().0);
        let (shard, without) = (shard.as_deref().unwrap_or_default(), without.join(","));
        format!(
            "run\nepoch={epoch}\nscenario={scenario_digest}\nfrom={from}\nto={to}\nshard={shard}\nwithout={without}\nrebase={:?}",
            self.rebase
        )
    }
}

/// Returns a resolved scenario with the word `now` as its start instead of a time.
fn starting_now(json: &str) -> String {
    let mut scenario: serde_json::Value = serde_json::from_str(json).expect("it was written by this program");
    scenario["clock"]["start"] = "now".into();
    scenario.to_string()
}
