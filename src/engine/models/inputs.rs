//! The inputs of a fleet at each grid point: demand, noise, weather. They do not depend on its states and causes.

use super::noise::{BURST, BURST_SHAPE, LATENCY_NOISE, SERVICE_WANDER};
use super::server_inputs::ServerSignals;
use crate::fleet::{Calendar, Fleet, Instance, Service, inlet_swing};
use crate::math::{exp, exp_pade, ln_1p};
use crate::noise::{Octave, Points, STRIP, STRIP_SPAN, Shots, WanderEnds, WanderSignal, between, soft};
use crate::time::SimTime;

/// The inputs of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerInputs {
    /// The load of its own jobs, as a share of the cores.
    pub own: f64,
    /// Fast noise of its load, as a share of the cores at full load.
    pub restless: f64,
    /// Bytes received per unit of work, in units of the server's level.
    pub rx: f64,
    /// Bytes received independently of work, in units of the level.
    pub rx_flow: f64,
    /// Bytes sent per unit of work.
    pub tx: f64,
    /// Bytes sent independently of work.
    pub tx_flow: f64,
    /// Bytes written per unit of work.
    pub write: f64,
    /// Bytes read per unit of work.
    pub read: f64,
    /// Flushes of the disk, in units of the level.
    pub flush: f64,
    /// Slow wander of memory, points.
    pub memory: f64,
    /// Caches if no kill empties them, points.
    pub caches: f64,
    /// Factor on dynamic power.
    pub power: f64,
    /// Disk used, %.
    pub disk_used: f64,
    /// The air at its inlet, °C.
    pub inlet: f64,
}

/// The inputs of an instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceInputs {
    /// Demand without retries, requests a second.
    pub demand: f64,
    /// Factor on all latencies.
    pub latency: f64,
}

/// The inputs of a whole fleet over eight grid points.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    num_servers: usize,
    num_instances: usize,
    servers: Vec<ServerInputs>,
    instances: Vec<InstanceInputs>,
}

impl Strip {
    /// The servers' inputs at the k-th point of the strip.
    pub fn servers(&self, k: usize) -> &[ServerInputs] {
        &self.servers[k * self.num_servers..(k + 1) * self.num_servers]
    }

    /// The instances' inputs at the k-th point.
    pub fn instances(&self, k: usize) -> &[InstanceInputs] {
        &self.instances[k * self.num_instances..(k + 1) * self.num_instances]
    }
}

/// The noise of a whole fleet, from which any strip can be computed.
#[derive(Clone, Debug)]
pub struct Signals {
    servers: Vec<ServerSignals>,
    services: Vec<ServiceSignals>,
    instances: Vec<InstanceSignals>,
    demand: Vec<Points>,
}

impl Signals {
    /// The noise of a fleet.
    pub fn new(fleet: &Fleet) -> Signals {
        Signals {
            servers: fleet.servers.iter().map(|server| ServerSignals::new(&server.physics)).collect(),
            services: fleet.services.iter().map(ServiceSignals::new).collect(),
            instances: fleet.instances.iter().map(InstanceSignals::new).collect(),
            demand: Vec::with_capacity(fleet.services.len()),
        }
    }

    /// Computes the strip that begins at `first`.
    pub fn strip(&mut self, fleet: &Fleet, first: SimTime, strip: &mut Strip) {
        let next = first + STRIP_SPAN;
        let (num_servers, num_instances) = (fleet.servers.len(), fleet.instances.len());
        (strip.num_servers, strip.num_instances) = (num_servers, num_instances);
        strip.servers.resize(STRIP * num_servers, ServerInputs::default());
        strip.instances.resize(STRIP * num_instances, InstanceInputs::default());
        let air = |moment: SimTime| {
            let moment = fleet.calendar.local(moment);
            fleet.zones.iter().map(move |zone| zone.inlet_celsius + 0.8 * inlet_swing(moment, zone.peak_hour))
        };
        let inlets: Vec<Points> = air(first).zip(air(next)).map(|(from, to)| between(from, to)).collect();
        for (index, (server, signals)) in fleet.servers.iter().zip(&mut self.servers).enumerate() {
            let points = signals.strip(&server.physics, &fleet.calendar, first);
            let inlet = &inlets[server.zone as usize];
            for (k, inputs) in points.into_iter().enumerate() {
                strip.servers[k * num_servers + index] = ServerInputs { inlet: inlet[k], ..inputs };
            }
        }
        self.demand.clear();
        self.demand.extend(
            fleet
                .services
                .iter()
                .zip(&mut self.services)
                .map(|(service, signals)| signals.strip(service, &fleet.calendar, first)),
        );
        for (index, (instance, signals)) in fleet.instances.iter().zip(&mut self.instances).enumerate() {
            let latency = signals.strip(first);
            let mut demand = [0.0; STRIP];
            for (service, rate) in &instance.sources {
                let service = &self.demand[*service as usize];
                for k in 0..STRIP {
                    demand[k] += rate * service[k];
                }
            }
            for k in 0..STRIP {
                strip.instances[k * num_instances + index] =
                    InstanceInputs { demand: demand[k], latency: latency[k] };
            }
        }
    }
}

/// Values that change over minutes, computed at the ends of strips. A strip ends where the next one starts.
#[derive(Clone, Debug)]
pub(super) struct Ends<T> {
    known: Option<(SimTime, T)>,
}

impl<T: Copy> Ends<T> {
    pub(super) fn new() -> Ends<T> {
        Ends { known: None }
    }

    pub(super) fn of(&mut self, first: SimTime, mut at: impl FnMut(SimTime) -> T) -> (T, T) {
        let from = match self.known {
            Some((moment, known)) if moment == first => known,
            _ => at(first),
        };
        let next = first + STRIP_SPAN;
        let to = at(next);
        self.known = Some((next, to));
        (from, to)
    }
}

/// The limit on the logarithm of demand ÷ profile: demand never exceeds e^0.4 = 1.49 times its profile. Without the
/// limit every service overloads now and then, and its p95 rises a hundredfold.
const DEMAND_LIMIT: f64 = 0.4;

/// The noise of one service.
#[derive(Clone, Debug)]
pub(super) struct ServiceSignals {
    wander: WanderSignal,
    bursts: Shots,
    ends: Ends<(f64, WanderEnds)>,
}

impl ServiceSignals {
    pub(super) fn new(service: &Service) -> ServiceSignals {
        let key = service.key.with("demand");
        ServiceSignals {
            wander: WanderSignal::new(key, SERVICE_WANDER),
            bursts: Shots::new(key.with("bursts"), service.bursts_per_hour, BURST, BURST_SHAPE),
            ends: Ends::new(),
        }
    }

    /// Demand ÷ its mean, over the strip that begins at `first`.
    pub(super) fn strip(&mut self, service: &Service, calendar: &Calendar, first: SimTime) -> Points {
        let wander = &mut self.wander;
        let ends = |moment| (service.shape.at(calendar.local(moment)), wander.ends(moment));
        let (from, to) = self.ends.of(first, ends);
        let mut demand = between(from.0, to.0);
        let wander = self.wander.strip(first, from.1, to.1);
        let mut bursts = [0.0; STRIP];
        self.bursts.add(first, &mut bursts);
        for k in 0..STRIP {
            let x = if bursts[k] > 0.0 { wander[k] + ln_1p(bursts[k]) } else { wander[k] };
            demand[k] *= exp(if x > 0.0 { soft(x, DEMAND_LIMIT) } else { x });
        }
        demand
    }
}

#[derive(Clone, Debug)]
struct InstanceSignals {
    fast: Octave,
    slow: Octave,
    ends: Ends<f64>,
}

impl InstanceSignals {
    fn new(instance: &Instance) -> InstanceSignals {
        let key = instance.physics.key.with("latency");
        InstanceSignals { fast: Octave::new(key, 20), slow: Octave::new(key, 1_280), ends: Ends::new() }
    }

    /// The factor on latencies, over the strip that begins at `first`.
    fn strip(&mut self, first: SimTime) -> Points {
        let slow = &mut self.slow;
        let (from, to) = self.ends.of(first, |moment| LATENCY_NOISE.1 * slow.at(moment));
        let mut noise = between(from, to);
        self.fast.add(first, LATENCY_NOISE.0, &mut noise);
        noise.map(exp_pade)
    }
}
