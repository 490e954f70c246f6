//! `network_saturation`: converts a rise in received MB/s to the limit at which traffic levels off.

use super::{Carrier, Change, Device, Envelope, Kind, Measure, Quantity, Target, full_device};
use crate::time::Span;

/// Foreign traffic fills the usable capacity of the line; guests lose requests and wait.
#[derive(Debug)]
pub struct NetworkSaturation;

impl Kind for NetworkSaturation {
    fn name(&self) -> &'static str {
        "network_saturation"
    }

    fn about(&self) -> &'static str {
        "other traffic fills the network line: received traffic is flat at the limit, and instances on the server wait and fail"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "network_rx_mbps" }
    }

    fn device(&self) -> Option<Device> {
        Some(Device::NetworkRx)
    }

    fn measure(&self) -> Measure {
        Measure { key: "limit", quantity: Quantity::Throughput }
    }

    /// Received traffic is flat at the usable limit, so the deviation is largest where the server's own demand is
    /// smallest.
    fn amount(&self, wanted: f64, target: &Target, _: &Envelope) -> f64 {
        target.least_demand + wanted
    }

    fn change(&self, limit: f64, target: &Target, _: &Envelope) -> Change {
        let bound = full_device(limit, target.line_rate, target, "traffic cannot exceed the line rate");
        Change { rx_limit: Some(limit.min(target.line_rate)), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(30), Span::seconds(120))
    }
}
