//! Baselines by brute force: renders the whole fleet with the incident and without it. Tests compare the
//! incremental baselines with this.

use super::after_effects_end;
use super::track::Traces;
use crate::batch::Batch;
use crate::engine::{Block, Errors, chunks, fill, render};
use crate::fleet::Entity;
use crate::label::Label;
use crate::plan::{Incident, Plan};
use crate::schema::MetricId;
use crate::time::{Tick, Window};

/// Computes the labels of one incident, in the order of a labels file. It is expensive, and meant for tests.
pub fn labels(plan: &Plan, incident: &Incident) -> Vec<Label> {
    let twin = plan.without(&incident.id);
    let mut traces = Traces::default();
    let clock = plan.clock();
    let from = clock.tick_at_or_after(incident.start());
    let to = clock.tick_at_or_after(after_effects_end(incident.end())).min(Tick(clock.num_ticks()));
    let Some(window) = Window::new(from, to) else { return traces.labels(plan, incident) };
    let last = clock.at(Tick(to.0 - 1));
    let mut filled: Option<(Block, Block)> = None;
    for chunk in chunks(plan, window) {
        let (with, without) = filled
            .take()
            .filter(|(with, _)| with.id() == chunk.block)
            .unwrap_or_else(|| (fill(plan, chunk.block, last), fill(&twin, chunk.block, last)));
        let rows = render(plan, &with, &chunk, Errors::Expected);
        compare(plan, incident, &rows, &render(&twin, &without, &chunk, Errors::Expected), &mut traces);
        filled = Some((with, without));
    }
    traces.labels(plan, incident)
}

/// Compares the rows of the run with the same rows of its baseline.
fn compare(plan: &Plan, incident: &Incident, run: &Batch, twin: &Batch, traces: &mut Traces) {
    for id in run.schema().ids() {
        let (ours, theirs) = (run.table(id), twin.table(id));
        for (column, (a, b)) in ours.numbers().iter().zip(theirs.numbers()).enumerate() {
            let metric = MetricId::new(id, column as u16);
            for (row, (a, b)) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b) {
                let entity = Entity::new(id, ours.entities()[row]);
                traces.note(plan, incident, entity, metric, ours.timestamps()[row], a - b);
            }
        }
    }
}
