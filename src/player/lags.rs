//! Measures how late records leave and are acknowledged, as percentiles.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::time::Span;

/// How well a pace was kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The speed reached while not paused, in event seconds per second; `None` if no time has passed yet.
    pub speed: Option<f64>,
    /// How late records left.
    pub lag: Lag,
    /// How late records were acknowledged; `None` if no output acknowledges records.
    pub acknowledged: Option<Lag>,
    /// How much the date of the machine jumped during a live run; zero otherwise.
    pub jumped: Span,
}

/// A distribution of lags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The maximum.
    pub max: Duration,
}

/// Collects how late records left, and how late they were acknowledged.
pub(super) struct Lags {
    last: Duration,
    left: Histogram<u64>,
    acknowledged: Histogram<u64>,
    /// Records that are not acknowledged yet: the number of records sent by then, and when the last of them was due.
    waiting: VecDeque<(u64, Instant)>,
}

impl Lags {
    pub(super) fn new() -> Lags {
        let lags = || Histogram::new(3).expect("a histogram can have three digits");
        Lags { last: Duration::ZERO, left: lags(), acknowledged: lags(), waiting: VecDeque::new() }
    }

    /// Notes that a record left `lag` too late.
    pub(super) fn leave(&mut self, lag: Duration) {
        self.last = lag;
        record(&mut self.left, lag);
    }

    /// Notes that `sent` records were sent in total, the last of them due at `due`.
    pub(super) fn sent(&mut self, sent: u64, due: Instant) {
        self.waiting.push_back((sent, due));
    }

    /// Notes that `acknowledged` records are acknowledged in total.
    pub(super) fn acknowledge(&mut self, acknowledged: u64, now: Instant) {
        while let Some((_, due)) = self.waiting.front().filter(|(sent, _)| *sent <= acknowledged) {
            let lag = now.saturating_duration_since(*due);
            record(&mut self.acknowledged, lag);
            self.waiting.pop_front();
        }
    }

    /// Returns how late the last record left.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    pub(super) fn kept(&self, speed: Option<f64>) -> Kept {
        let acknowledged = (!self.acknowledged.is_empty()).then(|| lag_of(&self.acknowledged));
        Kept { speed, lag: lag_of(&self.left), acknowledged, jumped: Span::ZERO }
    }
}

fn record(lags: &mut Histogram<u64>, lag: Duration) {
    let recorded = lags.record(lag.as_micros() as u64);
    recorded.expect("a histogram that resizes itself takes all");
}

fn lag_of(lags: &Histogram<u64>) -> Lag {
    let at = |quantile| Duration::from_micros(lags.value_at_quantile(quantile));
    Lag { p50: at(0.5), p99: at(0.99), max: Duration::from_micros(lags.max()) }
}
