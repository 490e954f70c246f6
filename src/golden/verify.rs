use super::compare::compare;
use super::difference::Difference;
use super::lock::Entry;
use super::take::{Digests, take};
use crate::digest;
use crate::plan::VALUES_EPOCH;
use crate::run::Run;

/// What is taken on trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: everything is rendered again.
    Nothing,
    /// That the same scenario under the same epoch gives the same rows: only what changed is rendered.
    Inputs,
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
}

/// Renders a scenario again and compares digests; only where they differ, once more to tell what.
pub fn verify(locked: &Entry, run: &Run, trust: Trust) -> Verdict {
    if locked.epoch != VALUES_EPOCH {
        return Verdict::OtherEpoch { locked: locked.epoch, now: VALUES_EPOCH };
    }
    if trust == Trust::Inputs && locked.scenario == digest::of_text(run.plan().scenario_json()) {
        return Verdict::Same;
    }
    if Digests::of(run).are_those_of(locked) {
        return Verdict::Same;
    }
    // What differs is then in the digests at least.
    compare(locked, &take(run)).map_or(Verdict::Same, |difference| Verdict::Differs(difference.into()))
}
