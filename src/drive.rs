//! A window of a plan → its batches and labels in order: the one place with threads.
//!
//! Blocks are filled ahead, chunks rendered and encoded on all threads, and the results handed over
//! in order through a bounded queue, so that memory does not grow with the run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use crate::batch::Batch;
use crate::engine::{Block, Errors, chunks, fill, render};
use crate::label::Label;
use crate::plan::{Incident, Plan};
use crate::time::{BlockId, Chunk, SimTime, Span, Tick, Window};
use crate::truth::{self, Followed};

/// Finished results that may wait for their turn, for each thread.
const WAITING: u64 = 2;

/// More threads than this only wait for each other.
const MAX_THREADS: usize = 256;

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
    fn holds(&self, incident: &Incident) -> bool {
        let touches = incident.start() < self.to && truth::after_effects_end(incident.end()) > self.seen_from;
        touches && (self.begun_from..self.begun_before).contains(&incident.start())
    }

    /// The first moment that has to be looked at, and the first one that has not.
    fn moments(&self, plan: &Plan) -> (SimTime, SimTime) {
        // What is over so long before can't be seen any more; what begins later has its block anyway.
        let near = |moment: SimTime| {
            let incidents = plan.incidents_between(moment - truth::LONGEST_AFTER_EFFECT, moment + Span(1));
            incidents.into_iter().filter(|incident| self.holds(incident))
        };
        let from = near(self.seen_from).map(|incident| incident.start()).min();
        let last = self.to.min(self.begun_before);
        let to = near(last).map(|incident| truth::after_effects_end(incident.end())).max();
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
    threads: NonZeroUsize,
    encode: impl Fn(&Batch) -> P + Sync,
    mut take: impl FnMut(Piece<P>) -> Result<(), E>,
) -> Result<(), E> {
    enum Done<P> {
        Followed(BlockId, Vec<Followed>),
        Rendered(P),
    }
    let work = |job: Job| match job {
        Job::Fill(slot) => Done::Followed(slot.id, slot.fill(plan)),
        Job::Render(slot, chunk) => {
            Done::Rendered(encode(&render(plan, slot.block(plan), &chunk, Errors::Drawn)))
        }
    };
    let mut waiting = Waiting::default();
    in_order(jobs(plan, window, labels), threads, work, |done| match done {
        Done::Rendered(part) => take(Piece::Records(part)),
        Done::Followed(id, followed) => {
            waiting.add(followed);
            waiting.release(id.end(), |whole| take(Piece::Labels(whole.labels(plan))))
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
    threads: NonZeroUsize,
    encode: impl Fn(&Batch) -> P + Sync,
    mut take: impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    pieces(plan, Some(window), None, threads, encode, |piece| match piece {
        Piece::Records(part) => take(part),
        Piece::Labels(_) => Ok(()),
    })
}

/// The batches of a window in order, rendered as they are asked for.
pub fn batches(plan: &Plan, window: Window) -> impl Iterator<Item = Batch> + '_ {
    jobs(plan, Some(window), None).filter_map(move |job| match job {
        Job::Fill(_) => None,
        Job::Render(slot, chunk) => Some(render(plan, slot.block(plan), &chunk, Errors::Drawn)),
    })
}

/// A block that is filled by whoever needs it first.
struct Slot {
    id: BlockId,
    last: SimTime,
    labels: Option<LabelSpan>,
    block: OnceLock<Block>,
}

impl Slot {
    /// Fills the block, and follows the incidents whose labels are wanted.
    fn fill(&self, plan: &Plan) -> Vec<Followed> {
        let Some(labels) = self.labels else {
            self.block(plan);
            return Vec::new();
        };
        let follow = || truth::follow(plan, self.id, self.last, |incident| labels.holds(incident));
        let mut followed = None;
        self.block.get_or_init(|| {
            let (block, found) = follow();
            followed = Some(found);
            block
        });
        // Whoever renders may have been quicker, and has filled it without following anything.
        followed.unwrap_or_else(|| follow().1)
    }

    fn block(&self, plan: &Plan) -> &Block {
        self.block.get_or_init(|| fill(plan, self.id, self.last))
    }
}

enum Job {
    Fill(Arc<Slot>),
    Render(Arc<Slot>, Chunk),
}

/// Block by block: fill the next one ahead, render the chunks of the window that lie in this one.
/// Filling a block is handed out before rendering it.
fn jobs(
    plan: &Plan,
    window: Option<Window>,
    labels: Option<LabelSpan>,
) -> impl Iterator<Item = Job> + Send + use<> {
    let clock = plan.clock();
    let rendered = window.map(|window| (clock.at(window.from()), clock.at(Tick(window.to().0 - 1))));
    let labelled = labels.map(|labels| labels.moments(plan)).filter(|(from, to)| from < to);
    let labelled = labelled.map(|(from, to)| (from, clock.at(Tick(clock.tick_at_or_after(to).0.max(1) - 1))));
    let first = rendered.iter().chain(&labelled).map(|(from, _)| BlockId::holding(*from)).min();
    let last = rendered.iter().chain(&labelled).map(|(_, last)| *last).max().unwrap_or_default();
    let blocks = first.into_iter().flat_map(move |first| (first.0..=BlockId::holding(last).0).map(BlockId));
    let slot = move |id: BlockId| Arc::new(Slot { id, last, labels, block: OnceLock::new() });
    let mut chunks = window.map(|window| chunks(plan, window)).into_iter().flatten().peekable();
    let mut ahead: Option<Arc<Slot>> = None;
    blocks.flat_map(move |id| {
        let mut jobs = Vec::new();
        let here = ahead.take().unwrap_or_else(|| {
            let here = slot(id);
            jobs.push(Job::Fill(Arc::clone(&here)));
            here
        });
        if id.next().start() <= last {
            let next = slot(id.next());
            jobs.push(Job::Fill(Arc::clone(&next)));
            ahead = Some(next);
        }
        while let Some(chunk) = chunks.next_if(|chunk| chunk.block == id) {
            jobs.push(Job::Render(Arc::clone(&here), chunk));
        }
        jobs
    })
}

/// What the threads share.
struct Hall<I, P> {
    jobs: I,
    /// Jobs handed out.
    begun: u64,
    /// Results handed over.
    taken: u64,
    /// Finished out of turn.
    waiting: BTreeMap<u64, P>,
    /// No job is left.
    is_dry: bool,
    /// Whoever still works should stop.
    is_over: bool,
}

/// Does jobs on all threads and hands their results over in the order of the jobs.
fn in_order<J: Send, P: Send, E>(
    jobs: impl Iterator<Item = J> + Send,
    threads: NonZeroUsize,
    work: impl Fn(J) -> P + Sync,
    mut take: impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    if threads.get() == 1 {
        return jobs.map(work).try_for_each(take);
    }
    let hall = Hall { jobs, begun: 0, taken: 0, waiting: BTreeMap::new(), is_dry: false, is_over: false };
    let hall = Mutex::new(hall);
    let changed = Condvar::new();
    let threads = threads.get().min(MAX_THREADS);
    let limit = WAITING * threads as u64;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _leaving = Leaving(&hall, &changed);
                work_on(&hall, &changed, limit, &work);
            });
        }
        let result = hand_over(&hall, &changed, &mut take);
        lock(&hall).is_over = true;
        changed.notify_all();
        result
    })
}

fn work_on<I: Iterator<Item = J>, J, P>(
    hall: &Mutex<Hall<I, P>>,
    changed: &Condvar,
    limit: u64,
    work: &impl Fn(J) -> P,
) {
    loop {
        let mut open = lock(hall);
        while open.begun >= open.taken + limit && !open.is_over {
            open = changed.wait(open).expect(NOT_POISONED);
        }
        if open.is_over {
            return;
        }
        let Some(job) = open.jobs.next() else {
            open.is_dry = true;
            changed.notify_all();
            return;
        };
        let number = open.begun;
        open.begun += 1;
        drop(open);
        let result = work(job);
        lock(hall).waiting.insert(number, result);
        changed.notify_all();
    }
}

fn hand_over<I, P, E>(
    hall: &Mutex<Hall<I, P>>,
    changed: &Condvar,
    take: &mut impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let mut open = lock(hall);
        let result = loop {
            let next = open.taken;
            if let Some(result) = open.waiting.remove(&next) {
                break result;
            }
            if open.is_over || (open.is_dry && open.taken == open.begun) {
                return Ok(());
            }
            open = changed.wait(open).expect(NOT_POISONED);
        };
        open.taken += 1;
        drop(open);
        changed.notify_all();
        take(result)?;
    }
}

const NOT_POISONED: &str = "no thread panics while it holds the lock";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect(NOT_POISONED)
}

/// Ends the others' waiting when a worker panics; the panic itself goes up through the scope.
struct Leaving<'a, I, P>(&'a Mutex<Hall<I, P>>, &'a Condvar);

impl<I, P> Drop for Leaving<'_, I, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.0).is_over = true;
            self.1.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, stop_at: u64) -> Result<Vec<u64>, u64> {
        let mut seen = Vec::new();
        // Every third job takes a thousand times as long, so that others overtake it.
        let length = |n: u64| if n.is_multiple_of(3) { 100_000 } else { 100 };
        let work = |n: u64| (0..length(n)).fold(n * n, |sum, i| std::hint::black_box(sum + i) - i);
        in_order(0..200_u64, NonZeroUsize::new(threads).unwrap(), work, |square| {
            if square == stop_at * stop_at {
                return Err(square);
            }
            seen.push(square);
            Ok(())
        })
        .map(|()| seen)
    }

    #[test]
    fn results_are_handed_over_in_the_order_of_the_jobs() {
        let expected: Vec<u64> = (0..200).map(|n| n * n).collect();
        for threads in [1, 2, 8] {
            assert_eq!(squares(threads, 1_000).as_ref(), Ok(&expected), "{threads} threads");
        }
    }

    #[test]
    fn the_first_error_ends_the_work() {
        for threads in [1, 2, 8] {
            assert_eq!(squares(threads, 50), Err(2_500), "{threads} threads");
        }
    }
}
