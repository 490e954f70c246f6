//! `Scenario` → `Plan`: validated, immutable, names resolved to indices, the schedule placed.
//!
//! In: a scenario as written. Out: a plan, or every mistake of the file at once; after this nothing
//! can fail because of the user. What may never happen here: rendering, input or output.

mod assemble;
mod build;
mod calls;
mod catalogue;
mod fleet;
mod incidents;
mod parameters;
mod placement;
mod population;
mod reach;
mod roster;
mod scale;
mod shape;
mod warnings;

use std::sync::Arc;

pub use fleet::{Entity, Fleet, Instance, LatencyTree, Server, Service, Zone};
pub use incidents::Incident;
pub use parameters::{
    FAST_OCTAVES, InstancePhysics, LATENCY_NOISE, OCTAVES_S, OWN_WANDER, SERVICE_WANDER, ServerPhysics,
    Wander,
};
pub use reach::Reach;
pub use shape::{DailyShape, inlet_swing};

use crate::batch::Metric;
use crate::math::Key;
use crate::scenario::Diagnostics;
use crate::time::Clock;

/// Which values this program makes. It stays 0 until the first release; from then on it rises with
/// every change that moves a value.
pub const VALUES_EPOCH: u32 = 0;

/// What will happen: fleet, clock and schedule, always valid.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    about: String,
    seed: u64,
    clock: Clock,
    fleet: Arc<Fleet>,
    incidents: Vec<Incident>,
    warnings: Diagnostics,
    scenario_yaml: Arc<str>,
    scenario_json: Arc<str>,
}

impl Plan {
    /// The scenario's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the scenario is about; empty where it does not say.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The seed that all noise hangs on.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The root of all random streams.
    pub fn key(&self) -> Key {
        Key::new(self.seed)
    }

    /// Start, length and step of the run.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Servers, service instances and who calls whom.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Scheduled incidents by (cause_start, id).
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// What may not be as meant.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// The resolved scenario: no `use`, the epoch pinned.
    pub fn scenario_yaml(&self) -> &str {
        &self.scenario_yaml
    }

    /// The resolved scenario as canonical JSON: what its digest is taken over.
    pub fn scenario_json(&self) -> &str {
        &self.scenario_json
    }

    /// The same plan without one incident: the twin that labels are measured against.
    #[must_use]
    pub fn without(&self, id: &str) -> Plan {
        let mut twin = self.clone();
        twin.incidents.retain(|incident| incident.id != id);
        twin
    }

    /// The unit of severity and snr for a metric of an entity, in the metric's own unit: about the
    /// p99.9 of its normal residual.
    pub fn scale(&self, entity: Entity, metric: Metric) -> f64 {
        scale::scale(&self.fleet, entity, metric, self.clock.step())
    }
}
