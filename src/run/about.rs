use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Rebase, Run, RunError};
use crate::digest;
use crate::recording::{ClockFacts, FORMAT, Manifest, WindowFacts};
use crate::schema::Schema;
use crate::threads::Threads;
use crate::time::{BLOCK, SimTime, Span};

/// What outputs are told before the first record.
#[derive(Clone, Debug)]
pub struct About {
    /// The types of the records.
    pub schema: Arc<Schema>,
    /// The first record's event time.
    pub first_event: SimTime,
    /// The last record's, where it is known.
    pub last_event: Option<SimTime>,
    /// No label has a later time, where labels are moved.
    pub last_label: Option<SimTime>,
    /// How much event time is played from the first record to the last: silences can be left out.
    pub played: Span,
    /// The first record's number: ticks before it × entities, in a run.
    pub first_row: u64,
    /// The moment at which it begins.
    pub begun: SimTime,
    /// A dataset could say how its records are rendered again.
    pub is_rendered: bool,
    /// All that decides which records are sent, as a text.
    pub sequence: String,
    /// Threads that may encode.
    pub threads: Threads,
    /// What files may say of the run, by key.
    pub facts: Vec<(String, String)>,
}

impl About {
    /// Times that no record can have, or that a label could not show.
    pub(super) fn check_times(&self) -> Result<(), RunError> {
        let events = [Some(self.first_event), self.last_event].into_iter().flatten();
        let what = match self.last_label {
            _ if !events.clone().all(SimTime::is_recordable) => "an event time",
            Some(last) if last > SimTime::END => "the time of a label",
            _ => return Ok(()),
        };
        let message =
            format!("{what} would be outside of what can be written: from 1970 to {}", SimTime::END);
        Err(RunError::Target { message, help: "choose another `--rebase`".into() })
    }
}

impl Run {
    /// What outputs are told before the first record.
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

    /// No label has a later time.
    fn last_label(&self) -> SimTime {
        let last = self.last_event();
        let ends = self.plan.times_between(last, last + Span(1)).map(|(_, end)| end);
        // After-effects last until the next block begins, whose state was settled for an hour.
        ends.max().unwrap_or(last).max(last) + BLOCK + BLOCK
    }

    /// What is known of it before the first record.
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

    /// Two runs with the same text send the same records.
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

/// A resolved scenario whose start is the word, not the moment.
fn starting_now(json: &str) -> String {
    let mut scenario: serde_json::Value = serde_json::from_str(json).expect("it was written by this program");
    scenario["clock"]["start"] = "now".into();
    scenario.to_string()
}
