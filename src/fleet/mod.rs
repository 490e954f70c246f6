//! The fleet of a scenario: names, drawn hardware and parameters, and placed instances.
//!
//! Input: the fleet of a scenario as written. Output: a `Fleet`, or every mistake in it. This module knows no time, no
//! schedule and no values of metrics.

mod assemble;
mod calendar;
mod calls;
mod catalogue;
mod instantiate;
mod parameters;
mod placement;
mod shape;
mod spec;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use assemble::assemble;
pub use calendar::{Calendar, LocalTime};
pub(crate) use instantiate::listed;
pub use parameters::{FAN_STARTS, InstancePhysics, SUPPLY, ServerPhysics, power_curve};
pub(crate) use parameters::{Keys, Load};
pub use shape::{DailyShape, inlet_swing};
pub(crate) use spec::fleet_spec;

use crate::batch::{Entities, TagColumns};
use crate::math::Key;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// The position of servers in the schema.
pub const SERVER: TypeId = TypeId::new(0);

/// The position of service instances in the schema.
pub const INSTANCE: TypeId = TypeId::new(1);

/// An entity: its type, and its index among the entities of this type. The order is that of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    type_id: TypeId,
    index: u32,
}

impl Entity {
    /// Returns the entity of a type with this index.
    pub const fn new(type_id: TypeId, index: u32) -> Entity {
        Entity { type_id, index }
    }

    /// Returns the server with this index in `Fleet::servers`.
    pub const fn server(index: u32) -> Entity {
        Entity::new(SERVER, index)
    }

    /// Returns the instance with this index in `Fleet::instances`.
    pub const fn instance(index: u32) -> Entity {
        Entity::new(INSTANCE, index)
    }

    /// Returns its entity type.
    pub const fn type_id(self) -> TypeId {
        self.type_id
    }

    /// Returns its index among the entities of its type.
    pub const fn index(self) -> u32 {
        self.index
    }
}

/// A fleet: its servers and services, the placement of instances, and the calls between them.
// Invariant: `callers_first` contains each instance once, and every caller comes before its callees.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Zones as declared.
    pub zones: Vec<Zone>,
    /// The names of pools as declared.
    pub pools: Vec<String>,
    /// Servers: pools as declared, and by number within each pool.
    pub servers: Vec<Server>,
    /// Services as declared.
    pub services: Vec<Service>,
    /// Instances: services as declared, and by number within each service.
    pub instances: Vec<Instance>,
    /// Instances in an order in which each caller comes before its callees.
    pub callers_first: Vec<u32>,
    /// By instance, its position in `callers_first`.
    pub rank: Vec<u32>,
    /// The names and tags of all entities, as rows refer to them. Empty until the models of the entity types add them.
    pub entities: Arc<Entities>,
    /// By server or instance, the entities of other types that read its flows or states.
    pub readers: BTreeMap<Entity, Vec<Entity>>,
    /// The time zone that its daily pattern follows.
    pub calendar: Calendar,
}

impl Fleet {
    /// Returns the number of entities of all types together.
    pub fn num_entities(&self) -> usize {
        self.entities.types().map(|(_, tags)| tags.len()).sum()
    }

    /// Returns the types of its entities.
    pub fn schema(&self) -> &Arc<Schema> {
        self.entities.schema()
    }

    /// Returns the name of an entity.
    pub fn name(&self, entity: Entity) -> &str {
        self.entities.name(entity.type_id(), entity.index())
    }

    /// Returns the entities of other types that read the flows or states of an entity.
    pub fn readers_of(&self, entity: Entity) -> &[Entity] {
        self.readers.get(&entity).map_or(&[], Vec::as_slice)
    }

    /// Returns the entities of all types, in stream order.
    pub fn all(&self) -> impl Iterator<Item = Entity> {
        let of_type =
            |(id, tags): (TypeId, &TagColumns)| (0..tags.len() as u32).map(move |i| Entity::new(id, i));
        self.entities.types().flat_map(of_type)
    }
}

/// A zone: servers that share the same air.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name, such as `marseille-1`.
    pub name: String,
    /// Mean temperature of the air at inlets, °C.
    pub inlet_celsius: f64,
    /// The hour at which the air is warmest, in local time.
    pub peak_hour: f64,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name, such as `srv-001`.
    pub name: String,
    /// The index of its zone.
    pub zone: u32,
    /// The name of its rack, such as `R01`.
    pub rack: String,
    /// The index of its pool.
    pub pool: u32,
    /// Instances that run on it, by index.
    pub guests: Vec<u32>,
    /// Its parameters.
    pub physics: ServerPhysics,
}

/// A service: what its instances have in common.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, such as `api-gateway`.
    pub name: String,
    /// The random stream of the noise of its demand.
    pub key: Key,
    /// The shape of its demand from outside.
    pub shape: DailyShape,
    /// Bursts of this demand per hour.
    pub bursts_per_hour: f64,
    /// Weights of `ENDPOINTS`.
    pub endpoints: [u16; 4],
    /// Its instances, by index.
    pub instances: std::ops::Range<u32>,
}

/// A service instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name, such as `api-gateway-1`.
    pub name: String,
    /// The index of its service.
    pub service: u32,
    /// The index of the server that it runs on.
    pub server: u32,
    /// Instances that it calls, with calls per request.
    pub callees: Vec<(u32, f64)>,
    /// Instances that call it, with calls per request of the caller.
    pub callers: Vec<(u32, f64)>,
    /// Demand from outside at its profile's mean, in requests per second.
    pub outside: f64,
    /// Its whole demand, by the service through which it enters from outside: (service, mean requests per second).
    pub sources: Vec<(u32, f64)>,
    /// Latency of the instance and everything below it at the profile's mean.
    pub tree: LatencyTree,
    /// Its parameters.
    pub physics: InstancePhysics,
}

/// Latency and failures of an instance and its callees, weighted by calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LatencyTree {
    /// The fixed part.
    pub fixed_ms: f64,
    /// The queueing part at the profile's mean.
    pub queueing_ms: f64,
    /// How much the queueing part spreads between usual and high demand.
    pub spread_ms: f64,
    /// Share of requests that fail in the normal state (0–1).
    pub failing: f64,
    /// Share of calls that fail for a caller, after its retries.
    pub passed_on: f64,
}

/// Returns the probability that at least one of two independent events happens.
#[inline]
pub fn either(a: f64, b: f64) -> f64 {
    a + b - a * b
}

/// The maximum share of failed calls that are retried. Only the direct caller retries, and only once.
pub const RETRIED: f64 = 0.5;

/// Returns the share of calls to an instance that fail for its callers. Callers retry a part of the calls that
/// failed in the instance itself (`own`), but none of those that failed in its callees (`inherited`).
#[inline]
pub fn passed_on(own: f64, inherited: f64) -> f64 {
    either(own - RETRIED * own * (1.0 - own), inherited)
}

/// Returns the probability that none of a request's calls to a callee fails, if each fails with probability
/// `failing`. A fraction in `calls` is the probability of one more call.
#[inline]
pub fn all_succeed(calls: f64, failing: f64) -> f64 {
    let whole = calls.floor();
    let last = 1.0 - (calls - whole) * failing;
    match whole as u32 {
        0 => last,
        1 => last * (1.0 - failing),
        _ => last * crate::math::pow((1.0 - failing).max(0.0), whole),
    }
}

impl Instance {
    /// Returns its requests per second at a moment according to the profile, without noise or incidents.
    pub fn profile_rate(&self, services: &[Service], moment: LocalTime) -> f64 {
        let part = |(service, rate): &(u32, f64)| rate * services[*service as usize].shape.at(moment);
        self.sources.iter().map(part).sum()
    }
}

impl Fleet {
    /// Returns the busy share of a server's cores at a moment according to the profile.
    pub fn profile_load(&self, server: u32, moment: SimTime) -> f64 {
        let server = &self.servers[server as usize];
        let (physics, moment) = (&server.physics, self.calendar.local(moment));
        let guest = |guest: &u32| {
            let guest = &self.instances[*guest as usize];
            guest.profile_rate(&self.services, moment) * guest.physics.share
        };
        physics.base + physics.own * physics.shape.at(moment) + server.guests.iter().map(guest).sum::<f64>()
    }
}
