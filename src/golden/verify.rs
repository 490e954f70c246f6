//! Decides whether a scenario still produces what its entry says, and how much to render for that.

use super::compare::compare;
use super::difference::Difference;
use super::entry::Entry;
use super::take::{Digests, take};
use crate::digest;
use crate::plan::VALUES_EPOCH;
use crate::run::Run;

/// What `verify` trusts without computing it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: every line of the entry is computed again.
    Nothing,
    /// The checksum of the entry: the scenario is rendered, and only its totals are compared.
    Checksum,
    /// Also that the same scenario with the same epoch produces the same rows: only changed scenarios are rendered.
    Inputs,
}

impl Trust {
    /// Whether an entry is compared at all. An entry with a wrong checksum is compared only if every line is computed
    /// again.
    pub fn accepts(self, entry: &Entry) -> bool {
        self == Trust::Nothing || entry.is_intact()
    }
}

/// The result of checking whether a scenario still produces what was locked.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It produces the same.
    Same,
    /// This program and the one that locked the scenario have different versions of the generated values.
    OtherEpoch {
        /// The version in the lock.
        locked: u32,
        /// The version of this program.
        now: u32,
    },
    /// It produces something else.
    Differs(Box<Difference>),
    /// The checksum of the entry does not match its lines. With `Trust::Nothing`, this contains the lines that differ
    /// from what the scenario produces, if any.
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
        // Render it again to describe the differences. At least the totals differ.
        _ => differs(compare(locked, &take(run))),
    }
}

/// Returns the differences in all lines between an entry and the one that its scenario produces now.
pub fn every_line(locked: &Entry, now: &Entry) -> Option<Difference> {
    let mut difference = compare(locked, now).unwrap_or_default();
    if locked.scenario != now.scenario && difference.is_empty() {
        difference.whole.push("the scenario has changed, but its rows and labels are the same".into());
    }
    (!difference.is_empty()).then_some(difference)
}
