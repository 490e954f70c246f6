//! Computes a server at a grid point: CPU, memory, power and temperature, and how these affect its guests.

use std::sync::LazyLock;

use super::ServerMetric;
use super::causes::{ServerCauses, filled};
use super::inputs::ServerInputs;
use super::{CELL_S, dithered, three};
use crate::fleet::{FAN_STARTS, SUPPLY, Server, ServerPhysics, either, power_curve};
use crate::math::{Key, exp, mix};
use crate::noise::point;
use crate::time::SimTime;

/// The part of a server at a grid point that depends on its past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// Temperature in sixteenths of the metric's quantum.
    pub celsius: i32,
    /// Working set in sixteenths of the quantum of memory usage.
    pub working: i32,
    /// Caches that a kill has emptied and that are not full again yet, in the same steps.
    pub cold: i32,
}

/// The part of a server at a grid point that follows from its inputs, states and causes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerFlow {
    /// Work of the server and of its guests, without foreign work, as a share of the cores.
    pub work: f64,
    /// Busy share of the cores, as in records.
    pub busy: f64,
    /// Memory in use, %.
    pub memory: f64,
    /// Power, W.
    pub watts: f64,
    /// The air at its inlet, °C.
    pub inlet: f64,
    /// The share of the caches that a kill in the coming cell empties (0–1).
    pub emptied: f64,
    /// The share of its guests' capacity that is left (0–1).
    pub capacity: f64,
    /// The time that its guests' requests wait for disk, network and memory, ms.
    pub delay_ms: f64,
    /// The share of its guests' requests that fail because of it.
    pub failing: f64,
}

/// Steps of the states per °C, and per point of memory.
const STEPS_PER_CELSIUS: f64 = (16 * ServerMetric::CpuTemperature.units()) as f64;
const STEPS_PER_POINT: f64 = (16 * ServerMetric::MemoryUsage.units()) as f64;

/// The temperature above which the processor throttles, °C.
const THROTTLES_AT: f64 = 92.0;

/// The share of a difference in memory that is left after a cell. Memory follows demand, and caches fill again,
/// with a lag of five minutes.
static MEMORY_DECAY: LazyLock<f64> = LazyLock::new(|| exp(-CELL_S / 300.0));

/// The number of intervals of the power curve's table.
const CURVE_CELLS: usize = 4_096;

/// The power curve at loads from 0 to 1. A `pow` for each entity and cell would be too expensive.
static CURVE: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let curve = |cell: usize| cell as f64 / CURVE_CELLS as f64;
    (0..=CURVE_CELLS).map(curve).map(power_curve).collect()
});

fn drawn(load: f64) -> f64 {
    let place = load.clamp(0.0, 1.0) * CURVE_CELLS as f64;
    let cell = (place as usize).min(CURVE_CELLS - 1);
    CURVE[cell] + (CURVE[cell + 1] - CURVE[cell]) * (place - cell as f64)
}

impl ServerState {
    /// Temperature, °C.
    #[inline]
    pub fn celsius(&self) -> f64 {
        f64::from(self.celsius) * (1.0 / STEPS_PER_CELSIUS)
    }

    /// Working set and emptied caches, points.
    #[inline]
    fn memory(&self) -> (f64, f64) {
        (f64::from(self.working) * (1.0 / STEPS_PER_POINT), f64::from(self.cold) * (1.0 / STEPS_PER_POINT))
    }

    /// The state before any warm-up: a temperature at which the fan does not run, and nothing else remembered.
    pub fn blank() -> ServerState {
        ServerState { celsius: (FAN_STARTS * STEPS_PER_CELSIUS) as i32, ..ServerState::default() }
    }

    /// Each state at the fixed point of its own inputs, with the fan's feedback but without any other. `flow` was
    /// computed from `blank`.
    pub fn equilibrium(server: &Server, flow: &ServerFlow, dither: Key, moment: SimTime) -> ServerState {
        let physics = &server.physics;
        let still = flow.inlet + physics.thermal_resistance * flow.watts;
        let feedback = physics.thermal_resistance * physics.fan_watts;
        let warm = still > FAN_STARTS;
        let celsius = if warm { (still - FAN_STARTS * feedback) / (1.0 - feedback) } else { still };
        let working = working_goal(physics, flow.work);
        let [u, v, _] = three(mix(dither, point(moment)));
        ServerState {
            celsius: dithered((celsius * STEPS_PER_CELSIUS).max(0.0), u),
            working: dithered(working * STEPS_PER_POINT, v),
            cold: 0,
        }
    }

    /// The states one cell later. `decay` is the share of a difference in temperature that is left.
    #[inline]
    pub fn next(
        &self,
        server: &Server,
        inputs: &ServerInputs,
        flow: &ServerFlow,
        (dither, decay): (Key, f64),
        to: SimTime,
    ) -> ServerState {
        let physics = &server.physics;
        let [u, v, w] = three(mix(dither, point(to)));
        let goal = flow.inlet + physics.thermal_resistance * flow.watts;
        let celsius = goal + (self.celsius() - goal) * decay;
        let memory_decay = *MEMORY_DECAY;
        let (working, cold) = self.memory();
        let goal = working_goal(physics, flow.work);
        let working = goal + (working - goal) * memory_decay;
        let cold =
            if flow.emptied > 0.0 { cold.max(flow.emptied * inputs.caches) } else { cold * memory_decay };
        ServerState {
            celsius: dithered((celsius * STEPS_PER_CELSIUS).max(0.0), u),
            working: dithered(working * STEPS_PER_POINT, v),
            cold: if cold > 0.0 { dithered(cold * STEPS_PER_POINT, w) } else { 0 },
        }
    }
}

fn working_goal(physics: &ServerPhysics, work: f64) -> f64 {
    physics.working_set * work / physics.mean_work
}

impl ServerFlow {
    /// Computes the flow at a grid point. `guests` is the load of all its guests, as a share of the cores.
    #[inline]
    pub fn new(
        server: &Server,
        inputs: &ServerInputs,
        guests: f64,
        state: &ServerState,
        causes: Option<&ServerCauses>,
    ) -> ServerFlow {
        let physics = &server.physics;
        let celsius = state.celsius();
        let (working, cold) = state.memory();
        let work = inputs.own + guests;
        let busy = physics.base + work;
        let mut load = busy + inputs.restless * (0.1 + busy);
        let mut memory = physics.memory_base + working + inputs.memory + inputs.caches - cold;
        let mut flow = ServerFlow { work, inlet: inputs.inlet, ..ServerFlow::default() };
        let mut watts = 0.0;
        if let Some(causes) = causes {
            load += causes.load;
            memory += causes.leaked;
            watts += causes.watts;
            flow.inlet += causes.inlet;
            flow.emptied = causes.emptied;
        }
        let load = load.max(0.0);
        // A throttled processor works more slowly: it seems busier, and gets less work done.
        let speed =
            if celsius > THROTTLES_AT { (1.0 - 0.04 * (celsius - THROTTLES_AT)).max(0.3) } else { 1.0 };
        flow.busy = (load / speed).min(1.0);
        flow.memory = memory.clamp(0.0, 100.0);
        let fan = physics.fan_watts * (celsius - FAN_STARTS).max(0.0);
        let dynamic = (physics.max_watts - physics.idle_watts) * drawn(load.min(speed)) * inputs.power;
        watts += physics.idle_watts + dynamic + fan;
        flow.watts = watts.min(SUPPLY * physics.max_watts + fan);
        flow.capacity = speed * (1.0 - 0.4 * (load / speed - 0.8).clamp(0.0, 1.0));
        if cold > 0.0 {
            flow.delay_ms += 8.0 * cold / inputs.caches.max(0.1);
        }
        if flow.memory > 90.0 {
            // Near the limit the system swaps.
            let pressure = (flow.memory - 90.0) / 10.0;
            flow.delay_ms += 40.0 * pressure * pressure;
        }
        if let Some(causes) = causes {
            flow.starve(server, inputs, causes);
        }
        flow
    }

    /// Applies the effects of full devices and a killed process on the guests.
    fn starve(&mut self, server: &Server, inputs: &ServerInputs, causes: &ServerCauses) {
        self.failing = either(self.failing, 0.3 * causes.restarting);
        if !causes.rx.is_empty() {
            let (_, on, share) = filled(server.wanted_rx(self.work, inputs), &causes.rx);
            self.delay_ms += on * (10.0 + 40.0 * share);
            self.failing = either(self.failing, on * (0.004 + 0.02 * share));
        }
        if !causes.write.is_empty() {
            let (_, on, share) = filled(server.wanted_write(self.work, inputs), &causes.write);
            self.delay_ms += on * (15.0 + 60.0 * share);
            self.capacity *= 1.0 - on * (0.1 + 0.25 * share);
        }
    }

    /// Whether guests cannot distinguish it from another flow.
    #[inline]
    pub fn is_same_to_guests(&self, other: &ServerFlow) -> bool {
        (self.capacity, self.delay_ms, self.failing) == (other.capacity, other.delay_ms, other.failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_curve_is_the_published_one() {
        for i in 2..=100 {
            let u = f64::from(i) / 100.0;
            assert!((drawn(u) - (2.0 * u - crate::math::pow(u, 1.4))).abs() < 1e-6, "at {u}");
        }
    }
}
