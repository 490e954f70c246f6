//! Kinds of anomaly: one file each behind `Kind`, listed once in `KINDS`.
//!
//! In: the deviation that is wanted at the peak, the target's parameters as plain numbers, the
//! envelope. Out: a change of causes. What may never happen here: a look at a scenario, a plan
//! or the engine, which all read this room.

mod cpu_spike;
mod envelope;
mod latency_spike;
mod temperature_high;

pub use envelope::{Envelope, FULL};

use crate::batch::{Metric, RecordType};
use crate::time::Span;

/// The physics of one kind of anomaly.
pub trait Kind: Sync + std::fmt::Debug {
    /// As a scenario writes it.
    fn name(&self) -> &'static str;

    /// What happens, in a sentence.
    fn about(&self) -> &'static str;

    /// The metric that carries the severity: its deviation at the peak is severity × scale.
    fn carrier(&self) -> Metric;

    /// The change of causes that makes the carrier deviate by `wanted` (in the carrier's unit) at the
    /// peak, by a closed form. Where a physical bound bites, the bound is taken, and said.
    fn change(&self, wanted: f64, target: &Target, envelope: &Envelope) -> Change;

    /// The shortest length in which it can come to its severity, where its own dynamics are slow.
    fn shortest(&self) -> Option<Span> {
        None
    }

    /// The type of entity that it acts on.
    fn acts_on(&self) -> RecordType {
        self.carrier().record()
    }
}

/// In the order in which they are shown. No value depends on it: noise is keyed by name.
pub const KINDS: &[&dyn Kind] =
    &[&cpu_spike::CpuSpike, &temperature_high::TemperatureHigh, &latency_spike::LatencySpike];

/// Kinds of the language that this version does not have yet.
pub const NOT_YET: &[&str] = &[
    "memory_leak",
    "power_surge",
    "network_saturation",
    "disk_io_bottleneck",
    "error_burst",
    "crash",
    "throttle",
    "noisy_neighbour",
    "dependency_down",
    "retry_storm",
    "disk_full",
    "clock_jump",
    "flapping",
    "deploy",
    "batch_job",
    "traffic_event",
    "failover",
    "maintenance",
];

/// The kind of this name, in either case.
pub fn named(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
}

/// A target's parameters and normal state, as far as kinds need them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Busy share of the cores at the onset by the profile (0–1); 0 for a service.
    pub load: f64,
    /// Thermal resistance from power to the rise of temperature, °C/W; 0 for a service.
    pub thermal_resistance: f64,
    /// Thermal time constant without the fan's feedback, s; 1 for a service.
    pub time_constant_s: f64,
    /// What the fan draws for each degree above 25 °C, W/°C; 0 for a service.
    pub fan_watts_per_celsius: f64,
    /// Standard deviation of the logarithm of the latency's noise factor; 0 for a server.
    pub latency_noise: f64,
}

/// What an incident does to one entity's causes at its peak. Nothing is a zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Cores taken by foreign work, as a share of all (0–1).
    pub load: f64,
    /// Warming of the air at the inlet, °C.
    pub inlet_celsius: f64,
    /// Time that each request waits for a slow dependency, ms.
    pub delay_ms: f64,
    /// The physical bound that cut it, in words.
    pub bound: Option<&'static str>,
}
