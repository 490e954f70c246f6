//! Incidents: what happens, to whom, when. Repeats and background are computed when asked for.

use super::fleet::{Entity, Fleet};
use super::own_demand::own_demand;
use super::parameters::LATENCY_NOISE_SIGMA;
use super::scale;
use crate::batch::Metric;
use crate::kinds::{Change, Envelope, Kind, Target};
use crate::label::{Origin, VISIBLE};
use crate::math::{Key, pow};
use crate::scenario::Severity;
use crate::time::{Clock, SimTime, Span};

/// One happening of an anomaly, over all its targets.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Stable when others come or go.
    pub id: String,
    /// Its physics.
    pub kind: &'static dyn Kind,
    /// How large; none where the scenario gives it in physical terms.
    pub severity: Option<Severity>,
    /// Who made it.
    pub origin: Origin,
    /// When, and how it comes and goes.
    pub envelope: Envelope,
    /// What it does to the causes of each target, at its peak.
    pub changes: Vec<(Entity, Change)>,
    /// The carrier is not to reach a quarter of its scale on any target.
    pub is_tiny: bool,
}

impl Incident {
    /// `cause_start`, exact to the millisecond.
    pub fn start(&self) -> SimTime {
        self.envelope.start()
    }

    /// `cause_end`, the first moment without the cause.
    pub fn end(&self) -> SimTime {
        self.envelope.end()
    }

    /// Whether an entity is one of its targets.
    pub fn acts_on(&self, entity: Entity) -> bool {
        self.changes.iter().any(|(target, _)| *target == entity)
    }

    /// What it can touch.
    pub fn reach(&self, fleet: &Fleet) -> super::Reach {
        super::Reach::of(fleet, self.changes.iter().map(|(entity, _)| *entity))
    }
}

/// How large the cause of an anomaly is, as the scenario says it.
#[derive(Clone, Debug)]
pub(super) enum Strength {
    /// A multiple of the carrier's scale.
    Severity(Severity),
    /// In physical terms, in the unit of the kind's measure.
    Amount(f64),
}

/// An anomaly of the schedule, resolved: it makes one incident, or one every so often.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: String,
    pub kind: &'static dyn Kind,
    pub strength: Strength,
    pub targets: Vec<Entity>,
    pub at: SimTime,
    pub length: Span,
    /// The steps up and down, where the scenario gives them.
    pub ramp: (Option<Span>, Option<Span>),
    pub every: Option<Every>,
}

/// Repeats of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Every {
    pub distance: Span,
    pub jitter: Span,
}

impl Entry {
    /// When the k-th happening begins, k from 0.
    fn onset(&self, key: Key, k: i64) -> SimTime {
        let Some(every) = self.every else { return self.at };
        let u = key.with("jitter").with(&self.id).uniform(k);
        self.at + Span(every.distance.0 * k + ((2.0 * u - 1.0) * every.jitter.0 as f64) as i64)
    }

    /// Those of its incidents that act somewhere in `from … to`, by number from 0, with their onsets;
    /// an incident belongs to the run when its onset does.
    pub(super) fn happenings(
        &self,
        key: Key,
        clock: Clock,
        from: SimTime,
        to: SimTime,
    ) -> Vec<(i64, SimTime)> {
        let numbers = match self.every {
            None => 0..1,
            Some(every) => {
                let reach = every.jitter.0 + self.length.0;
                let first = (from.0 - reach - self.at.0).div_euclid(every.distance.0).max(0);
                let last =
                    (to.0.min(clock.end().0) + every.jitter.0 - self.at.0).div_euclid(every.distance.0);
                first..last.max(first - 1) + 1
            }
        };
        let happening = |k| (k, self.onset(key, k));
        let acts =
            |(_, onset): &(i64, SimTime)| *onset < to && *onset + self.length > from && *onset < clock.end();
        numbers.map(happening).filter(acts).collect()
    }

    /// Its incident with this number and onset.
    pub(super) fn incident(&self, fleet: &Fleet, clock: Clock, (k, onset): (i64, SimTime)) -> Incident {
        let id = if self.every.is_some() { format!("{}.{}", self.id, k + 1) } else { self.id.clone() };
        let envelope = match self.ramp {
            (None, None) => Envelope::smooth(onset, self.length),
            (up, down) => {
                let default = Envelope::smooth(onset, self.length).up();
                Envelope::ramped(onset, self.length, up.unwrap_or(default), down.unwrap_or(default))
            }
        };
        let parts = Parts { id, kind: self.kind, origin: Origin::Scheduled, envelope };
        incident(fleet, clock, parts, &self.strength, &self.targets)
    }
}

/// What an incident is made of, beside its targets and its strength.
pub(super) struct Parts {
    pub id: String,
    pub kind: &'static dyn Kind,
    pub origin: Origin,
    pub envelope: Envelope,
}

/// An incident, with what it does to each target.
pub(super) fn incident(
    fleet: &Fleet,
    clock: Clock,
    Parts { id, kind, origin, envelope }: Parts,
    strength: &Strength,
    targets: &[Entity],
) -> Incident {
    let mut is_tiny = true;
    let change = |entity: &Entity| {
        let target = target(fleet, *entity, kind, &envelope);
        let scale = scale::scale(fleet, *entity, kind.carrier(), clock.step());
        let (amount, bound) = match strength {
            Strength::Amount(amount) => (*amount, None),
            Strength::Severity(severity) => {
                let wanted = severity.value * scale;
                (kind.amount(wanted, &target, &envelope), kind.bound(wanted, &target, &envelope))
            }
        };
        let change = kind.change(amount, &target, &envelope);
        is_tiny &= amount < kind.amount(VISIBLE * scale, &target, &envelope);
        (*entity, Change { bound: change.bound.or(bound), ..change })
    };
    let changes = targets.iter().map(change).collect();
    let severity = match strength {
        Strength::Severity(severity) => Some(severity.clone()),
        Strength::Amount(_) => None,
    };
    Incident { id, kind, severity, origin, envelope, changes, is_tiny }
}

/// The numbers that a kind may use.
fn target(fleet: &Fleet, entity: Entity, kind: &'static dyn Kind, envelope: &Envelope) -> Target {
    let index = match entity {
        Entity::Service(index) => {
            let failing = fleet.instances[index as usize].tree.failing;
            return Target { latency_noise: LATENCY_NOISE_SIGMA, failing, ..Target::default() };
        }
        Entity::Server(index) => index,
    };
    let physics = &fleet.servers[index as usize].physics;
    let load = fleet.profile_load(index, envelope.start());
    let dynamic = (physics.max_watts - physics.idle_watts) * (2.0 * load - pow(load, 1.4));
    let hold = (envelope.corners()[1], envelope.hold());
    let own = match kind.carrier() {
        Metric::NetworkRx => Some(own_demand(fleet, index, hold.0, hold.1)[0]),
        Metric::DiskWrite => Some(own_demand(fleet, index, hold.0, hold.1)[1]),
        _ => None,
    };
    let (least, most) = own.map_or((0.0, 0.0), |own| (own.least, own.most));
    Target {
        cores: physics.cores,
        load,
        memory_gb: physics.memory_gb,
        memory_used: physics.memory_base + 1.5 * physics.working_set + physics.caches,
        memory_kill: physics.kill_at,
        watts: physics.idle_watts + dynamic,
        supply_watts: 1.25 * physics.max_watts,
        thermal_resistance: physics.thermal_resistance,
        time_constant_s: physics.time_constant_s,
        fan_watts_per_celsius: physics.fan_watts,
        line_rate: physics.line_rate,
        disk_limit: physics.disk_limit,
        least_demand: least,
        most_demand: most,
        ..Target::default()
    }
}
