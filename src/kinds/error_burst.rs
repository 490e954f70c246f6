//! `error_burst`: converts a rise of the error rate to the share of requests that fail.

use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// A share of requests fails; retries and the callers' errors follow.
#[derive(Debug)]
pub struct ErrorBurst;

impl Kind for ErrorBurst {
    fn name(&self) -> &'static str {
        "error_burst"
    }

    fn about(&self) -> &'static str {
        "a fraction of requests fails; retries and the errors of callers increase"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "service", metric: "error_rate_percent" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "failing", quantity: Quantity::Share }
    }

    /// The carrier's unit is percent of requests. A request that fails by itself cannot fail again because of the
    /// burst, so the result is a share of the requests that would have succeeded.
    fn amount(&self, wanted: f64, target: &Target, _: &Envelope) -> f64 {
        wanted / 100.0 / (1.0 - target.failing)
    }

    fn change(&self, share: f64, _: &Target, _: &Envelope) -> Change {
        let bound = (share > 1.0).then_some("at most 100% of requests can fail");
        Change { failing: share.min(1.0), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(20), Span::seconds(90))
    }
}
