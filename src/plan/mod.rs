//! Turns a `Scenario` into a `Plan`: validated and immutable, with names resolved to indices and the
//! schedule placed.
//!
//! Input: a scenario as written. Output: a plan, or every mistake of the file at once. After this, nothing
//! can fail because of the user. This module never renders, and does no input or output.

mod background;
mod build;
mod incidents;
mod numbering;
mod reach;
mod schedule;
mod target;
mod warnings;

use std::sync::Arc;

pub use incidents::Incident;
pub use numbering::{Ranks, RowNumbering};
pub use reach::Reach;

use background::{Background, Draw};
use incidents::{Entry, Happening, Repeat};

use crate::engine::models;
use crate::fleet::{Entity, Fleet};
use crate::kinds::Kind;
use crate::math::Key;
use crate::scenario::Diagnostics;
use crate::schema::{MetricId, Schema};
use crate::time::{Clock, SimTime, Span};

/// The version of the values that this program generates. It stays 0 until the first release. After
/// that, every change of a generated value increases it.
pub const VALUES_EPOCH: u32 = 0;

/// What happens in a run: fleet, clock and schedule. A plan is always valid.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    about: String,
    seed: u64,
    clock: Clock,
    fleet: Arc<Fleet>,
    schedule: Arc<[Entry]>,
    background: Option<Background>,
    /// The ids of incidents that are left out.
    without: Vec<String>,
    warnings: Diagnostics,
    unmet: Diagnostics,
    unseen: Diagnostics,
    expects_visible: bool,
    scenario_yaml: Arc<str>,
    scenario_json: Arc<str>,
}

impl Plan {
    /// Returns the scenario's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the scenario is about; empty if it does not say.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Returns the seed that all noise depends on.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the root of all random streams.
    pub fn key(&self) -> Key {
        Key::new(self.seed)
    }

    /// Returns the start, length and step of the run.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns the servers, the service instances and the calls between them.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns the incidents that act somewhere in `from … to`, sorted by (cause_start, id). They include
    /// background incidents.
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
        self.incidents_of(self.happenings(from, to))
    }

    fn incidents_of<'a>(&'a self, happenings: impl Iterator<Item = Happening<'a>>) -> Vec<Incident> {
        let mut incidents: Vec<Incident> =
            happenings.map(|happening| happening.incident(&self.fleet, self.clock)).collect();
        incidents.sort_by(|a, b| (a.start(), &a.id).cmp(&(b.start(), &b.id)));
        incidents
    }

    /// Returns (cause_start, cause_end) of each incident that acts somewhere in `from … to`, in no
    /// particular order.
    pub fn times_between(&self, from: SimTime, to: SimTime) -> impl Iterator<Item = (SimTime, SimTime)> {
        self.happenings(from, to).map(|happening| (happening.start(), happening.end()))
    }

    fn happenings(&self, from: SimTime, to: SimTime) -> impl Iterator<Item = Happening<'_>> {
        let repeats = self.schedule.iter().flat_map(move |entry| self.repeats(entry, from, to));
        let draws = self.draws(from, to).map(Happening::Background);
        repeats.map(Happening::Scheduled).chain(draws).filter(|happening| !self.leaves_out(happening))
    }

    fn repeats<'a>(
        &'a self,
        entry: &'a Entry,
        from: SimTime,
        to: SimTime,
    ) -> impl Iterator<Item = Repeat<'a>> {
        entry.happenings(self.key(), self.clock, from, to)
    }

    fn draws<'a>(&'a self, from: SimTime, to: SimTime) -> impl Iterator<Item = Draw<'a>> {
        let draws = move |it: &'a Background| it.draws(self.key(), &self.fleet, self.clock, from, to);
        self.background.iter().flat_map(draws)
    }

    fn leaves_out(&self, happening: &Happening<'_>) -> bool {
        !self.without.is_empty() && self.without.contains(&happening.id())
    }

    /// Returns the first `most` incidents of the schedule, sorted by (cause_start, id). They do not include
    /// background incidents.
    pub fn first_scheduled(&self, most: usize) -> Vec<Incident> {
        let (from, to) = (self.clock.start(), self.clock.end());
        let first = |entry| {
            let repeats = self.repeats(entry, from, to).map(Happening::Scheduled);
            repeats.filter(|happening| !self.leaves_out(happening)).take(most)
        };
        let mut first: Vec<Happening<'_>> = self.schedule.iter().flat_map(first).collect();
        first.sort_by_cached_key(|happening| (happening.start(), happening.id()));
        first.iter().take(most).map(|happening| happening.incident(&self.fleet, self.clock)).collect()
    }

    /// Returns, by entity type, how long entities are inside a background incident between two moments,
    /// summed over entities, and the number of these incidents. This needs no rendering.
    pub fn background_time(&self, from: SimTime, to: SimTime) -> Vec<(Span, u64)> {
        let mut sums = vec![(Span::ZERO, 0); self.schema().len()];
        for draw in self.draws(from, to) {
            let (time, number) = &mut sums[draw.entity.type_id().index()];
            let inside = (draw.onset + draw.length).min(to) - draw.onset.max(from);
            *time = *time + inside;
            *number += 1;
        }
        sums
    }

    /// Returns the background incidents that act somewhere in `from … to`, sorted by (cause_start, id).
    pub fn background_between(&self, from: SimTime, to: SimTime) -> Vec<Incident> {
        let drawn = self.draws(from, to).map(Happening::Background);
        self.incidents_of(drawn.filter(|happening| !self.leaves_out(happening)))
    }

    /// Returns, by entity type, how many background incidents begin between two moments. It counts them
    /// without drawing each.
    pub fn num_background(&self, from: SimTime, to: SimTime) -> Vec<u64> {
        let number = |it: &Background| it.number(self.key(), &self.fleet, self.clock, from, to);
        self.background.as_ref().map_or_else(|| vec![0; self.schema().len()], number)
    }

    /// Returns the incident with this id, if there is one.
    pub fn incident(&self, id: &str) -> Option<Incident> {
        let scheduled = || self.schedule.iter().find_map(|entry| entry.happening(self.key(), self.clock, id));
        let onset = || id.strip_prefix("bg.")?.rsplit_once('.')?.1.parse().ok().map(SimTime);
        let drawn = || {
            let onset = onset()?;
            self.draws(onset, SimTime(onset.0.saturating_add(1))).find(|draw| draw.id() == id)
        };
        let found = scheduled().map(Happening::Scheduled).or_else(|| drawn().map(Happening::Background));
        found
            .filter(|happening| !self.leaves_out(happening))
            .map(|happening| happening.incident(&self.fleet, self.clock))
    }

    /// Returns how many incidents the schedule makes.
    pub fn num_scheduled(&self) -> u64 {
        self.schedule.iter().map(|entry| entry.num_happenings(self.key(), self.clock)).sum()
    }

    /// Returns the numbers of incidents that the scenario expects but its schedule does not make.
    pub fn unmet(&self) -> &Diagnostics {
        &self.unmet
    }

    /// Returns the scheduled incidents that the scenario expects to be visible, but that probably are not.
    /// This is an estimate from closed forms. After a run, its labels show what is visible.
    pub fn unseen(&self) -> &Diagnostics {
        &self.unseen
    }

    /// Whether the scenario expects that every incident is visible in some metric.
    pub fn expects_visible(&self) -> bool {
        self.expects_visible
    }

    /// Whether the plan has background incidents, which are not scheduled.
    pub fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// Returns warnings about what may not be as intended.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Returns the resolved scenario as YAML, without `use` and with the epoch pinned.
    pub fn scenario_yaml(&self) -> &str {
        &self.scenario_yaml
    }

    /// Returns the resolved scenario as canonical JSON, over which its digest is computed.
    pub fn scenario_json(&self) -> &str {
        &self.scenario_json
    }

    /// Returns the types of its entities and their columns.
    pub fn schema(&self) -> &Arc<Schema> {
        self.fleet.schema()
    }

    /// Returns the metric that carries the severity of a kind.
    pub fn carrier(&self, kind: &dyn Kind) -> MetricId {
        kind.carrier().of(self.schema())
    }

    /// Returns the same plan without one incident: the baseline that labels are measured against.
    #[must_use]
    pub fn without(&self, id: &str) -> Plan {
        let mut twin = self.clone();
        twin.without.push(id.into());
        twin
    }

    /// Returns the unit of severity and snr for a metric of an entity, in the metric's own unit: about the
    /// p99.9 of its normal residual.
    pub fn scale(&self, entity: Entity, metric: MetricId) -> f64 {
        models::scale(&self.fleet, entity, metric, self.clock.step())
    }
}
