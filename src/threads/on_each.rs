//! Applies a function to a list of items in parallel, on threads that already run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, mpsc};

use super::{NOT_POISONED, Threads};

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that threads run before they look for the next job in order.
#[derive(Default)]
pub(super) struct Aside(Mutex<VecDeque<Job>>);

impl Aside {
    pub(super) fn next(&self) -> Option<Job> {
        self.0.lock().expect(NOT_POISONED).pop_front()
    }
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} jobs", self.0.lock().expect(NOT_POISONED).len())
    }
}

impl Threads {
    /// Applies `work` to each item and returns the results in the order of the items. The calling thread does this
    /// together with the threads that run jobs in order at the same time. No thread is started.
    ///
    /// # Panics
    /// If `work` panics.
    pub fn on_each<T, R>(&self, items: Vec<T>, work: impl Fn(T) -> R + Clone + Send + 'static) -> Vec<R>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        if self.number.get() == 1 {
            return items.into_iter().map(work).collect();
        }
        let (sender, results) = mpsc::channel();
        let job = |(index, item)| -> Job {
            let (sender, work) = (sender.clone(), work.clone());
            // Sending fails only after another item has panicked, because the receiver is gone then.
            Box::new(move || drop(sender.send((index, work(item)))))
        };
        let jobs: Vec<Job> = items.into_iter().enumerate().map(job).collect();
        let mut done: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
        self.aside.0.lock().expect(NOT_POISONED).extend(jobs);
        self.bell.ring();
        while let Some(job) = self.aside.next() {
            job();
        }
        drop(sender);
        results.into_iter().for_each(|(index, result)| done[index] = Some(result));
        done.into_iter().map(|result| result.expect("no item panicked")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::threads::in_order;
    use crate::threads::tests::Numbers;

    #[test]
    fn results_stand_in_the_order_of_the_items_inside_and_outside_of_jobs_in_order() {
        for threads in [1, 2, 8] {
            let threads = Threads::new(NonZeroUsize::new(threads).unwrap());
            let squares = || threads.on_each((0..100).collect(), |n: u64| n * n);
            let expected: Vec<u64> = (0..100).map(|n| n * n).collect();
            assert_eq!(squares(), expected);
            let mut taken = 0;
            let ended = in_order(
                Numbers(0..200),
                &threads,
                |n| n,
                |_| {
                    taken += 1;
                    if squares() == expected { Ok(()) } else { Err(()) }
                },
            );
            assert_eq!((ended, taken), (Ok(()), 200));
        }
    }
}
