//! The inputs of a server at each grid point: its own load, noise, caches, disk usage.

use super::inputs::{Ends, ServerInputs};
use super::noise::{
    BURST, BURST_SHAPE, FLOW, FLOW_SHAPE, FLOWS_PER_HOUR, FLUSH, FLUSH_SHAPE, JOB_CAP, JOB_SHAPE, OWN_WANDER,
};
use crate::fleet::{Calendar, LocalTime, Server, ServerPhysics};
use crate::math::{Key, exp, exp_pade, mix};
use crate::noise::{
    Octave, Pareto, Points, STRIP, Shots, WanderEnds, WanderSignal, between, log_normal, point, soft,
};
use crate::time::SimTime;

/// The noise of one server.
#[derive(Clone, Debug)]
pub(super) struct ServerSignals {
    own: WanderSignal,
    bursts: Shots,
    jobs: Shots,
    flows: Shots,
    flushes: Shots,
    restless: Octave,
    rx: [Octave; 2],
    tx: [Octave; 2],
    memory: [Octave; 2],
    power: Octave,
    disk: Key,
    clean_up: Key,
    restarts: Key,
    ends: Ends<ServerEnds>,
}

#[derive(Clone, Copy, Debug)]
struct ServerEnds {
    profile: f64,
    own: WanderEnds,
    tx: f64,
    memory: f64,
    caches: f64,
    power: f64,
    disk_used: f64,
}

impl ServerSignals {
    pub(super) fn new(physics: &ServerPhysics) -> ServerSignals {
        let key = |name: &str| physics.key.with(name);
        let job = Pareto { alpha: 2.0, least: physics.job, cap: JOB_CAP };
        ServerSignals {
            own: WanderSignal::new(key("own load"), OWN_WANDER.scaled(physics.restless)),
            bursts: Shots::new(key("bursts"), physics.bursts_per_hour, BURST, BURST_SHAPE),
            jobs: Shots::new(key("jobs"), physics.jobs_per_hour, job, JOB_SHAPE),
            flows: Shots::new(key("flows"), FLOWS_PER_HOUR, FLOW, FLOW_SHAPE),
            flushes: Shots::new(key("flushes"), 6.0 * physics.flushes, FLUSH, FLUSH_SHAPE),
            restless: Octave::heavy(key("restless"), 20),
            rx: [20, 320].map(|period| Octave::new(key("rx"), period)),
            tx: [20, 1_280].map(|period| Octave::new(key("tx"), period)),
            memory: [20_480, 122_880].map(|period| Octave::new(key("memory"), period)),
            power: Octave::new(key("power"), 2_560),
            disk: key("disk"),
            clean_up: key("clean-up level"),
            restarts: key("restarts"),
            ends: Ends::new(),
        }
    }

    fn ends(
        &mut self,
        physics: &ServerPhysics,
        calendar: &Calendar,
        first: SimTime,
    ) -> (ServerEnds, ServerEnds) {
        let mut ends = std::mem::replace(&mut self.ends, Ends::new());
        let both = ends.of(first, |moment| {
            let local = calendar.local(moment);
            let [memory_fast, memory_slow] = self.memory.each_mut().map(|octave| octave.at(moment));
            ServerEnds {
                profile: physics.own * physics.shape.at(local),
                own: self.own.ends(moment),
                tx: 0.11 * self.tx[1].at(moment),
                memory: 2.0 * (0.5 * memory_fast + memory_slow),
                caches: caches(physics, self.restarts, moment),
                power: 1.0 + 0.036 * self.power.at(moment),
                disk_used: disk_used(physics, self.clean_up, local),
            }
        });
        self.ends = ends;
        both
    }

    pub(super) fn strip(
        &mut self,
        physics: &ServerPhysics,
        calendar: &Calendar,
        first: SimTime,
    ) -> [ServerInputs; STRIP] {
        let (from, to) = self.ends(physics, calendar, first);
        let own = self.own_load(physics, first, &from, &to);
        let restless = self.restless.strip(first);
        let noise = physics.network_noise;
        let (rx_fast, rx_slow) = (self.rx[0].strip(first), self.rx[1].strip(first));
        let mut tx = between(from.tx, to.tx);
        self.tx[0].add(first, 0.04, &mut tx);
        let (mut flows, mut flushes) = ([0.0; STRIP], [0.0; STRIP]);
        self.flows.add(first, &mut flows);
        self.flushes.add(first, &mut flushes);
        let (memory, caches) = (between(from.memory, to.memory), between(from.caches, to.caches));
        let (power, disk_used) = (between(from.power, to.power), between(from.disk_used, to.disk_used));
        let cell = point(first);
        std::array::from_fn(|k| {
            let [write, read] = log_normal(mix(self.disk, cell + k as i64));
            let shared = 0.11 * rx_slow[k];
            ServerInputs {
                own: own[k],
                restless: 0.010 * physics.restless * restless[k],
                rx: exp_pade(noise * (0.055 * rx_fast[k] + shared)),
                rx_flow: flows[k],
                tx: exp_pade(noise * (0.7 * 0.055 * rx_fast[k] + shared + tx[k])),
                tx_flow: 0.5 * flows[k],
                write,
                read,
                flush: flushes[k],
                memory: memory[k],
                caches: caches[k],
                power: power[k],
                disk_used: disk_used[k],
                inlet: 0.0,
            }
        })
    }

    /// A host's own load, with jobs on top. It follows the profile × (1 + x) upwards, and levels off where the
    /// cores are full. Downwards it is like the profile × e^x, so that it is never negative.
    fn own_load(
        &mut self,
        physics: &ServerPhysics,
        first: SimTime,
        from: &ServerEnds,
        to: &ServerEnds,
    ) -> Points {
        let profile = between(from.profile, to.profile);
        let mut wander = self.own.strip(first, from.own, to.own);
        self.bursts.add(first, &mut wander);
        let mut load = [0.0; STRIP];
        for k in 0..STRIP {
            let x = wander[k];
            load[k] = if x > 0.0 {
                profile[k] + soft(profile[k] * x, physics.headroom)
            } else {
                profile[k] / (1.0 - x + 0.5 * x * x)
            };
        }
        self.jobs.add(first, &mut load);
        load
    }
}

/// Disk usage, %: the level after the last clean-up, plus the retained part of what the load's shape has written
/// since. It is a closed form, so that it needs no past.
fn disk_used(physics: &ServerPhysics, clean_up: Key, moment: LocalTime) -> f64 {
    const DAY_MS: i64 = 86_400_000;
    let since = moment.0 - physics.clean_up_ms;
    let day = since.div_euclid(DAY_MS);
    let last = LocalTime(day * DAY_MS + physics.clean_up_ms);
    // A day writes the integral of the shape, which is 1. If `moment` is before the hour of the clean-up, there is
    // one midnight between the clean-up and `moment`.
    let midnights = moment.0.div_euclid(DAY_MS) - last.0.div_euclid(DAY_MS);
    let written =
        midnights as f64 + physics.shape.since_midnight(moment) - physics.shape.since_midnight(last);
    let level = physics.disk_used + 0.5 * clean_up.normal(day);
    level + physics.disk_growth * written
}

/// Caches, points: they grow slowly over days after the last restart.
fn caches(physics: &ServerPhysics, restarts: Key, moment: SimTime) -> f64 {
    const DAY_S: f64 = 86_400.0;
    let period = physics.restart_ms;
    let restart = |cell: i64| SimTime(cell * period + (restarts.uniform(cell) * period as f64 / 3.0) as i64);
    let cell = moment.0.div_euclid(period);
    let last = if restart(cell) <= moment { restart(cell) } else { restart(cell - 1) };
    physics.caches * (1.0 - exp(-(moment - last).as_seconds() / DAY_S))
}

impl Server {
    /// The throughput that a server's work wants to receive from the network, MB/s.
    pub fn wanted_rx(&self, work: f64, inputs: &ServerInputs) -> f64 {
        let relative = work / self.physics.mean_work;
        self.physics.rx * (0.05 + relative * inputs.rx + inputs.rx_flow)
    }

    /// The throughput that its work wants to write to the disk, MB/s.
    pub fn wanted_write(&self, work: f64, inputs: &ServerInputs) -> f64 {
        let relative = work / self.physics.mean_work;
        self.physics.disk_write * (0.1 + relative * inputs.write + inputs.flush * (0.5 + 0.5 * relative))
    }
}
