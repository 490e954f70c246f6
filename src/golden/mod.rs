//! Golden files: locks of committed scenarios, small enough to review, and differences described as text.
//!
//! Input: a run, a recording, or a lock file. Output: an entry, or what differs. This module never changes a lock
//! unless the user requests it, and never opens a path that a lock contains.

mod compare;
mod conflict;
mod diff;
mod diff_labels;
mod difference;
mod entry;
mod find;
mod junit;
mod lock;
mod old;
mod order;
mod sums;
mod take;
mod verify;

pub use compare::compare;
pub use diff::{Compared, diff};
pub use difference::{Changed, Difference};
pub use entry::{Checksum, Entry, IncidentLine, KindLine, SeriesLine};
pub use find::{Found, find, locks_in};
pub use junit::{Case, is_junit, junit};
pub use lock::{Lock, LockError, is_lock, lock_path, lost_link, scenario_name, scenario_of, sharing};
pub use old::{Split, is_left_over, is_old_lock, old_lock, split};
pub use take::{Digests, take, take_recording};
pub use verify::{Trust, Verdict, every_line, verify};
