use crate::player::Pace;
use crate::time::{SimTime, Span};

/// What becomes of event times. Distances are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rebase {
    /// They stay.
    #[default]
    Keep,
    /// They move so that the first record's is the moment at which it begins to be sent.
    Now,
    /// They move so that the last record's is the moment at which it leaves, at this pace.
    End(Pace),
    /// They move so that the first record's is this one.
    At(SimTime),
}

impl Rebase {
    /// By how much times move that last from `first` to `last`, of which so much is played, from `now` on.
    pub fn shift(self, first: SimTime, last: SimTime, played: Span, now: SimTime) -> Span {
        match self {
            Rebase::Keep => Span::ZERO,
            Rebase::Now => now - first,
            Rebase::End(pace) => now + pace.takes(played) - last,
            Rebase::At(moment) => moment - first,
        }
    }
}
