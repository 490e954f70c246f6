use super::inputs::{Inputs, InstanceInputs, ServerInputs};
use crate::batch::Metric;
use crate::kinds::Change;
use crate::math::{pow, round_half_up};
use crate::plan::{Entity, Fleet, Instance, InstancePhysics, Server};

/// The metrics of a server that lie on the grid, in the order of `ServerValues`. (Available memory
/// follows from the rounded usage.)
pub const SERVER_METRICS: [Metric; 9] = [
    Metric::CpuUsage,
    Metric::MemoryUsage,
    Metric::DiskUsage,
    Metric::DiskRead,
    Metric::DiskWrite,
    Metric::NetworkRx,
    Metric::NetworkTx,
    Metric::CpuTemperature,
    Metric::PowerConsumption,
];

/// The metrics of an instance that lie on the grid, in the order of `InstanceValues`. (The error
/// rate is there as an expectation; the count follows.)
pub const INSTANCE_METRICS: [Metric; 7] = [
    Metric::RequestRate,
    Metric::ResponseTimeP50,
    Metric::ResponseTimeP95,
    Metric::ResponseTimeP99,
    Metric::ErrorRate,
    Metric::ActiveConnections,
    Metric::QueueDepth,
];

/// Grid values of a server and of an instance.
pub const SERVER_WIDTH: usize = SERVER_METRICS.len();
pub const INSTANCE_WIDTH: usize = INSTANCE_METRICS.len();

/// A server's values in sixteenths of each metric's quantum.
pub type ServerValues = [i32; SERVER_WIDTH];

/// An instance's values in sixteenths of each metric's quantum.
pub type InstanceValues = [i32; INSTANCE_WIDTH];

/// The place of a metric in an array of grid values.
pub const fn place(metric: Metric) -> usize {
    let list: &[Metric] =
        if (metric as usize) < Metric::NUM_SERVER { &SERVER_METRICS } else { &INSTANCE_METRICS };
    let mut i = 0;
    while list[i] as u8 != metric as u8 {
        i += 1;
    }
    i
}

/// Changes of causes that are on, summed by entity.
#[derive(Clone, Debug)]
pub struct Causes {
    /// Cores taken by foreign work, by server.
    load: Vec<f64>,
    /// Time that each request waits, by instance, ms.
    delay_ms: Vec<f64>,
}

impl Causes {
    /// None.
    pub fn none(fleet: &Fleet) -> Causes {
        Causes { load: vec![0.0; fleet.servers.len()], delay_ms: vec![0.0; fleet.instances.len()] }
    }

    /// Adds what one incident does to its targets.
    pub fn add(&mut self, changes: &[(Entity, Change)]) {
        for (entity, change) in changes {
            match entity {
                Entity::Server(index) => self.load[*index as usize] += change.load,
                Entity::Service(index) => self.delay_ms[*index as usize] += change.delay_ms,
            }
        }
    }

    /// Takes away all that acts on the targets of these changes.
    pub fn clear(&mut self, changes: &[(Entity, Change)]) {
        for (entity, _) in changes {
            match entity {
                Entity::Server(index) => self.load[*index as usize] = 0.0,
                Entity::Service(index) => self.delay_ms[*index as usize] = 0.0,
            }
        }
    }
}

/// What flows through a fleet at a grid point: no memory in it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Demand, by instance, requests a second.
    rate: Vec<f64>,
    /// Busy share of the cores, by server.
    load: Vec<f64>,
    /// Work (own and guests', no foreign), by server, as a share of the cores.
    work: Vec<f64>,
    /// Fixed part of the latency with all callees', by instance, ms.
    fixed_ms: Vec<f64>,
    /// Queueing part, by instance, ms.
    queueing_ms: Vec<f64>,
}

/// The most that latency sums up to, ms: far beyond what a row can hold.
const MAX_LATENCY_MS: f64 = 1e12;

/// The largest utilisation of an instance.
const MAX_UTILISATION: f64 = 0.98;

impl Flow {
    /// Nothing flows yet.
    pub fn new(fleet: &Fleet) -> Flow {
        let (servers, instances) = (fleet.servers.len(), fleet.instances.len());
        Flow {
            rate: vec![0.0; instances],
            load: vec![0.0; servers],
            work: vec![0.0; servers],
            fixed_ms: vec![0.0; instances],
            queueing_ms: vec![0.0; instances],
        }
    }

    /// Demand down the call graph, work onto hosts, latency up again: for these servers and for
    /// these instances (every caller before its callees); the rest stays as it is.
    pub fn step(
        &mut self,
        fleet: &Fleet,
        inputs: &Inputs,
        causes: &Causes,
        servers: &[u32],
        callers_first: &[u32],
    ) {
        for index in callers_first {
            let index = *index as usize;
            let from_callers = fleet.instances[index].callers.iter();
            let passed_on: f64 =
                from_callers.map(|(caller, calls)| self.rate[*caller as usize] * calls).sum();
            self.rate[index] = inputs.instances[index].outside + passed_on;
        }
        for index in servers {
            let index = *index as usize;
            self.load_server(fleet, index, &inputs.servers[index], causes.load[index]);
        }
        for index in callers_first.iter().rev() {
            let index = *index as usize;
            self.wait(&fleet.instances[index], index, causes.delay_ms[index]);
        }
    }

    fn load_server(&mut self, fleet: &Fleet, index: usize, inputs: &ServerInputs, foreign: f64) {
        let server = &fleet.servers[index];
        let physics = &server.physics;
        let guest = |guest: &u32| {
            self.rate[*guest as usize] * fleet.instances[*guest as usize].physics.cost / physics.cores
        };
        let work = inputs.own + server.guests.iter().map(guest).sum::<f64>();
        let busy = physics.base + work;
        let restless = 0.010 * physics.restless * (0.1 + busy) * inputs.restless;
        self.work[index] = work;
        self.load[index] = (busy + restless + foreign).clamp(0.0, 1.0);
    }

    /// W = D + Exp(M): a fixed and a queueing part, each its own and the callees'.
    fn wait(&mut self, instance: &Instance, index: usize, delay_ms: f64) {
        let physics = &instance.physics;
        let busy = self.load[instance.server as usize];
        let capacity = physics.capacity * (1.0 - 0.4 * (busy - 0.8).max(0.0));
        let utilisation = (self.rate[index] / capacity).min(MAX_UTILISATION);
        let mut fixed = physics.fixed_ms + delay_ms;
        let mut queueing = physics.queueing_ms * (1.0 - physics.mean_utilisation) / (1.0 - utilisation);
        for (callee, calls) in &instance.callees {
            fixed += calls * self.fixed_ms[*callee as usize];
            queueing += calls * self.queueing_ms[*callee as usize];
        }
        self.fixed_ms[index] = fixed.min(MAX_LATENCY_MS);
        self.queueing_ms[index] = queueing.min(MAX_LATENCY_MS);
    }

    /// Copies the parts of these entities from another flow.
    pub fn restore(&mut self, from: &Flow, servers: &[u32], instances: &[u32]) {
        for index in servers {
            let index = *index as usize;
            self.load[index] = from.load[index];
            self.work[index] = from.work[index];
        }
        for index in instances {
            let index = *index as usize;
            self.rate[index] = from.rate[index];
            self.fixed_ms[index] = from.fixed_ms[index];
            self.queueing_ms[index] = from.queueing_ms[index];
        }
    }
}

/// A server's values; `celsius` is the temperature of its processor.
pub fn server_values(
    server: &Server,
    index: u32,
    flow: &Flow,
    inputs: &ServerInputs,
    celsius: f64,
) -> ServerValues {
    let physics = &server.physics;
    let load = flow.load[index as usize];
    let relative = flow.work[index as usize] / physics.mean_work;
    let rx = physics.rx * (0.05 + relative * inputs.rx);
    let tx = physics.rx * physics.tx_ratio * (0.05 + relative * inputs.tx);
    let write = physics.disk_write * (0.1 + relative * inputs.write);
    let read = physics.disk_read * (0.1 + relative * inputs.read);
    let device = (physics.disk_limit / (write + read)).min(1.0);
    let memory = physics.memory_base + physics.working_set * relative + inputs.memory;
    let values = [
        100.0 * load,
        memory.clamp(0.0, 100.0),
        inputs.disk_used.clamp(0.0, 100.0),
        read * device,
        write * device,
        rx.min(physics.line_rate),
        tx.min(physics.line_rate),
        celsius,
        watts(server, load, inputs.power, celsius),
    ];
    in_sixteenths(values, &SERVER_METRICS)
}

/// Power at a busy share of the cores, with the fan.
///
/// The curve is that of Fan, Weber, Barroso, "Power provisioning for a warehouse-sized computer",
/// ISCA 2007.
fn watts(server: &Server, load: f64, noise: f64, celsius: f64) -> f64 {
    let physics = &server.physics;
    let dynamic = (physics.max_watts - physics.idle_watts) * (2.0 * load - pow(load, 1.4));
    physics.idle_watts + dynamic * noise + physics.fan_watts * (celsius - 25.0).max(0.0)
}

/// An instance's values.
pub fn instance_values(
    instance: &Instance,
    index: u32,
    flow: &Flow,
    inputs: &InstanceInputs,
) -> InstanceValues {
    let physics: &InstancePhysics = &instance.physics;
    let index = index as usize;
    let (rate, fixed, queueing) = (flow.rate[index], flow.fixed_ms[index], flow.queueing_ms[index]);
    let quantile = |logs: f64| (fixed + logs * queueing) * inputs.latency;
    let values = [
        rate,
        quantile(std::f64::consts::LN_2),
        quantile(2.9957),
        quantile(4.605),
        100.0 * physics.failing,
        // Little's law.
        rate * quantile(1.0) / 1e3 + physics.idle_connections,
        0.0,
    ];
    in_sixteenths(values, &INSTANCE_METRICS)
}

/// Rounds to sixteenths of each metric's quantum, within what they can hold.
fn in_sixteenths<const N: usize>(values: [f64; N], metrics: &[Metric; N]) -> [i32; N] {
    std::array::from_fn(|i| {
        let sixteenths = values[i] * (16 * metrics[i].units()) as f64;
        round_half_up(sixteenths.clamp(0.0, f64::from(i32::MAX))) as i32
    })
}
