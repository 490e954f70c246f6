use crate::time::{SimTime, Span};

/// What becomes of event times. Distances are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rebase {
    /// They stay.
    #[default]
    Keep,
    /// They move so that the first record's is the moment at which it begins to be sent.
    Now,
    /// They move so that the last record's is that moment.
    End,
    /// They move so that the first record's is this one.
    At(SimTime),
}

impl Rebase {
    /// By how much times move that last from `first` to `last`, and begin to be sent at `now`.
    pub fn shift(self, first: SimTime, last: SimTime, now: SimTime) -> Span {
        match self {
            Rebase::Keep => Span::ZERO,
            Rebase::Now => now - first,
            Rebase::End => now - last,
            Rebase::At(moment) => moment - first,
        }
    }
}
