//! The differences from a fleet's flows and states at one grid point, under other causes or in other states.

use std::collections::BinaryHeap;

use super::models::{InstanceFlow, InstanceState, ServerFlow, ServerState};
use super::world::{Scene, View, World};
use crate::fleet::{Entity, Fleet, INSTANCE, SERVER};

/// Values of a few out of many entities, which can be cleared at once.
#[derive(Clone, Debug)]
struct Sparse<T> {
    stamp: u32,
    stamps: Vec<u32>,
    values: Vec<T>,
    list: Vec<u32>,
}

impl<T: Copy + Default> Sparse<T> {
    fn new(length: usize) -> Sparse<T> {
        Sparse { stamp: 1, stamps: vec![0; length], values: vec![T::default(); length], list: Vec::new() }
    }

    fn clear(&mut self) {
        self.list.clear();
        if self.stamp == u32::MAX {
            self.stamps.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    #[inline]
    fn get(&self, index: u32) -> Option<&T> {
        (self.stamps[index as usize] == self.stamp).then(|| &self.values[index as usize])
    }

    fn set(&mut self, index: u32, value: T) {
        if self.stamps[index as usize] != self.stamp {
            self.stamps[index as usize] = self.stamp;
            self.list.push(index);
        }
        self.values[index as usize] = value;
    }
}

/// What differs from a world at a grid point, under other causes or in other states.
#[derive(Clone, Debug)]
pub struct Overlay {
    server_flows: Sparse<ServerFlow>,
    instance_flows: Sparse<InstanceFlow>,
    server_states: Sparse<ServerState>,
    instance_states: Sparse<InstanceState>,
    /// Servers to look at. They come before the instances.
    servers: Vec<u32>,
    /// Instances to look at, as (rank, index), callees before their callers.
    instances: BinaryHeap<(u32, u32)>,
    /// Entities of other types on which different causes act. They have neither flows nor states.
    others: Vec<Entity>,
}

impl Overlay {
    /// An empty overlay for a fleet.
    pub fn new(fleet: &Fleet) -> Overlay {
        let (servers, instances) = (fleet.servers.len(), fleet.instances.len());
        Overlay {
            server_flows: Sparse::new(servers),
            instance_flows: Sparse::new(instances),
            server_states: Sparse::new(servers),
            instance_states: Sparse::new(instances),
            servers: Vec::new(),
            instances: BinaryHeap::new(),
            others: Vec::new(),
        }
    }

    /// Removes all differences.
    pub fn clear(&mut self) {
        self.server_flows.clear();
        self.instance_flows.clear();
        self.server_states.clear();
        self.instance_states.clear();
        self.others.clear();
    }

    /// Adds states that differ. Puts their entities, and the hosts of their instances, on the list of entities to
    /// look at.
    pub fn put_states(&mut self, scene: &Scene<'_>, states: &States) {
        for (index, state) in &states.servers {
            self.server_states.set(*index, *state);
            self.servers.push(*index);
        }
        for (index, state) in &states.instances {
            self.instance_states.set(*index, *state);
            self.servers.push(scene.fleet.instances[*index as usize].server);
            self.look_at(scene, *index);
        }
    }

    /// Puts an entity on the list of entities to look at.
    pub fn look_at_entity(&mut self, scene: &Scene<'_>, entity: Entity) {
        match entity.type_id() {
            SERVER => self.servers.push(entity.index()),
            INSTANCE => self.look_at(scene, entity.index()),
            _ => self.others.push(entity),
        }
    }

    fn look_at(&mut self, scene: &Scene<'_>, instance: u32) {
        // The heap returns the last in `callers_first` first: callees before callers.
        self.instances.push((scene.fleet.rank[instance as usize], instance));
    }

    /// Computes the flows that differ from the world beneath: first for the entities on the list, then for their
    /// neighbours, as long as these can notice the difference.
    pub fn flow(&mut self, scene: &Scene<'_>, beneath: View<'_>, strength: impl Fn(u32) -> f64) {
        let fleet = scene.fleet;
        let mut servers = std::mem::take(&mut self.servers);
        servers.sort_unstable();
        servers.dedup();
        for index in servers.drain(..) {
            let server = &fleet.servers[index as usize];
            let view = beneath.under(self);
            let guests = server.guests.iter().map(|guest| view.load(scene, *guest)).sum();
            let causes = scene.acting.on_server(index, scene.incidents, scene.moments(), &strength);
            let inputs = &scene.servers[index as usize];
            let flow = ServerFlow::new(server, inputs, guests, view.server_state(index), Some(&causes));
            let before = beneath.server_flow(index);
            if flow == *before {
                continue;
            }
            let is_felt = !flow.is_same_to_guests(before);
            self.server_flows.set(index, flow);
            if is_felt {
                for guest in &server.guests {
                    self.look_at(scene, *guest);
                }
            }
        }
        self.servers = servers;
        let mut last = None;
        while let Some((_, index)) = self.instances.pop() {
            if last.replace(index) == Some(index) {
                continue;
            }
            let instance = &fleet.instances[index as usize];
            let view = beneath.under(self);
            let causes = scene.acting.on_instance(index, scene.incidents, &strength);
            let flow = InstanceFlow::new(
                instance,
                &scene.instances[index as usize],
                view.instance_state(index),
                view.server_flow(instance.server),
                Some(&causes),
                scene.constants.stays(index),
                |callee| view.instance_flow(callee),
            );
            let before = beneath.instance_flow(index);
            if flow == *before {
                continue;
            }
            let is_felt = !flow.is_same_to_callers(before);
            self.instance_flows.set(index, flow);
            if is_felt {
                for (caller, _) in &instance.callers {
                    self.look_at(scene, *caller);
                }
            }
        }
    }

    pub fn server_flow(&self, index: u32) -> Option<&ServerFlow> {
        self.server_flows.get(index)
    }

    pub fn instance_flow(&self, index: u32) -> Option<&InstanceFlow> {
        self.instance_flows.get(index)
    }

    pub fn server_state(&self, index: u32) -> Option<&ServerState> {
        self.server_states.get(index)
    }

    pub fn instance_state(&self, index: u32) -> Option<&InstanceState> {
        self.instance_states.get(index)
    }

    /// Collects the entities with a different flow or state, those of other types on the list, and the readers of all
    /// of them, ascending.
    pub fn differing(&self, fleet: &Fleet, out: &mut Vec<Entity>) {
        out.clear();
        let servers = self.server_flows.list.iter().chain(&self.server_states.list);
        out.extend(servers.map(|index| Entity::server(*index)));
        let instances = self.instance_flows.list.iter().chain(&self.instance_states.list);
        out.extend(instances.map(|index| Entity::instance(*index)));
        let readers: Vec<Entity> = out.iter().flat_map(|entity| fleet.readers_of(*entity)).copied().collect();
        out.extend(readers);
        out.extend_from_slice(&self.others);
        out.sort_unstable();
        out.dedup();
    }
}

/// States of a few entities that differ from the fleet's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    servers: Vec<(u32, ServerState)>,
    instances: Vec<(u32, InstanceState)>,
}

impl States {
    /// Whether no state differs.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.instances.is_empty()
    }

    /// Computes the states at the next grid point of the entities that differ at this one. An entity that has
    /// reached the fleet's state again is left out. `world` must have advanced.
    pub fn advanced(&mut self, scene: &Scene<'_>, world: &World, differing: &[Entity], view: View<'_>) {
        let server = |index| scene.next_server(index, view.server_state(index), view.server_flow(index));
        let instance =
            |index| scene.next_instance(index, view.instance_state(index), view.instance_flow(index));
        self.next(world, differing, server, instance);
    }

    /// The same for the equilibrium before a warm-up. `world` must have settled.
    pub fn settled(&mut self, scene: &Scene<'_>, world: &World, differing: &[Entity], view: View<'_>) {
        let server = |index| scene.server_equilibrium(index, view.server_flow(index));
        let instance = |index| scene.instance_equilibrium(index, view.instance_flow(index));
        self.next(world, differing, server, instance);
    }

    fn next(
        &mut self,
        world: &World,
        differing: &[Entity],
        server: impl Fn(u32) -> ServerState,
        instance: impl Fn(u32) -> InstanceState,
    ) {
        self.servers.clear();
        self.instances.clear();
        let (servers, instances) = world.next_states();
        for entity in differing {
            let index = entity.index();
            match entity.type_id() {
                SERVER => {
                    let state = server(index);
                    self.servers.extend((state != servers[index as usize]).then_some((index, state)));
                }
                INSTANCE => {
                    let state = instance(index);
                    self.instances.extend((state != instances[index as usize]).then_some((index, state)));
                }
                _ => {}
            }
        }
    }
}
