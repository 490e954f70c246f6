//! `render`: the rows of a chunk, in integers.
//!
//! Line between grid points, causes, sensor noise, clamp to the law, then round: add a half and
//! shift. This happens here once, so that no output can change a value.

use std::sync::Arc;

use super::blend::{Blend, line};
use super::block::Block;
use super::fleet::{INSTANCE_WIDTH, SERVER_WIDTH, instance_place, server_place};
use super::sensor::{SENSOR_ONE, binomial_quantile, normals, waiting};
use crate::batch::{Batch, BatchBuilder, Columns};
use crate::engine::models::{INSTANCE, InstanceMetric, SERVER, ServerMetric};
use crate::math::{mix, unit};
use crate::plan::{self, Entity, Incident, Instance, Plan, SUPPLY, Server};
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
const FAN_STARTS: i64 = plan::FAN_STARTS as i64 * 16 * ServerMetric::CpuTemperature.units();

/// Rows of a chunk, about: what is rendered should still lie in the cache when it is encoded.
const CHUNK_ROWS: u64 = 4_096;

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
    let entities = &fleet.entities;
    let mut batch = BatchBuilder::with_capacity(entities.schema(), |id| ticks * entities.of(id).len());
    let rows = Rows::new(plan, errors);
    for tick in chunk.ticks.clone() {
        let moment = plan.clock().at(Tick(tick));
        rows.tick(block, moment, &mut batch);
    }
    batch.build(Arc::clone(entities))
}

/// Draws rows of single entities.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    plan: &'a Plan,
    errors: Errors,
    step_ms: i64,
}

/// The values of one row, in the order of the schema; those of an instance fill the first places.
pub type RowValues = [i64; ServerMetric::COUNT];

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
    #[inline]
    fn values<const N: usize>(&mut self, entity: Entity, a: &[i32; N], b: &[i32; N]) -> [i64; N] {
        if !self.rest.is_empty()
            && let Some(blend) = self.of(entity)
        {
            return blend.values(self.incidents, self.moment, self.into_cell);
        }
        std::array::from_fn(|i| line(a[i], b[i], self.into_cell))
    }
}

impl<'a> Rows<'a> {
    /// The rows of a plan.
    pub fn new(plan: &'a Plan, errors: Errors) -> Rows<'a> {
        Rows { plan, errors, step_ms: plan.clock().step().0 }
    }

    /// The row of an entity at a moment of a cell, by its blends of that cell.
    ///
    /// # Panics
    /// If no blend holds the moment.
    pub fn blended(&self, incidents: &[Incident], blends: &[Blend], moment: SimTime) -> RowValues {
        let holds = |blend: &&Blend| blend.from <= moment && moment < blend.to;
        let blend = blends.iter().find(holds).expect("the blends of a cell hold all of its moments");
        let into_cell = moment.0.rem_euclid(CELL.0);
        let fleet = self.plan.fleet();
        match blend.entity {
            Entity::Server(index) => {
                let values = blend.values(incidents, moment, into_cell);
                self.server(&fleet.servers[index as usize], values, moment)
            }
            Entity::Service(index) => {
                let values = blend.values(incidents, moment, into_cell);
                let (row, _) = self.instance(&fleet.instances[index as usize], values, moment);
                let mut all = [0; ServerMetric::COUNT];
                all[..row.len()].copy_from_slice(&row);
                all
            }
        }
    }

    fn tick(&self, block: &Block, moment: SimTime, batch: &mut BatchBuilder) {
        let since = (moment - block.id().start()).0;
        let cell = (since / CELL.0) as usize;
        let mut blends = Blends {
            rest: block.blends(cell),
            incidents: block.incidents(),
            moment,
            into_cell: since % CELL.0,
        };
        let fleet = self.plan.fleet();
        let mut rows = batch.begin(SERVER, moment, 0..fleet.servers.len() as u32);
        let (mut numbers, []) = columns::<{ ServerMetric::COUNT }, 0>(&mut rows);
        let grid = block.servers(cell).iter().zip(block.servers(cell + 1));
        for (index, (server, (a, b))) in fleet.servers.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Server(index as u32), a, b);
            let row = self.server(server, values, moment);
            for (column, value) in numbers.iter_mut().zip(row) {
                column[index] = value;
            }
        }
        let mut rows = batch.begin(INSTANCE, moment, 0..fleet.instances.len() as u32);
        let (mut numbers, [endpoints]) = columns::<{ InstanceMetric::COUNT }, 1>(&mut rows);
        let grid = block.instances(cell).iter().zip(block.instances(cell + 1));
        for (index, (instance, (a, b))) in fleet.instances.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Service(index as u32), a, b);
            let (row, endpoint) = self.instance(instance, values, moment);
            for (column, value) in numbers.iter_mut().zip(row) {
                column[index] = value;
            }
            endpoints[index] = endpoint;
        }
    }

    #[inline]
    fn server(
        &self,
        server: &Server,
        values: [i64; SERVER_WIDTH],
        moment: SimTime,
    ) -> [i64; ServerMetric::COUNT] {
        let physics = &server.physics;
        let value = |metric: ServerMetric| values[server_place(metric)];
        let [cpu, memory, celsius, watts, _] = normals(mix(physics.sensors, moment.0));
        let [rx, tx, read, write, _] = normals(mix(physics.sensors, !moment.0));
        let percent = |v: i64, z: i64, noise: i64| rounded(plus(v, z, noise).clamp(0, 10_000 * 16));
        let throughput = |metric: ServerMetric, z: i64, limit: f64| {
            let limit = (limit * 100.0) as i64;
            rounded(times(value(metric), z, THROUGHPUT_NOISE).max(0)).min(limit)
        };
        let memory_usage = percent(value(ServerMetric::MemoryUsage), memory, MEMORY_NOISE);
        let written = throughput(ServerMetric::DiskWrite, write, physics.disk_limit);
        let device = (physics.disk_limit * 100.0) as i64;
        let read = throughput(ServerMetric::DiskRead, read, physics.disk_limit).min(device - written);
        let installed = (physics.memory_gb * 100.0) as i64;
        // Watts for each degree are sixteenths for each sixteenth: both metrics have one decimal.
        let warmth = (value(ServerMetric::CpuTemperature) - FAN_STARTS).max(0);
        let fan = ((physics.fan_watts * 65_536.0) as i64 * warmth) >> 16;
        let power = plus(value(ServerMetric::PowerConsumption), watts, WATTS_NOISE);
        let sixteenths = |watts: f64| (watts * (16 * ServerMetric::PowerConsumption.units()) as f64) as i64;
        let (idle, supply) = (sixteenths(physics.idle_watts), sixteenths(physics.max_watts * SUPPLY) + fan);
        [
            percent(value(ServerMetric::CpuUsage), cpu, CPU_NOISE),
            memory_usage,
            (installed * (10_000 - memory_usage) + 5_000) / 10_000,
            rounded(value(ServerMetric::DiskUsage)),
            read,
            written,
            throughput(ServerMetric::NetworkRx, rx, physics.line_rate),
            throughput(ServerMetric::NetworkTx, tx, physics.line_rate),
            rounded(plus(value(ServerMetric::CpuTemperature), celsius, CELSIUS_NOISE).max(0)),
            rounded(power.clamp(idle, supply)),
        ]
    }

    #[inline]
    fn instance(
        &self,
        instance: &Instance,
        values: [i64; INSTANCE_WIDTH],
        moment: SimTime,
    ) -> ([i64; InstanceMetric::COUNT], u8) {
        let physics = &instance.physics;
        let value = |metric: InstanceMetric| values[instance_place(metric)];
        let bits = mix(physics.sensors, moment.0);
        let [rate, latency, ..] = normals(bits);
        let rate = rounded(times(value(InstanceMetric::RequestRate), rate, RATE_NOISE).max(0));
        let quantile =
            |metric: InstanceMetric| rounded(times(value(metric), latency, THROUGHPUT_NOISE).max(0));
        let requests = requests(rate, self.step_ms);
        let failing = value(InstanceMetric::ErrorRate) as f64
            * (1.0 / (16.0 * 100.0 * InstanceMetric::ErrorRate.units() as f64));
        let (error_rate, error_count) = match self.errors {
            Errors::Drawn => {
                let u = unit(mix(physics.requests, !moment.0));
                let count = binomial_quantile(requests, failing.min(1.0), u);
                (error_percent(count, requests), count)
            }
            Errors::Expected => {
                let count = crate::math::round_half_up(requests as f64 * failing);
                (rounded(value(InstanceMetric::ErrorRate)), count)
            }
        };
        let draws = mix(physics.requests, moment.0);
        let waiting = waiting(values[INSTANCE_WIDTH - 1], physics.seats, draws as u32);
        let row = [
            rate,
            quantile(InstanceMetric::ResponseTimeP50),
            quantile(InstanceMetric::ResponseTimeP95),
            quantile(InstanceMetric::ResponseTimeP99),
            error_rate,
            error_count,
            rounded(value(InstanceMetric::ActiveConnections)),
            rounded(value(InstanceMetric::QueueDepth)) + waiting,
        ];
        let weights = &self.plan.fleet().services[instance.service as usize].endpoints;
        (row, endpoint(weights, draws))
    }
}

/// The columns of rows that were just begun.
fn columns<'a, const N: usize, const E: usize>(
    rows: &'a mut Columns<'_>,
) -> ([&'a mut [i64]; N], [&'a mut [u8]; E]) {
    const WHOLE: &str = "the table has the columns of its entity type";
    let (mut numbers, mut enums) = rows.all();
    (
        std::array::from_fn(|_| numbers.next().expect(WHOLE)),
        std::array::from_fn(|_| enums.next().expect(WHOLE)),
    )
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
