use std::num::NonZeroU64;

use crate::output::Tell;
use crate::recording::Selection;
use crate::run::Rebase;
use crate::time::{SimTime, Span};

/// Which part of a recording is sent, how often, and with which times.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which rows.
    pub selection: Selection,
    /// What becomes of their times.
    pub rebase: Rebase,
    /// How often. Time keeps growing, and incidents' ids get `~2`, `~3`.
    pub loops: NonZeroU64,
    /// A silence is played for so long at most.
    pub max_gap: Option<Span>,
    /// The moment at which the replay begins.
    pub now: SimTime,
    /// Says in words what comes up while it is sent.
    pub tell: Option<Tell>,
}

impl Options {
    /// All of it, once, as it is.
    pub fn new(now: SimTime) -> Options {
        let (selection, rebase, loops) = (Selection::default(), Rebase::Keep, NonZeroU64::MIN);
        Options { selection, rebase, loops, max_gap: None, now, tell: None }
    }
}
