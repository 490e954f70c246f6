//! `power_surge`: converts a rise in power to the watts of the cause alone, without those of the fan.

use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// The supply draws more for the same work, and heat follows.
#[derive(Debug)]
pub struct PowerSurge;

impl Kind for PowerSurge {
    fn name(&self) -> &'static str {
        "power_surge"
    }

    fn about(&self) -> &'static str {
        "the power supply draws more power for the same work; the temperature rises"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "power_consumption_watts" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "power", quantity: Quantity::Power }
    }

    /// The fan adds what the heat requires: f R ÷ (1 − R f) watts per watt, as far as the temperature has risen by
    /// then. f is the fan's power per degree, R the thermal resistance.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64 {
        let (lag, feedback) = target.lag();
        let fan = target.fan_watts_per_celsius * target.thermal_resistance / feedback;
        wanted / (1.0 + fan * Target::reached(lag, envelope))
    }

    fn change(&self, watts: f64, target: &Target, _: &Envelope) -> Change {
        let left = (target.supply_watts - target.watts).max(0.0);
        let bound = (watts > left)
            .then_some("a power supply provides at most 1.25 times the maximum power of the server");
        Change { watts: watts.min(left), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(30), Span::seconds(120))
    }
}
