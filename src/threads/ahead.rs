use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// The same items, made on a thread of their own, at most `depth` ahead of whoever takes them.
pub(crate) fn ahead<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
    depth: usize,
) -> impl Iterator<Item = T> + Send {
    let (sender, receiver) = sync_channel(depth);
    let thread = std::thread::spawn(move || {
        for item in items {
            // Nobody wants the rest.
            if sender.send(item).is_err() {
                return;
            }
        }
    });
    Ahead { receiver, thread: Some(thread) }
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
