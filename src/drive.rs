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
use crate::plan::Plan;
use crate::time::{BlockId, Chunk, SimTime, Tick, Window};
use crate::truth;

/// Finished results that may wait for their turn, for each thread.
const WAITING: u64 = 2;

/// More threads than this only wait for each other.
const MAX_THREADS: usize = 256;

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
    let last = plan.clock().at(Tick(window.to().0 - 1));
    let work = |job: Job| match job {
        Job::Fill(slot) => {
            slot.block(plan);
            None
        }
        Job::Render(slot, chunk) => Some(encode(&render(plan, slot.block(plan), &chunk, Errors::Drawn))),
    };
    in_order(jobs(plan, window, last), threads, work, |part| part.map_or(Ok(()), &mut take))
}

/// The batches of a window in order, rendered as they are asked for.
pub fn batches(plan: &Plan, window: Window) -> impl Iterator<Item = Batch> + '_ {
    let last = plan.clock().at(Tick(window.to().0 - 1));
    jobs(plan, window, last).filter_map(move |job| match job {
        Job::Fill(_) => None,
        Job::Render(slot, chunk) => Some(render(plan, slot.block(plan), &chunk, Errors::Drawn)),
    })
}

/// The labels of these incidents (by index in the plan), each incident's together, in order.
///
/// # Errors
/// The first error of `take`.
pub fn labels<E>(
    plan: &Plan,
    incidents: impl Iterator<Item = usize> + Send,
    threads: NonZeroUsize,
    mut take: impl FnMut(Vec<Label>) -> Result<(), E>,
) -> Result<(), E> {
    in_order(incidents, threads, |incident| truth::labels(plan, incident), &mut take)
}

/// A block that is filled by whoever needs it first.
struct Slot {
    id: BlockId,
    last: SimTime,
    block: OnceLock<Block>,
}

impl Slot {
    fn block(&self, plan: &Plan) -> &Block {
        self.block.get_or_init(|| fill(plan, self.id, self.last))
    }
}

enum Job {
    Fill(Arc<Slot>),
    Render(Arc<Slot>, Chunk),
}

/// Fill the first block, then for each: fill the next, render all of its chunks. Whoever renders
/// finds its block filled or in work, because filling it was handed out before.
fn jobs(plan: &Plan, window: Window, last: SimTime) -> impl Iterator<Item = Job> + Send + use<> {
    let slot = move |id: BlockId| Arc::new(Slot { id, last, block: OnceLock::new() });
    let mut current: Option<Arc<Slot>> = None;
    let mut ahead: Option<Arc<Slot>> = None;
    chunks(plan, window).flat_map(move |chunk| {
        let mut jobs = Vec::new();
        if current.as_ref().is_none_or(|slot| slot.id != chunk.block) {
            let here = ahead.take().filter(|slot| slot.id == chunk.block).unwrap_or_else(|| {
                let first = slot(chunk.block);
                jobs.push(Job::Fill(Arc::clone(&first)));
                first
            });
            current = Some(here);
            let next = chunk.block.next();
            if next.start() <= last {
                let next = slot(next);
                jobs.push(Job::Fill(Arc::clone(&next)));
                ahead = Some(next);
            }
        }
        let here = current.as_ref().expect("set just above where it was missing");
        jobs.push(Job::Render(Arc::clone(here), chunk));
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
