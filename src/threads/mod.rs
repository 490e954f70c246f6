//! Work on all cores: jobs whose results come in order, and items that are worked on side by side.
//!
//! In: jobs or items. Out: results in the order of the jobs or items. What may never happen here:
//! knowledge of what is worked on. No other room starts a thread. (Recordings are decoded by a thread or two
//! ahead of whoever reads them; what renders takes no more threads than were asked for.)

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

/// How many threads work together, and what they share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Threads {
    number: NonZeroUsize,
    aside: Arc<Aside>,
    bell: Arc<Bell>,
}

/// More threads than this only wait for each other.
const MAX_THREADS: usize = 256;

impl Threads {
    /// So many, the calling one among them.
    pub fn new(number: NonZeroUsize) -> Threads {
        let number = NonZeroUsize::new(number.get().min(MAX_THREADS)).unwrap_or(NonZeroUsize::MIN);
        Threads { number, aside: Arc::default(), bell: Arc::default() }
    }

    /// As many as there are cores.
    pub fn all_cores() -> Threads {
        Threads::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// How many.
    pub fn number(&self) -> NonZeroUsize {
        self.number
    }
}

/// Wakes those who found nothing to do. Whoever looks for work reads the count first, so that what comes
/// while they look is not missed.
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

    /// For work that one of them can do.
    fn ring_for_one(&self) {
        *self.rung.lock().expect(NOT_POISONED) += 1;
        self.heard.notify_one();
    }

    /// Waits until it rings after `count` was read.
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
