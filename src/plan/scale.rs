//! The scale of a metric: about the p99.9 of |normal residual|, in closed form.
//!
//! It is the unit of severity and snr, so it must depend on no run, step, window or luck: each
//! formula takes the entity's own parameters alone. The factors were fitted to long runs.

use super::fleet::{Entity, Fleet, Instance, Server};
use super::parameters::{OWN_WANDER, SERVICE_WANDER, ServerPhysics};
use crate::engine::models::{InstanceMetric, ServerMetric};
use crate::math::{exp_pade, ln, pow};
use crate::schema::MetricId;
use crate::time::Span;

/// The scale of a metric of an entity, in the metric's unit; at least one quantum.
pub(super) fn scale(fleet: &Fleet, entity: Entity, metric: MetricId, step: Span) -> f64 {
    let column = metric.column();
    let value = match entity {
        Entity::Server(index) => server(&fleet.servers[index as usize], ServerMetric::ALL[column]),
        Entity::Service(index) => {
            service(&fleet.instances[index as usize], InstanceMetric::ALL[column], step)
        }
    };
    value.max(1.0 / fleet.entities.schema()[metric].units() as f64)
}

fn root_of_squares(parts: [f64; 4]) -> f64 {
    parts.iter().map(|part| part * part).sum::<f64>().sqrt()
}

/// Standard deviations of a server's work: of its own load and of its guests', as shares of the cores.
fn work_sigmas(server: &Server) -> (f64, f64) {
    let physics = &server.physics;
    let (fast, slow) = OWN_WANDER.sigmas();
    let restless = physics.restless;
    let own = physics.own * (2.0 * restless * restless * fast * fast + restless * slow * slow).sqrt();
    let (fast, slow) = SERVICE_WANDER.sigmas();
    (own, physics.guests_share * (fast * fast + slow * slow).sqrt())
}

fn server(server: &Server, metric: ServerMetric) -> f64 {
    let physics = &server.physics;
    let (own, guests) = work_sigmas(server);
    let jobs = physics.job * (physics.jobs_per_hour / 0.14).sqrt();
    let load = root_of_squares([3.5 * own, 2.45 * guests, 1.66 * jobs, 0.0]);
    let utilisation = physics.base + physics.mean_work + 0.5 * load;
    let slope = 2.0 - 1.4 * pow(utilisation, 0.4);
    let watts = (physics.max_watts - physics.idle_watts) * slope.max(0.0) * load;
    let flushes = physics.flushes.sqrt();
    match metric {
        // Where cores are nearly full the load can't rise any more: four fifths of what is wanted.
        ServerMetric::CpuUsage => 82.0 * load,
        ServerMetric::MemoryUsage => MEMORY_POINTS,
        ServerMetric::MemoryAvailable => MEMORY_POINTS / 100.0 * physics.memory_gb,
        ServerMetric::DiskRead => physics.disk_read * root_of_squares([2.9, 3.4 * flushes, 0.0, 0.0]),
        ServerMetric::DiskWrite => physics.disk_write * root_of_squares([3.1, 5.5 * flushes, 0.0, 0.0]),
        ServerMetric::NetworkRx => {
            let noise = 0.87 * (exp_pade(3.5 * RX_SIGMA * physics.network_noise) - 1.0);
            physics.rx * network(physics, own, guests, noise, 0.70)
        }
        ServerMetric::NetworkTx => {
            let noise = 1.11 * (exp_pade(3.0 * TX_SIGMA * physics.network_noise) - 1.0);
            physics.rx * physics.tx_ratio * network(physics, own, guests, noise, 0.67)
        }
        ServerMetric::CpuTemperature => 0.83 * physics.thermal_resistance * watts,
        ServerMetric::PowerConsumption => watts,
        // It has no noise: one quantum.
        ServerMetric::DiskUsage => 0.0,
    }
}

/// Standard deviations of the logarithms of the network's noise factors, at a noise of 1.
const RX_SIGMA: f64 = 0.123;
const TX_SIGMA: f64 = 0.165;

/// The scale of a direction of the network, in units of the level: work, noise and bulk transfers.
fn network(physics: &ServerPhysics, own: f64, guests: f64, noise: f64, flows: f64) -> f64 {
    let mean = physics.mean_work.max(1e-6);
    root_of_squares([2.3 * own / mean, 1.7 * guests / mean, noise, flows])
}

/// Memory wanders alike on all hosts.
const MEMORY_POINTS: f64 = 7.7;

fn service(instance: &Instance, metric: InstanceMetric, step: Span) -> f64 {
    let physics = &instance.physics;
    let rate = 0.54 * physics.concentration * physics.mean_rate;
    match metric {
        InstanceMetric::RequestRate => rate,
        InstanceMetric::ResponseTimeP50 => latency(instance, std::f64::consts::LN_2),
        InstanceMetric::ResponseTimeP95 => latency(instance, 2.9957),
        InstanceMetric::ResponseTimeP99 => latency(instance, 4.605),
        InstanceMetric::ActiveConnections => {
            // Rate and latency rise together, so their parts add up.
            let by_rate = rate * (instance.tree.fixed_ms + instance.tree.queueing_ms) / 1e3;
            let by_latency = physics.mean_rate * latency(instance, 1.0) / 1e3;
            1.27 * (by_rate + by_latency)
        }
        InstanceMetric::ErrorRate => error_percent(physics.mean_rate, instance.tree.failing),
        InstanceMetric::ErrorCount => {
            error_percent(physics.mean_rate, instance.tree.failing) / 100.0
                * physics.mean_rate
                * step.as_seconds()
        }
        InstanceMetric::QueueDepth => {
            // The length that an M/M/1 queue passes in e⁻⁵ of the time, beyond the seats.
            let busy = (0.85 * physics.peak_utilisation * (1.0 + 0.3 * physics.concentration)).min(0.97);
            5.0 / -ln(busy) - f64::from(physics.seats)
        }
    }
}

/// The scale of the quantile D + `logs`·M, ms.
fn latency(instance: &Instance, logs: f64) -> f64 {
    let tree = &instance.tree;
    root_of_squares([logs * tree.spread_ms, 0.25 * (tree.fixed_ms + logs * tree.queueing_ms), 0.0, 0.0])
}

/// The p99.9 of a binomial share over a minute of requests, in points above its mean.
///
/// Normal quantile with the skew term of the Cornish–Fisher expansion, at z = 3.29 (two-sided).
fn error_percent(rate: f64, failing: f64) -> f64 {
    let requests = (rate * 60.0).max(1.0);
    let mean = requests * failing;
    100.0 * (3.29 * mean.sqrt() + (3.29 * 3.29 - 1.0) / 6.0) / requests
}
