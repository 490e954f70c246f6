//! `Scenario` → `Plan`: validated, immutable, names resolved to indices, the schedule placed.
//!
//! In: a scenario as written. Out: a plan, or every mistake of the file at once; after this nothing
//! can fail because of the user. What may never happen here: rendering, input or output.

mod assemble;
mod background;
mod build;
mod calls;
mod catalogue;
mod fleet;
mod incidents;
mod inputs;
mod own_demand;
mod parameters;
mod placement;
mod population;
mod reach;
mod roster;
mod scale;
mod schedule;
mod server_inputs;
mod shape;
mod target;
mod warnings;

use std::sync::Arc;

pub use fleet::{Entity, Fleet, Instance, LatencyTree, Server, Service, Zone, all_succeed};
pub use incidents::Incident;
pub use inputs::{InstanceInputs, ServerInputs, Signals, Strip};
pub use parameters::{InstancePhysics, ServerPhysics};
pub use reach::Reach;
pub use shape::DailyShape;

use background::Background;
use incidents::Entry;

use crate::batch::Metric;
use crate::math::Key;
use crate::scenario::Diagnostics;
use crate::time::{Clock, SimTime, Span};

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
    schedule: Arc<[Entry]>,
    background: Option<Background>,
    /// Ids of incidents that are left out.
    without: Vec<String>,
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

    /// The incidents that act somewhere in `from … to`, by (cause_start, id), background among them.
    ///
    /// ```
    /// let text = "scenario: 1\nuse: dev\nanomalies: [{id: it, kind: cpu_spike, target: srv-001, at: 10m, for: 5m}]";
    /// let plan = reenact::scenario::Scenario::read("spike.yaml", text).plan()?;
    /// let clock = plan.clock();
    /// let incidents = plan.incidents_between(clock.start(), clock.end());
    /// assert!(incidents.iter().any(|incident| incident.id == "it"));
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn incidents_between(&self, from: SimTime, to: SimTime) -> Vec<Incident> {
        let mut incidents = self.scheduled_between(from, to);
        if let Some(background) = &self.background {
            background.between(self.key(), &self.fleet, self.clock, from, to, &mut incidents);
        }
        if !self.without.is_empty() {
            incidents.retain(|incident| !self.without.contains(&incident.id));
        }
        incidents.sort_by(|a, b| (a.start(), &a.id).cmp(&(b.start(), &b.id)));
        incidents
    }

    /// The same without the background.
    pub fn scheduled_between(&self, from: SimTime, to: SimTime) -> Vec<Incident> {
        let mut incidents = Vec::new();
        for entry in self.schedule.iter() {
            let happenings = entry.happenings(self.key(), self.clock, from, to);
            incidents.extend(happenings.into_iter().map(|it| entry.incident(&self.fleet, self.clock, it)));
        }
        incidents.retain(|incident| !self.without.contains(&incident.id));
        incidents.sort_by(|a, b| (a.start(), &a.id).cmp(&(b.start(), &b.id)));
        incidents
    }

    /// By record type, how long entities are inside a background incident between two moments, summed
    /// over entities, and how many incidents that are: known without rendering.
    pub fn background_time(&self, from: SimTime, to: SimTime) -> [(Span, u64); 2] {
        let mut sums = [(Span::ZERO, 0); 2];
        if let Some(background) = &self.background {
            background.drawn(self.key(), &self.fleet, self.clock, from, to, |draw| {
                let (time, number) = &mut sums[draw.entity.record() as usize];
                let inside = (draw.onset + draw.length).min(to) - draw.onset.max(from);
                *time = *time + inside;
                *number += 1;
            });
        }
        sums
    }

    /// The incident with this id, if there is one.
    pub fn incident(&self, id: &str) -> Option<Incident> {
        let clock = self.clock;
        let onset =
            id.strip_prefix("bg.").and_then(|rest| rest.rsplit_once('.')).and_then(|(_, ms)| ms.parse().ok());
        let (from, to) = match onset.map(SimTime) {
            Some(onset) => (onset, SimTime(onset.0.saturating_add(1))),
            None => (clock.start(), clock.end()),
        };
        let found = |incidents: Vec<Incident>| incidents.into_iter().find(|incident| incident.id == id);
        found(self.scheduled_between(clock.start(), clock.end()))
            .or_else(|| found(self.incidents_between(from, to)))
    }

    /// How many incidents the schedule makes.
    pub fn num_scheduled(&self) -> u64 {
        let (from, to) = (self.clock.start(), self.clock.end());
        let number = |entry: &Entry| entry.happenings(self.key(), self.clock, from, to).len() as u64;
        self.schedule.iter().map(number).sum()
    }

    /// Whether incidents are drawn that nobody scheduled.
    pub fn has_background(&self) -> bool {
        self.background.is_some()
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
        twin.without.push(id.into());
        twin
    }

    /// The unit of severity and snr for a metric of an entity, in the metric's own unit: about the
    /// p99.9 of its normal residual.
    pub fn scale(&self, entity: Entity, metric: Metric) -> f64 {
        scale::scale(&self.fleet, entity, metric, self.clock.step())
    }
}
