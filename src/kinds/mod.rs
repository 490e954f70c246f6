//! The kinds of anomaly: one file each behind `Kind`, listed once in `KINDS`.
//!
//! Input: the deviation wanted at the peak, the target's parameters as plain numbers, the envelope. Output: a
//! change of causes. This module does not use scenarios, plans or the engine, because all of these use this module.

mod cpu_spike;
mod disk_io_bottleneck;
mod envelope;
mod error_burst;
mod latency_spike;
mod memory_leak;
mod network_saturation;
mod power_surge;
mod temperature_high;

pub use envelope::{Envelope, FULL};

use crate::schema::{MetricId, Schema};
use crate::time::Span;

/// The physics of one kind of anomaly.
pub trait Kind: Sync + std::fmt::Debug {
    /// The kind's name in a scenario.
    fn name(&self) -> &'static str;

    /// What happens, in one sentence.
    fn about(&self) -> &'static str;

    /// The metric that carries the severity: its deviation at the peak is severity × scale.
    fn carrier(&self) -> Carrier;

    /// The cause in physical terms, as in `with:` of a scenario.
    fn measure(&self) -> Measure;

    /// The size of the cause, in the unit of `measure`, that makes the carrier deviate by `wanted` (in the
    /// carrier's unit) at the peak. It is computed by a closed form.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64;

    /// The change of causes that a cause of this size makes. If a physical bound limits the change, it stops at the
    /// bound and names it.
    fn change(&self, amount: f64, target: &Target, envelope: &Envelope) -> Change;

    /// The bound, in words, if a severity needs more than `amount` returns.
    fn bound(&self, _wanted: f64, _target: &Target, _envelope: &Envelope) -> Option<&'static str> {
        None
    }

    /// The shortest and the longest incident of the background. Lengths are uniform between them.
    fn lasts(&self) -> (Span, Span);

    /// The shortest length in which an incident can reach its severity, for kinds with slow dynamics.
    fn shortest(&self) -> Option<Span> {
        None
    }

    /// The device for which `Target` must contain the server's own demand during the hold.
    fn device(&self) -> Option<Device> {
        None
    }
}

/// The metric that carries a kind's severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// The type of the entities that the kind acts on, such as `server`.
    pub entity_type: &'static str,
    /// The name of the metric.
    pub metric: &'static str,
}

impl Carrier {
    /// The metric in a schema.
    ///
    /// # Panics
    /// If the schema does not have it.
    pub fn of(&self, schema: &Schema) -> MetricId {
        let metric = schema.type_named(self.entity_type).and_then(|id| schema.metric_of(id, self.metric));
        metric.unwrap_or_else(|| {
            panic!("the entity type `{}` has no metric `{}`", self.entity_type, self.metric)
        })
    }
}

/// A device that foreign work can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The network's receiving side.
    NetworkRx,
    /// The disk's writing side.
    DiskWrite,
}

/// All kinds, in the order in which they are shown. No value depends on the order: noise is keyed by name.
pub const KINDS: &[&dyn Kind] = &[
    &cpu_spike::CpuSpike,
    &memory_leak::MemoryLeak,
    &temperature_high::TemperatureHigh,
    &power_surge::PowerSurge,
    &network_saturation::NetworkSaturation,
    &disk_io_bottleneck::DiskIoBottleneck,
    &latency_spike::LatencySpike,
    &error_burst::ErrorBurst,
];

/// The kinds of the background if a scenario lists none, all with the same weight. A kind that is added to the
/// program is not added here, because it would change committed values.
pub const BACKGROUND: [&str; 8] = [
    "cpu_spike",
    "memory_leak",
    "temperature_high",
    "power_surge",
    "network_saturation",
    "disk_io_bottleneck",
    "latency_spike",
    "error_burst",
];

/// Kinds that the scenario language names and this version does not have yet.
pub const NOT_YET: &[&str] = &[
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

/// The kind with this name, in upper or lower case.
pub fn named(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
}

/// How the cause of a kind is measured, and what `with:` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The key below `with:`.
    pub key: &'static str,
    /// The quantity of its value.
    pub quantity: Quantity,
}

impl Measure {
    /// The key with a value, as a scenario writes it: `cores: 6`.
    pub fn example(&self) -> String {
        let value = match self.quantity {
            Quantity::Cores => "6",
            Quantity::MemoryRate => "1.5GB/h",
            Quantity::Warming => "+9C",
            Quantity::Power => "60W",
            Quantity::Throughput => "80MB/s",
            Quantity::Delay => "200ms",
            Quantity::Share => "5%",
        };
        format!("{}: {value}", self.key)
    }
}

/// Physical quantities, each with the unit of its amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A number of cores: `6`.
    Cores,
    /// Memory per time, GB/s: `1.5GB/h`.
    MemoryRate,
    /// A temperature difference, °C: `+9C`.
    Warming,
    /// Power, W: `60W`.
    Power,
    /// Throughput, MB/s: `80MB/s`.
    Throughput,
    /// Time, ms: `200ms`.
    Delay,
    /// A share, 0–1: `5%`.
    Share,
}

/// A target's parameters and normal state, as far as kinds need them. A value that the target does not have is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// Cores.
    pub cores: f64,
    /// Busy share of the cores at the onset according to the profile (0–1).
    pub load: f64,
    /// Memory installed, GB.
    pub memory_gb: f64,
    /// Memory in use at the profile's daily peak, %.
    pub memory_used: f64,
    /// Memory in use at which a leaking process is killed, %.
    pub memory_kill: f64,
    /// Power at the onset according to the profile, without the fan, W.
    pub watts: f64,
    /// The largest power of its supply, without the fan, W.
    pub supply_watts: f64,
    /// Thermal resistance from power to the rise of temperature, °C/W.
    pub thermal_resistance: f64,
    /// Thermal time constant without the fan's feedback, s.
    pub time_constant_s: f64,
    /// The power that the fan draws for each degree above 25 °C, W/°C.
    pub fan_watts_per_celsius: f64,
    /// The network's rate in each direction, MB/s.
    pub line_rate: f64,
    /// The disk's limit for reading and writing together, MB/s.
    pub disk_limit: f64,
    /// The least that the server's own work demands from the carrier's device during the hold, MB/s.
    pub least_demand: f64,
    /// The most that it demands, MB/s.
    pub most_demand: f64,
    /// Standard deviation of the logarithm of the latency's noise factor.
    pub latency_noise: f64,
    /// Share of requests that fail in the normal state.
    pub failing: f64,
}

impl Target {
    /// The thermal time constant with the fan's feedback, s; and the share of the final warming that its cause
    /// makes directly (the feedback adds the rest).
    fn lag(&self) -> (f64, f64) {
        let feedback = 1.0 - self.thermal_resistance * self.fan_watts_per_celsius;
        (self.time_constant_s / feedback, feedback)
    }

    /// The fraction of its final value that a first-order lag of `lag_s` seconds reaches by the end of the hold, if
    /// its input rises in a ramp.
    fn reached(lag_s: f64, envelope: &Envelope) -> f64 {
        let (up, hold) = (envelope.up().as_seconds(), envelope.hold().as_seconds());
        let ramp = if up > 0.0 { lag_s / up * (1.0 - crate::math::exp(-up / lag_s)) } else { 1.0 };
        1.0 - ramp * crate::math::exp(-hold / lag_s)
    }
}

/// The bound of a full device, in words: the hardware's limit, or own work that wants far more than `limit` leaves.
fn full_device(limit: f64, hardware: f64, target: &Target, slower: &'static str) -> Option<&'static str> {
    // Where the own demand is smallest, the deviation is `wanted`. Where it is largest, own work loses `cut`.
    let cut = target.most_demand - limit;
    let wanted = limit - target.least_demand;
    if limit > hardware {
        Some(slower)
    } else {
        (cut > 1.2 * wanted).then_some("the server's own bulk transfers need far more than the limit leaves")
    }
}

/// What an incident does to one entity's causes at its peak. `0` or `None` means no change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Cores taken by foreign work, as a share of all (0–1).
    pub load: f64,
    /// Memory that a process leaks.
    pub leak: Option<Leak>,
    /// Warming of the air at the inlet, °C.
    pub inlet_celsius: f64,
    /// Power drawn in addition to all work, W.
    pub watts: f64,
    /// Received throughput of the network while foreign traffic fills it, MB/s.
    pub rx_limit: Option<f64>,
    /// Written throughput of the disk while a foreign job fills it, MB/s.
    pub write_limit: Option<f64>,
    /// Time that each request waits for a slow dependency, ms.
    pub delay_ms: f64,
    /// Share of requests that fail (0–1).
    pub failing: f64,
    /// The physical bound that limited the change, in words.
    pub bound: Option<&'static str>,
}

/// A process that takes memory until it is killed, and then starts again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leak {
    /// Leaked memory per second, in points.
    pub points_per_s: f64,
    /// The leaked memory at which the process is killed, in points.
    pub killed_at: f64,
}

impl Leak {
    /// The number of kills in the first `since_s` seconds after the onset.
    ///
    /// ```
    /// let leak = reenact::kinds::Leak { points_per_s: 0.5, killed_at: 40.0 };
    /// assert_eq!((leak.kills(60.0), leak.kills(80.0), leak.kills(165.0)), (0, 1, 2));
    /// assert_eq!(leak.leaked(165.0, 2), 2.5);
    /// ```
    pub fn kills(&self, since_s: f64) -> i64 {
        (self.points_per_s * since_s.max(0.0) / self.killed_at) as i64
    }

    /// The memory that has leaked `since_s` seconds after the onset if there were `kills` kills, in points. It is
    /// negative before the last of these kills.
    pub fn leaked(&self, since_s: f64, kills: i64) -> f64 {
        self.points_per_s * since_s.max(0.0) - kills as f64 * self.killed_at
    }

    /// The time from the onset to the n-th kill.
    pub fn nth_kill(&self, n: i64) -> Span {
        Span((n as f64 * self.killed_at / self.points_per_s * 1e3).ceil() as i64)
    }
}
