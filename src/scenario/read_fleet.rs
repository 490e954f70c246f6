//! `fleet:` of the resolved tree.

use super::diagnostic::{At, Diagnostic};
use super::node::{Node, Value};
use super::read::Reader;
use super::{CallText, FleetText, PoolText, ServersText, ServiceText, ServicesText, ZoneText, words};
use crate::kinds::Quantity;

/// The largest number of servers or instances: two blocks of such a fleet take some 7 GB.
const MAX_COUNT: i128 = 100_000;

impl Reader {
    pub(super) fn fleet(&mut self, node: Node) -> Option<At<FleetText>> {
        let place = node.place;
        let mut map = self.map(node, "`fleet`")?;
        let mut fleet = FleetText {
            zones: map.take("zones").and_then(|(_, node)| self.zones(node)),
            racks: map.take("racks").and_then(|(_, node)| {
                let racks = words::whole(&node, "the number of racks", 1, 1_000);
                self.keep(racks).map(|n| n.map(|n| n as u32))
            }),
            demand_is_known: true,
            servers: self.required(&mut map, place, "servers", "3").and_then(|node| self.servers(node)),
            services: map.take("services").and_then(|(_, node)| self.services(node)),
        };
        self.finish(map);
        fleet.demand_is_known = self.demand_is_known;
        Some(At { value: fleet, place })
    }

    fn servers(&mut self, node: Node) -> Option<At<ServersText>> {
        let place = node.place;
        if matches!(node.value, Value::Int(_)) {
            let number = self.keep(words::whole(&node, "the number of servers", 1, MAX_COUNT))?;
            return Some(number.map(|n| ServersText::Number(n as u32)));
        }
        let map = self.map(node, "`servers`, where it is no number,")?;
        if map.entries.is_empty() {
            self.mistakes.push(Diagnostic::error(place, "there are no servers").help("write `servers: 3`"));
            return None;
        }
        let mut pools = Vec::new();
        for (key, node) in map.entries {
            let name = Node { value: Value::Text(key.value.clone()), place: key.place };
            let name = self.keep(words::name(&name));
            let pool = self.pool(&key, node);
            if let (Some(name), Some(pool)) = (name, pool) {
                pools.push((name, pool));
            }
        }
        Some(At { value: ServersText::Pools(pools), place })
    }

    fn pool(&mut self, key: &At<String>, node: Node) -> Option<PoolText> {
        let mut map = self.map(node, "a pool of servers")?;
        let count = self.required(&mut map, key.place, "count", "3").and_then(|node| {
            let count = words::whole(&node, "the number of servers of a pool", 1, MAX_COUNT);
            self.keep(count).map(|n| n.map(|n| n as u32))
        });
        let cores = map.take("cores").and_then(|(_, node)| {
            self.keep(words::whole(&node, "the number of cores", 1, 4_096)).map(|n| n.map(|n| n as f64))
        });
        let memory = map.take("memory").and_then(|(_, node)| {
            self.keep(words::within(words::memory(&node), "the memory of a server", 1.0, 65_536.0, "GB"))
        });
        let throughput = |node: &Node, what: &str| {
            words::within(words::quantity(node, Quantity::Throughput), what, 1.0, 100_000.0, "MB/s")
        };
        let watts = |node: &Node| {
            words::within(
                words::quantity(node, Quantity::Power),
                "the power of a server",
                1.0,
                100_000.0,
                "W",
            )
        };
        let nic = map.take("nic").and_then(|(_, node)| self.keep(throughput(&node, "the line rate")));
        let mut pool = PoolText { count, cores, memory, nic, ..PoolText::default() };
        if let Some(mut disk) = map
            .take("disk")
            .and_then(|(_, node)| self.map_like(node, "`disk`", "disk: {size: 2TB, limit: 550MB/s}"))
        {
            let size = disk.take("size").and_then(|(_, node)| {
                self.keep(words::within(words::memory(&node), "the size of a disk", 10.0, 1e8, "GB"))
            });
            pool.disk_size = size.map(|size| size.map(|gb| gb / 1e3));
            pool.disk_limit =
                disk.take("limit").and_then(|(_, node)| self.keep(throughput(&node, "the limit of a disk")));
            self.finish(disk);
        }
        if let Some(mut power) = map
            .take("power")
            .and_then(|(_, node)| self.map_like(node, "`power`", "power: {idle: 120W, max: 420W}"))
        {
            pool.idle = power.take("idle").and_then(|(_, node)| self.keep(watts(&node)));
            pool.max = power.take("max").and_then(|(_, node)| self.keep(watts(&node)));
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
                    let name = Node { value: Value::Text(key.value), place: key.place };
                    let name = self.keep(words::name(&name));
                    let mut zone = self.map_like(node, "a zone", "zones: {north: {inlet: 21C}}")?;
                    let inlet = zone.take("inlet").and_then(|(_, node)| self.keep(words::celsius(&node)));
                    self.finish(zone);
                    zones.extend(name.map(|name| (name, inlet)));
                }
            }
            _ => {}
        }
        for (i, (zone, _)) in zones.iter().enumerate() {
            if let Some((first, _)) = zones[..i].iter().find(|(first, _)| first.value == zone.value) {
                let error =
                    Diagnostic::error(zone.place, format!("the zone `{}` is there twice", zone.value));
                self.mistakes.push(error.beside(first.place, "first here").help("keep one of them"));
            }
        }
        if zones.is_empty() {
            let error =
                Diagnostic::error(place, "`zones` takes a list of names, or names with their `inlet`");
            self.mistakes.push(error.help("write `zones: [marseille-1, marseille-2]`"));
            return None;
        }
        Some(At { value: zones, place })
    }

    fn services(&mut self, node: Node) -> Option<At<ServicesText>> {
        let place = node.place;
        if matches!(node.value, Value::Int(_)) {
            let number = self.keep(words::whole(&node, "the number of service instances", 0, MAX_COUNT))?;
            return Some(number.map(|n| ServicesText::Number(n as u32)));
        }
        let map = self.map(node, "`services`, where it is no number,")?;
        let mut services = Vec::new();
        for (key, node) in map.entries {
            let name = Node { value: Value::Text(key.value), place: key.place };
            let name = self.keep(words::name(&name));
            let service = self.service(node);
            if let (Some(name), Some(service)) = (name, service) {
                services.push((name, service));
            }
        }
        Some(At { value: ServicesText::Named(services), place })
    }

    fn service(&mut self, node: Node) -> Option<ServiceText> {
        let known = self.mistakes.len();
        let Some(mut map) = self.map(node, "a service") else {
            self.demand_is_known = false;
            return None;
        };
        let rate = map.take("rate").and_then(|(_, node)| self.keep(words::rate(&node)));
        let calls = map.take("calls").and_then(|(_, node)| self.calls(node));
        self.demand_is_known &= self.mistakes.len() == known;
        let service = ServiceText {
            instances: map.take("instances").and_then(|(_, node)| {
                let count = words::whole(&node, "the number of instances", 1, MAX_COUNT);
                self.keep(count).map(|n| n.map(|n| n as u32))
            }),
            pool: map.take("pool").and_then(|(_, node)| self.keep(words::name(&node))),
            hosts: map.take("hosts").and_then(|(_, node)| self.hosts(node)),
            latency: map.take("latency").and_then(|(_, node)| self.latency(&node)),
            rate,
            calls,
        };
        self.finish(map);
        Some(service)
    }

    fn latency(&mut self, node: &Node) -> Option<At<crate::time::Span>> {
        let latency = self.keep(words::span(node))?;
        if (1..=10_000).contains(&latency.value.0) {
            return Some(latency);
        }
        self.mistakes.push(
            Diagnostic::error(node.place, format!("a latency of {} is out of range", latency.value))
                .label("at least 1ms, at most 10s"),
        );
        None
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
                        let per_request = self.keep(words::number(&node, "calls per request", 0.0));
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
