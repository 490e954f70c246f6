//! The time profile of an incident: how its strength rises and falls.

use crate::time::{SimTime, Span};

/// The value of an envelope that is fully on.
pub const FULL: i64 = 65_536;

/// How an incident starts and ends: a smooth step up, a hold and a smooth step down, all inside
/// `cause_start … cause_end`.
// Invariant: up + down ≤ end − start, all of them ≥ 0, end > start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    start: SimTime,
    end: SimTime,
    up: Span,
    down: Span,
}

impl Envelope {
    /// The default shape: up = down = 20 % of the length, at most a minute.
    ///
    /// # Panics
    /// If `length` is not positive.
    pub fn smooth(start: SimTime, length: Span) -> Envelope {
        assert!(length > Span::ZERO, "an incident must last longer than 0");
        let ramp = Span((length.0 / 5).min(60_000));
        Envelope { start, end: start + length, up: ramp, down: ramp }
    }

    /// An envelope with the given steps up and down. A step that is longer than the remaining time is cut.
    ///
    /// # Panics
    /// If `length` is not positive, or a step is negative.
    pub fn ramped(start: SimTime, length: Span, up: Span, down: Span) -> Envelope {
        assert!(
            length > Span::ZERO && up >= Span::ZERO && down >= Span::ZERO,
            "an incident must last longer than 0"
        );
        let up = up.min(length);
        Envelope { start, end: start + length, up, down: down.min(Span(length.0 - up.0)) }
    }

    /// `cause_start`, exact to the millisecond.
    pub fn start(&self) -> SimTime {
        self.start
    }

    /// `cause_end`, the first moment without the cause.
    pub fn end(&self) -> SimTime {
        self.end
    }

    /// Length of the step up.
    pub fn up(&self) -> Span {
        self.up
    }

    /// Length of the time between the two steps.
    pub fn hold(&self) -> Span {
        Span((self.end - self.start).0 - self.up.0 - self.down.0)
    }

    /// The moments at which its form changes: start, end of the step up, start of the step down, end.
    pub fn corners(&self) -> [SimTime; 4] {
        [self.start, self.start + self.up, self.end - self.down, self.end]
    }

    /// How far it is on, from 0 to `FULL`: 3x² − 2x³ over the steps.
    ///
    /// ```
    /// use reenact::kinds::{Envelope, FULL};
    /// use reenact::time::{SimTime, Span};
    /// let envelope = Envelope::smooth(SimTime(0), Span::seconds(100));
    /// let at = |s: i64| envelope.at(SimTime(s * 1_000));
    /// assert_eq!([at(0), at(10), at(20), at(80), at(100)], [0, FULL / 2, FULL, FULL, 0]);
    /// ```
    pub fn at(&self, moment: SimTime) -> i64 {
        if moment < self.start || moment >= self.end {
            return 0;
        }
        let since = (moment - self.start).0;
        let left = (self.end - moment).0;
        if since < self.up.0 {
            smooth_step(since, self.up.0)
        } else if left < self.down.0 {
            smooth_step(left, self.down.0)
        } else {
            FULL
        }
    }
}

/// 3x² − 2x³ at x = part ÷ whole, in units of 1/`FULL`.
fn smooth_step(part: i64, whole: i64) -> i64 {
    let x = part * FULL / whole;
    (x * x * (3 * FULL - 2 * x)) >> 32
}
