//! Decides when records may leave, and obeys the commands of the user meanwhile.
//!
//! In: the event times of the next records, and commands. Out: whether the moment has come, and how well the pace was
//! kept. A player never looks at records or outputs, and every wait can be interrupted.

mod lags;
mod machine;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use lags::{Kept, Lag};
pub use machine::{Player, Timer};

use crate::pace::Speed;
use crate::time::{SimTime, Span};

/// How fast records are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Without waiting.
    AsFastAsPossible,
    /// At a speed in event seconds per second. The first record leaves at once.
    At(Speed),
    /// Each record at its event time. Records of the past leave at once.
    Live,
}

impl Pace {
    /// Returns a pace of `speed` event seconds per second; `None` if the speed is not positive and finite.
    pub fn at(speed: f64) -> Option<Pace> {
        Speed::new(speed).map(Pace::At)
    }

    /// Returns how long it takes to play this much event time.
    pub fn takes(self, event: Span) -> Span {
        match self {
            Pace::AsFastAsPossible => Span::ZERO,
            Pace::At(speed) => speed.takes(event),
            Pace::Live => event,
        }
    }
}

/// A command for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause, or continue after a pause.
    Pause,
    /// Double the speed.
    Faster,
    /// Halve the speed.
    Slower,
    /// Finish the current tick, and then end.
    End,
}

/// Commands a player and watches it.
pub trait Controls {
    /// Returns the next command, if there is one.
    fn command(&mut self) -> Option<Command>;

    /// Called when nothing is left to send.
    fn rest(&mut self) {}

    /// Called when the date of the machine has jumped by this much against the clock of a live run.
    fn jumped(&mut self, _by: Span) {}

    /// Receives the status, many times a second.
    fn watch(&mut self, _status: &Status) {}
}

/// Controls without commands.
pub struct Unattended;

impl Controls for Unattended {
    fn command(&mut self) -> Option<Command> {
        None
    }
}

/// The status of a player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// The event time of the next record.
    pub event: SimTime,
    /// The recorded event time of the same record, before it was moved.
    pub recorded: SimTime,
    /// The requested speed; `None` without a pace.
    pub speed: Option<Speed>,
    /// The speed reached so far, in event seconds per second.
    pub reached: Option<f64>,
    /// How late the last record left.
    pub lag: Duration,
    /// The number of records that have left.
    pub sent: u64,
    /// The number of records that the outputs have acknowledged; `None` if no output acknowledges records.
    pub acknowledged: Option<u64>,
    /// Whether the player is paused.
    pub is_paused: bool,
}

/// The result of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The record is due now.
    Came,
    /// The end was requested before the record was due.
    Interrupted,
}
