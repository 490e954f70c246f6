use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// A fan stops, and the air around the processor warms.
#[derive(Debug)]
pub struct FanFailure;

impl Kind for FanFailure {
    fn name(&self) -> &'static str {
        "fan_failure"
    }

    fn about(&self) -> &'static str {
        "a fan stops, and the air around the processor warms"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "cpu_temperature_celsius" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "warming", quantity: Quantity::Warming }
    }

    fn amount(&self, wanted: f64, _: &Target, _: &Envelope) -> f64 {
        wanted
    }

    fn change(&self, celsius: f64, _: &Target, _: &Envelope) -> Change {
        Change { inlet_celsius: celsius, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::minutes(10), Span::minutes(30))
    }
}
