//! `fleet:` of the resolved tree.

use std::collections::BTreeMap;

use super::diagnostic::{At, Diagnostic};
use super::language::{self, MOST};
use super::node::{Node, Value};
use super::read::Reader;
use super::words::Read;
use super::{CallText, FleetText, PoolText, ServersText, ServiceText, ServicesText, ZoneText, words};
use crate::kinds::Quantity;

impl Reader {
    pub(super) fn fleet(&mut self, node: Node) -> Option<At<FleetText>> {
        let place = node.place;
        let already = self.mistakes.len();
        let mut map = self.map(node, &language::FLEET)?;
        let racks =
            self.value(&mut map, "racks", |node| words::whole(node, "the number of racks", language::RACKS));
        let seed = self.value(&mut map, "seed", words::seed);
        let mut fleet = FleetText {
            seed,
            zones: map.take("zones").and_then(|node| self.zones(node)),
            racks: racks.map(|n| n.map(|n| n as u32)),
            demand_is_known: true,
            is_whole: false,
            servers: map.take("servers").and_then(|node| self.servers(node)),
            services: map.take("services").and_then(|node| self.services(node)),
        };
        self.finish(map);
        fleet.demand_is_known = self.demand_is_known;
        fleet.is_whole = self.mistakes.len() == already;
        Some(At { value: fleet, place })
    }

    fn servers(&mut self, node: Node) -> Option<At<ServersText>> {
        let place = node.place;
        let entries = match node.value {
            Value::Int(_) => {
                let number = self.keep(words::whole(&node, "the number of servers", 1..=MOST))?;
                return Some(number.map(|n| ServersText::Number(n as u32)));
            }
            Value::Map(entries) => entries,
            _ => {
                let error = Diagnostic::error(place, "`servers` takes a number, or pools by name");
                self.mistakes.push(error.help("write `servers: 3`, or `servers: {web: {count: 3}}`"));
                return None;
            }
        };
        if entries.is_empty() {
            self.mistakes.push(Diagnostic::error(place, "there are no servers").help("write `servers: 3`"));
            return None;
        }
        let mut pools = Vec::new();
        for (key, node) in entries {
            let name = self.keep(words::name_of(&key));
            let pool = self.pool(&key, node);
            if let (Some(name), Some(pool)) = (name, pool) {
                pools.push((name, pool));
            }
        }
        Some(At { value: ServersText::Pools(pools), place })
    }

    fn pool(&mut self, key: &At<String>, node: Node) -> Option<PoolText> {
        let mut map = self.map(node, &language::POOL)?;
        map.place = key.place;
        let count = self
            .value(&mut map, "count", |node| words::whole(node, "the number of servers of a pool", 1..=MOST));
        let cores =
            self.value(&mut map, "cores", |node| words::whole(node, "the number of cores", language::CORES));
        let mut pool = PoolText {
            count: count.map(|n| n.map(|n| n as u32)),
            cores: cores.map(|n| n.map(|n| n as f64)),
            memory: self.value(&mut map, "memory", |node| {
                words::within(words::memory(node), "the memory of a server", 1.0, 65_536.0, "GB")
            }),
            nic: self.value(&mut map, "nic", |node| throughput(node, "the line rate")),
            ..PoolText::default()
        };
        if let Some(mut disk) = map.take("disk").and_then(|node| self.map(node, &language::DISK)) {
            let size = self.value(&mut disk, "size", |node| {
                words::within(words::memory(node), "the size of a disk", 10.0, 1e8, "GB")
            });
            pool.disk_size = size.map(|size| size.map(|gb| gb / 1e3));
            pool.disk_limit = self.value(&mut disk, "limit", |node| throughput(node, "the limit of a disk"));
            self.finish(disk);
        }
        if let Some(mut power) = map.take("power").and_then(|node| self.map(node, &language::POWER)) {
            pool.idle = self.value(&mut power, "idle", watts);
            pool.max = self.value(&mut power, "max", watts);
            self.finish(power);
        }
        if let (Some(idle), Some(max)) = (&pool.idle, &pool.max)
            && idle.value >= max.value
        {
            let error = Diagnostic::error(idle.place, "a server draws more idle than at full load");
            self.mistakes.push(error.beside(max.place, "at full load").help("make `idle` less than `max`"));
        }
        self.finish(map);
        Some(pool)
    }

    /// A list of names, or names with what is known of each.
    fn zones(&mut self, node: Node) -> Option<At<Vec<ZoneText>>> {
        let place = node.place;
        let mut zones: Vec<ZoneText> = Vec::new();
        match node.value {
            Value::List(items) => {
                zones.extend(
                    items.iter().filter_map(|item| self.keep(words::name(item))).map(|name| (name, None)),
                );
            }
            Value::Map(entries) => {
                for (key, node) in entries {
                    let name = self.keep(words::name_of(&key));
                    let Some(mut zone) = self.map(node, &language::ZONE) else { continue };
                    let inlet = self.value(&mut zone, "inlet", words::celsius);
                    self.finish(zone);
                    zones.extend(name.map(|name| (name, inlet)));
                }
            }
            _ => {
                let error =
                    Diagnostic::error(place, "`zones` takes a list of names, or names with their `inlet`");
                self.mistakes.push(error.help("write `zones: [marseille-1, marseille-2]`"));
                return None;
            }
        }
        let mut seen = BTreeMap::new();
        for (zone, _) in &zones {
            if let Some(first) = seen.insert(&zone.value, zone.place) {
                let error =
                    Diagnostic::error(zone.place, format!("the zone `{}` is there twice", zone.value));
                self.mistakes.push(error.beside(first, "first here").help("keep one of them"));
            }
        }
        if zones.is_empty() {
            let error = Diagnostic::error(place, "there are no zones");
            self.mistakes.push(error.help("write `zones: [marseille-1, marseille-2]`, or leave them out"));
            return None;
        }
        Some(At { value: zones, place })
    }

    fn services(&mut self, node: Node) -> Option<At<ServicesText>> {
        let place = node.place;
        let entries = match node.value {
            Value::Int(_) => {
                let number = self.keep(words::whole(&node, "the number of service instances", 0..=MOST))?;
                return Some(number.map(|n| ServicesText::Number(n as u32)));
            }
            Value::Map(entries) => entries,
            _ => {
                let error = Diagnostic::error(place, "`services` takes a number, or services by name");
                self.mistakes.push(error.help("write `services: 2`, or `services: {api: {rate: 20/s}}`"));
                return None;
            }
        };
        let mut services = Vec::new();
        for (key, node) in entries {
            let name = self.keep(words::name_of(&key));
            let service = self.service(node);
            if let (Some(name), Some(service)) = (name, service) {
                services.push((name, service));
            }
        }
        Some(At { value: ServicesText::Named(services), place })
    }

    fn service(&mut self, node: Node) -> Option<ServiceText> {
        let known = self.mistakes.len();
        let Some(mut map) = self.map(node, &language::SERVICE) else {
            self.demand_is_known = false;
            return None;
        };
        let rate = self.value(&mut map, "rate", words::rate);
        let calls = map.take("calls").and_then(|node| self.calls(node));
        self.demand_is_known &= self.mistakes.len() == known;
        let instances =
            self.value(&mut map, "instances", |node| words::whole(node, "the number of instances", 1..=MOST));
        let service = ServiceText {
            instances: instances.map(|n| n.map(|n| n as u32)),
            pool: self.value(&mut map, "pool", words::name),
            hosts: map.take("hosts").and_then(|node| self.hosts(node)),
            cost: self.value(&mut map, "cost", words::cpu_time),
            latency: self.value(&mut map, "latency", latency),
            rate,
            calls,
        };
        self.finish(map);
        Some(service)
    }

    fn hosts(&mut self, node: Node) -> Option<At<Vec<At<String>>>> {
        let place = node.place;
        let items = match node.value {
            Value::List(items) if !items.is_empty() => items,
            _ => {
                self.mistakes.push(
                    Diagnostic::error(place, "`hosts` takes a list of servers")
                        .help("write `hosts: [db-001]`"),
                );
                return None;
            }
        };
        let hosts = items.iter().filter_map(|item| self.keep(words::name(item))).collect();
        Some(At { value: hosts, place })
    }

    fn calls(&mut self, node: Node) -> Option<At<Vec<CallText>>> {
        let place = node.place;
        let Value::List(items) = node.value else {
            self.mistakes.push(
                Diagnostic::error(place, "`calls` takes a list of services")
                    .help("write `calls: [payment-service, {database: 0.5}]`"),
            );
            return None;
        };
        let mut calls = Vec::new();
        for item in items {
            match item.value {
                Value::Map(entries) => {
                    for (key, node) in entries {
                        let per_request =
                            self.keep(words::number(&node, "calls per request", language::CALLS));
                        if let Some(per_request) = per_request {
                            calls.push(CallText { service: key, per_request: per_request.value });
                        }
                    }
                }
                _ => {
                    if let Some(service) = self.keep(words::name(&item)) {
                        calls.push(CallText { service, per_request: 1.0 });
                    }
                }
            }
        }
        Some(At { value: calls, place })
    }
}

fn latency(node: &Node) -> Read<crate::time::Span> {
    let latency = words::span(node)?;
    if (1..=10_000).contains(&latency.value.0) {
        return Ok(latency);
    }
    Err(Diagnostic::error(node.place, format!("a latency of {} is out of range", latency.value))
        .label("at least 1ms, at most 10s"))
}

fn throughput(node: &Node, what: &str) -> Read<f64> {
    words::within(words::quantity(node, Quantity::Throughput), what, 1.0, 100_000.0, "MB/s")
}

fn watts(node: &Node) -> Read<f64> {
    words::within(words::quantity(node, Quantity::Power), "the power of a server", 1.0, 100_000.0, "W")
}
