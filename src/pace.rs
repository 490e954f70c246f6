//! The only reader of wall-clock time, and the clock that maps event time to it.
//!
//! Input: event times. Output: the moments at which they are due. Waits never drift: a clock has one anchor, and
//! every other time is a linear function of it. The current time is a parameter, so that tests run without
//! sleeping.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{SimTime, Span};

/// Event seconds per second of wall time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// Real time: one event second per second.
    pub const REAL: Speed = Speed(1.0);

    /// Returns a speed if it is positive and finite.
    pub fn new(speed: f64) -> Option<Speed> {
        (speed > 0.0 && speed.is_finite()).then_some(Speed(speed))
    }

    /// Event seconds per second of wall time.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The wall time that an event time span takes.
    pub fn takes(self, event: Span) -> Span {
        // The cast truncates, and saturates at the ends of `i64`.
        Span((event.0 as f64 / self.0) as i64)
    }

    /// This speed multiplied by `factor`. If the product is not a valid speed, the speed stays as it is.
    #[must_use]
    pub fn times(self, factor: f64) -> Speed {
        Speed::new(self.0 * factor).unwrap_or(self)
    }
}

/// The longest wait: 100 years of 366 days. Only an absurdly slow speed needs it.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 86_400);

/// The link between event time and wall time: `event` is due at `wall`.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    event: SimTime,
    wall: Instant,
    speed: Speed,
}

/// Computes when an event time is due.
///
/// It gets a new anchor only when the user pauses, resumes or changes the speed.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Anchor);

impl Clock {
    /// A clock on which `event` is due at `wall`, and later events follow at `speed`.
    pub fn new(event: SimTime, wall: Instant, speed: Speed) -> Clock {
        Clock(Anchor { event, wall, speed })
    }

    /// The moment at which an event time is or was due.
    pub fn due(&self, event: SimTime) -> Instant {
        let since = (event - self.0.event).as_seconds() / self.0.speed.0;
        let wait = Duration::try_from_secs_f64(since.abs()).unwrap_or(FOR_EVER).min(FOR_EVER);
        match since < 0.0 {
            true => self.0.wall.checked_sub(wait).unwrap_or(self.0.wall),
            false => self.0.wall + wait,
        }
    }

    /// Whether an event is before the anchor.
    pub fn is_missed(&self, event: SimTime) -> bool {
        event < self.0.event
    }

    /// The event time that is due at a moment. Before the anchor's moment it is the anchor's event time.
    pub fn at(&self, wall: Instant) -> SimTime {
        let passed = wall.saturating_duration_since(self.0.wall).as_secs_f64() * self.0.speed.0;
        // The cast truncates, and saturates at the ends of `i64`.
        SimTime(self.0.event.0.saturating_add((passed * 1e3) as i64))
    }

    /// The speed.
    pub fn speed(&self) -> Speed {
        self.0.speed
    }

    /// The same clock with another speed from a moment on.
    #[must_use]
    pub fn with_speed(&self, speed: Speed, wall: Instant) -> Clock {
        Clock::new(self.at(wall), wall, speed)
    }
}

/// The current time on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
pub fn wall() -> Instant {
    Instant::now()
}

/// The current wall-clock time as event time, for `--rebase now` and `--start now`.
#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
pub fn now() -> SimTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SimTime(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(speed: f64) -> Speed {
        Speed::new(speed).expect("a speed")
    }

    #[test]
    fn waits_hang_on_the_anchor_and_never_drift() {
        let start = wall();
        let clock = Clock::new(SimTime(1_000_000), start, speed(60.0));
        for minutes in 0..600 {
            let due = clock.due(SimTime(1_000_000 + minutes as i64 * 60_000));
            assert_eq!(due - start, Duration::from_secs(minutes));
        }
    }

    #[test]
    fn what_is_due_and_when_are_each_other_s_inverse() {
        let start = wall();
        for factor in [0.25, 1.0, 60.0] {
            let clock = Clock::new(SimTime(5_000), start, speed(factor));
            let event = SimTime(65_000);
            assert_eq!(clock.at(clock.due(event)), event);
        }
    }

    #[test]
    fn an_event_before_the_anchor_was_due_before() {
        let start = wall() + Duration::from_secs(10);
        let clock = Clock::new(SimTime(5_000), start, Speed::REAL);
        let before = start - Duration::from_secs(4);
        assert_eq!((clock.due(SimTime(1_000)), clock.is_missed(SimTime(1_000))), (before, true));
        assert_eq!((clock.due(SimTime(5_000)), clock.is_missed(SimTime(5_000))), (start, false));
    }

    #[test]
    fn another_speed_counts_from_where_the_clock_is() {
        let start = wall();
        let clock = Clock::new(SimTime(0), start, Speed::REAL);
        let faster = clock.with_speed(speed(10.0), start + Duration::from_secs(5));
        assert_eq!(faster.due(SimTime(15_000)) - start, Duration::from_secs(6));
    }

    #[test]
    fn an_absurdly_slow_speed_waits_and_does_not_overflow() {
        let start = wall();
        let clock = Clock::new(SimTime(0), start, speed(1e-320));
        assert_eq!(clock.due(SimTime(0)), start);
        assert_eq!(clock.due(SimTime(1_000)), start + FOR_EVER);
    }

    #[test]
    fn only_a_positive_number_is_a_speed() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Speed::new(speed), None);
        }
    }
}
