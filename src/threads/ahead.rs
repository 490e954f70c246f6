use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// The same items, made on a thread of their own, at most `depth` ahead of whoever takes them.
pub(crate) fn ahead<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    depth: usize,
) -> impl Iterator<Item = T> + Send {
    made_ahead(depth, |give| items.into_iter().try_for_each(give).unwrap_or_default())
}

/// Nobody wants the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwanted;

/// The items that somebody makes on a thread of its own, at most `depth` ahead of whoever takes them.
pub(crate) fn made_ahead<T: Send + 'static>(
    depth: usize,
    make: impl FnOnce(&mut dyn FnMut(T) -> Result<(), Unwanted>) + Send + 'static,
) -> impl Iterator<Item = T> + Send {
    let (sender, receiver) = sync_channel(depth);
    let thread = std::thread::spawn(move || make(&mut |item| sender.send(item).map_err(|_| Unwanted)));
    Ahead { receiver, thread: Some(thread) }
}

/// Does something on a thread of its own, whose end nobody waits for. Where there is no thread to be had, it is not
/// done.
#[cfg(any(feature = "cli", feature = "kafka"))]
pub(crate) fn apart(work: impl FnOnce() + Send + 'static) {
    let _ = std::thread::Builder::new().spawn(work);
}

struct Ahead<T> {
    receiver: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let next = self.receiver.recv().ok();
        // The end, unless the thread panicked: then the panic goes on here.
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
        let (made, told) = std::sync::mpsc::channel();
        let tell = move |n: &u32| made.send(*n).unwrap_or_default();
        let mut items = ahead((0..).inspect(tell), 3);
        assert_eq!(items.by_ref().take(10).collect::<Vec<u32>>(), (0..10).collect::<Vec<_>>());
        drop(items);
        // Ten taken, three that wait, one in the hand.
        assert!(told.iter().count() <= 14);
    }
}
