//! `latency_spike`: converts a rise of p95 latency to the delay of a dependency.

use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::math::ln;
use crate::time::Span;

/// The longest that a slow dependency can make a request wait, ms.
const MAX_DELAY_MS: f64 = 60_000.0;

/// A dependency becomes slow; connections and the callers' latency follow.
#[derive(Debug)]
pub struct LatencySpike;

impl Kind for LatencySpike {
    fn name(&self) -> &'static str {
        "latency_spike"
    }

    fn about(&self) -> &'static str {
        "a dependency becomes slow; connections and the latency of callers rise"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "service", metric: "response_time_p95_ms" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "delay", quantity: Quantity::Delay }
    }

    /// The latency's noise also multiplies the delay, and the peak is a maximum over the hold. So the amount is
    /// divided by the noise factor that is expected at this maximum.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64 {
        // The noise factor's fast octave has a new value about every 40 s.
        let values = 1.0 + envelope.hold().as_seconds() / 40.0;
        let expected_maximum = (2.0 * ln(values)).sqrt() - 0.5;
        wanted / (1.0 + target.latency_noise * expected_maximum)
    }

    fn change(&self, delay: f64, _: &Target, _: &Envelope) -> Change {
        let bound = (delay > MAX_DELAY_MS).then_some("a request waits at most 60 s");
        Change { delay_ms: delay.min(MAX_DELAY_MS), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(20), Span::seconds(90))
    }
}
