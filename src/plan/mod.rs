//! `Scenario` → `Plan`: validated, immutable, names resolved to indices, the schedule placed.
//!
//! In: a scenario as written. Out: a plan, or every mistake of the file at once; after this nothing
//! can fail because of the user. What may never happen here: rendering, input or output.

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
    unmet: Diagnostics,
    unseen: Diagnostics,
    expects_visible: bool,
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
        self.incidents_of(self.happenings(from, to))
    }

    fn incidents_of<'a>(&'a self, happenings: impl Iterator<Item = Happening<'a>>) -> Vec<Incident> {
        let mut incidents: Vec<Incident> =
            happenings.map(|happening| happening.incident(&self.fleet, self.clock)).collect();
        incidents.sort_by(|a, b| (a.start(), &a.id).cmp(&(b.start(), &b.id)));
        incidents
    }

    /// When the incidents act that act somewhere in `from … to`: (cause_start, cause_end), in no order.
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

    /// The first `most` incidents of the schedule by (cause_start, id), the background not among them.
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

    /// By entity type, how long entities are inside a background incident between two moments, summed
    /// over entities, and how many incidents that are: known without rendering.
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

    /// The background incidents that act somewhere in `from … to`, by (cause_start, id).
    pub fn background_between(&self, from: SimTime, to: SimTime) -> Vec<Incident> {
        let drawn = self.draws(from, to).map(Happening::Background);
        self.incidents_of(drawn.filter(|happening| !self.leaves_out(happening)))
    }

    /// By entity type, how many background incidents begin between two moments: counted, not drawn.
    pub fn num_background(&self, from: SimTime, to: SimTime) -> Vec<u64> {
        let number = |it: &Background| it.number(self.key(), &self.fleet, self.clock, from, to);
        self.background.as_ref().map_or_else(|| vec![0; self.schema().len()], number)
    }

    /// The incident with this id, if there is one.
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

    /// How many incidents the schedule makes.
    pub fn num_scheduled(&self) -> u64 {
        self.schedule.iter().map(|entry| entry.num_happenings(self.key(), self.clock)).sum()
    }

    /// Numbers of incidents that the scenario expects of its schedule and does not get.
    pub fn unmet(&self) -> &Diagnostics {
        &self.unmet
    }

    /// Incidents of the schedule that the scenario expects to be visible and will hardly be, by closed
    /// forms; after a run its labels tell.
    pub fn unseen(&self) -> &Diagnostics {
        &self.unseen
    }

    /// Whether the scenario expects that every incident shows somewhere.
    pub fn expects_visible(&self) -> bool {
        self.expects_visible
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

    /// The types of its entities, and their columns.
    pub fn schema(&self) -> &Arc<Schema> {
        self.fleet.schema()
    }

    /// The metric that carries the severity of a kind.
    pub fn carrier(&self, kind: &dyn Kind) -> MetricId {
        kind.carrier().of(self.schema())
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
    pub fn scale(&self, entity: Entity, metric: MetricId) -> f64 {
        models::scale(&self.fleet, entity, metric, self.clock.step())
    }
}
