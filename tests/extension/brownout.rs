use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// The voltage of a rack's supply drops.
#[derive(Debug)]
pub struct Brownout;

impl Kind for Brownout {
    fn name(&self) -> &'static str {
        "brownout"
    }

    fn about(&self) -> &'static str {
        "the voltage of a rack's supply drops"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "rack", metric: "supply_volts" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "loss", quantity: Quantity::Share }
    }

    fn amount(&self, volts: f64, _: &Target, _: &Envelope) -> f64 {
        volts / 230.0
    }

    fn change(&self, share: f64, _: &Target, _: &Envelope) -> Change {
        Change { load: share, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::minutes(10), Span::minutes(30))
    }
}
