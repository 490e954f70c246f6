use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::time::Span;

/// How well a pace was kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// Event seconds a second, reached while it played; none before there were two moments.
    pub speed: Option<f64>,
    /// How late records left.
    pub lag: Lag,
    /// How late they were acknowledged; none if nobody does.
    pub acknowledged: Option<Lag>,
    /// By how much the date of the machine was set meanwhile, where what is sent is live.
    pub jumped: Span,
}

/// A distribution of lags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Half of them are smaller.
    pub p50: Duration,
    /// All but a hundredth.
    pub p99: Duration,
    /// The largest one.
    pub max: Duration,
}

/// How late what has left was, and how late it was acknowledged.
pub(super) struct Lags {
    last: Duration,
    left: Histogram<u64>,
    acknowledged: Histogram<u64>,
    /// What had been sent by then, and when it was due: not acknowledged yet.
    waiting: VecDeque<(u64, Instant)>,
}

impl Lags {
    pub(super) fn new() -> Lags {
        let lags = || Histogram::new(3).expect("a histogram can have three digits");
        Lags { last: Duration::ZERO, left: lags(), acknowledged: lags(), waiting: VecDeque::new() }
    }

    /// Something left so late.
    pub(super) fn leave(&mut self, lag: Duration) {
        self.last = lag;
        record(&mut self.left, lag);
    }

    /// So much has been sent in all when this moment was due.
    pub(super) fn sent(&mut self, sent: u64, due: Instant) {
        self.waiting.push_back((sent, due));
    }

    /// So much is acknowledged.
    pub(super) fn acknowledge(&mut self, acknowledged: u64, now: Instant) {
        while let Some((_, due)) = self.waiting.front().filter(|(sent, _)| *sent <= acknowledged) {
            let lag = now.saturating_duration_since(*due);
            record(&mut self.acknowledged, lag);
            self.waiting.pop_front();
        }
    }

    /// How late the last one left.
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
