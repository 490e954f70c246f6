//! (Plan, incident) → label rows, from twins.
//!
//! In: a plan and one of its incidents. Out: what that incident changed, measured against the same
//! run without it. What may never happen here: a sink, a thread, a subtraction of curves.

mod brute;
mod track;

use crate::label::Label;
use crate::plan::Plan;
use crate::time::{BlockId, SimTime, Span};

/// The labels of one incident (by index in the plan), in the order of a labels file.
///
/// ```
/// use reenact::scenario::Scenario;
/// let text = "scenario: 1\nuse: dev\nanomalies: [{kind: cpu_spike, target: srv-001, at: 10m, for: 5m}]";
/// let plan = Scenario::read("spike.yaml", text).plan()?;
/// let labels = reenact::truth::labels(&plan, 0);
/// assert_eq!((labels[0].entity.as_str(), labels[0].metric.name()), ("srv-001", "cpu_temperature_celsius"));
/// # Ok::<(), reenact::scenario::Diagnostics>(())
/// ```
pub fn labels(plan: &Plan, incident: usize) -> Vec<Label> {
    brute::labels(plan, incident)
}

/// The first moment at which nothing of an incident can be left: the start of the first block whose
/// warm-up begins after `cause_end`.
pub fn after_effects_end(cause_end: SimTime) -> SimTime {
    let warm_up_begins_after = cause_end + Span::minutes(60);
    let block = BlockId::holding(warm_up_begins_after);
    if block.start() >= warm_up_begins_after { block.start() } else { block.end() }
}
