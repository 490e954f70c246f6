//! Who is there: the fleet of a scenario, with names, hardware and parameters drawn, and instances placed.
//!
//! In: the fleet of a scenario as written. Out: a `Fleet`, or every mistake in it. What may never happen here: time, a
//! schedule, a value of a metric.

mod assemble;
mod calendar;
mod calls;
mod catalogue;
mod parameters;
mod placement;
mod population;
mod roster;
mod shape;

use std::sync::Arc;

pub(crate) use assemble::assemble;
pub use calendar::{Calendar, LocalTime};
pub use parameters::{FAN_STARTS, InstancePhysics, SUPPLY, ServerPhysics, power_curve};
pub(crate) use parameters::{Keys, Load};
pub(crate) use population::listed;
pub(crate) use roster::roster;
pub use shape::{DailyShape, inlet_swing};

use crate::batch::{Entities, TagColumns};
use crate::math::Key;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// Servers, by their place in the schema.
pub const SERVER: TypeId = TypeId::new(0);

/// Service instances, by their place in the schema.
pub const INSTANCE: TypeId = TypeId::new(1);

/// An entity: its type, and its index among the entities of this type. Ordered as in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    type_id: TypeId,
    index: u32,
}

impl Entity {
    /// The entity of a type with this index.
    pub const fn new(type_id: TypeId, index: u32) -> Entity {
        Entity { type_id, index }
    }

    /// The server with this index in `Fleet::servers`.
    pub const fn server(index: u32) -> Entity {
        Entity::new(SERVER, index)
    }

    /// The instance with this index in `Fleet::instances`.
    pub const fn instance(index: u32) -> Entity {
        Entity::new(INSTANCE, index)
    }

    /// Its entity type.
    pub const fn type_id(self) -> TypeId {
        self.type_id
    }

    /// Its index among the entities of its type.
    pub const fn index(self) -> u32 {
        self.index
    }
}

/// Who is there, who runs where, who calls whom.
// Invariant: `callers_first` holds each instance once, every caller before its callees.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Zones in the order of their names in records.
    pub zones: Vec<Zone>,
    /// The names of pools as declared.
    pub pools: Vec<String>,
    /// Servers: pools as declared, within each by number.
    pub servers: Vec<Server>,
    /// Services as declared.
    pub services: Vec<Service>,
    /// Instances: services as declared, within each by number.
    pub instances: Vec<Instance>,
    /// Instances so that each caller stands before its callees.
    pub callers_first: Vec<u32>,
    /// By instance, its place in `callers_first`.
    pub rank: Vec<u32>,
    /// The names and tags of all, as rows refer to them; none before the models of their types have added them.
    pub entities: Arc<Entities>,
    /// The time zone that its day follows.
    pub calendar: Calendar,
}

impl Fleet {
    /// Entities of all types together.
    pub fn num_entities(&self) -> usize {
        self.entities.types().map(|(_, tags)| tags.len()).sum()
    }

    /// The types of its entities.
    pub fn schema(&self) -> &Arc<Schema> {
        self.entities.schema()
    }

    /// The name of an entity.
    pub fn name(&self, entity: Entity) -> &str {
        self.entities.name(entity.type_id(), entity.index())
    }

    /// The entities of all types, in stream order.
    pub fn all(&self) -> impl Iterator<Item = Entity> {
        let of_type =
            |(id, tags): (TypeId, &TagColumns)| (0..tags.len() as u32).map(move |i| Entity::new(id, i));
        self.entities.types().flat_map(of_type)
    }
}

/// A zone: servers that share their air.
#[derive(Clone, Debug)]
pub struct Zone {
    /// `marseille-1`
    pub name: String,
    /// Mean temperature of the air at inlets, °C.
    pub inlet_celsius: f64,
    /// Hour at which it is warmest, local time.
    pub peak_hour: f64,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// `srv-001`
    pub name: String,
    /// The index of its zone.
    pub zone: u32,
    /// `R01`
    pub rack: String,
    /// The index of its pool.
    pub pool: u32,
    /// Instances that run on it, by index.
    pub guests: Vec<u32>,
    /// Its parameters.
    pub physics: ServerPhysics,
}

/// A service: what its instances share.
#[derive(Clone, Debug)]
pub struct Service {
    /// `api-gateway`
    pub name: String,
    /// The stream of its demand's noise.
    pub key: Key,
    /// The shape of its demand from outside.
    pub shape: DailyShape,
    /// Bursts of it in an hour.
    pub bursts_per_hour: f64,
    /// Weights of `ENDPOINTS`.
    pub endpoints: [u16; 4],
    /// Its instances, by index.
    pub instances: std::ops::Range<u32>,
}

/// A service instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `api-gateway-1`
    pub name: String,
    /// The index of its service.
    pub service: u32,
    /// The index of the server that it runs on.
    pub server: u32,
    /// Instances that it calls, with calls per request.
    pub callees: Vec<(u32, f64)>,
    /// Instances that call it, with calls per request of theirs.
    pub callers: Vec<(u32, f64)>,
    /// Demand from outside at its profile's mean, requests a second.
    pub outside: f64,
    /// Its whole demand by the service that it comes from outside through: (service, mean a second).
    pub sources: Vec<(u32, f64)>,
    /// Latency of the instance and all below it at the profile's mean.
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

/// The chance that one of two independent things happens.
#[inline]
pub fn either(a: f64, b: f64) -> f64 {
    a + b - a * b
}

/// The largest share of failed calls that are retried, once, by the direct caller alone.
pub const RETRIED: f64 = 0.5;

/// What an instance passes on to its callers, who ask again for a part of what failed by itself (`own`)
/// and not for what it inherited.
#[inline]
pub fn passed_on(own: f64, inherited: f64) -> f64 {
    either(own - RETRIED * own * (1.0 - own), inherited)
}

/// The chance that none of a request's calls to a callee fails, if each fails with this chance: a whole
/// number of calls, and one more with the chance of the rest.
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
    /// Requests a second by the profile (no noise, no incident) at a moment.
    pub fn profile_rate(&self, services: &[Service], moment: LocalTime) -> f64 {
        let part = |(service, rate): &(u32, f64)| rate * services[*service as usize].shape.at(moment);
        self.sources.iter().map(part).sum()
    }
}

impl Fleet {
    /// Busy share of a server's cores by the profile at a moment.
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
