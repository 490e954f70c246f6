//! Kinds of anomaly: one file each behind `Kind`, listed once in `KINDS`.
//!
//! In: the deviation that is wanted at the peak, the target's parameters as plain numbers, the
//! envelope. Out: a change of causes. What may never happen here: a look at a scenario, a plan
//! or the engine, which all read this room.

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
    /// As a scenario writes it.
    fn name(&self) -> &'static str;

    /// What happens, in a sentence.
    fn about(&self) -> &'static str;

    /// The metric that carries the severity: its deviation at the peak is severity × scale.
    fn carrier(&self) -> Carrier;

    /// The cause in physical terms, as `with:` of a scenario gives it.
    fn measure(&self) -> Measure;

    /// The cause that makes the carrier deviate by `wanted` (in the carrier's unit) at the peak, in the
    /// unit of `measure`, by a closed form.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64;

    /// The change of causes of such an amount. Where a physical bound bites, the bound is taken, and
    /// said.
    fn change(&self, amount: f64, target: &Target, envelope: &Envelope) -> Change;

    /// Where a severity would ask for more than `amount` gives: the bound, in words.
    fn bound(&self, _wanted: f64, _target: &Target, _envelope: &Envelope) -> Option<&'static str> {
        None
    }

    /// The lengths of incidents that nobody scheduled: uniform between these.
    fn lasts(&self) -> (Span, Span);

    /// The shortest length in which it can come to its severity, where its own dynamics are slow.
    fn shortest(&self) -> Option<Span> {
        None
    }

    /// A device whose own demand during the hold `Target` has to give.
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
    /// If the schema lacks it.
    pub fn of(&self, schema: &Schema) -> MetricId {
        let metric = schema.type_named(self.entity_type).and_then(|id| schema.metric_of(id, self.metric));
        metric.unwrap_or_else(|| panic!("no `{}` has a metric `{}`", self.entity_type, self.metric))
    }
}

/// A device that foreign work can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// What the network receives.
    NetworkRx,
    /// What the disk writes.
    DiskWrite,
}

/// In the order in which they are shown. No value depends on it: noise is keyed by name.
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

/// Kinds of the background where a scenario lists none, all with the same weight. A kind that is added to the program
/// is not added here: it would change what is committed.
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

/// Kinds of the language that this version does not have yet.
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

/// The kind of this name, in either case.
pub fn named(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
}

/// How the cause of a kind is measured, and what `with:` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The key below `with:`.
    pub key: &'static str,
    /// What its value is.
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

/// Physical quantities, with the unit that amounts are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A number of cores: `6`.
    Cores,
    /// Memory for each time, GB/s: `1.5GB/h`.
    MemoryRate,
    /// A difference of temperature, °C: `+9C`.
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

/// A target's parameters and normal state, as far as kinds need them; 0 where it has no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// Cores.
    pub cores: f64,
    /// Busy share of the cores at the onset by the profile (0–1).
    pub load: f64,
    /// Memory installed, GB.
    pub memory_gb: f64,
    /// Memory in use by the profile's daily peak, %.
    pub memory_used: f64,
    /// Where a leaking process is killed: memory in use, %.
    pub memory_kill: f64,
    /// Power at the onset by the profile, without the fan, W.
    pub watts: f64,
    /// The largest power of its supply without the fan, W.
    pub supply_watts: f64,
    /// Thermal resistance from power to the rise of temperature, °C/W.
    pub thermal_resistance: f64,
    /// Thermal time constant without the fan's feedback, s.
    pub time_constant_s: f64,
    /// What the fan draws for each degree above 25 °C, W/°C.
    pub fan_watts_per_celsius: f64,
    /// What the network gives each way, MB/s.
    pub line_rate: f64,
    /// What the disk gives for reading and writing together, MB/s.
    pub disk_limit: f64,
    /// The least that its own demand asks the carrier's device for during the hold, MB/s.
    pub least_demand: f64,
    /// The most that it asks for, MB/s.
    pub most_demand: f64,
    /// Standard deviation of the logarithm of the latency's noise factor.
    pub latency_noise: f64,
    /// Share of requests that fail in the normal state.
    pub failing: f64,
}

impl Target {
    /// Thermal time constant with the fan's feedback, s, and the share of a warming that the feedback leaves.
    fn lag(&self) -> (f64, f64) {
        let feedback = 1.0 - self.thermal_resistance * self.fan_watts_per_celsius;
        (self.time_constant_s / feedback, feedback)
    }

    /// How much of its final value a first-order lag of `lag_s` has reached at the end of the hold,
    /// when its input comes in a ramp.
    fn reached(lag_s: f64, envelope: &Envelope) -> f64 {
        let (up, hold) = (envelope.up().as_seconds(), envelope.hold().as_seconds());
        let ramp = if up > 0.0 { lag_s / up * (1.0 - crate::math::exp(-up / lag_s)) } else { 1.0 };
        1.0 - ramp * crate::math::exp(-hold / lag_s)
    }
}

/// The bound of a full device: what it gives, or what its own work wants.
fn full_device(limit: f64, hardware: f64, target: &Target, slower: &'static str) -> Option<&'static str> {
    // Where the own demand is least, the deviation is what was wanted; where it is most, this much.
    let cut = target.most_demand - limit;
    let wanted = limit - target.least_demand;
    if limit > hardware {
        Some(slower)
    } else {
        (cut > 1.2 * wanted).then_some("the server's own bulk transfers want far more than the limit leaves")
    }
}

/// What an incident does to one entity's causes at its peak. Nothing is a zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Cores taken by foreign work, as a share of all (0–1).
    pub load: f64,
    /// Memory that a process leaks.
    pub leak: Option<Leak>,
    /// Warming of the air at the inlet, °C.
    pub inlet_celsius: f64,
    /// Power drawn beside all work, W.
    pub watts: f64,
    /// What the network gives while foreign traffic fills it, received, MB/s.
    pub rx_limit: Option<f64>,
    /// What the disk writes while a foreign job fills it, MB/s.
    pub write_limit: Option<f64>,
    /// Time that each request waits for a slow dependency, ms.
    pub delay_ms: f64,
    /// Share of requests that fail (0–1).
    pub failing: f64,
    /// The physical bound that cut it, in words.
    pub bound: Option<&'static str>,
}

/// A process that takes memory until it is killed, and begins anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leak {
    /// Points of memory a second.
    pub points_per_s: f64,
    /// The leaked amount at which it is killed, points.
    pub killed_at: f64,
}

impl Leak {
    /// How often it has been killed so long after the onset.
    ///
    /// ```
    /// let leak = reenact::kinds::Leak { points_per_s: 0.5, killed_at: 40.0 };
    /// assert_eq!((leak.kills(60.0), leak.kills(80.0), leak.kills(165.0)), (0, 1, 2));
    /// assert_eq!(leak.leaked(165.0, 2), 2.5);
    /// ```
    pub fn kills(&self, since_s: f64) -> i64 {
        (self.points_per_s * since_s.max(0.0) / self.killed_at) as i64
    }

    /// What has leaked so long after the onset since so many kills, points; less than nothing before
    /// the last of them.
    pub fn leaked(&self, since_s: f64, kills: i64) -> f64 {
        self.points_per_s * since_s.max(0.0) - kills as f64 * self.killed_at
    }

    /// When the n-th kill comes, after the onset.
    pub fn nth_kill(&self, n: i64) -> Span {
        Span((n as f64 * self.killed_at / self.points_per_s * 1e3).ceil() as i64)
    }
}
