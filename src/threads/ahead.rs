//! Produces items on a separate thread before they are needed, at most a fixed number ahead.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Produces the items on a separate thread, at most `depth` ahead of the consumer. If no thread can be started, each
/// item is produced when it is requested.
pub(crate) fn ahead<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    depth: usize,
) -> Box<dyn Iterator<Item = T> + Send> {
    // The thread receives the items once it runs. If they were moved into a thread that fails to start, they would be
    // lost.
    let (hand_over, handed) = sync_channel(1);
    let make = move |give: &mut dyn FnMut(T) -> Result<(), Unwanted>| {
        let items: Option<_> = handed.recv().ok();
        items.into_iter().flatten().try_for_each(give).unwrap_or_default()
    };
    match made_ahead(depth, make) {
        Ok(made) => match hand_over.send(items) {
            Ok(()) => Box::new(made),
            Err(unsent) => Box::new(unsent.0),
        },
        Err(_) => Box::new(items),
    }
}

/// The consumer does not want the remaining items.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwanted;

/// Runs `make` on a separate thread and returns the items that it produces. They are at most `depth` ahead of the
/// consumer.
///
/// # Errors
/// If no thread can be started.
pub(crate) fn made_ahead<T: Send + 'static>(
    depth: usize,
    make: impl FnOnce(&mut dyn FnMut(T) -> Result<(), Unwanted>) + Send + 'static,
) -> io::Result<impl Iterator<Item = T> + Send> {
    let (sender, receiver) = sync_channel(depth);
    let thread = Builder::new().spawn(move || make(&mut |item| sender.send(item).map_err(|_| Unwanted)))?;
    Ok(Ahead { receiver, thread: Some(thread) })
}

/// Runs `work` on a separate thread and does not wait for its end.
///
/// # Errors
/// If no thread can be started. `work` does not run then.
#[cfg(any(feature = "cli", feature = "kafka"))]
pub(crate) fn apart(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().spawn(work).map(drop)
}

struct Ahead<T> {
    receiver: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let next = self.receiver.recv().ok();
        // The items have ended, or the thread panicked. A panic continues on this thread.
        if next.is_none()
            && let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_no_more_are_made_than_are_taken_and_wait() {
        assert!(ahead(0..1_000, 3).eq(0..1_000));
        let (made, taken) = std::sync::mpsc::channel();
        let take = move |n: &u32| made.send(*n).unwrap_or_default();
        let mut items = ahead((0..).inspect(take), 3);
        assert_eq!(items.by_ref().take(10).collect::<Vec<u32>>(), (0..10).collect::<Vec<_>>());
        drop(items);
        // Ten items are taken, three are in the queue, and the thread has produced one more.
        assert!(taken.iter().count() <= 14);
    }
}
