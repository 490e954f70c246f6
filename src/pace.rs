//! When a batch may leave: the only reader of wall-clock time.
//!
//! One clock with one anchor ties event time to wall time by a linear map, so that waits never
//! drift. `now` is injected, so that tests run without sleeping.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::SimTime;

/// Event seconds a second of wall time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// As fast as it was recorded.
    pub const REAL: Speed = Speed(1.0);

    /// A speed above zero, and finite.
    pub fn new(speed: f64) -> Option<Speed> {
        (speed > 0.0 && speed.is_finite()).then_some(Speed(speed))
    }
}

/// As good as never: what an absurdly slow speed waits for.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is due now.
    Came,
    /// Someone asked to stop before it was.
    Interrupted,
}

/// A long wait is made of naps, so that whoever asks to stop is heard.
const NAP: Duration = Duration::from_millis(50);

/// Ties event time to wall time: `event` is due at `wall`.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    event: SimTime,
    wall: Instant,
    speed: Speed,
}

/// Tells when an event time is due, and how late its records left.
#[derive(Debug)]
pub struct Pacer {
    speed: Speed,
    anchor: Option<Anchor>,
    lag_max: Duration,
}

impl Pacer {
    /// A pacer that anchors itself at the first event it is asked for: the first record leaves at once.
    pub fn new(speed: Speed) -> Pacer {
        Pacer { speed, anchor: None, lag_max: Duration::ZERO }
    }

    /// When an event time is due, on a wall clock that shows `now`.
    pub fn due(&mut self, event: SimTime, now: Instant) -> Instant {
        let anchor = *self.anchor.get_or_insert(Anchor { event, wall: now, speed: self.speed });
        let since = (event - anchor.event).as_seconds() / anchor.speed.0;
        let wait = Duration::try_from_secs_f64(since.max(0.0)).unwrap_or(FOR_EVER).min(FOR_EVER);
        anchor.wall + wait
    }

    /// Sleeps until an event time is due; whether the moment came, or `is_asked` to stop before.
    pub fn wait_for(&mut self, event: SimTime, is_asked: impl Fn() -> bool) -> Moment {
        let now = wall();
        let due = self.due(event, now);
        if now > due {
            self.lag_max = self.lag_max.max(now - due);
        }
        loop {
            if is_asked() {
                return Moment::Interrupted;
            }
            let wait = due.saturating_duration_since(wall());
            if wait.is_zero() {
                return Moment::Came;
            }
            std::thread::sleep(wait.min(NAP));
        }
    }

    /// How far the records fell behind their moments, at most.
    pub fn lag_max(&self) -> Duration {
        self.lag_max
    }

    /// Event time passed so far, for each second of wall time.
    pub fn speed_reached(&self, last: SimTime) -> Option<f64> {
        let anchor = self.anchor?;
        let wall = (wall() - anchor.wall).as_secs_f64();
        (wall > 0.0).then(|| (last - anchor.event).as_seconds() / wall)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
fn wall() -> Instant {
    Instant::now()
}

/// The wall clock as event time, for `--rebase now` and `--start now`.
#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
pub fn now() -> SimTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SimTime(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_hang_on_the_anchor_and_never_drift() {
        let start = wall();
        let mut pacer = Pacer::new(Speed::new(60.0).unwrap());
        for minutes in 0..600 {
            // Each look is late by 7 ms; the due moments are not.
            let late = start + Duration::from_millis(7 * minutes);
            let due = pacer.due(SimTime(1_000_000 + minutes as i64 * 60_000), late);
            assert_eq!(due - start, Duration::from_secs(minutes));
        }
    }

    #[test]
    fn an_event_before_the_anchor_is_due_at_once() {
        let start = wall();
        let mut pacer = Pacer::new(Speed::REAL);
        assert_eq!(pacer.due(SimTime(5_000), start), start);
        assert_eq!(pacer.due(SimTime(1_000), start), start);
    }

    #[test]
    fn an_absurdly_slow_speed_waits_and_does_not_overflow() {
        let start = wall();
        let mut pacer = Pacer::new(Speed::new(1e-320).unwrap());
        assert_eq!(pacer.due(SimTime(0), start), start);
        assert_eq!(pacer.due(SimTime(1_000), start), start + FOR_EVER);
    }

    #[test]
    fn only_a_positive_number_is_a_speed() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Speed::new(speed), None);
        }
    }
}
