//! `temperature_high`: converts a rise of CPU temperature to warmer air at the inlet.

use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// The most that failed cooling warms the air at an inlet, °C.
const MAX_INLET: f64 = 25.0;

/// Cooling fails: the air at the inlet warms, and the fan draws more power.
#[derive(Debug)]
pub struct TemperatureHigh;

impl Kind for TemperatureHigh {
    fn name(&self) -> &'static str {
        "temperature_high"
    }

    fn about(&self) -> &'static str {
        "cooling fails: the air at the inlet warms; the power of the fan rises, then throttling and latency follow"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "cpu_temperature_celsius" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "inlet", quantity: Quantity::Warming }
    }

    /// Inverts the response of a first-order lag to a ramp of `up` followed by a hold. The fan's feedback makes the
    /// lag slower and the response stronger.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64 {
        let (lag, feedback) = target.lag();
        wanted * feedback / Target::reached(lag, envelope)
    }

    fn change(&self, celsius: f64, _: &Target, _: &Envelope) -> Change {
        let bound = (celsius > MAX_INLET).then_some("an inlet warms by at most 25 °C");
        Change { inlet_celsius: celsius.min(MAX_INLET), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::minutes(5), Span::minutes(20))
    }

    /// The air warms faster than the metal.
    fn shortest(&self) -> Option<Span> {
        Some(Span::minutes(3))
    }
}
