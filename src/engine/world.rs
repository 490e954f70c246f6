//! The flows and states of a whole fleet at one grid point, and a view of them through overlays.

use super::acting::Acting;
use super::models::{InstanceFlow, InstanceInputs, InstanceState, ServerFlow, ServerInputs, ServerState};
use super::overlay::Overlay;
use crate::fleet::{Fleet, INSTANCE, SERVER};
use crate::math::{Key, exp};
use crate::plan::Incident;
use crate::time::{CELL, SimTime};

/// Constants of a fleet's states. For each entity: the key of its dither, and the share that is left after a cell
/// of a temperature difference (servers) or of the waiting requests (instances).
#[derive(Clone, Debug)]
pub struct Constants {
    servers: Vec<(Key, f64)>,
    instances: Vec<(Key, f64)>,
}

impl Constants {
    /// The constants of a fleet.
    pub fn new(fleet: &Fleet) -> Constants {
        let decay = |lag_s: f64| exp(-CELL.as_seconds() / lag_s);
        let servers = fleet.servers.iter().map(|server| &server.physics);
        let instances = fleet.instances.iter().map(|instance| &instance.physics);
        Constants {
            servers: servers
                .map(|physics| (physics.key.with("dither"), decay(physics.time_constant_s)))
                .collect(),
            instances: instances
                .map(|physics| (physics.key.with("dither"), decay(physics.timeout_s)))
                .collect(),
        }
    }
}

impl Constants {
    /// The share of an instance's waiting requests that are still waiting after a cell.
    pub fn stays(&self, instance: u32) -> f64 {
        self.instances[instance as usize].1
    }
}

/// What all entities share at a grid point: the fleet, the moment, the inputs, and the incidents with their
/// targets.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub fleet: &'a Fleet,
    pub constants: &'a Constants,
    pub incidents: &'a [Incident],
    pub acting: &'a Acting,
    pub moment: SimTime,
    /// The moment by which kills of leaks are counted, mostly the same as `moment`.
    pub kills_at: SimTime,
    pub servers: &'a [ServerInputs],
    pub instances: &'a [InstanceInputs],
}

/// States and flows of a whole fleet.
#[derive(Clone, Debug)]
pub struct World {
    rates: Vec<f64>,
    server_flows: Vec<ServerFlow>,
    instance_flows: Vec<InstanceFlow>,
    server_states: Vec<ServerState>,
    instance_states: Vec<InstanceState>,
    /// The states at the next grid point, once they are computed.
    next_servers: Vec<ServerState>,
    next_instances: Vec<InstanceState>,
    /// For each server and each instance, whether an incident acts on it now.
    is_target: (Vec<bool>, Vec<bool>),
}

impl World {
    /// A fleet before its warm-up.
    pub fn new(fleet: &Fleet) -> World {
        let (servers, instances) = (fleet.servers.len(), fleet.instances.len());
        World {
            rates: vec![0.0; instances],
            server_flows: vec![ServerFlow::default(); servers],
            instance_flows: vec![InstanceFlow::default(); instances],
            server_states: vec![ServerState::blank(); servers],
            instance_states: vec![InstanceState::default(); instances],
            next_servers: vec![ServerState::default(); servers],
            next_instances: vec![InstanceState::default(); instances],
            is_target: (vec![false; servers], vec![false; instances]),
        }
    }

    /// Computes all flows at this grid point: the work on hosts, then latency and failures from callees to callers.
    pub fn flow(&mut self, scene: &Scene<'_>, strength: impl Fn(u32) -> f64) {
        let fleet = scene.fleet;
        self.mark(scene, true);
        for (index, rate) in self.rates.iter_mut().enumerate() {
            let physics = &fleet.instances[index].physics;
            *rate = self.instance_states[index].rate(physics, &scene.instances[index]);
        }
        for (index, server) in fleet.servers.iter().enumerate() {
            let share =
                |guest: &u32| self.rates[*guest as usize] * fleet.instances[*guest as usize].physics.share;
            let guests = server.guests.iter().map(share).sum();
            let causes = self.is_target.0[index]
                .then(|| scene.acting.on_server(index as u32, scene.incidents, scene.moments(), &strength));
            let (inputs, state) = (&scene.servers[index], &self.server_states[index]);
            self.server_flows[index] = ServerFlow::new(server, inputs, guests, state, causes.as_ref());
        }
        for index in fleet.callers_first.iter().rev() {
            let place = *index as usize;
            let instance = &fleet.instances[place];
            let causes =
                self.is_target.1[place].then(|| scene.acting.on_instance(*index, scene.incidents, &strength));
            self.instance_flows[place] = InstanceFlow::new(
                instance,
                &scene.instances[place],
                &self.instance_states[place],
                &self.server_flows[instance.server as usize],
                causes.as_ref(),
                scene.constants.stays(*index),
                |callee| &self.instance_flows[callee as usize],
            );
        }
        self.mark(scene, false);
    }

    fn mark(&mut self, scene: &Scene<'_>, to: bool) {
        for target in scene.acting.targets() {
            let index = target.index() as usize;
            match target.type_id() {
                SERVER => self.is_target.0[index] = to,
                INSTANCE => self.is_target.1[index] = to,
                _ => {}
            }
        }
    }

    /// Computes the equilibrium under the current flows, as the states of this same grid point.
    pub fn settle(&mut self, scene: &Scene<'_>) {
        for (index, state) in self.next_servers.iter_mut().enumerate() {
            *state = scene.server_equilibrium(index as u32, &self.server_flows[index]);
        }
        for (index, state) in self.next_instances.iter_mut().enumerate() {
            *state = scene.instance_equilibrium(index as u32, &self.instance_flows[index]);
        }
    }

    /// Computes the states of the next grid point, and keeps those of this one.
    pub fn advance(&mut self, scene: &Scene<'_>) {
        for (index, next) in self.next_servers.iter_mut().enumerate() {
            *next = scene.next_server(index as u32, &self.server_states[index], &self.server_flows[index]);
        }
        for (index, next) in self.next_instances.iter_mut().enumerate() {
            *next =
                scene.next_instance(index as u32, &self.instance_states[index], &self.instance_flows[index]);
        }
    }

    /// The states at the next grid point, once they are computed.
    pub fn next_states(&self) -> (&[ServerState], &[InstanceState]) {
        (&self.next_servers, &self.next_instances)
    }

    /// Moves on to the states that `settle` or `advance` computed.
    pub fn go_on(&mut self) {
        std::mem::swap(&mut self.server_states, &mut self.next_servers);
        std::mem::swap(&mut self.instance_states, &mut self.next_instances);
    }
}

impl Scene<'_> {
    /// The moment, and the moment by which kills are counted.
    pub fn moments(&self) -> (SimTime, SimTime) {
        (self.moment, self.kills_at)
    }

    pub fn server_equilibrium(&self, index: u32, flow: &ServerFlow) -> ServerState {
        let place = index as usize;
        let dither = self.constants.servers[place].0;
        ServerState::equilibrium(&self.fleet.servers[place], flow, dither, self.moment)
    }

    pub fn instance_equilibrium(&self, index: u32, flow: &InstanceFlow) -> InstanceState {
        InstanceState::equilibrium(flow, self.constants.instances[index as usize], self.moment)
    }

    #[inline]
    pub fn next_server(&self, index: u32, state: &ServerState, flow: &ServerFlow) -> ServerState {
        let place = index as usize;
        let (server, inputs) = (&self.fleet.servers[place], &self.servers[place]);
        state.next(server, inputs, flow, self.constants.servers[place], self.moment + CELL)
    }

    #[inline]
    pub fn next_instance(&self, index: u32, state: &InstanceState, flow: &InstanceFlow) -> InstanceState {
        let place = index as usize;
        let (physics, inputs) = (&self.fleet.instances[place].physics, &self.instances[place]);
        state.next(physics, inputs, flow, self.constants.instances[place], self.moment + CELL)
    }
}

/// A world seen through up to two overlays. The last overlay takes precedence.
#[derive(Clone, Copy)]
pub struct View<'a> {
    world: &'a World,
    overlays: [Option<&'a Overlay>; 2],
}

impl<'a> View<'a> {
    /// A world as it is.
    pub fn of(world: &'a World) -> View<'a> {
        View { world, overlays: [None, None] }
    }

    /// The same view under one more overlay (two at most).
    pub fn under(self, overlay: &'a Overlay) -> View<'a> {
        let overlays = match self.overlays {
            [None, _] => [Some(overlay), None],
            [first, _] => [first, Some(overlay)],
        };
        View { overlays, ..self }
    }

    #[inline]
    fn look_up<T>(&self, beneath: &'a T, find: impl Fn(&'a Overlay) -> Option<&'a T>) -> &'a T {
        let [first, second] = self.overlays;
        second.and_then(&find).or_else(|| first.and_then(&find)).unwrap_or(beneath)
    }

    pub fn server_flow(&self, index: u32) -> &'a ServerFlow {
        self.look_up(&self.world.server_flows[index as usize], |overlay| overlay.server_flow(index))
    }

    pub fn instance_flow(&self, index: u32) -> &'a InstanceFlow {
        self.look_up(&self.world.instance_flows[index as usize], |overlay| overlay.instance_flow(index))
    }

    pub fn server_state(&self, index: u32) -> &'a ServerState {
        self.look_up(&self.world.server_states[index as usize], |overlay| overlay.server_state(index))
    }

    pub fn instance_state(&self, index: u32) -> &'a InstanceState {
        self.look_up(&self.world.instance_states[index as usize], |overlay| overlay.instance_state(index))
    }

    /// The load of a guest, as a share of its host's cores.
    pub fn load(&self, scene: &Scene<'_>, index: u32) -> f64 {
        let physics = &scene.fleet.instances[index as usize].physics;
        self.instance_state(index).rate(physics, &scene.instances[index as usize]) * physics.share
    }
}
