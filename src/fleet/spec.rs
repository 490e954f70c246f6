//! Reads servers, services and calls, by name. Converts the short and the long form of each to the same types.

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::calls;
use super::catalogue::{self, CATALOGUE};
use super::parameters::{Hardware, Load};
use crate::scenario::{
    At, CallText, Diagnostic, FleetText, Place, PoolText, ServersText, ServiceText, ServicesText, Sources,
    count, quoted,
};

/// The maximum number of default instances on one server. Their shares are scaled down to fit.
const MAX_DEFAULT_GUESTS: u64 = 16;

/// A pool of servers.
pub(crate) struct Pool {
    pub name: String,
    pub count: u32,
    pub hardware: Hardware,
}

/// A service with its defaults filled in.
pub(crate) struct ServiceSpec<'a> {
    pub name: String,
    pub place: Place,
    pub instances: u32,
    /// The index of its pool.
    pub pool: usize,
    pub hosts: &'a [At<String>],
    /// Demand from outside over all instances, in requests per second.
    pub outside: f64,
    /// CPU time of a request, s; drawn if the scenario does not say.
    pub cost: Option<f64>,
    pub latency_ms: f64,
    /// Services called, by index.
    pub calls: Vec<(usize, f64)>,
    /// Whether it comes from the short form. Its cost may then be scaled down to fit its host.
    pub is_default: bool,
}

/// Pools and services. `callers_first` lists the services with callers before callees.
pub(crate) struct FleetSpec<'a> {
    /// Zones with the air temperature at their inlets, °C. Empty if the scenario has no zones, and `None` for a zone
    /// without an inlet.
    pub zones: Vec<(String, Option<f64>)>,
    pub racks: Option<u32>,
    pub pools: Vec<Pool>,
    pub services: Vec<ServiceSpec<'a>>,
    pub callers_first: Vec<usize>,
    /// Whether every `rate` and every call could be read.
    pub demand_is_known: bool,
    /// Whether no mistake was found in it.
    pub is_whole: bool,
    pub load: Load,
    pub calendar: Calendar,
}

/// Reads `fleet`. Returns `None` if `servers` or the count of a pool is missing.
pub(crate) fn fleet_spec<'a>(
    text: &'a At<FleetText>,
    (load, calendar): (Load, Calendar),
    sources: &Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<FleetSpec<'a>> {
    let fleet = &text.value;
    let servers = fleet.servers.as_ref()?;
    let (pools, complete) = pools(&servers.value);
    let known = mistakes.len();
    let mut services = Vec::new();
    match fleet.services.as_ref().map(|services| (&services.value, services.place)) {
        None => {}
        Some((ServicesText::Number(n), place)) => {
            services = default_services(*n, place);
            check_room(*n, &pools, place, mistakes);
        }
        Some((ServicesText::Named(list), _)) => {
            for (name, service) in list {
                services.push(named_service(name, service, &pools, (servers.place, sources), mistakes));
            }
        }
    }
    let (mut links, calls_are_known) = link(&mut services, fleet.services.as_ref(), mistakes);
    let names: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
    let (callers_first, circles) = calls::callers_first(&names, &mut links);
    // Report each call that closes a circle, and leave it out of everything that follows.
    for circle in &circles {
        services[circle.caller].calls.retain(|(callee, _)| *callee != circle.callee);
    }
    let has_circle = !circles.is_empty();
    mistakes.extend(circles.into_iter().map(|circle| circle.mistake));
    let zones = fleet.zones.iter().flat_map(|zones| &zones.value);
    let zones = zones.map(|(name, zone)| (name.value.clone(), zone.inlet.as_ref().map(|inlet| inlet.value)));
    complete.then_some(FleetSpec {
        zones: zones.collect(),
        racks: fleet.racks.as_ref().map(|racks| racks.value),
        pools,
        services,
        callers_first,
        demand_is_known: fleet.demand_is_known && calls_are_known && !has_circle,
        is_whole: mistakes.len() == known,
        load,
        calendar,
    })
}

fn pools(text: &ServersText) -> (Vec<Pool>, bool) {
    match text {
        ServersText::Number(count) => {
            (vec![Pool { name: "srv".into(), count: *count, hardware: Hardware::default() }], true)
        }
        ServersText::Pools(list) => {
            // A pool without a valid count still has a name that services may use.
            let count = |pool: &PoolText| pool.count.as_ref().map_or(1, |count| count.value);
            let pool = |(name, pool): &(At<String>, PoolText)| Pool {
                name: name.value.clone(),
                count: count(pool),
                hardware: hardware(pool),
            };
            let complete = !list.is_empty() && list.iter().all(|(_, pool)| pool.count.is_some());
            (list.iter().map(pool).collect(), complete)
        }
    }
}

fn hardware(text: &PoolText) -> Hardware {
    let default = Hardware::default();
    let or = |value: Option<&At<f64>>, default: f64| value.map_or(default, |value| value.value);
    let disk = text.disk.as_ref().map(|disk| &disk.value);
    let power = text.power.as_ref().map(|power| &power.value);
    Hardware {
        cores: text.cores.as_ref().map_or(default.cores, |cores| f64::from(cores.value)),
        memory_gb: or(text.memory.as_ref(), default.memory_gb),
        disk_tb: or(disk.and_then(|disk| disk.size.as_ref()), default.disk_tb),
        disk_limit: or(disk.and_then(|disk| disk.limit.as_ref()), default.disk_limit),
        line_rate: or(text.nic.as_ref(), default.line_rate),
        idle_watts: power.and_then(|power| power.idle.as_ref()).map(|watts| watts.value),
        max_watts: power.and_then(|power| power.max.as_ref()).map(|watts| watts.value),
    }
}

/// Returns services with `n` instances in total, taken from the catalogue round-robin.
fn default_services<'a>(n: u32, place: Place) -> Vec<ServiceSpec<'a>> {
    let kinds = CATALOGUE.len() as u32;
    let service = |(i, entry): (usize, &'static catalogue::Entry)| {
        let instances = n / kinds + u32::from((i as u32) < n % kinds);
        (instances > 0).then(|| ServiceSpec {
            name: entry.name.into(),
            place,
            instances,
            pool: 0,
            hosts: &[],
            outside: entry.rate * f64::from(instances),
            cost: None,
            latency_ms: entry.latency_ms,
            calls: Vec::new(),
            is_default: true,
        })
    };
    CATALOGUE.iter().enumerate().filter_map(service).collect()
}

fn check_room(n: u32, pools: &[Pool], place: Place, mistakes: &mut Vec<Diagnostic>) {
    let [pool] = pools else {
        if pools.len() > 1 && n > 0 {
            mistakes.push(
                Diagnostic::error(place, "`services` as a number requires a fleet with one pool")
                    .label(format!("there are {} pools", pools.len()))
                    .help("write the services by name, each with its `pool`"),
            );
        }
        return;
    };
    let most = (5 * u64::from(n)).div_ceil(4 * u64::from(pool.count));
    if most.min(u64::from(n)) > MAX_DEFAULT_GUESTS {
        let smallest = (5 * u64::from(n)).div_ceil(4 * MAX_DEFAULT_GUESTS);
        let servers = count(pool.count.into(), "server");
        mistakes.push(
            Diagnostic::error(place, format!("{} do not fit on {servers}", count(n.into(), "instance")))
                .label(format!("a server can run at most {MAX_DEFAULT_GUESTS} instances"))
                .help(format!("write `servers: {smallest}` or more")),
        );
    }
}

fn named_service<'a>(
    name: &At<String>,
    text: &'a ServiceText,
    pools: &[Pool],
    (servers, sources): (Place, &Sources),
    mistakes: &mut Vec<Diagnostic>,
) -> ServiceSpec<'a> {
    let entry = catalogue::entry(&name.value);
    let pool = match &text.pool {
        Some(wanted) => pools.iter().position(|pool| pool.name == wanted.value).or_else(|| {
            let there = quoted(pools.iter().map(|pool| pool.name.as_str()));
            let message = format!("pool `{}` does not exist", wanted.value);
            // Underline the later one of two places that conflict.
            mistakes.push(if sources.is_later(servers, wanted.place) && servers.source != wanted.place.source {
                Diagnostic::error(servers, message)
                    .label(format!("the pools are {there}"))
                    .related(wanted.place, format!("`{}` uses this pool", name.value))
                    .help("these servers replace the servers that the services were written for: write `services:` too")
            } else {
                Diagnostic::error(wanted.place, message)
                    .label(format!("the pools are {there}"))
                    .related(servers, "the pools are defined here")
                    .nearest(&wanted.value, pools.iter().map(|pool| pool.name.as_str()))
            });
            None
        }),
        None if pools.len() == 1 => Some(0),
        None => {
            let example = pools.first().map_or("web", |pool| pool.name.as_str());
            mistakes.push(
                Diagnostic::error(name.place, format!("`{}` requires `pool`", name.value))
                    .help(format!("add `pool: {example}`")),
            );
            None
        }
    };
    // Continue with some pool, so that all other mistakes of the service are reported too.
    let pool = pool.unwrap_or(0);
    let span = |span: &At<crate::time::Span>| span.value.0 as f64;
    ServiceSpec {
        name: name.value.clone(),
        place: name.place,
        instances: text.instances.as_ref().map_or(1, |n| n.value),
        pool,
        hosts: text.hosts.as_ref().map_or(&[], |hosts| &hosts.value),
        outside: text.rate.as_ref().map_or(0.0, |rate| rate.value),
        cost: text.cost.as_ref().map(|cost| cost.value),
        latency_ms: text.latency.as_ref().map_or(entry.latency_ms, span),
        calls: Vec::new(),
        is_default: false,
    }
}

type Links<'a> = Vec<Vec<(usize, Option<&'a CallText>)>>;

/// Resolves the calls of each service. Returns them, and whether all called services exist.
fn link<'a>(
    services: &mut [ServiceSpec<'a>],
    text: Option<&'a At<ServicesText>>,
    mistakes: &mut Vec<Diagnostic>,
) -> (Links<'a>, bool) {
    let mut all_known = true;
    let names: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
    let places: BTreeMap<&str, usize> =
        names.iter().enumerate().rev().map(|(i, name)| (name.as_str(), i)).collect();
    let find = |name: &str| places.get(name).copied();
    let mut links: Links<'a> = vec![Vec::new(); services.len()];
    let Some(ServicesText::Named(list)) = text.map(|text| &text.value) else {
        for (caller, links) in links.iter_mut().enumerate() {
            for (callee, per_request) in catalogue::entry(&names[caller]).calls {
                // Leave out calls to services that a small fleet does not have.
                if let Some(callee) = find(callee) {
                    links.push((callee, None));
                    services[caller].calls.push((callee, *per_request));
                }
            }
        }
        return (links, true);
    };
    for (name, service) in list {
        let Some(caller) = find(&name.value) else { continue };
        let calls = service.calls.as_ref().map_or(&[][..], |calls| &calls.value);
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for call in calls {
            let called = &call.service;
            if let Some(first) = seen.insert(&called.value, called.place) {
                mistakes.push(
                    Diagnostic::error(called.place, format!("the call to `{}` occurs twice", called.value))
                        .related(first, "first here")
                        .help(format!("write `{{{}: 2}}` for two calls per request", called.value)),
                );
                continue;
            }
            match find(&called.value) {
                Some(callee) => {
                    links[caller].push((callee, Some(call)));
                    services[caller].calls.push((callee, call.per_request));
                }
                None => {
                    let error =
                        Diagnostic::error(called.place, format!("service `{}` does not exist", called.value));
                    let there = || names.iter().map(String::as_str);
                    let error = error.label(format!("the services are {}", quoted(there())));
                    mistakes.push(error.nearest(&called.value, there()));
                    all_known = false;
                }
            }
        }
    }
    (links, all_known)
}
