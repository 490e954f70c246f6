//! A window of a plan → its batches and labels in order, on all threads.
//!
//! Blocks are filled ahead, chunks rendered and encoded on all threads, and the results handed over
//! in order through a bounded queue, so that memory does not grow with the run.

mod jobs;

use std::collections::BTreeMap;

use jobs::{Job, jobs};

use crate::batch::Batch;
use crate::engine::{Errors, block_bytes, render};
use crate::label::Label;
use crate::plan::Plan;
use crate::threads::{Next, Source, Threads, in_order};
use crate::time::{BlockId, SimTime, Span, Window};
use crate::truth::{self, Followed};

/// Which incidents' labels are wanted beside the records of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelSpan {
    /// They can still be seen at or after this moment …
    pub seen_from: SimTime,
    /// … and begin before this one.
    pub to: SimTime,
    /// They begin at or after this moment, and before `begun_before`.
    pub begun_from: SimTime,
    /// The first moment whose incidents belong to somebody else.
    pub begun_before: SimTime,
}

impl LabelSpan {
    /// Whether the labels of an incident are wanted that acts from `start` to `end`.
    fn holds(&self, (start, end): (SimTime, SimTime)) -> bool {
        let touches = start < self.to && truth::after_effects_end(end) > self.seen_from;
        touches && (self.begun_from..self.begun_before).contains(&start)
    }

    /// The first moment that has to be looked at, and the first one that has not.
    fn moments(&self, plan: &Plan) -> (SimTime, SimTime) {
        // What is over so long before can't be seen any more; what begins later has its block anyway.
        let near = |moment: SimTime| {
            let times = plan.times_between(moment - truth::LONGEST_AFTER_EFFECT, moment + Span(1));
            times.filter(|times| self.holds(*times))
        };
        let from = near(self.seen_from).map(|(start, _)| start).min();
        let last = self.to.min(self.begun_before);
        let to = near(last).map(|(_, end)| truth::after_effects_end(end)).max();
        let from = from.unwrap_or(self.seen_from).max(self.begun_from).min(last);
        (from, to.unwrap_or(last).max(last).min(plan.clock().end()))
    }
}

/// What a window gives, piece by piece in order.
#[derive(Debug)]
pub enum Piece<P> {
    /// What `encode` made of the next rows.
    Records(P),
    /// All labels of the next incident in (cause_start, id).
    Labels(Vec<Label>),
    /// The labels of all incidents that begin before this moment were handed over.
    Followed(SimTime),
}

/// About how much memory rendering a plan takes, in bytes: the program, its entities, the blocks in use
/// and those that are filled ahead.
pub fn memory(plan: &Plan, threads: &Threads) -> u64 {
    // Measured: 42 MB at 20 servers, 12 kB for the noise and the states of each further entity.
    let (program, entity) = (40_000_000, 12_000);
    let blocks = 1 + jobs::depth(plan, threads.number().get()) as u64;
    program + entity * plan.fleet().num_entities() as u64 + blocks * block_bytes(plan)
}

/// Renders a window and hands over what `encode` makes of each chunk, in order; beside it the labels
/// of the incidents in `labels`, as soon as nothing of them can show any more.
///
/// # Errors
/// The first error of `take`; nothing is rendered after it.
pub fn pieces<P: Send, E>(
    plan: &Plan,
    window: Option<Window>,
    labels: Option<LabelSpan>,
    threads: &Threads,
    encode: impl Fn(&Batch) -> P + Sync,
    mut take: impl FnMut(Piece<P>) -> Result<(), E>,
) -> Result<(), E> {
    enum Done<P> {
        Followed(BlockId, Vec<Followed>),
        Rendered(P),
    }
    let work = |job: Job| match job {
        Job::Fill(slot) => Done::Followed(slot.id, slot.take_followed(plan)),
        Job::Render(slot, chunk) => {
            Done::Rendered(encode(&render(plan, slot.block(plan), &chunk, Errors::Drawn)))
        }
    };
    let mut waiting = Waiting::default();
    in_order(jobs(plan, window, labels, threads.number().get()), threads, work, |done| match done {
        Done::Rendered(part) => take(Piece::Records(part)),
        Done::Followed(id, followed) => {
            waiting.add(followed);
            waiting.release(id.end(), |whole| take(Piece::Labels(whole.labels(plan))))?;
            take(Piece::Followed(waiting.from().unwrap_or(id.end())))
        }
    })?;
    waiting.release(SimTime(i64::MAX), |whole| take(Piece::Labels(whole.labels(plan))))
}

/// Incidents whose labels are not complete, or wait for those before them.
#[derive(Default)]
struct Waiting {
    incidents: BTreeMap<(SimTime, String), Followed>,
}

impl Waiting {
    fn add(&mut self, followed: Vec<Followed>) {
        for part in followed {
            let key = (part.incident().start(), part.incident().id.clone());
            match self.incidents.get_mut(&key) {
                Some(whole) => whole.append(part),
                None => {
                    self.incidents.insert(key, part);
                }
            }
        }
    }

    /// When the first of them begins.
    fn from(&self) -> Option<SimTime> {
        self.incidents.first_key_value().map(|((start, _), _)| *start)
    }

    /// Hands over those of which nothing can show from `moment` on, as long as none before them waits.
    fn release<E>(
        &mut self,
        moment: SimTime,
        mut take: impl FnMut(Followed) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = self.incidents.first_entry() {
            if truth::after_effects_end(first.get().incident().end()) > moment {
                break;
            }
            take(first.remove())?;
        }
        Ok(())
    }
}

/// Renders a window and hands over what `encode` makes of each chunk, in order.
///
/// # Errors
/// The first error of `take`; nothing is rendered after it.
pub fn records<P: Send, E>(
    plan: &Plan,
    window: Window,
    threads: &Threads,
    encode: impl Fn(&Batch) -> P + Sync,
    mut take: impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    pieces(plan, Some(window), None, threads, encode, |piece| match piece {
        Piece::Records(part) => take(part),
        Piece::Labels(_) | Piece::Followed(_) => Ok(()),
    })
}

/// The batches of a window in order, rendered as they are asked for.
pub fn batches(plan: &Plan, window: Window) -> impl Iterator<Item = Batch> + '_ {
    let mut jobs = jobs(plan, Some(window), None, 1);
    std::iter::from_fn(move || {
        loop {
            match jobs.next(true) {
                // Filled when its first chunk is rendered.
                Next::Job(_, Job::Fill(_)) => {}
                Next::Job(_, Job::Render(slot, chunk)) => {
                    return Some(render(plan, slot.block(plan), &chunk, Errors::Drawn));
                }
                Next::NotNow | Next::Dry => return None,
            }
        }
    })
}
