//! The options of a replay: selection, time shift, loops and longest gap.

use std::num::NonZeroU64;

use crate::output::EventListener;
use crate::recording::Selection;
use crate::run::Rebase;
use crate::time::{SimTime, Span};

/// Which part of a recording is sent, how often, and with which times.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which rows are sent.
    pub selection: Selection,
    /// How event times change.
    pub rebase: Rebase,
    /// How often the recording is sent. Event times keep increasing, and the ids of incidents get the suffixes `~2`,
    /// `~3`.
    pub loops: NonZeroU64,
    /// The maximum length of a gap between records, in event time. Longer gaps are shortened to it.
    pub max_gap: Option<Span>,
    /// The moment at which the replay begins.
    pub now: SimTime,
    /// Receives warnings while records are sent.
    pub on_event: Option<EventListener>,
}

impl Options {
    /// Sends the whole recording once, with its own times.
    pub fn new(now: SimTime) -> Options {
        let (selection, rebase, loops) = (Selection::default(), Rebase::Keep, NonZeroU64::MIN);
        Options { selection, rebase, loops, max_gap: None, now, on_event: None }
    }
}
