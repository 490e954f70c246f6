//! Datasets to keep: locks of committed scenarios, small enough to review, and what differs in words.
//!
//! In: a run, a recording, or a `reenact.lock`. Out: an entry, or what differs. What may never happen
//! here: a change of a lock that nobody asked for.

mod compare;
mod diff;
mod diff_labels;
mod difference;
mod junit;
mod lock;
mod order;
mod sums;
mod take;
mod verify;

pub use compare::compare;
pub use diff::{Compared, diff};
pub use difference::{Changed, Difference};
pub use junit::{Case, junit};
pub use lock::{Entry, IncidentLine, KindLine, LOCK, Lock, LockError, SeriesLine};
pub use take::{Digests, take, take_recording};
pub use verify::{Trust, Verdict, verify};
