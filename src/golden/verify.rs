use super::compare::compare;
use super::difference::Difference;
use super::entry::Entry;
use super::take::{Digests, take};
use crate::digest;
use crate::plan::VALUES_EPOCH;
use crate::run::Run;

/// What is taken on trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: every line is computed again.
    Nothing,
    /// The checksum of the lock: the scenario is rendered, and its totals are compared.
    Checksum,
    /// That the same scenario under the same epoch gives the same rows, too: only what changed is rendered.
    Inputs,
}

impl Trust {
    /// Whether an entry is compared at all: one whose checksum is not that of its lines only if every line is
    /// computed again.
    pub fn accepts(self, entry: &Entry) -> bool {
        self == Trust::Nothing || entry.is_intact()
    }
}

/// Whether a scenario still gives what was locked.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It does.
    Same,
    /// The program makes other values than the one that locked it.
    OtherEpoch {
        /// That of the lock.
        locked: u32,
        /// That of this program.
        now: u32,
    },
    /// It does not.
    Differs(Box<Difference>),
    /// The checksum of the entry is not that of its lines. Under `Trust::Nothing` with the lines that differ
    /// from what the scenario gives, if any do.
    Edited(Option<Box<Difference>>),
}

/// Checks the entry, renders the scenario again and compares.
pub fn verify(locked: &Entry, run: &Run, trust: Trust) -> Verdict {
    if !trust.accepts(locked) {
        return Verdict::Edited(None);
    }
    if !locked.is_intact() {
        return Verdict::Edited(every_line(locked, &take(run)).map(Box::new));
    }
    if locked.epoch != VALUES_EPOCH {
        return Verdict::OtherEpoch { locked: locked.epoch, now: VALUES_EPOCH };
    }
    let differs =
        |difference: Option<Difference>| difference.map_or(Verdict::Same, |it| Verdict::Differs(it.into()));
    match trust {
        Trust::Nothing => differs(every_line(locked, &take(run))),
        Trust::Inputs if locked.scenario == digest::of_text(run.plan().scenario_json()) => Verdict::Same,
        _ if Digests::of(run).are_those_of(locked) => Verdict::Same,
        // Once more to name what differs, which is in the totals at least.
        _ => differs(compare(locked, &take(run))),
    }
}

/// What differs in any line between an entry and the one that its scenario gives now.
pub fn every_line(locked: &Entry, now: &Entry) -> Option<Difference> {
    let mut difference = compare(locked, now).unwrap_or_default();
    if locked.scenario != now.scenario && difference.is_empty() {
        difference.whole.push("the scenario is another one, and gives the same rows and labels".into());
    }
    (!difference.is_empty()).then_some(difference)
}
