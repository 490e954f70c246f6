//! Finds the targets of an anomaly: a name, a glob, or conditions that must all be met.

use crate::fleet::{Entity, Fleet, INSTANCE, SERVER, listed};
use crate::glob;
use crate::kinds::Kind;
use crate::math::Key;
use crate::scenario::{At, Conditions, Diagnostic, TargetText};
use crate::schema::TypeId;

/// Returns the targets, in stream order. `pick` draws from the random stream `draw`.
pub(super) fn targets(
    text: &At<TargetText>,
    fleet: &Fleet,
    kind: Option<&'static dyn Kind>,
    draw: Key,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Vec<Entity>> {
    let acts_on = kind.map(|kind| kind.carrier().of(fleet.schema()).entity_type());
    let found = match &text.value {
        TargetText::Name(name) => {
            let name = At { value: name.clone(), place: text.place };
            named(&name, fleet, acts_on).map_err(|mistake| mistakes.push(*mistake)).ok()?
        }
        TargetText::Where(conditions) => {
            let search = Search { fleet, acts_on, draw, place: text };
            search.all(conditions, mistakes)?
        }
    };
    let wrong = kind.filter(|_| acts_on != Some(found[0].type_id()));
    match wrong {
        Some(kind) => {
            mistakes.push(of_the_wrong_type(text, &found, fleet, kind));
            None
        }
        None => Some(found),
    }
}

/// Returns the entities that a name or glob matches, in stream order. All of them are of one type: the first type with
/// a match. For a glob, the type that the kind acts on comes first. The name of a service means all its instances.
fn named(name: &At<String>, fleet: &Fleet, acts_on: Option<TypeId>) -> Result<Vec<Entity>, Box<Diagnostic>> {
    let (text, schema) = (name.value.as_str(), fleet.schema());
    let first = acts_on.filter(|_| glob::is_glob(text));
    let mut found = first.into_iter().chain(schema.ids()).map(|id| called(text, fleet, id));
    if let Some(found) = found.find(|found| !found.is_empty()) {
        return Ok(found);
    }
    let types: Vec<TypeId> = acts_on.map_or_else(|| schema.ids().collect(), |id| vec![id]);
    let noun = types.iter().map(|id| schema[*id].name()).collect::<Vec<_>>().join(" or ");
    let there = types.iter().map(|id| listed(&names_of(fleet, *id))).collect::<Vec<_>>().join(", ");
    for (key, mut names) in [
        ("pool", fleet.pools.iter().map(String::as_str).collect::<Vec<_>>()),
        ("zone", fleet.zones.iter().map(|zone| zone.name.as_str()).collect()),
        ("rack", fleet.servers.iter().map(|server| server.rack.as_str()).collect()),
    ] {
        names.retain(|known| *known == text);
        if !names.is_empty() {
            let error = no_match(name, &noun, &there, []);
            return Err(Box::new(error.help(format!("it is a {key}: write `target: {{{key}: {text}}}`"))));
        }
    }
    let all = service_names(fleet).into_iter().chain(fleet.all().map(|entity| fleet.name(entity)));
    Err(Box::new(no_match(name, &noun, &there, all)))
}

/// Returns the error for a name or glob that matches nothing.
fn no_match<'a>(
    name: &At<String>,
    noun: &str,
    there: &str,
    all: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    let message = match glob::is_glob(&name.value) {
        true => format!("no {noun} matches `{}`", name.value),
        false => format!("{noun} `{}` does not exist", name.value),
    };
    Diagnostic::error(name.place, message).label(format!("the fleet has {there}")).nearest(&name.value, all)
}

/// Returns the entities of a type that a name or glob matches.
fn called(name: &str, fleet: &Fleet, id: TypeId) -> Vec<Entity> {
    if id == INSTANCE {
        return instances_called(name, fleet);
    }
    let names = fleet.entities.of(id).names().zip(0..);
    names.filter(|(known, _)| glob::matches(name, known)).map(|(_, index)| Entity::new(id, index)).collect()
}

fn instances_called(name: &str, fleet: &Fleet) -> Vec<Entity> {
    let own = |i: &usize| glob::matches(name, &fleet.instances[*i].name);
    let service = |i: &usize| {
        let service = fleet.instances[*i].service;
        glob::matches(name, &fleet.services[service as usize].name)
    };
    let entities = |is_meant: &dyn Fn(&usize) -> bool| -> Vec<Entity> {
        (0..fleet.instances.len()).filter(is_meant).map(|i| Entity::instance(i as u32)).collect()
    };
    match glob::is_glob(name) {
        true => entities(&|i| own(i) || service(i)),
        // A service can have the name of another service's instance. Then the instance wins.
        false => Some(entities(&own)).filter(|found| !found.is_empty()).unwrap_or_else(|| entities(&service)),
    }
}

/// The search for the entities that meet all conditions.
struct Search<'a> {
    fleet: &'a Fleet,
    acts_on: Option<TypeId>,
    draw: Key,
    place: &'a At<TargetText>,
}

impl Search<'_> {
    fn all(&self, conditions: &Conditions, mistakes: &mut Vec<Diagnostic>) -> Option<Vec<Entity>> {
        let known = mistakes.len();
        let (fleet, c) = (self.fleet, conditions);
        if let Some(id) = self.acts_on.filter(|id| ![SERVER, INSTANCE].contains(id)) {
            let plural = fleet.schema()[id].plural();
            let message =
                format!("conditions select servers and instances, but the kind applies to {plural}");
            let error = Diagnostic::error(self.place.place, message);
            let there = listed(&names_of(fleet, id));
            mistakes.push(error.help(format!("write a name or a glob; the {plural} are {there}")));
            return None;
        }
        let zones: Vec<&str> = fleet.zones.iter().map(|zone| zone.name.as_str()).collect();
        let mut racks: Vec<&str> = fleet.servers.iter().map(|server| server.rack.as_str()).collect();
        racks.sort_unstable();
        racks.dedup();
        let pools: Vec<&str> = fleet.pools.iter().map(String::as_str).collect();
        let services = service_names(fleet);
        let mut check = |names: &Option<At<Vec<At<String>>>>, noun: &str, there: &[&str], more: &[&str]| {
            for name in names.iter().flat_map(|names| &names.value) {
                let all = || there.iter().chain(more).copied();
                if !all().any(|other| glob::matches(&name.value, other)) {
                    mistakes.push(no_match(name, noun, &listed(there), all()));
                }
            }
        };
        let instances: Vec<&str> = fleet.instances.iter().map(|instance| instance.name.as_str()).collect();
        check(&c.servers, "server", &server_names(fleet), &[]);
        check(&c.services, "service", &services, &instances);
        check(&c.zones, "zone", &zones, &[]);
        check(&c.racks, "rack", &racks, &[]);
        check(&c.pools, "pool", &pools, &[]);
        if mistakes.len() > known {
            return None;
        }
        let mut found = self.candidates(conditions);
        if found.is_empty() {
            let given = [&c.servers, &c.services, &c.zones, &c.racks, &c.pools];
            let is_one = given.iter().filter(|it| it.is_some()).count() == 1;
            let place = self.place.place;
            mistakes.push(match is_one {
                // A zone, a rack or a pool in which no instance runs.
                true => Diagnostic::error(place, "no entity meets this condition")
                    .label(format!("the instances are {}", listed(&instances)))
                    .help("`reenact plan` shows which instance runs on which server"),
                false => Diagnostic::error(place, "no entity meets all these conditions").help(
                    "each condition is valid, but together they match nothing: remove or change one of them",
                ),
            });
            return None;
        }
        if let Some(pick) = &conditions.pick {
            let (n, there) = (pick.value as usize, found.len());
            if n > there {
                let error = Diagnostic::error(
                    pick.place,
                    format!("`pick` is {n}, but the number of matching entities is {there}"),
                );
                mistakes.push(error.label(format!("must be at most {there}")));
                return None;
            }
            found.sort_by_key(|entity| (self.draw.with(fleet.name(*entity)).bits(), *entity));
            found.truncate(n);
            found.sort_unstable();
        }
        if conditions.says_host() {
            if found.iter().any(|entity| entity.type_id() == SERVER) {
                let error = Diagnostic::error(
                    self.place.place,
                    "`host` requires instances, but the target matches servers",
                );
                mistakes.push(error.help("remove `host`, or select instances with `services`"));
                return None;
            }
            found = found.iter().map(|entity| self.host(*entity)).collect();
            found.sort_unstable();
            found.dedup();
        }
        Some(found)
    }

    /// Returns the entities that meet every condition. They are instances if the conditions name services,
    /// and servers if they name only servers. If they name neither, the type is the one that the kind acts on,
    /// or instances if `host` is set.
    fn candidates(&self, c: &Conditions) -> Vec<Entity> {
        let instances = match (&c.servers, &c.services) {
            (_, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => c.says_host() || self.acts_on == Some(INSTANCE),
        };
        let fleet = self.fleet;
        // A missing condition counts as met.
        let is_met = |globs: &Option<At<Vec<At<String>>>>, names: &[&str]| {
            let matches = |glob: &At<String>| names.iter().any(|name| glob::matches(&glob.value, name));
            globs.as_ref().is_none_or(|globs| globs.value.iter().any(matches))
        };
        let meets = |entity: &Entity| {
            let server = &fleet.servers[self.host(*entity).index() as usize];
            let is_service = !instances || {
                let instance = &fleet.instances[entity.index() as usize];
                let service = &fleet.services[instance.service as usize].name;
                is_met(&c.services, &[service, &instance.name])
            };
            is_service
                && is_met(&c.servers, &[&server.name])
                && is_met(&c.zones, &[&fleet.zones[server.zone as usize].name])
                && is_met(&c.racks, &[&server.rack])
                && is_met(&c.pools, &[&fleet.pools[server.pool as usize]])
        };
        let is_of_type = |entity: &Entity| entity.type_id() == if instances { INSTANCE } else { SERVER };
        fleet.all().filter(is_of_type).filter(meets).collect()
    }

    /// Returns the server itself, or the server that an instance runs on.
    fn host(&self, entity: Entity) -> Entity {
        match entity.type_id() {
            INSTANCE => Entity::server(self.fleet.instances[entity.index() as usize].server),
            _ => entity,
        }
    }
}

fn of_the_wrong_type(text: &At<TargetText>, found: &[Entity], fleet: &Fleet, kind: &dyn Kind) -> Diagnostic {
    let acts_on = kind.carrier().of(fleet.schema()).entity_type();
    let target = match &text.value {
        TargetText::Name(name) => name.as_str(),
        TargetText::Where(_) => fleet.name(found[0]),
    };
    let index = found[0].index() as usize;
    let help = match found[0].type_id() {
        INSTANCE if acts_on == SERVER => {
            let host = &fleet.servers[fleet.instances[index].server as usize].name;
            match &text.value {
                TargetText::Name(name) => {
                    let quoted = if glob::is_glob(name) { format!("\"{name}\"") } else { name.clone() };
                    format!(
                        "`{}` runs on `{host}`; write `target: {{services: {quoted}, host: true}}` to target the servers instead",
                        fleet.name(found[0])
                    )
                }
                TargetText::Where(_) => "add `host: true` to target the servers that they run on".into(),
            }
        }
        SERVER if acts_on == INSTANCE => {
            let guests = fleet.servers[index].guests.iter();
            let names: Vec<&str> = guests.map(|g| fleet.instances[*g as usize].name.as_str()).collect();
            let services = listed(&service_names(fleet));
            match names.is_empty() {
                true => {
                    format!("no instance runs on `{}`; the services are {services}", fleet.name(found[0]))
                }
                false => format!("`{}` runs {}", fleet.name(found[0]), listed(&names)),
            }
        }
        _ => format!("it applies to {}", listed(&names_of(fleet, acts_on))),
    };
    let (needs, actual) = (&fleet.schema()[acts_on], &fleet.schema()[found[0].type_id()]);
    let is = match glob::is_glob(target) {
        true => format!("matches {}", actual.plural()),
        false => format!("is a {}", actual.name()),
    };
    let message = format!("`{}` applies to {}, but `{target}` {is}", kind.name(), needs.plural());
    Diagnostic::error(text.place, message).help(help)
}

/// Returns the names that a target of a type can have. For instances, these are the names of services.
fn names_of(fleet: &Fleet, id: TypeId) -> Vec<&str> {
    match id {
        INSTANCE => service_names(fleet),
        _ => fleet.entities.of(id).names().collect(),
    }
}

fn server_names(fleet: &Fleet) -> Vec<&str> {
    fleet.servers.iter().map(|server| server.name.as_str()).collect()
}

fn service_names(fleet: &Fleet) -> Vec<&str> {
    fleet.services.iter().map(|service| service.name.as_str()).collect()
}
