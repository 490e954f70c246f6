use crate::engine::signal::{Octave, WanderSignal, soft};
use crate::math::{Key, exp};
use crate::plan::{
    Fleet, Instance, LATENCY_NOISE, OWN_WANDER, Plan, SERVICE_WANDER, Server, ServerPhysics, inlet_swing,
};
use crate::time::{CELL, SimTime};

/// The noise of a whole fleet, ready to be asked for any moment.
#[derive(Clone, Debug)]
pub struct Signals {
    servers: Vec<ServerSignals>,
    services: Vec<WanderSignal>,
    instances: Vec<InstanceSignals>,
}

#[derive(Clone, Debug)]
struct ServerSignals {
    own: WanderSignal,
    restless: Octave,
    rx: [Octave; 2],
    tx: [Octave; 2],
    memory: [Octave; 2],
    power: Octave,
    disk: [Key; 2],
    clean_up: Key,
}

#[derive(Clone, Debug)]
struct InstanceSignals {
    latency: [Octave; 2],
}

/// What a fleet is given at one moment, whatever its states and causes.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// By server.
    pub servers: Vec<ServerInputs>,
    /// By instance.
    pub instances: Vec<InstanceInputs>,
}

/// What a server is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerInputs {
    /// Its own jobs' load, as a share of the cores.
    pub own: f64,
    /// Fast noise of its load, a standard deviation.
    pub restless: f64,
    /// Factor on received bytes a unit of work.
    pub rx: f64,
    /// Factor on sent bytes.
    pub tx: f64,
    /// Factor on bytes written.
    pub write: f64,
    /// Factor on bytes read.
    pub read: f64,
    /// Slow wander of memory, points.
    pub memory: f64,
    /// Factor on dynamic power.
    pub power: f64,
    /// Disk used, %.
    pub disk_used: f64,
    /// Air at its inlet, °C.
    pub inlet: f64,
}

/// What an instance is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceInputs {
    /// Demand from outside, requests a second.
    pub outside: f64,
    /// Factor on all latencies.
    pub latency: f64,
}

impl Signals {
    /// The noise of a plan's fleet.
    pub fn new(plan: &Plan) -> Signals {
        let fleet = plan.fleet();
        let service =
            |service: &crate::plan::Service| WanderSignal::new(service.key.with("demand"), SERVICE_WANDER);
        Signals {
            servers: fleet.servers.iter().map(|server| ServerSignals::new(&server.physics)).collect(),
            services: fleet.services.iter().map(service).collect(),
            instances: fleet.instances.iter().map(InstanceSignals::new).collect(),
        }
    }

    /// What the fleet is given at a grid point.
    pub fn at(&mut self, fleet: &Fleet, moment: SimTime, inputs: &mut Inputs) {
        let demand: Vec<f64> = fleet
            .services
            .iter()
            .zip(&mut self.services)
            .map(|(service, wander)| service.shape.at(moment) * limited_exp(wander.at(moment)))
            .collect();
        inputs.servers.clear();
        inputs.servers.extend(fleet.servers.iter().zip(&mut self.servers).map(|(server, signals)| {
            let zone = &fleet.zones[server.zone as usize];
            let inlet = zone.inlet_celsius + 0.8 * inlet_swing(moment, zone.peak_hour);
            ServerInputs { inlet, ..signals.at(server, moment) }
        }));
        inputs.instances.clear();
        inputs.instances.extend(fleet.instances.iter().zip(&mut self.instances).map(
            |(instance, signals)| {
                let [fast, slow] = &mut signals.latency;
                let noise = LATENCY_NOISE.0 * fast.at(moment) + LATENCY_NOISE.1 * slow.at(moment);
                InstanceInputs {
                    outside: instance.outside * demand[instance.service as usize],
                    latency: exp(noise),
                }
            },
        ));
    }
}

/// Demand never passes 1.49 times its profile: without the limit every service overloads now and
/// then, its p95 a hundredfold.
const DEMAND_LIMIT: f64 = 0.4;

fn limited_exp(x: f64) -> f64 {
    exp(if x > 0.0 { soft(x, DEMAND_LIMIT) } else { x })
}

/// A host's own load: 1 + x upwards, levelling off where its cores are full; e^x downwards, so that it
/// is never negative.
fn own_load(physics: &ServerPhysics, moment: SimTime, wander: f64) -> f64 {
    let profile = physics.own * physics.shape.at(moment);
    if wander > 0.0 { profile + soft(profile * wander, physics.headroom) } else { profile * exp(wander) }
}

impl InstanceSignals {
    fn new(instance: &Instance) -> InstanceSignals {
        let key = instance.physics.key.with("latency");
        InstanceSignals { latency: [20, 1_280].map(|period| Octave::new(key, period)) }
    }
}

impl ServerSignals {
    fn new(physics: &ServerPhysics) -> ServerSignals {
        let key = |name: &str| physics.key.with(name);
        ServerSignals {
            own: WanderSignal::new(key("own load"), OWN_WANDER.scaled(physics.restless)),
            restless: Octave::heavy(key("restless"), 20),
            rx: [20, 320].map(|period| Octave::new(key("rx"), period)),
            tx: [20, 1_280].map(|period| Octave::new(key("tx"), period)),
            memory: [20_480, 122_880].map(|period| Octave::new(key("memory"), period)),
            power: Octave::new(key("power"), 2_560),
            disk: ["disk write", "disk read"].map(key),
            clean_up: key("clean-up level"),
        }
    }

    fn at(&mut self, server: &Server, moment: SimTime) -> ServerInputs {
        let physics = &server.physics;
        let cell = moment.0.div_euclid(CELL.0);
        let noise = physics.network_noise;
        let [rx_fast, rx_slow] = self.rx.each_mut().map(|octave| octave.at(moment));
        let [tx_fast, tx_slow] = self.tx.each_mut().map(|octave| octave.at(moment));
        let [memory_fast, memory_slow] = self.memory.each_mut().map(|octave| octave.at(moment));
        let [write, read] = self.disk.map(|key| exp(0.5 * key.normal(cell)));
        ServerInputs {
            own: own_load(physics, moment, self.own.at(moment)),
            restless: self.restless.at(moment),
            rx: exp(noise * (0.055 * rx_fast + 0.11 * rx_slow)),
            tx: exp(noise * (0.7 * 0.055 * rx_fast + 0.11 * rx_slow + 0.04 * tx_fast + 0.11 * tx_slow)),
            write,
            read,
            memory: 2.0 * (0.5 * memory_fast + memory_slow),
            power: 1.0 + 0.036 * self.power.at(moment),
            disk_used: disk_used(physics, self.clean_up, moment),
            inlet: 0.0,
        }
    }
}

/// Disk usage, %: the level after the last clean-up and a retained part of what the demand's shape
/// has written since. A closed form, so that no past is needed.
fn disk_used(physics: &ServerPhysics, clean_up: Key, moment: SimTime) -> f64 {
    const DAY_MS: i64 = 86_400_000;
    let since = moment.0 - physics.clean_up_ms;
    let day = since.div_euclid(DAY_MS);
    let last = SimTime(day * DAY_MS + physics.clean_up_ms);
    // What a day writes is its integral; one midnight lies between where `moment` is before the
    // hour of the clean-up.
    let midnights = moment.0.div_euclid(DAY_MS) - last.0.div_euclid(DAY_MS);
    let written =
        midnights as f64 + physics.shape.since_midnight(moment) - physics.shape.since_midnight(last);
    let level = physics.disk_used + 0.5 * clean_up.normal(day);
    level + physics.disk_growth * written
}
