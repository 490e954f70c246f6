//! `render`: the rows of a chunk, in integers.
//!
//! Line between grid points, causes, sensor noise, clamp to the law, then round: add a half and
//! shift. This happens here once, so that no output can change a value.

use std::sync::Arc;

use super::blend::{Blend, line};
use super::block::Block;
use super::fleet::{INSTANCE_WIDTH, SERVER_WIDTH, place};
use super::signal::{SENSOR_ONE, binomial_quantile, normals};
use crate::batch::{Batch, Metric, RecordType};
use crate::math::{mix, unit};
use crate::plan::{Entity, Incident, Instance, Plan, Server};
use crate::time::{self, CELL, Chunk, SimTime, Tick, Window};

/// What error columns hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Counts drawn from a binomial, as records have them.
    Drawn,
    /// Their expectations, as labels compare them: a coincidence of two draws is no effect.
    Expected,
}

/// Standard deviations of sensor noise in sixteenths of the quantum, for noise that does not grow
/// with the value.
const CPU_NOISE: i64 = 320;
const MEMORY_NOISE: i64 = 32;
const CELSIUS_NOISE: i64 = 16;
const WATTS_NOISE: i64 = 128;

/// Standard deviations relative to the value, in 1/65,536: half a percent, and a third of one.
const THROUGHPUT_NOISE: i64 = 328;
const RATE_NOISE: i64 = 218;

/// 25 °C in sixteenths of the quantum.
const FAN_STARTS: i64 = 25 * 16 * Metric::CpuTemperature.units();

/// A supply gives at most so much of the largest power, the fan's beside.
const SUPPLY: f64 = 1.25;

/// Rows of a chunk, about: what is rendered should still lie in the cache when it is encoded.
const CHUNK_ROWS: u64 = 8_192;

/// The chunks that a window of a plan is rendered in, in order.
pub fn chunks(plan: &Plan, window: Window) -> impl Iterator<Item = Chunk> + Send + use<> {
    let ticks = (CHUNK_ROWS / plan.fleet().num_entities() as u64).max(1);
    time::chunks(plan.clock(), window, ticks)
}

/// Draws the rows of a chunk.
///
/// # Panics
/// If the block is not the chunk's, or not filled far enough.
pub fn render(plan: &Plan, block: &Block, chunk: &Chunk, errors: Errors) -> Batch {
    assert_eq!(block.id(), chunk.block, "a chunk lies inside its block");
    let fleet = plan.fleet();
    let ticks = (chunk.ticks.end - chunk.ticks.start) as usize;
    let (servers, services) = (fleet.servers.len(), fleet.instances.len());
    let mut batch = Batch::with_capacity(Arc::clone(&fleet.entities), ticks * servers, ticks * services);
    let mut rows = Rows { plan, errors, step_ms: plan.clock().step().0 };
    for tick in chunk.ticks.clone() {
        let moment = plan.clock().at(Tick(tick));
        rows.tick(block, moment, &mut batch);
    }
    batch
}

struct Rows<'a> {
    plan: &'a Plan,
    errors: Errors,
    step_ms: i64,
}

/// The blends of a cell, asked for in the order of entities.
struct Blends<'a> {
    rest: &'a [Blend],
    incidents: &'a [Incident],
    moment: SimTime,
    into_cell: i64,
}

impl<'a> Blends<'a> {
    fn of(&mut self, entity: Entity) -> Option<&'a Blend> {
        while let Some((first, rest)) = self.rest.split_first() {
            if first.entity > entity {
                return None;
            }
            if first.entity == entity && first.from <= self.moment && self.moment < first.to {
                return Some(first);
            }
            self.rest = rest;
        }
        None
    }

    /// The value of each metric between the grid points, with causes.
    fn values<const N: usize>(&mut self, entity: Entity, a: &[i32; N], b: &[i32; N]) -> [i64; N] {
        match self.of(entity) {
            Some(blend) => std::array::from_fn(|i| blend.at(self.incidents, self.moment, self.into_cell, i)),
            None => std::array::from_fn(|i| line(a[i], b[i], self.into_cell)),
        }
    }
}

impl Rows<'_> {
    fn tick(&mut self, block: &Block, moment: SimTime, batch: &mut Batch) {
        let since = (moment - block.id().start()).0;
        let cell = (since / CELL.0) as usize;
        let mut blends = Blends {
            rest: block.blends(cell),
            incidents: self.plan.incidents(),
            moment,
            into_cell: since % CELL.0,
        };
        let fleet = self.plan.fleet();
        let grid = block.servers(cell).iter().zip(block.servers(cell + 1));
        for (index, (server, (a, b))) in fleet.servers.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Server(index as u32), a, b);
            self.server(server, values, moment, batch);
            batch.servers.entity.push(index as u32);
        }
        batch.append_run(RecordType::ServerMetric, fleet.servers.len() as u32);
        let grid = block.instances(cell).iter().zip(block.instances(cell + 1));
        for (index, (instance, (a, b))) in fleet.instances.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Service(index as u32), a, b);
            self.instance(instance, values, moment, batch);
            batch.services.entity.push(index as u32);
        }
        batch.append_run(RecordType::ApplicationMetric, fleet.instances.len() as u32);
    }

    fn server(&self, server: &Server, values: [i64; SERVER_WIDTH], moment: SimTime, batch: &mut Batch) {
        let physics = &server.physics;
        let value = |metric: Metric| values[place(metric)];
        let [cpu, memory, celsius, watts, _] = normals(mix(physics.sensors, moment.0));
        let [rx, tx, read, write, _] = normals(mix(physics.sensors, !moment.0));
        let percent = |v: i64, z: i64, noise: i64| rounded(plus(v, z, noise).clamp(0, 10_000 * 16));
        let throughput = |metric: Metric, z: i64, limit: f64| {
            let limit = (limit * 100.0) as i64;
            rounded(times(value(metric), z, THROUGHPUT_NOISE).max(0)).min(limit)
        };
        let memory_usage = percent(value(Metric::MemoryUsage), memory, MEMORY_NOISE);
        let written = throughput(Metric::DiskWrite, write, physics.disk_limit);
        let device = (physics.disk_limit * 100.0) as i64;
        let read = throughput(Metric::DiskRead, read, physics.disk_limit).min(device - written);
        let installed = (physics.memory_gb * 100.0) as i64;
        // Watts for each degree are sixteenths for each sixteenth: both metrics have one decimal.
        let warmth = (value(Metric::CpuTemperature) - FAN_STARTS).max(0);
        let fan = ((physics.fan_watts * 65_536.0) as i64 * warmth) >> 16;
        let power = plus(value(Metric::PowerConsumption), watts, WATTS_NOISE);
        let sixteenths = |watts: f64| (watts * (16 * Metric::PowerConsumption.units()) as f64) as i64;
        let (idle, supply) = (sixteenths(physics.idle_watts), sixteenths(physics.max_watts * SUPPLY) + fan);
        let row = [
            percent(value(Metric::CpuUsage), cpu, CPU_NOISE),
            memory_usage,
            (installed * (10_000 - memory_usage) + 5_000) / 10_000,
            rounded(value(Metric::DiskUsage)),
            read,
            written,
            throughput(Metric::NetworkRx, rx, physics.line_rate),
            throughput(Metric::NetworkTx, tx, physics.line_rate),
            rounded(plus(value(Metric::CpuTemperature), celsius, CELSIUS_NOISE).max(0)),
            rounded(power.clamp(idle, supply)),
        ];
        append(batch, RecordType::ServerMetric, moment, row);
    }

    fn instance(
        &self,
        instance: &Instance,
        values: [i64; INSTANCE_WIDTH],
        moment: SimTime,
        batch: &mut Batch,
    ) {
        let physics = &instance.physics;
        let value = |metric: Metric| values[place(metric)];
        let [rate, latency, ..] = normals(mix(physics.sensors, moment.0));
        let bits = mix(physics.requests, moment.0);
        let rate = rounded(times(value(Metric::RequestRate), rate, RATE_NOISE).max(0));
        let quantile = |metric: Metric| rounded(times(value(metric), latency, THROUGHPUT_NOISE).max(0));
        let requests = requests(rate, self.step_ms);
        let failing = value(Metric::ErrorRate) as f64 / (16.0 * 100.0 * Metric::ErrorRate.units() as f64);
        let (error_rate, error_count) = match self.errors {
            Errors::Drawn => {
                let u = unit(mix(physics.requests, !moment.0));
                let count = binomial_quantile(requests, failing.min(1.0), u);
                (error_percent(count, requests), count)
            }
            Errors::Expected => {
                let count = crate::math::round_half_up(requests as f64 * failing);
                (rounded(value(Metric::ErrorRate)), count)
            }
        };
        let row = [
            rate,
            quantile(Metric::ResponseTimeP50),
            quantile(Metric::ResponseTimeP95),
            quantile(Metric::ResponseTimeP99),
            error_rate,
            error_count,
            rounded(value(Metric::ActiveConnections)),
            rounded(value(Metric::QueueDepth)),
        ];
        let weights = &self.plan.fleet().services[instance.service as usize].endpoints;
        append(batch, RecordType::ApplicationMetric, moment, row);
        batch.services.endpoint.push(endpoint(weights, bits));
    }
}

fn append<const N: usize>(batch: &mut Batch, record: RecordType, moment: SimTime, row: [i64; N]) {
    let table = batch.table_mut(record);
    table.timestamp.push(moment);
    for (column, value) in table.columns.iter_mut().zip(row) {
        column.push(value);
    }
}

/// From sixteenths of a quantum to quanta: add a half and shift.
#[inline]
fn rounded(sixteenths: i64) -> i64 {
    (sixteenths + 8) >> 4
}

/// Adds `z` standard deviations of noise.
#[inline]
fn plus(value: i64, z: i64, noise: i64) -> i64 {
    value + noise * z / SENSOR_ONE
}

/// Multiplies by 1 + `z` standard deviations of relative noise.
#[inline]
fn times(value: i64, z: i64, noise: i64) -> i64 {
    value + ((value * (z * noise / SENSOR_ONE)) >> 16)
}

/// Requests in a tick: the reported rate (hundredths of 1/s) × the step, rounded.
fn requests(rate: i64, step_ms: i64) -> i64 {
    (rate.saturating_mul(step_ms) + 50_000) / 100_000
}

/// 100 × errors ÷ requests in thousandths, rounded; 0 when there were none.
fn error_percent(errors: i64, requests: i64) -> i64 {
    if requests == 0 { 0 } else { (errors * 100_000 + requests / 2) / requests }
}

/// An endpoint by its service's weights, which add up to 100.
fn endpoint(weights: &[u16; 4], bits: u64) -> u8 {
    let mut rest = ((bits >> 32) * 100) >> 32;
    for (i, weight) in weights.iter().enumerate() {
        if rest < u64::from(*weight) {
            return i as u8;
        }
        rest -= u64::from(*weight);
    }
    (weights.len() - 1) as u8
}
