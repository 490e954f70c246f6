//! Runs work on all cores: jobs with results in order, and items that are processed in parallel.
//!
//! In: jobs or items. Out: results in the order of the jobs or items. This module does not know what it works on. No
//! other module starts a thread. (One or two threads decode a recording ahead of its reader. Rendering uses no more
//! threads than requested.)

mod ahead;
mod in_order;
mod on_each;

#[cfg(any(feature = "cli", feature = "kafka"))]
pub(crate) use ahead::apart;
pub(crate) use ahead::{ahead, made_ahead};
pub(crate) use in_order::{Lane, Next, Source, in_order};

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex};

use on_each::Aside;

/// The number of threads that work together, and the state that they share. Clones share the same state.
#[derive(Clone, Debug)]
pub struct Threads {
    number: NonZeroUsize,
    aside: Arc<Aside>,
    bell: Arc<Bell>,
}

/// The maximum number of threads. More threads would only wait for each other.
const MAX_THREADS: usize = 256;

impl Threads {
    /// Uses this number of threads, including the calling thread.
    pub fn new(number: NonZeroUsize) -> Threads {
        let number = NonZeroUsize::new(number.get().min(MAX_THREADS)).unwrap_or(NonZeroUsize::MIN);
        Threads { number, aside: Arc::default(), bell: Arc::default() }
    }

    /// Uses as many threads as there are cores.
    pub fn all_cores() -> Threads {
        Threads::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// The number of threads.
    pub fn number(&self) -> NonZeroUsize {
        self.number
    }
}

/// Wakes threads that found no work. A thread reads the count before it looks for work, so that it does not miss work
/// that arrives while it looks.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<u64>,
    heard: Condvar,
}

impl Bell {
    fn count(&self) -> u64 {
        *self.rung.lock().expect(NOT_POISONED)
    }

    fn ring(&self) {
        *self.rung.lock().expect(NOT_POISONED) += 1;
        self.heard.notify_all();
    }

    /// Rings for work that one thread can do alone.
    fn ring_for_one(&self) {
        *self.rung.lock().expect(NOT_POISONED) += 1;
        self.heard.notify_one();
    }

    /// Waits until the bell has rung since `count` was read.
    fn wait(&self, count: u64) {
        let mut rung = self.rung.lock().expect(NOT_POISONED);
        while *rung == count {
            rung = self.heard.wait(rung).expect(NOT_POISONED);
        }
    }
}

const NOT_POISONED: &str = "no thread panics while it holds the lock";

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs that are numbers.
    pub struct Numbers(pub std::ops::Range<u64>);

    impl Source for Numbers {
        type Job = u64;

        fn next(&mut self, room_for_chunk: bool) -> Next<u64> {
            match room_for_chunk {
                true => self.0.next().map_or(Next::Dry, |n| Next::Job(Lane::Chunks, n)),
                false => Next::NotNow,
            }
        }
    }
}
