use super::fleet::{Entity, Fleet};
use super::parameters::LATENCY_NOISE_SIGMA;
use super::population::listed;
use super::reach::Reach;
use super::{scale, warnings};
use crate::batch::RecordType;
use crate::kinds::{self, Change, Envelope, Kind, Target};
use crate::math::Key;
use crate::scenario::{AnomalyText, At, Diagnostic, Moment, Scenario, Severity};
use crate::time::{Clock, SimTime, Span};

/// One happening of an anomaly, over all its targets.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Stable when others come or go.
    pub id: String,
    /// Its physics.
    pub kind: &'static dyn Kind,
    /// How large.
    pub severity: Severity,
    /// When, and how it comes and goes.
    pub envelope: Envelope,
    /// What it does to the causes of each target, at its peak.
    pub changes: Vec<(Entity, Change)>,
    /// What it can touch.
    pub reach: Reach,
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
}

/// The schedule by (cause_start, id): those entries that could be placed.
pub(super) fn schedule(
    scenario: &Scenario,
    clock: Option<Clock>,
    fleet: Option<&Fleet>,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Incident> {
    check_ids(&scenario.anomalies, mistakes);
    let placed: Vec<(&AnomalyText, Incident)> = scenario
        .anomalies
        .iter()
        .filter_map(|entry| {
            let AnomalyText { kind, target, at, length, .. } = &entry.value;
            let found = kind.as_ref().and_then(|name| find_kind(name, mistakes));
            let onset = clock.zip(at.as_ref()).and_then(|(clock, at)| onset(at, clock, mistakes));
            let targets =
                fleet.zip(target.as_ref()).and_then(|(fleet, name)| targets(name, fleet, found, mistakes));
            let ends =
                onset.zip(length.as_ref()).and_then(|(onset, length)| onset.0.checked_add(length.value.0));
            if let (Some(length), Some(_)) = (length, onset)
                && ends.is_none_or(|end| end >= SimTime::END.0)
            {
                let error =
                    Diagnostic::error(length.place, format!("the incident ends after {}", SimTime::END));
                mistakes.push(error.help("make it shorter"));
                return None;
            }
            let placed = Placed { kind: found?, onset: onset?, length: length.as_ref()?, targets: targets? };
            let (clock, fleet) = (clock?, fleet?);
            let incident = incident(&entry.value, placed, clock, fleet);
            warnings::of_one(&entry.value, &incident, clock, fleet, mistakes);
            Some((&entry.value, incident))
        })
        .collect();
    if let Some(fleet) = fleet {
        warnings::of_overlaps(&placed, fleet, mistakes);
    }
    let mut incidents: Vec<Incident> = placed.into_iter().map(|(_, incident)| incident).collect();
    incidents.sort_by(|a, b| (a.start(), &a.id).cmp(&(b.start(), &b.id)));
    incidents
}

/// What an entry resolves to.
struct Placed<'a> {
    kind: &'static dyn Kind,
    onset: SimTime,
    length: &'a At<Span>,
    targets: Vec<Entity>,
}

/// The entry's `id`, or one made of kind, target and onset alone; none where one of these is missing.
fn id(entry: &AnomalyText) -> Option<String> {
    if let Some(id) = &entry.id {
        return Some(id.value.clone());
    }
    let kind = entry.kind.as_ref()?.value.to_ascii_lowercase();
    let at = match entry.at.as_ref()?.value {
        Moment::After(span) => format!("after {}", span.0),
        Moment::At(moment) => format!("at {}", moment.0),
    };
    let hash = Key::new(0).with(&kind).with(&entry.target.as_ref()?.value).with(&at).bits();
    Some(format!("{kind}-{:08x}", hash >> 32))
}

fn check_ids(entries: &[At<AnomalyText>], mistakes: &mut Vec<Diagnostic>) {
    for (i, entry) in entries.iter().enumerate() {
        let Some(own) = id(&entry.value) else { continue };
        let same = |first: &&At<AnomalyText>| id(&first.value).as_ref() == Some(&own);
        let Some(first) = entries[..i].iter().find(same) else { continue };
        let place = |entry: &At<AnomalyText>| entry.value.id.as_ref().map_or(entry.place, |id| id.place);
        let message = match &entry.value.id {
            Some(id) => format!("two anomalies have the id `{}`", id.value),
            None => "two anomalies agree in kind, target and onset, so their ids would too".into(),
        };
        mistakes.push(
            Diagnostic::error(place(entry), message)
                .beside(place(first), "first here")
                .help("give each an `id` of its own"),
        );
    }
}

fn find_kind(name: &At<String>, mistakes: &mut Vec<Diagnostic>) -> Option<&'static dyn Kind> {
    let found = kinds::named(&name.value);
    if found.is_none() {
        let there = kinds::KINDS.iter().map(|kind| kind.name());
        let list = there.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let later = kinds::NOT_YET.iter().any(|later| later.eq_ignore_ascii_case(&name.value));
        mistakes.push(if later {
            Diagnostic::error(name.place, format!("the kind `{}` is not there yet", name.value))
                .label(format!("this version has {list}"))
        } else {
            Diagnostic::error(name.place, format!("no kind is called `{}`", name.value))
                .label(format!("there is {list}"))
                .nearest(&name.value, there)
        });
    }
    found
}

fn onset(at: &At<Moment>, clock: Clock, mistakes: &mut Vec<Diagnostic>) -> Option<SimTime> {
    let onset = match at.value {
        Moment::After(span) => clock.start().0.checked_add(span.0).map(SimTime),
        Moment::At(moment) => Some(moment),
    };
    let place = at.place;
    match onset {
        Some(onset) if onset < clock.start() => {
            mistakes.push(
                Diagnostic::error(place, "the onset lies before the run's start")
                    .label(format!("the run starts at {}", clock.start())),
            );
            None
        }
        Some(onset) if onset < clock.end() => Some(onset),
        _ => {
            mistakes.push(
                Diagnostic::error(place, "the onset lies at or after the run's end")
                    .label(format!("the run lasts {}", clock.run()))
                    .help("make `clock.run` longer, or the onset earlier"),
            );
            None
        }
    }
}

/// A server, else an instance, else a service: all its instances.
fn targets(
    name: &At<String>,
    fleet: &Fleet,
    kind: Option<&'static dyn Kind>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Vec<Entity>> {
    let found = find(&name.value, fleet);
    if found.is_empty() {
        let servers: Vec<&str> = fleet.servers.iter().map(|server| server.name.as_str()).collect();
        let services = services(fleet);
        let instances = fleet.instances.iter().map(|instance| instance.name.as_str());
        let (noun, there) = match kind.map(|kind| kind.acts_on()) {
            Some(RecordType::ServerMetric) => ("server", listed(&servers)),
            Some(RecordType::ApplicationMetric) => ("service", listed(&services)),
            None => ("server or service", format!("{}, {}", listed(&servers), listed(&services))),
        };
        mistakes.push(
            Diagnostic::error(name.place, format!("no {noun} is called `{}`", name.value))
                .label(format!("the fleet has {there}"))
                .nearest(
                    &name.value,
                    servers.iter().copied().chain(services.iter().copied()).chain(instances),
                ),
        );
        return None;
    }
    if let Some(kind) = kind
        && kind.acts_on() != found[0].record()
    {
        let (needs, help) = match found[0] {
            Entity::Service(first) => {
                let host = &fleet.instances[first as usize].server;
                (
                    "servers",
                    format!("`{}` runs on `{}`", fleet.name(found[0]), fleet.servers[*host as usize].name),
                )
            }
            Entity::Server(index) => {
                let guests = fleet.servers[index as usize].guests.iter();
                let names: Vec<&str> = guests.map(|g| fleet.instances[*g as usize].name.as_str()).collect();
                let help = match names.is_empty() {
                    true => format!(
                        "no instance runs on `{}`; the services are {}",
                        name.value,
                        listed(&services(fleet))
                    ),
                    false => format!("on `{}` runs {}", name.value, listed(&names)),
                };
                ("services", help)
            }
        };
        let message = format!("`{}` acts on {needs}, and `{}` is none", kind.name(), name.value);
        mistakes.push(Diagnostic::error(name.place, message).help(help));
        return None;
    }
    Some(found)
}

fn services(fleet: &Fleet) -> Vec<&str> {
    fleet.services.iter().map(|service| service.name.as_str()).collect()
}

fn find(name: &str, fleet: &Fleet) -> Vec<Entity> {
    if let Some(index) = fleet.servers.iter().position(|server| server.name == name) {
        return vec![Entity::Server(index as u32)];
    }
    if let Some(index) = fleet.instances.iter().position(|instance| instance.name == name) {
        return vec![Entity::Service(index as u32)];
    }
    let service = fleet.services.iter().find(|service| service.name == name);
    service.map_or_else(Vec::new, |service| service.instances.clone().map(Entity::Service).collect())
}

fn incident(entry: &AnomalyText, placed: Placed<'_>, clock: Clock, fleet: &Fleet) -> Incident {
    let Placed { kind, onset, length, targets } = placed;
    let envelope = Envelope::smooth(onset, length.value);
    let severity = entry.severity.as_ref().map_or_else(Severity::medium, |severity| severity.value.clone());
    let id = id(entry).expect("kind, target and onset are there");
    let changes = targets
        .iter()
        .map(|entity| {
            let wanted = severity.value * scale::scale(fleet, *entity, kind.carrier(), clock.step());
            (*entity, kind.change(wanted, &target(fleet, *entity, onset), &envelope))
        })
        .collect();
    let reach = Reach::of(fleet, targets.iter().copied());
    Incident { id, kind, severity, envelope, changes, reach }
}

/// The numbers that a kind may use.
fn target(fleet: &Fleet, entity: Entity, onset: SimTime) -> Target {
    match entity {
        Entity::Server(index) => {
            let physics = &fleet.servers[index as usize].physics;
            Target {
                load: fleet.profile_load(index, onset),
                thermal_resistance: physics.thermal_resistance,
                time_constant_s: physics.time_constant_s,
                fan_watts_per_celsius: physics.fan_watts,
                latency_noise: 0.0,
            }
        }
        Entity::Service(_) => Target {
            load: 0.0,
            thermal_resistance: 0.0,
            time_constant_s: 1.0,
            fan_watts_per_celsius: 0.0,
            latency_noise: LATENCY_NOISE_SIGMA,
        },
    }
}
