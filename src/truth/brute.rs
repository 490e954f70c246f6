//! Twins by brute force: the whole fleet, rendered with the incident and without.

use super::after_effects_end;
use super::track::Tracker;
use crate::engine::{Block, Errors, chunks, fill, render};
use crate::label::Label;
use crate::plan::Plan;
use crate::time::{Tick, Window};

pub(super) fn labels(plan: &Plan, incident: usize) -> Vec<Label> {
    let incident = &plan.incidents()[incident];
    let twin = plan.without(&incident.id);
    let mut tracker = Tracker::new(plan, incident);
    let clock = plan.clock();
    let from = clock.tick_at_or_after(incident.start());
    let to = clock.tick_at_or_after(after_effects_end(incident.end())).min(Tick(clock.num_ticks()));
    let Some(window) = Window::new(from, to) else { return tracker.finish() };
    let last = clock.at(Tick(to.0 - 1));
    let mut filled: Option<(Block, Block)> = None;
    for chunk in chunks(plan, window) {
        let (with, without) = filled
            .take()
            .filter(|(with, _)| with.id() == chunk.block)
            .unwrap_or_else(|| (fill(plan, chunk.block, last), fill(&twin, chunk.block, last)));
        let rows = render(plan, &with, &chunk, Errors::Expected);
        tracker.compare(&rows, &render(&twin, &without, &chunk, Errors::Expected));
        filled = Some((with, without));
    }
    tracker.finish()
}
