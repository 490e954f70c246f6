//! `cpu_spike`: converts CPU usage in percent to cores that a runaway process uses.

use super::{Carrier, Change, Envelope, Kind, Measure, Quantity, Target};
use crate::time::Span;

/// A runaway process takes cores; power, temperature and the guests' latency follow.
#[derive(Debug)]
pub struct CpuSpike;

impl Kind for CpuSpike {
    fn name(&self) -> &'static str {
        "cpu_spike"
    }

    fn about(&self) -> &'static str {
        "a runaway process uses cores; power, temperature and the latency of instances on the server rise"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "cpu_usage_percent" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "cores", quantity: Quantity::Cores }
    }

    /// The carrier's unit is percent of all cores, so the share of the cores is `wanted` ÷ 100.
    fn amount(&self, wanted: f64, target: &Target, _: &Envelope) -> f64 {
        wanted / 100.0 * target.cores
    }

    fn change(&self, cores: f64, target: &Target, _: &Envelope) -> Change {
        let load = cores / target.cores;
        let full = target.load + load > 1.0;
        Change { load, bound: full.then_some("all cores are busy at 100 %"), ..Change::default() }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::seconds(30), Span::seconds(120))
    }
}
