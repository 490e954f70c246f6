//! Computes an instance at a grid point from its callees: request rate, queue, latency and failures.

use super::InstanceMetric;
use super::causes::InstanceCauses;
use super::inputs::InstanceInputs;
use super::server_flow::ServerFlow;
use super::{CELL_S, dithered, three};
use crate::fleet::{Instance, InstancePhysics, RETRIED, all_succeed, either, passed_on};
use crate::math::{Key, mix};
use crate::noise::point;
use crate::time::SimTime;

/// The part of an instance at a grid point that depends on its past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstanceState {
    /// Requests that wait, in sixteenths.
    pub queue: i32,
    /// Retries of its direct callers, in steps of 1 % of its mean rate.
    pub retries: i32,
}

/// The part of an instance at a grid point that follows from its inputs, states and causes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InstanceFlow {
    /// Requests a second, including retries.
    pub rate: f64,
    /// The requests a second that it can finish.
    pub capacity: f64,
    /// The share of its capacity that requests need (0–0.98).
    pub utilisation: f64,
    /// The fixed part of its latency, including that of all callees, ms.
    pub fixed_ms: f64,
    /// The mean of the queueing part, including that of all callees, ms.
    pub queueing_ms: f64,
    /// The share of requests that fail here and not in a callee. Callers retry a part of these.
    pub own_failing: f64,
    /// The share of requests that fail, for any reason.
    pub failing: f64,
    /// The share of calls that fail for the caller, after one retry.
    pub passed_on: f64,
}

/// Steps of the queue's state per waiting request.
const STEPS_PER_REQUEST: f64 = (16 * InstanceMetric::QueueDepth.units()) as f64;

/// The largest sums of the two parts of latency, ms. By then every client has given up, and a row can still contain
/// the resulting values.
const MAX_FIXED_MS: f64 = 600_000.0;
const MAX_QUEUEING_MS: f64 = 100_000.0;

/// The largest utilisation of an instance.
const MAX_UTILISATION: f64 = 0.98;

impl InstanceState {
    /// Requests a second, including retries.
    #[inline]
    pub fn rate(&self, physics: &InstancePhysics, inputs: &InstanceInputs) -> f64 {
        inputs.demand + f64::from(self.retries) * physics.retry_step
    }

    /// The number of requests that wait.
    #[inline]
    pub fn waiting(&self) -> f64 {
        f64::from(self.queue) * (1.0 / STEPS_PER_REQUEST)
    }

    /// The queue at the fixed point of its inputs, without retries. `stays` is the share of the waiting requests
    /// that still wait after a cell.
    pub fn equilibrium(flow: &InstanceFlow, (dither, stays): (Key, f64), moment: SimTime) -> InstanceState {
        let grows = ((flow.rate - flow.capacity) * CELL_S).max(0.0);
        let queue = grows * stays / (1.0 - stays);
        let [u, ..] = three(mix(dither, point(moment)));
        InstanceState { queue: dithered(queue * STEPS_PER_REQUEST, u), retries: 0 }
    }

    /// The states one cell later.
    #[inline]
    pub fn next(
        &self,
        physics: &InstancePhysics,
        inputs: &InstanceInputs,
        flow: &InstanceFlow,
        (dither, stays): (Key, f64),
        to: SimTime,
    ) -> InstanceState {
        let [u, v, _] = three(mix(dither, point(to)));
        let queue = (self.waiting() + (flow.rate - flow.capacity) * CELL_S).max(0.0) * stays;
        let retries = RETRIED * flow.own_failing * inputs.demand / physics.retry_step;
        InstanceState {
            queue: if queue > 0.0 { dithered(queue * STEPS_PER_REQUEST, u) } else { 0 },
            retries: dithered(retries, v),
        }
    }
}

impl InstanceFlow {
    /// Computes the flow at a grid point. `callee` returns the flow of a callee. `stays` is the share of the
    /// waiting requests that still wait after a cell.
    ///
    /// Latency is D + Exp(M): a fixed and a queueing part, each the sum of the instance's own and its callees'. The
    /// queueing part is the sojourn time of an M/M/1 queue.
    #[inline]
    pub fn new<'a>(
        instance: &Instance,
        inputs: &InstanceInputs,
        state: &InstanceState,
        host: &ServerFlow,
        causes: Option<&InstanceCauses>,
        stays: f64,
        callee: impl Fn(u32) -> &'a InstanceFlow,
    ) -> InstanceFlow {
        let physics = &instance.physics;
        let rate = state.rate(physics, inputs);
        let capacity = physics.capacity * host.capacity.max(0.02);
        let utilisation = (rate / capacity).min(MAX_UTILISATION);
        let mut fixed_ms = physics.fixed_ms + host.delay_ms;
        let mut own_failing = either(physics.failing, host.failing);
        if state.queue > 0 {
            let waiting = state.waiting();
            fixed_ms += 1e3 * waiting / capacity;
            // Requests that give up in the coming cell have failed.
            let given_up = waiting * (1.0 - stays) / CELL_S;
            own_failing = either(own_failing, (given_up / rate.max(1e-9)).min(1.0));
        }
        if let Some(causes) = causes {
            fixed_ms += causes.delay_ms;
            own_failing = either(own_failing, causes.failing);
        }
        let mut queueing_ms = physics.queueing_ms * (1.0 - physics.mean_utilisation) / (1.0 - utilisation);
        let mut succeeding = 1.0;
        for (index, calls) in &instance.callees {
            let callee = callee(*index);
            fixed_ms += calls * callee.fixed_ms;
            queueing_ms += calls * callee.queueing_ms;
            succeeding *= all_succeed(*calls, callee.passed_on);
        }
        let inherited = 1.0 - succeeding;
        InstanceFlow {
            rate,
            capacity,
            utilisation,
            fixed_ms: fixed_ms.min(MAX_FIXED_MS),
            queueing_ms: queueing_ms.min(MAX_QUEUEING_MS),
            own_failing,
            failing: either(own_failing, inherited),
            passed_on: passed_on(own_failing, inherited),
        }
    }

    /// Whether callers cannot distinguish it from another flow.
    #[inline]
    pub fn is_same_to_callers(&self, other: &InstanceFlow) -> bool {
        (self.fixed_ms, self.queueing_ms, self.passed_on)
            == (other.fixed_ms, other.queueing_ms, other.passed_on)
    }
}
