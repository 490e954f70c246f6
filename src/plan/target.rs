use super::fleet::{Entity, Fleet};
use super::population::listed;
use crate::batch::RecordType;
use crate::kinds::Kind;
use crate::scenario::{At, Diagnostic};

/// A server, else an instance, else a service: all its instances.
pub(super) fn targets(
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
