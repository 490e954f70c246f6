//! Incidents: what happens, to which entities, and when. Repeats and background incidents are computed on demand.

use super::background::Draw;
use crate::engine::models;
use crate::engine::models::LATENCY_NOISE_SIGMA;
use crate::engine::models::own_demand;
use crate::fleet::{Entity, Fleet, INSTANCE, SERVER, SUPPLY, power_curve};
use crate::kinds::{Change, Device, Envelope, Kind, Target};
use crate::label::{Origin, VISIBLE};
use crate::math::Key;
use crate::scenario::Severity;
use crate::time::{Clock, SimTime, Span};

/// One occurrence of an anomaly, over all its targets.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id. It does not change when other incidents are added or removed.
    pub id: String,
    /// Its physics.
    pub kind: &'static dyn Kind,
    /// How large it is. `None` if the scenario gives its size in physical terms.
    pub severity: Option<Severity>,
    /// Where it comes from: the schedule or the background.
    pub origin: Origin,
    /// When it acts, and how it rises and falls.
    pub envelope: Envelope,
    /// What it does to the causes of each target, at its peak.
    pub changes: Vec<(Entity, Change)>,
    /// Whether the carrier is expected to stay below a quarter of its scale on every target.
    pub is_tiny: bool,
}

impl Incident {
    /// Returns `cause_start`, exact to the millisecond.
    pub fn start(&self) -> SimTime {
        self.envelope.start()
    }

    /// Returns `cause_end`, the first moment without the cause.
    pub fn end(&self) -> SimTime {
        self.envelope.end()
    }

    /// Whether an entity is one of its targets.
    pub fn acts_on(&self, entity: Entity) -> bool {
        self.changes.iter().any(|(target, _)| *target == entity)
    }

    /// Returns the entities that it can affect.
    pub fn reach(&self, fleet: &Fleet) -> super::Reach {
        super::Reach::of(fleet, self.changes.iter().map(|(entity, _)| *entity))
    }
}

/// How large the cause of an anomaly is, as the scenario gives it.
#[derive(Clone, Debug)]
pub(super) enum Strength {
    /// A multiple of the carrier's scale.
    Severity(Severity),
    /// In physical terms, in the unit of the kind's measure.
    Amount(f64),
}

/// A resolved anomaly of the schedule. It makes one incident, or repeated incidents.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: String,
    pub kind: &'static dyn Kind,
    pub strength: Strength,
    pub targets: Vec<Entity>,
    pub at: SimTime,
    pub length: Span,
    /// The lengths of the ramps up and down, if the scenario gives them.
    pub ramp: (Option<Span>, Option<Span>),
    pub every: Option<Every>,
}

/// How an entry repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Every {
    pub distance: Span,
    pub jitter: Span,
}

impl Entry {
    /// Returns when the k-th happening begins; k counts from 0.
    fn onset(&self, key: Key, k: i64) -> SimTime {
        let Some(every) = self.every else { return self.at };
        let u = key.with("jitter").with(&self.id).uniform(k);
        self.at + Span(every.distance.0 * k + ((2.0 * u - 1.0) * every.jitter.0 as f64) as i64)
    }

    /// Returns its happenings that act somewhere in `from … to`, in order. A happening belongs to the run if its
    /// onset does.
    // Lazy from both ends: of a year of repeats every two seconds, some callers need only the first or the last one.
    pub(super) fn happenings(
        &self,
        key: Key,
        clock: Clock,
        from: SimTime,
        to: SimTime,
    ) -> impl DoubleEndedIterator<Item = Repeat<'_>> {
        let numbers = match self.every {
            None => 0..1,
            Some(every) => {
                let reach = every.jitter.0 + self.length.0;
                let from = from.0.max(clock.start().0);
                let first = (from - reach - self.at.0).div_euclid(every.distance.0).max(0);
                let last =
                    (to.0.min(clock.end().0) + every.jitter.0 - self.at.0).div_euclid(every.distance.0);
                first..last.max(first - 1) + 1
            }
        };
        let repeat = move |k| Repeat { entry: self, k, onset: self.onset(key, k) };
        let acts =
            move |it: &Repeat<'_>| it.onset < to && it.onset + self.length > from && it.onset < clock.end();
        numbers.map(repeat).filter(acts)
    }

    /// Returns how many happenings it has in the run.
    pub(super) fn num_happenings(&self, key: Key, clock: Clock) -> u64 {
        // Onsets increase with their numbers: jitter is at most half of the gap between two incidents.
        let last = self.happenings(key, clock, clock.start(), clock.end()).next_back();
        last.map_or(0, |last| last.k as u64 + 1)
    }

    /// Returns the happening with this id, if its onset is in the run.
    pub(super) fn happening(&self, key: Key, clock: Clock, id: &str) -> Option<Repeat<'_>> {
        let k = match self.every {
            None => 0,
            Some(_) => id.strip_prefix(&self.id)?.strip_prefix('.')?.parse::<i64>().ok()?.checked_sub(1)?,
        };
        let is_there = (0..self.num_happenings(key, clock) as i64).contains(&k);
        let repeat = is_there.then(|| Repeat { entry: self, k, onset: self.onset(key, k) });
        repeat.filter(|repeat| repeat.id() == id)
    }
}

/// The k-th happening of an entry; k counts from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat<'a> {
    entry: &'a Entry,
    k: i64,
    onset: SimTime,
}

impl Repeat<'_> {
    pub(super) fn start(&self) -> SimTime {
        self.onset
    }

    pub(super) fn end(&self) -> SimTime {
        self.onset + self.entry.length
    }

    pub(super) fn id(&self) -> String {
        let id = &self.entry.id;
        if self.entry.every.is_some() { format!("{id}.{}", self.k + 1) } else { id.clone() }
    }

    pub(super) fn incident(&self, fleet: &Fleet, clock: Clock) -> Incident {
        let (entry, onset) = (self.entry, self.onset);
        let envelope = match entry.ramp {
            (None, None) => Envelope::smooth(onset, entry.length),
            (up, down) => {
                let default = Envelope::smooth(onset, entry.length).up();
                Envelope::ramped(onset, entry.length, up.unwrap_or(default), down.unwrap_or(default))
            }
        };
        let parts = Parts { id: self.id(), kind: entry.kind, origin: Origin::Scheduled, envelope };
        incident(fleet, clock, parts, &entry.strength, &entry.targets)
    }
}

/// An incident before its strength is known: when it acts, and its id.
#[derive(Clone, Debug)]
pub(super) enum Happening<'a> {
    Scheduled(Repeat<'a>),
    Background(Draw<'a>),
}

impl Happening<'_> {
    pub(super) fn start(&self) -> SimTime {
        match self {
            Happening::Scheduled(repeat) => repeat.start(),
            Happening::Background(draw) => draw.onset,
        }
    }

    pub(super) fn end(&self) -> SimTime {
        match self {
            Happening::Scheduled(repeat) => repeat.end(),
            Happening::Background(draw) => draw.onset + draw.length,
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Happening::Scheduled(repeat) => repeat.id(),
            Happening::Background(draw) => draw.id(),
        }
    }

    pub(super) fn incident(&self, fleet: &Fleet, clock: Clock) -> Incident {
        match self {
            Happening::Scheduled(repeat) => repeat.incident(fleet, clock),
            Happening::Background(draw) => draw.incident(fleet, clock),
        }
    }
}

/// The parts of an incident, except its targets and its strength.
pub(super) struct Parts {
    pub id: String,
    pub kind: &'static dyn Kind,
    pub origin: Origin,
    pub envelope: Envelope,
}

/// Returns an incident, with its changes to each target.
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
        let scale = models::scale(fleet, *entity, kind.carrier().of(fleet.schema()), clock.step());
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

/// Returns the parameters and the normal state of a target, as kinds use them.
fn target(fleet: &Fleet, entity: Entity, kind: &'static dyn Kind, envelope: &Envelope) -> Target {
    let index = entity.index();
    match entity.type_id() {
        SERVER => server_target(fleet, index, kind, envelope),
        INSTANCE => {
            let failing = fleet.instances[index as usize].tree.failing;
            Target { latency_noise: LATENCY_NOISE_SIGMA, failing, ..Target::default() }
        }
        _ => Target::default(),
    }
}

fn server_target(fleet: &Fleet, index: u32, kind: &'static dyn Kind, envelope: &Envelope) -> Target {
    let physics = &fleet.servers[index as usize].physics;
    let load = fleet.profile_load(index, envelope.start());
    let dynamic = (physics.max_watts - physics.idle_watts) * power_curve(load);
    let hold = (envelope.corners()[1], envelope.hold());
    let own = kind.device().map(|device| {
        let [rx, write] = own_demand(fleet, index, hold.0, hold.1);
        match device {
            Device::NetworkRx => rx,
            Device::DiskWrite => write,
        }
    });
    let (least, most) = own.map_or((0.0, 0.0), |own| (own.least, own.most));
    Target {
        cores: physics.cores,
        load,
        memory_gb: physics.memory_gb,
        memory_used: physics.memory_base + 1.5 * physics.working_set + physics.caches,
        memory_kill: physics.kill_at,
        watts: physics.idle_watts + dynamic,
        supply_watts: SUPPLY * physics.max_watts,
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
