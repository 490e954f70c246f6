//! Names the servers, services and instances, and places each instance on a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalogue;
use super::parameters::{self, Keys, ProfileRate};
use super::placement::{self, Placed};
use super::spec::{FleetSpec, ServiceSpec};
use super::{Fleet, Instance, LatencyTree, Server, Service, Zone};
use crate::batch::Entities;
use crate::math::Key;
use crate::scenario::Diagnostic;
use crate::schema::Schema;

/// The default number of racks.
const RACKS: u32 = 5;
/// The default zones.
const ZONES: [&str; 2] = ["marseille-1", "marseille-2"];

/// Returns a fleet with named servers, services and instances, and each instance on its server.
pub(crate) fn instantiate(
    keys: Keys,
    fleet_spec: &FleetSpec<'_>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Fleet> {
    let named: Vec<(String, Option<f64>)> = match fleet_spec.zones.is_empty() {
        true => ZONES.iter().map(|name| ((*name).to_string(), None)).collect(),
        false => fleet_spec.zones.clone(),
    };
    let zone = |(name, inlet): (String, Option<f64>)| {
        let key = keys.fleet.with(&name);
        let inlet_celsius = inlet.unwrap_or_else(|| key.between("inlet", 18.0, 23.0));
        Zone { name, inlet_celsius, peak_hour: key.between("peak hour", 15.0, 17.0) }
    };
    let zones: Vec<Zone> = named.into_iter().map(zone).collect();
    let racks = fleet_spec.racks.unwrap_or(RACKS);
    let mut servers = Vec::new();
    let mut pool_start = Vec::new();
    for (number, pool) in fleet_spec.pools.iter().enumerate() {
        pool_start.push(servers.len());
        for ordinal in 0..pool.count {
            let name = format!("{}-{:03}", pool.name, ordinal + 1);
            let rack = ordinal % racks;
            let physics = parameters::server(keys.with(&name), &pool.hardware, &fleet_spec.load);
            let zone = rack % zones.len() as u32;
            servers.push(Server {
                name,
                zone,
                rack: format!("R{:02}", rack + 1),
                pool: number as u32,
                guests: Vec::new(),
                physics,
            });
        }
    }
    let mut services = Vec::new();
    let mut instances = Vec::new();
    for spec in &fleet_spec.services {
        let first = instances.len() as u32;
        let keys = keys.with(&spec.name);
        services.push(Service {
            name: spec.name.clone(),
            key: keys.noise,
            shape: parameters::daily_shape(keys.fleet, &fleet_spec.load, 0.05, 1.0),
            bursts_per_hour: fleet_spec.load.bursts_per_hour,
            endpoints: catalogue::entry(&spec.name).endpoints,
            instances: first..first + spec.instances,
        });
        instances.extend((1..=spec.instances).map(|number| format!("{}-{number}", spec.name)));
    }
    check_names(&servers, &instances, fleet_spec, mistakes)?;
    let homes = homes(keys.fleet, fleet_spec, &servers, &pool_start, &services, &instances, mistakes);
    for (instance, home) in homes.iter().enumerate() {
        servers[*home].guests.push(instance as u32);
    }
    let service_of =
        services.iter().enumerate().flat_map(|(s, service)| service.instances.clone().map(move |_| s as u32));
    let instances = instances
        .into_iter()
        .zip(service_of)
        .zip(&homes)
        .map(|((name, service), home)| {
            let nothing = ProfileRate { mean: 0.0, peak: 0.0, concentration: 0.0 };
            Instance {
                physics: parameters::instance(keys.with(&name), 1.0, 0.0, nothing),
                name,
                service,
                server: *home as u32,
                callees: Vec::new(),
                callers: Vec::new(),
                outside: 0.0,
                sources: Vec::new(),
                tree: LatencyTree::default(),
            }
        })
        .collect();
    Some(Fleet {
        zones,
        pools: fleet_spec.pools.iter().map(|pool| pool.name.to_string()).collect(),
        servers,
        services,
        instances,
        callers_first: Vec::new(),
        rank: Vec::new(),
        entities: Arc::new(Entities::new(Arc::new(Schema::new([])))),
        readers: BTreeMap::new(),
        calendar: fleet_spec.calendar.clone(),
    })
}

/// Refuses two entities with the same name: they would share a key in the stream.
fn check_names(
    servers: &[Server],
    instances: &[String],
    fleet_spec: &FleetSpec<'_>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<()> {
    let mut seen = BTreeSet::new();
    for name in servers.iter().map(|server| &server.name).chain(instances) {
        if !seen.insert(name.as_str()) {
            let of = |spec: &&ServiceSpec<'_>| name.starts_with(spec.name.as_str());
            let place =
                fleet_spec.services.iter().rev().find(of).map_or_else(Default::default, |spec| spec.place);
            mistakes.push(
                Diagnostic::error(place, format!("two entities would have the name `{name}`"))
                    .help("rename one of them"),
            );
            return None;
        }
    }
    Some(())
}

fn homes(
    key: Key,
    fleet_spec: &FleetSpec<'_>,
    servers: &[Server],
    pool_start: &[usize],
    services: &[Service],
    instances: &[String],
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let mut homes = vec![0; instances.len()];
    let known = mistakes.len();
    for (pool, spec) in fleet_spec.pools.iter().enumerate() {
        let begin = pool_start[pool];
        let pool_servers: Vec<&str> =
            servers[begin..begin + spec.count as usize].iter().map(|server| server.name.as_str()).collect();
        let mut members = Vec::new();
        let mut placed = Vec::new();
        let of_pool =
            fleet_spec.services.iter().zip(services).enumerate().filter(|(_, (spec, _))| spec.pool == pool);
        for (service, (spec, Service { instances: numbers, .. })) in of_pool {
            let hosts = pins(spec, &pool_servers, mistakes);
            for (number, instance) in numbers.clone().enumerate() {
                let pinned = (!hosts.is_empty()).then(|| hosts[number % hosts.len()]);
                members.push(instance as usize);
                placed.push(Placed { name: &instances[instance as usize], service, pinned });
            }
        }
        let pairs = members.len() as u64 * pool_servers.len() as u64;
        if pairs > placement::MAX_PAIRS {
            let place = fleet_spec.services.first().map_or_else(Default::default, |spec| spec.place);
            mistakes.push(
                Diagnostic::error(
                    place,
                    format!(
                        "{} instances on {} servers are too many to place",
                        members.len(),
                        pool_servers.len()
                    ),
                )
                .help("split the fleet into several pools"),
            );
        }
        if mistakes.len() > known {
            continue;
        }
        for (member, home) in members.iter().zip(placement::place(key, &placed, &pool_servers)) {
            homes[*member] = begin + home;
        }
    }
    homes
}

/// Returns the servers that a service is pinned to, by index in the pool.
fn pins(spec: &ServiceSpec<'_>, servers: &[&str], mistakes: &mut Vec<Diagnostic>) -> Vec<usize> {
    let mut hosts = Vec::new();
    for host in spec.hosts {
        match servers.iter().position(|server| *server == host.value) {
            Some(index) => hosts.push(index),
            None => mistakes.push(
                Diagnostic::error(
                    host.place,
                    format!("server `{}` does not exist in the pool of this service", host.value),
                )
                .label(format!("the pool has {}", listed(servers)))
                .nearest(&host.value, servers.iter().copied()),
            ),
        }
    }
    hosts
}

/// Returns names as messages list them: `srv-001 … srv-010`, or all names if there are at most three.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".into(),
        [first, .., last] if names.len() > 3 => format!("{first} … {last}"),
        few => few.join(", "),
    }
}
