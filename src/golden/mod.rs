//! Locks of committed scenarios: what they gave when they were locked, small enough to review.
//!
//! In: a run, or a `reenact.lock`. Out: an entry, or what differs, in words. What may never happen
//! here: a change of a lock that nobody asked for.

mod compare;
mod lock;
mod take;

pub use compare::{Difference, compare};
pub use lock::{Entry, IncidentLine, LOCK, Lock, LockError, SeriesLine};
pub use take::take;
