//! `disk_io_bottleneck`: converts a rise in written MB/s to the limit at which writes level off.

use super::{Carrier, Change, Device, Envelope, Kind, Measure, Quantity, Target, full_device};
use crate::time::Span;

/// A foreign job fills the usable throughput of the disk; the guests' own reads and writes starve.
#[derive(Debug)]
pub struct DiskIoBottleneck;

impl Kind for DiskIoBottleneck {
    fn name(&self) -> &'static str {
        "disk_io_bottleneck"
    }

    fn about(&self) -> &'static str {
        "another job uses the disk up to its limit; instances on the server wait, queue requests and hold connections"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "disk_write_mbps" }
    }

    fn device(&self) -> Option<Device> {
        Some(Device::DiskWrite)
    }

    fn measure(&self) -> Measure {
        Measure { key: "limit", quantity: Quantity::Throughput }
    }

    /// Written throughput is flat at the usable limit, so the deviation is largest where the server's own demand is
    /// smallest.
    fn amount(&self, wanted: f64, target: &Target, _: &Envelope) -> f64 {
        target.least_demand + wanted
    }

    fn change(&self, limit: f64, target: &Target, _: &Envelope) -> Change {
        let bound = full_device(limit, target.disk_limit, target, "a disk cannot exceed its limit");
        Change { write_limit: Some(limit.min(target.disk_limit)), bound, ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(30), Span::seconds(120))
    }
}
