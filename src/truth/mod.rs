//! Computes label rows from a plan and an incident, by comparison with the baseline.
//!
//! Input: a plan and one of its incidents. Output: what that incident changed, measured against the same run
//! without it. This module writes to no sink and starts no thread. It compares rendered rows, not the curves behind
//! them.

mod brute;
mod follow;
mod track;

pub use brute::labels as labels_by_brute_force;
pub use follow::{Followed, follow};

use crate::label::Label;
use crate::plan::{Incident, Plan};
use crate::time::{BlockId, SimTime, Span, Tick};

/// The labels of one incident, in the order of a labels file.
///
/// ```
/// use reenact::scenario::Scenario;
/// let text = "scenario: 1\nuse: dev\nanomalies: [{id: it, kind: cpu_spike, target: srv-001, at: 10m, for: 5m}]";
/// let plan = Scenario::read("spike.yaml", text).plan()?;
/// let labels = reenact::truth::labels(&plan, &plan.incident("it").unwrap());
/// assert_eq!((labels[0].entity.as_str(), labels[0].metric.name()), ("srv-001", "cpu_temperature_celsius"));
/// # Ok::<(), reenact::scenario::Diagnostics>(())
/// ```
pub fn labels(plan: &Plan, incident: &Incident) -> Vec<Label> {
    follow_whole(plan, incident).labels(plan)
}

/// Follows one incident from its onset until nothing of it can be left.
pub fn follow_whole(plan: &Plan, incident: &Incident) -> Followed {
    let mut whole = Followed::new(incident.clone());
    let last = last_tick(plan, incident);
    let mut block = BlockId::holding(incident.start());
    while block.start() <= last {
        let (_, followed) = follow(plan, block, last, |other| other.id == incident.id);
        followed.into_iter().for_each(|part| whole.append(part));
        block = block.next();
    }
    whole
}

/// The number of blocks that must be filled to follow an incident.
pub fn num_blocks(plan: &Plan, incident: &Incident) -> u64 {
    let (first, last) = (incident.start(), last_tick(plan, incident));
    (BlockId::holding(last).0 - BlockId::holding(first).0 + 1).max(0) as u64
}

/// The last tick of the run at which an effect of an incident may be left.
fn last_tick(plan: &Plan, incident: &Incident) -> SimTime {
    let clock = plan.clock();
    let after = clock.tick_at_or_after(after_effects_end(incident.end())).0.min(clock.num_ticks());
    clock.at(Tick(after.saturating_sub(1)))
}

/// The first moment at which nothing of an incident can be left: the start of the first block whose warm-up begins
/// at or after `cause_end`.
pub fn after_effects_end(cause_end: SimTime) -> SimTime {
    let warm_up_begins_after = cause_end + crate::engine::WARM_UP;
    let block = BlockId::holding(warm_up_begins_after);
    if block.start() >= warm_up_begins_after { block.start() } else { block.end() }
}

/// The longest time that after-effects can last after `cause_end`.
pub const LONGEST_AFTER_EFFECT: Span = Span(crate::engine::WARM_UP.0 + crate::time::BLOCK.0);
