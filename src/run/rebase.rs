//! Computes by how much `--rebase` shifts event times.

use crate::player::Pace;
use crate::time::{SimTime, Span};

/// How event times are shifted. The distances between them do not change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rebase {
    /// Event times are not shifted.
    #[default]
    Keep,
    /// The first record's event time becomes the time at which sending begins.
    Now,
    /// The last record's event time becomes the time at which it is sent, at this pace.
    End(Pace),
    /// The first record's event time becomes this time.
    At(SimTime),
}

impl Rebase {
    /// Returns the shift for records with event times from `first` to `last`. Sending begins at `now`. `played` is the
    /// event time that is played.
    pub fn shift(self, first: SimTime, last: SimTime, played: Span, now: SimTime) -> Span {
        match self {
            Rebase::Keep => Span::ZERO,
            Rebase::Now => now - first,
            Rebase::End(pace) => now + pace.takes(played) - last,
            Rebase::At(moment) => moment - first,
        }
    }
}
