use super::{Change, Envelope, Kind, Target};
use crate::batch::Metric;

/// A runaway process takes cores; power, temperature and the guests' latency follow.
#[derive(Debug)]
pub struct CpuSpike;

impl Kind for CpuSpike {
    fn name(&self) -> &'static str {
        "cpu_spike"
    }

    fn about(&self) -> &'static str {
        "a runaway process takes cores; power, temperature and the guests' latency follow"
    }

    fn carrier(&self) -> Metric {
        Metric::CpuUsage
    }

    /// Percent of all cores are cpu's own unit, so the share is `wanted` ÷ 100.
    fn change(&self, wanted: f64, target: &Target, _: &Envelope) -> Change {
        let load = wanted / 100.0;
        let full = target.load + load > 1.0;
        Change { load, bound: full.then_some("all cores are busy at 100 %"), ..Change::default() }
    }
}
