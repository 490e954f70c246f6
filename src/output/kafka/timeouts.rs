//! How long the sink waits, and what it reports meanwhile.

use std::time::{Duration, Instant};

use super::client::POLL;
use super::error_text::in_words;
use super::sink::KafkaSink;
use crate::output::{Acknowledgements, Event, OutputError, is_asked};
use crate::pace;
use crate::time::SimTime;

/// How long the sink waits without any acknowledgement before it reports that the broker is away.
pub(super) const AWAY_AFTER: Duration = Duration::from_secs(5);

/// How long the sink waits for acknowledgements after the user asks to stop.
const FLUSH: Duration = Duration::from_secs(10);

/// The sink reports a stop that takes longer than this. Most stops take a few milliseconds.
const STOPS_WITHIN: Duration = Duration::from_millis(200);

/// After this time without an acknowledgement, the client may have sent records again.
const HITCH: Duration = Duration::from_millis(300);

impl KafkaSink {
    /// Checks whether the user asks to stop, and if so sets the moment by which the stop must be complete. Reports the
    /// stop if it takes time.
    pub(super) fn heed(&mut self) {
        self.heed_since(pace::wall());
    }

    /// Does the same after a wait that began at this moment. The request came during that wait, so the time of the stop
    /// counts from the start of the wait.
    pub(super) fn heed_since(&mut self, begun: Instant) {
        if is_asked(self.stop.as_ref()) && self.end_by.is_none() {
            self.hurry(FLUSH.saturating_sub(pace::wall() - begun));
        }
        let Some(end) = self.end_by.filter(|_| !self.is_stopping) else { return };
        let within = end.saturating_duration_since(pace::wall());
        if self.is_away || within + STOPS_WITHIN <= FLUSH {
            self.is_stopping = true;
            self.emit(&Event::Stopping { within });
        }
    }

    pub(super) fn emit(&self, event: &Event) {
        if let Some(on_event) = self.on_event {
            on_event(event);
        }
    }

    /// Whether the run is being stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.end_by.is_some() || is_asked(self.stop.as_ref())
    }

    /// Returns `limit`, or the time that is left for a stop if that is shorter.
    pub(super) fn within(&self, limit: Duration) -> Duration {
        self.end_by.map_or(limit, |end| limit.min(end.saturating_duration_since(pace::wall())))
    }

    /// Whether the run is being stopped and the time for that is over.
    pub(super) fn is_overdue(&self) -> bool {
        self.end_by.is_some_and(|end| pace::wall() >= end)
    }

    /// Polls once. Fails if the last acknowledgement is too long ago, or if the time for a stop is over.
    pub(super) fn wait(&mut self) -> Result<(), OutputError> {
        self.heed();
        self.check_lease()?;
        self.listen(POLL)?;
        self.count(POLL)?;
        // It is not a failure if everything has arrived meanwhile.
        if self.is_overdue() && self.delivered() < self.sent {
            return Err(self.stop(Duration::ZERO, &self.overdue()));
        }
        Ok(())
    }

    /// Counts a time that has passed. If there was no acknowledgement for too long, reports that the broker is away, or
    /// gives up.
    pub(super) fn count(&mut self, passed: Duration) -> Result<(), OutputError> {
        let oldest = self.listener().place_of_oldest();
        if self.recovery.as_mut().is_some_and(|recovery| recovery.is_due(oldest, passed)) {
            return self.recover();
        }
        if self.has_progressed() || self.delivered() == self.sent {
            self.back();
            return Ok(());
        }
        if let Some(reason) = self.listener().final_error() {
            return Err(self.stop(Duration::ZERO, &reason));
        }
        self.quiet_since.get_or_insert_with(|| pace::wall().checked_sub(passed).unwrap_or_else(pace::wall));
        self.silence += passed;
        self.has_hitched |= self.silence >= HITCH;
        if self.silence >= AWAY_AFTER {
            self.away();
        }
        if self.silence < self.give_up_after {
            return Ok(());
        }
        let reason = self.gave_up(self.listener().last_error());
        Err(self.stop(Duration::ZERO, &reason))
    }

    /// Whether any record was acknowledged since the last call. Only an acknowledgement shows that the broker works. If
    /// there is one, reports that the broker is back.
    pub(super) fn has_progressed(&mut self) -> bool {
        let has_progressed = self.note_progress();
        if has_progressed {
            self.back();
        }
        has_progressed
    }

    /// Does the same without reporting that the broker is back.
    pub(super) fn note_progress(&mut self) -> bool {
        let acknowledged = self.delivered();
        let has_progressed = acknowledged > self.seen;
        self.seen = acknowledged;
        has_progressed
    }

    /// Notes that the broker does not answer. Reports it once, with the client's last error.
    pub(super) fn away(&mut self) {
        if std::mem::replace(&mut self.is_away, true) {
            return;
        }
        self.waited.away(*self.quiet_since.get_or_insert_with(pace::wall));
        let error = self.listener().last_error();
        let reason = error.as_deref().unwrap_or("the broker does not answer");
        // Without the hint about TLS, which only helps with a first connection.
        let reason = reason.split(", which suggests that").next().unwrap_or(reason).into();
        self.emit(&Event::Away { waiting: self.give_up_after, reason });
    }

    /// Notes that the broker answers, and ends the silence. Reports that the broker is back if it was away.
    pub(super) fn back(&mut self) {
        self.silence = Duration::ZERO;
        let since = self.quiet_since.take();
        if std::mem::take(&mut self.is_away) {
            let now = pace::wall();
            self.waited.back(now);
            let away = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            self.emit(&Event::Back { away });
        }
    }

    /// Returns the reason why the sink gives up, with an error of the client or the topic if there is one.
    pub(super) fn gave_up(&self, error: Option<String>) -> String {
        let silence = format!("no acknowledgement for {}", in_words(self.silence));
        error.map_or(silence.clone(), |error| format!("{silence}, {error}"))
    }
}

impl Acknowledgements for KafkaSink {
    fn idle(&mut self, passed: Duration) -> Result<(), OutputError> {
        self.check_lease()?;
        self.listen(Duration::ZERO)?;
        self.count(passed)
    }

    fn unacknowledged(&self) -> u64 {
        self.sent - self.delivered()
    }

    fn oldest_unacknowledged(&self) -> Option<SimTime> {
        self.listener().oldest_in_flight()
    }

    fn hurry(&mut self, limit: Duration) {
        let end = *self.end_by.get_or_insert(pace::wall() + limit);
        self.lease.iter().for_each(|lease| lease.hurry(end));
    }
}
