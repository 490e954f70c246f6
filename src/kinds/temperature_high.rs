use super::{Change, Envelope, Kind, Target};
use crate::batch::Metric;
use crate::math::exp;
use crate::time::Span;

/// The most that failed cooling warms the air at an inlet, °C.
const MAX_INLET: f64 = 25.0;

/// Cooling fails: the air at the inlet warms, and the fan's power with it.
#[derive(Debug)]
pub struct TemperatureHigh;

impl Kind for TemperatureHigh {
    fn name(&self) -> &'static str {
        "temperature_high"
    }

    fn about(&self) -> &'static str {
        "cooling fails: the air at the inlet warms, and the fan's power with it"
    }

    fn carrier(&self) -> Metric {
        Metric::CpuTemperature
    }

    /// The air warms faster than the metal.
    fn shortest(&self) -> Option<Span> {
        Some(Span::minutes(3))
    }

    /// The response of a first-order lag (with the fan's feedback, so slower and stronger) to a ramp
    /// of `up` followed by a hold, inverted.
    fn change(&self, wanted: f64, target: &Target, envelope: &Envelope) -> Change {
        let feedback = 1.0 - target.thermal_resistance * target.fan_watts_per_celsius;
        let lag = target.time_constant_s / feedback;
        let (up, hold) = (envelope.up().as_seconds(), envelope.hold().as_seconds());
        let ramp = if up > 0.0 { lag / up * (1.0 - exp(-up / lag)) } else { 1.0 };
        let reached = 1.0 - ramp * exp(-hold / lag);
        let inlet = wanted * feedback / reached;
        let bound = (inlet > MAX_INLET).then_some("an inlet warms by at most 25 °C");
        Change { inlet_celsius: inlet.min(MAX_INLET), bound, ..Change::default() }
    }
}
