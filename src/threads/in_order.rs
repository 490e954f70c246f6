//! Runs jobs on all threads and hands over their results in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::Builder;

use super::{NOT_POISONED, Threads};

/// The maximum number of chunks per thread that are started but not handed over yet.
const WAITING: u64 = 8;

/// The state that the threads share.
struct Hall<'a, I, P> {
    open: Mutex<Open<I, P>>,
    threads: &'a Threads,
    /// Signals that the next result may be available, or that no more results follow.
    ready: Condvar,
}

struct Open<I, P> {
    jobs: I,
    /// For each lane: the number of jobs that were handed out.
    begun: [u64; 2],
    /// For each lane: the number of results that were handed over.
    taken: [u64; 2],
    /// For each lane: the results that are finished but not handed over yet, by job number.
    waiting: [BTreeMap<u64, P>; 2],
    /// Whether no job is left.
    is_dry: bool,
    /// Whether threads that still work should stop.
    is_over: bool,
}

impl<I, P> Hall<'_, I, P> {
    fn lock(&self) -> MutexGuard<'_, Open<I, P>> {
        self.open.lock().expect(NOT_POISONED)
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.threads.bell.ring();
        self.ready.notify_all();
    }
}

/// A sequence of jobs. The results of one lane are handed over in the order of its jobs. Lanes do not wait for each
/// other: filling a block takes as long as rendering a hundred chunks, and the chunks should not wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Many short jobs. A limited number of results may wait for their turn.
    Chunks,
    /// Few long jobs.
    Blocks,
}

/// The answer of a source to a thread that needs a job.
#[derive(Debug)]
pub(crate) enum Next<J> {
    /// A job.
    Job(Lane, J),
    /// No job can run now, but more jobs follow.
    NotNow,
    /// No job is left.
    Dry,
}

/// A source of jobs. The jobs of each lane come in order.
pub(crate) trait Source {
    /// A unit of work.
    type Job;

    /// Returns the next job. Returns a chunk only if there is room for its result.
    fn next(&mut self, room_for_chunk: bool) -> Next<Self::Job>;
}

/// Runs jobs on all threads. Hands over their results in the order of the jobs in each lane.
pub(crate) fn in_order<J: Send, P: Send, E>(
    mut jobs: impl Source<Job = J> + Send,
    threads: &Threads,
    work: impl Fn(J) -> P + Sync,
    mut take: impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    if threads.number.get() == 1 {
        while let Next::Job(_, job) = jobs.next(true) {
            take(work(job))?;
        }
        return Ok(());
    }
    let (begun, taken, waiting) = ([0; 2], [0; 2], Default::default());
    let open = Open { jobs, begun, taken, waiting, is_dry: false, is_over: false };
    let hall = Hall { open: Mutex::new(open), threads, ready: Condvar::new() };
    let threads = threads.number.get();
    let limit = WAITING * threads as u64;
    std::thread::scope(|scope| {
        // The calling thread is one of the threads. It works whenever there is nothing to hand over.
        for _ in 1..threads {
            let started = Builder::new().spawn_scoped(scope, || {
                let _leaving = LeavingInPanic(&hall);
                work_on(&hall, limit, &work);
            });
            // The threads that did start do all the work.
            if started.is_err() {
                break;
            }
        }
        // Whether `hand_over` returns or panics, the other threads stop waiting.
        let _leaving = Leaving(&hall);
        hand_over(&hall, limit, &work, &mut take)
    })
}

/// The lane of a job, and the number of the job in that lane.
type Turn = (Lane, u64);

impl<S: Source, P> Open<S, P> {
    /// Returns the next job, if there is one. Returns no chunk while too many results wait.
    fn next_job(&mut self, limit: u64) -> Option<(Turn, S::Job)> {
        let chunks = Lane::Chunks as usize;
        match self.jobs.next(self.begun[chunks] < self.taken[chunks] + limit) {
            Next::Job(lane, job) => {
                let number = self.begun[lane as usize];
                self.begun[lane as usize] += 1;
                Some(((lane, number), job))
            }
            Next::NotNow => None,
            Next::Dry => {
                self.is_dry = true;
                None
            }
        }
    }

    fn put(&mut self, (lane, number): Turn, result: P) {
        self.waiting[lane as usize].insert(number, result);
    }

    /// Returns the next result of a lane, if it is finished.
    fn next_result(&mut self) -> Option<P> {
        for (waiting, taken) in self.waiting.iter_mut().zip(&mut self.taken) {
            if let Some(result) = waiting.remove(taken) {
                *taken += 1;
                return Some(result);
            }
        }
        None
    }
}

fn work_on<S: Source, P>(hall: &Hall<'_, S, P>, limit: u64, work: &impl Fn(S::Job) -> P) {
    let Threads { aside, bell, .. } = hall.threads;
    loop {
        let rung = bell.count();
        if let Some(job) = aside.next() {
            job();
            continue;
        }
        let mut open = hall.lock();
        if open.is_over {
            return;
        }
        let Some((turn, job)) = open.next_job(limit) else {
            if open.is_dry {
                hall.ready.notify_one();
            }
            drop(open);
            bell.wait(rung);
            continue;
        };
        drop(open);
        let result = work(job);
        let mut open = hall.lock();
        open.put(turn, result);
        if turn.1 == open.taken[turn.0 as usize] {
            hall.ready.notify_one();
        }
    }
}

fn hand_over<S: Source, P, E>(
    hall: &Hall<'_, S, P>,
    limit: u64,
    work: &impl Fn(S::Job) -> P,
    take: &mut impl FnMut(P) -> Result<(), E>,
) -> Result<(), E> {
    let mut open = hall.lock();
    loop {
        if let Some(result) = open.next_result() {
            drop(open);
            hall.threads.bell.ring_for_one();
            take(result)?;
            open = hall.lock();
        } else if open.is_over {
            return Ok(());
        } else if let Some((turn, job)) = open.next_job(limit) {
            drop(open);
            let result = work(job);
            open = hall.lock();
            open.put(turn, result);
        } else if open.is_dry && open.taken == open.begun {
            return Ok(());
        } else {
            open = hall.ready.wait(open).expect(NOT_POISONED);
        }
    }
}

/// Makes the other threads stop when the calling thread returns or panics. The scope propagates the panic.
struct Leaving<'a, I, P>(&'a Hall<'a, I, P>);

impl<I, P> Drop for Leaving<'_, I, P> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Makes the other threads stop when a worker panics. A worker that does not panic returns only after the end.
struct LeavingInPanic<'a, I, P>(&'a Hall<'a, I, P>);

impl<I, P> Drop for LeavingInPanic<'_, I, P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::threads::tests::Numbers;

    fn squares(threads: usize, stop_at: u64) -> Result<Vec<u64>, u64> {
        let mut seen = Vec::new();
        // Every third job takes a thousand times as long, so that other jobs overtake it.
        let length = |n: u64| if n.is_multiple_of(3) { 100_000 } else { 100 };
        let work = |n: u64| (0..length(n)).fold(n * n, |sum, i| std::hint::black_box(sum + i) - i);
        let jobs = Numbers(0..200);
        in_order(jobs, &Threads::new(NonZeroUsize::new(threads).unwrap()), work, |square| {
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

    #[test]
    fn a_panic_of_any_thread_reaches_the_caller() {
        for threads in [1, 2, 8] {
            let threads = Threads::new(NonZeroUsize::new(threads).unwrap());
            let no_take = |_| Ok::<(), ()>(());
            let ended = |work: &(dyn Fn(u64) -> u64 + Sync), take: &dyn Fn(u64) -> Result<(), ()>| {
                let run = || in_order(Numbers(0..200), &threads, work, take);
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
            };
            assert!(ended(&|n| if n == 50 { panic!("at work") } else { n }, &no_take));
            assert!(ended(&|n| n, &|n| if n == 50 { panic!("while taking") } else { Ok(()) }));
        }
    }
}
