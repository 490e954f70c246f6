//! When records may leave, and what the user asks for meanwhile.
//!
//! In: the event times of what is about to leave, commands. Out: whether the moment came; how well the pace was
//! kept. What may never happen here: a look at a record or an output; a wait that nobody can end.

mod lags;
mod machine;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use lags::{Kept, Lag};
pub use machine::{Player, Timer};

use crate::pace::Speed;
use crate::time::{SimTime, Span};

/// How fast something is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Without waiting.
    AsFastAsPossible,
    /// So many event seconds a second; the first record leaves at once.
    At(Speed),
    /// Each record when it happens; what is over already leaves at once.
    Live,
}

impl Pace {
    /// A pace of `speed` event seconds a second, if that is above zero and finite.
    pub fn at(speed: f64) -> Option<Pace> {
        Speed::new(speed).map(Pace::At)
    }

    /// How long so much event time is played.
    pub fn takes(self, event: Span) -> Span {
        match self {
            Pace::AsFastAsPossible => Span::ZERO,
            Pace::At(speed) => speed.takes(event),
            Pace::Live => event,
        }
    }
}

/// What a player can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stand still, or go on.
    Pause,
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
    /// Finish the tick, and end.
    End,
}

/// Whoever commands a player, and watches it.
pub trait Controls {
    /// What is asked for since it was last looked at.
    fn command(&mut self) -> Option<Command>;

    /// Nothing is left to send.
    fn rest(&mut self) {}

    /// The date of the machine moved by this much against the clock by which something live is sent.
    fn jumped(&mut self, _by: Span) {}

    /// How it stands; comes many times a second.
    fn watch(&mut self, _status: &Status) {}
}

/// Nobody.
pub struct Unattended;

impl Controls for Unattended {
    fn command(&mut self) -> Option<Command> {
        None
    }
}

/// How a player stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// The event time of what leaves next.
    pub event: SimTime,
    /// The same in what is played, before its times were moved.
    pub recorded: SimTime,
    /// The speed that is asked for; none without a pace.
    pub speed: Option<Speed>,
    /// Event seconds a second, reached so far.
    pub reached: Option<f64>,
    /// How late the last record left.
    pub lag: Duration,
    /// Records that have left.
    pub sent: u64,
    /// Records that an output has acknowledged; none if none does.
    pub acknowledged: Option<u64>,
    /// It stands still.
    pub is_paused: bool,
}

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is due now.
    Came,
    /// Someone asked to stop before it was.
    Interrupted,
}
