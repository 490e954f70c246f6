//! A stopwatch for the time in which the sink could not send anything.

use std::time::{Duration, Instant};

/// Measures how long nothing could be sent because the client's queue was full or the broker was away. Time in which
/// both are true counts once.
#[derive(Debug, Default)]
pub(super) struct Waited {
    total: Duration,
    /// Since when at least one of the two is true.
    since: Option<Instant>,
    /// The moment up to which all time is counted.
    counted: Option<Instant>,
    is_full: bool,
    is_away: bool,
}

impl Waited {
    /// Notes that the queue is full from now on.
    pub(super) fn full(&mut self, now: Instant) {
        self.is_full = true;
        self.begin(now);
    }

    /// Notes that the queue has room again.
    pub(super) fn has_room(&mut self, now: Instant) {
        self.is_full = false;
        self.end(now);
    }

    /// Notes that the broker has not answered since this moment.
    pub(super) fn away(&mut self, since: Instant) {
        self.is_away = true;
        self.begin(since);
    }

    /// Notes that the broker answers again.
    pub(super) fn back(&mut self, now: Instant) {
        self.is_away = false;
        self.end(now);
    }

    /// The time that has been counted.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    fn begin(&mut self, at: Instant) {
        let at = self.counted.map_or(at, |counted| at.max(counted));
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }

    fn end(&mut self, now: Instant) {
        if self.is_full || self.is_away {
            return;
        }
        if let Some(since) = self.since.take() {
            self.total += now.saturating_duration_since(since);
            self.counted = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;

    #[test]
    fn time_that_is_waited_for_two_reasons_counts_once() {
        let start = pace::wall();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut waited = Waited::default();
        waited.full(at(0));
        waited.has_room(at(2));
        assert_eq!(waited.total(), Duration::from_secs(2));
        // The sink notices only later that the broker was away. A part of that time is already counted.
        waited.full(at(4));
        waited.away(at(1));
        waited.back(at(14));
        assert_eq!(waited.total(), Duration::from_secs(2));
        waited.has_room(at(15));
        assert_eq!(waited.total(), Duration::from_secs(15));
        waited.away(at(20));
        waited.back(at(33));
        waited.back(at(40));
        assert_eq!(waited.total(), Duration::from_secs(28));
    }
}
