//! The parameters of each entity. Each parameter has its own draw, keyed by the seed and the entity's name, so
//! that a new parameter or a new entity changes none of the others.
//!
//! The constants were found by experiment, so that medians over entities are within the ranges that real
//! fleets show (Google 2019 and Alibaba 2018 cluster traces, NAB's realAWSCloudwatch).

use super::shape::DailyShape;
use crate::math::{Key, exp, pow};

/// The shape of demand. A value that is `None` is drawn for each entity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Amplitude of the daily swing.
    pub daily: Option<f64>,
    /// Factor on Saturdays and Sundays.
    pub weekend: Option<f64>,
    /// The hour around which the peaks of entities are spread.
    pub peak_hour: f64,
    /// Bursts of a service's demand per hour. A host's own load has half as many.
    pub bursts_per_hour: f64,
}

impl Default for Load {
    fn default() -> Load {
        Load { daily: None, weekend: None, peak_hour: 15.0, bursts_per_hour: 1.0 / 6.0 }
    }
}

/// The temperature at which the fan starts, °C.
pub const FAN_STARTS: f64 = 25.0;

/// The maximum power of a supply, relative to the server's maximum power. The power of the fan comes on top.
pub const SUPPLY: f64 = 1.25;

/// Returns the share of the power between idle and full load that a load (0–1) draws: 2u − u^1.4.
///
/// Fan, Weber, Barroso, "Power provisioning for a warehouse-sized computer", ISCA 2007.
pub fn power_curve(load: f64) -> f64 {
    2.0 * load - pow(load, 1.4)
}

/// The power that a fan draws for each degree above 25 °C, as a share of the server's maximum power.
const FAN: f64 = 0.005;

/// A server's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPhysics {
    /// The root of its random streams.
    pub key: Key,
    /// The stream of its sensors' noise, by time.
    pub sensors: Key,
    /// Cores.
    pub cores: f64,
    /// Memory installed, GB.
    pub memory_gb: f64,
    /// The maximum that the disk can read and write together, MB/s.
    pub disk_limit: f64,
    /// Line rate of the network, MB/s in each direction.
    pub line_rate: f64,
    /// Busy share of the cores without any work.
    pub base: f64,
    /// Mean of its own jobs' load, as a share of the cores.
    pub own: f64,
    /// The limit of the variation of its own load above its profile, as a share of the cores.
    pub headroom: f64,
    /// How much its own load varies: 1 is usual.
    pub restless: f64,
    /// The shape of its own load.
    pub shape: DailyShape,
    /// Bursts of its own load per hour.
    pub bursts_per_hour: f64,
    /// The size of the smallest of its heavy jobs, as a share of the cores.
    pub job: f64,
    /// Heavy jobs per hour.
    pub jobs_per_hour: f64,
    /// Mean of all work (own and guests'), as a share of the cores.
    pub mean_work: f64,
    /// √Σ s², where each s is the mean share of one guest.
    pub guests_share: f64,
    /// Network received at mean work, MB/s.
    pub rx: f64,
    /// The ratio of network sent to received.
    pub tx_ratio: f64,
    /// How much its network traffic varies.
    pub network_noise: f64,
    /// Disk written at mean work, MB/s.
    pub disk_write: f64,
    /// Disk read at mean work, MB/s.
    pub disk_read: f64,
    /// Flushes per ten minutes.
    pub flushes: f64,
    /// Disk used after a clean-up, %.
    pub disk_used: f64,
    /// Growth of retained data per day, in percentage points.
    pub disk_growth: f64,
    /// The time of the daily clean-up, ms after midnight.
    pub clean_up_ms: i64,
    /// Memory in use without work, %.
    pub memory_base: f64,
    /// Working set at mean work, in percentage points.
    pub working_set: f64,
    /// Caches when they are warm, in percentage points.
    pub caches: f64,
    /// The mean time between two restarts that empty the caches, ms.
    pub restart_ms: i64,
    /// Memory in use at which a leaking process is killed, %.
    pub kill_at: f64,
    /// Power when idle, W.
    pub idle_watts: f64,
    /// Power at full load without the fan, W.
    pub max_watts: f64,
    /// Power of the fan for each degree above 25 °C, W.
    pub fan_watts: f64,
    /// Thermal resistance, °C per W.
    pub thermal_resistance: f64,
    /// Thermal time constant, s.
    pub time_constant_s: f64,
}

/// A service instance's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct InstancePhysics {
    /// The root of its random streams.
    pub key: Key,
    /// The stream of its sensors' noise, by time.
    pub sensors: Key,
    /// The stream that draws the endpoints of its requests and which requests fail, by time.
    pub requests: Key,
    /// Fixed part of its own latency, ms.
    pub fixed_ms: f64,
    /// Mean queueing part of its own latency at the profile's mean, ms.
    pub queueing_ms: f64,
    /// The maximum rate that it can process, in requests per second.
    pub capacity: f64,
    /// Utilisation at the profile's daily mean.
    pub mean_utilisation: f64,
    /// Utilisation at the profile's daily peak.
    pub peak_utilisation: f64,
    /// Requests per second at the profile's mean.
    pub mean_rate: f64,
    /// √Σ s², where each s is the fraction of its rate that comes from external demand of one service.
    pub concentration: f64,
    /// Busy share of its host's cores for each request per second.
    pub share: f64,
    /// Open connections without a request.
    pub idle_connections: f64,
    /// The time after which a caller gives up, s.
    pub timeout_s: f64,
    /// The number of requests that it processes at the same time. Further requests wait in the queue.
    pub seats: u32,
    /// The unit in which retries are counted, in requests per second: 1 % of the mean rate.
    pub retry_step: f64,
    /// Share of requests that fail in the normal state.
    pub failing: f64,
}

/// Draws the daily shape of an entity. `lift` is added to a drawn amplitude.
pub(crate) fn daily_shape(key: Key, load: &Load, lift: f64, peak_spread: f64) -> DailyShape {
    let u = key.with("amplitude").uniform(0);
    DailyShape {
        amplitude: load.daily.unwrap_or(0.22 + 0.14 * u * u + lift),
        second: key.between("second harmonic", 0.0, 0.25),
        peak_hour: key.between("peak hour", load.peak_hour - peak_spread, load.peak_hour + peak_spread),
        weekend: load.weekend.unwrap_or_else(|| key.between("weekend", 0.75, 1.0)),
    }
}

/// The keys that an entity's draws use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    /// From `fleet.seed`: for what does not change with time, such as hardware and placement.
    pub fleet: Key,
    /// From `seed`: for noise.
    pub noise: Key,
}

impl Keys {
    /// Returns the keys of the entity called `name`.
    #[must_use]
    pub(crate) fn with(self, name: &str) -> Keys {
        Keys { fleet: self.fleet.with(name), noise: self.noise.with(name) }
    }
}

/// The hardware of the servers of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub cores: f64,
    pub memory_gb: f64,
    pub disk_tb: f64,
    pub disk_limit: f64,
    pub line_rate: f64,
    /// In W; drawn if the pool does not say.
    pub idle_watts: Option<f64>,
    pub max_watts: Option<f64>,
}

/// The default number of cores of a server. Default costs of instances are drawn for this number.
pub(crate) const DEFAULT_CORES: f64 = 32.0;

impl Default for Hardware {
    fn default() -> Hardware {
        Hardware {
            cores: DEFAULT_CORES,
            memory_gb: 128.0,
            disk_tb: 2.0,
            disk_limit: 550.0,
            line_rate: 1_250.0,
            idle_watts: None,
            max_watts: None,
        }
    }
}

/// Draws the parameters of a server, before its guests are known.
pub(crate) fn server(keys: Keys, hardware: &Hardware, load: &Load) -> ServerPhysics {
    let key = keys.fleet;
    let z = |name: &str| key.normal_within(name, 2.0);
    // If only one of the two powers is given, the other follows from it.
    let idle_share = key.between("idle share", 0.3, 0.6);
    let max_watts = match (hardware.idle_watts, hardware.max_watts) {
        (_, Some(max)) => max,
        (Some(idle), None) => idle / idle_share,
        (None, None) => key.between("max watts", 250.0, 600.0),
    };
    let rise = key.between("rise", 50.0, 65.0);
    // The mean traffic is at most a fraction of what the device can do.
    let rx = (8.0 * exp(0.7 * z("rx level"))).clamp(1.5, 60.0).min(0.05 * hardware.line_rate);
    let disk_write = key.log_between("disk level", 2.0, 20.0).min(0.04 * hardware.disk_limit);
    ServerPhysics {
        key: keys.noise,
        sensors: keys.noise.with("sensors"),
        cores: hardware.cores,
        memory_gb: hardware.memory_gb,
        disk_limit: hardware.disk_limit,
        line_rate: hardware.line_rate,
        base: key.between("base", 0.02, 0.06),
        own: (0.16 * exp(0.5 * z("own load"))).min(0.4),
        headroom: 1.0,
        restless: exp(0.85 * z("restless")),
        shape: daily_shape(key, load, 0.0, 1.5),
        bursts_per_hour: 0.5 * load.bursts_per_hour,
        job: 0.085 * exp(0.4 * z("job size")),
        jobs_per_hour: 0.18 * exp(0.4 * z("job rate")),
        mean_work: 0.0,
        guests_share: 0.0,
        rx,
        tx_ratio: key.log_between("tx ratio", 0.4, 2.5),
        network_noise: exp(0.8 * z("network noise")),
        disk_write,
        disk_read: disk_write * key.log_between("read ratio", 0.3, 1.5),
        flushes: 0.6 * exp(0.5 * z("flushes")),
        disk_used: key.between("disk used", 25.0, 65.0),
        disk_growth: (key.log_between("disk growth", 0.5, 4.0) * 2.0 / hardware.disk_tb).min(30.0),
        clean_up_ms: 3 * 3_600_000 + key.between("clean-up", -1_800_000.0, 1_800_000.0) as i64,
        memory_base: key.between("memory base", 25.0, 60.0),
        working_set: 0.8 * exp(0.5 * z("working set")),
        caches: 4.0 * exp(0.5 * z("caches")),
        restart_ms: (key.between("restarts", 3.0, 4.5) * 86_400e3) as i64,
        kill_at: key.between("kill", 95.0, 99.0),
        idle_watts: hardware.idle_watts.unwrap_or(max_watts * idle_share),
        max_watts,
        fan_watts: FAN * max_watts,
        // If rise and resistance were drawn independently, a quarter of the hosts would overheat at half load.
        thermal_resistance: rise / (max_watts * (1.0 + FAN * rise)),
        time_constant_s: key.log_between("time constant", 60.0, 300.0),
    }
}

/// The rates of an instance according to its profile, in requests per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProfileRate {
    pub mean: f64,
    pub peak: f64,
    pub concentration: f64,
}

/// Draws the parameters of an instance. `share` is the share of its host's cores for each request per second.
pub(crate) fn instance(keys: Keys, latency_ms: f64, share: f64, rate: ProfileRate) -> InstancePhysics {
    let key = keys.fleet;
    let ratio = key.between("fixed to queueing", 1.1, 2.8);
    // The median of D + Exp(M) is D + M ln 2.
    let queueing_ms = latency_ms / (ratio + std::f64::consts::LN_2);
    let peak_utilisation = key.between("peak utilisation", 0.45, 0.65);
    let capacity = rate.peak / peak_utilisation;
    InstancePhysics {
        key: keys.noise,
        sensors: keys.noise.with("sensors"),
        requests: keys.noise.with("requests"),
        fixed_ms: ratio * queueing_ms,
        queueing_ms,
        capacity,
        mean_utilisation: rate.mean / capacity,
        peak_utilisation,
        mean_rate: rate.mean,
        concentration: rate.concentration,
        share,
        idle_connections: key.between("idle connections", 4.0, 24.0),
        timeout_s: key.log_between("timeout", 8.0, 30.0),
        seats: key.between("seats", 2.0, 5.0) as u32,
        retry_step: rate.mean / 100.0,
        failing: key.log_between("failing", 0.0005, 0.005),
    }
}

/// Draws the share of a default server's cores that an instance needs at its nominal rate.
pub(crate) fn share(key: Key) -> f64 {
    (0.12 * exp(0.4 * key.normal_within("share", 2.0))).min(0.3)
}
