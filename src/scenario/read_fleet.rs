//! Reads `fleet:` of the resolved tree.

use std::collections::BTreeMap;

use super::diagnostic::{At, Diagnostic};
use super::language::{self, MOST};
use super::node::{Node, Value};
use super::read::{FromKeys as _, Reader};
use super::values::Read;
use super::{
    CallText, FleetText, PoolText, PowerText, ServersText, ServiceText, ServicesText, ZoneText, Zones, values,
};
use crate::kinds::Quantity;

impl Reader {
    pub(super) fn fleet(&mut self, node: Node) -> Option<At<FleetText>> {
        let already = self.mistakes.len();
        let mut fleet = FleetText::read(self, node)?;
        fleet.value.demand_is_known = self.demand_is_known;
        fleet.value.is_whole = self.mistakes.len() == already;
        Some(fleet)
    }

    pub(super) fn servers(&mut self, node: Node) -> Option<At<ServersText>> {
        let place = node.place;
        let entries = match node.value {
            Value::Int(_) => {
                let number = self.keep(values::whole(&node, "the number of servers", 1..=MOST))?;
                return Some(number.map(|n| ServersText::Number(n as u32)));
            }
            Value::Map(entries) => entries,
            _ => {
                let error = Diagnostic::error(place, "`servers` must be a number, or pools by name");
                self.mistakes.push(error.help("write `servers: 3`, or `servers: {web: {count: 3}}`"));
                return None;
            }
        };
        if entries.is_empty() {
            self.mistakes.push(Diagnostic::error(place, "`servers` is empty").help("write `servers: 3`"));
            return None;
        }
        let mut pools = Vec::new();
        for (key, node) in entries {
            let name = self.keep(values::name_of(&key));
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
        Some(PoolText::read_map(self, map))
    }

    pub(super) fn power(&mut self, node: Node) -> Option<At<PowerText>> {
        let power = PowerText::read(self, node)?;
        if let (Some(idle), Some(max)) = (&power.value.idle, &power.value.max)
            && idle.value >= max.value
        {
            let error = Diagnostic::error(idle.place, "`idle` must be less than `max`");
            self.mistakes.push(
                error.related(max.place, "the power at full load").help("lower `idle`, or raise `max`"),
            );
        }
        Some(power)
    }

    /// Reads a list of zone names, or a mapping from zone names to their keys.
    pub(super) fn zones(&mut self, node: Node) -> Option<At<Zones>> {
        let place = node.place;
        let mut zones: Zones = Vec::new();
        match node.value {
            Value::List(items) => {
                zones.extend(
                    items
                        .iter()
                        .filter_map(|item| self.keep(values::name(item)))
                        .map(|name| (name, ZoneText::default())),
                );
            }
            Value::Map(entries) => {
                for (key, node) in entries {
                    let name = self.keep(values::name_of(&key));
                    let Some(zone) = ZoneText::read(self, node) else { continue };
                    zones.extend(name.map(|name| (name, zone.value)));
                }
            }
            _ => {
                let error =
                    Diagnostic::error(place, "`zones` must be a list of names, or names with their `inlet`");
                self.mistakes.push(error.help("write `zones: [marseille-1, marseille-2]`"));
                return None;
            }
        }
        let mut seen = BTreeMap::new();
        for (zone, _) in &zones {
            if let Some(first) = seen.insert(&zone.value, zone.place) {
                let error = Diagnostic::error(zone.place, format!("the zone `{}` occurs twice", zone.value));
                self.mistakes.push(error.related(first, "first here").help("keep one of them"));
            }
        }
        if zones.is_empty() {
            let error = Diagnostic::error(place, "`zones` is empty");
            self.mistakes.push(error.help("write `zones: [marseille-1, marseille-2]`, or remove `zones`"));
            return None;
        }
        Some(At { value: zones, place })
    }

    pub(super) fn services(&mut self, node: Node) -> Option<At<ServicesText>> {
        let place = node.place;
        let entries = match node.value {
            Value::Int(_) => {
                let number = self.keep(values::whole(&node, "the number of service instances", 0..=MOST))?;
                return Some(number.map(|n| ServicesText::Number(n as u32)));
            }
            Value::Map(entries) => entries,
            _ => {
                let error = Diagnostic::error(place, "`services` must be a number, or services by name");
                self.mistakes.push(error.help("write `services: 2`, or `services: {api: {rate: 20/s}}`"));
                return None;
            }
        };
        let mut services = Vec::new();
        for (key, node) in entries {
            let name = self.keep(values::name_of(&key));
            let service = self.service(node);
            if let (Some(name), Some(service)) = (name, service) {
                services.push((name, service));
            }
        }
        Some(At { value: ServicesText::Named(services), place })
    }

    fn service(&mut self, node: Node) -> Option<ServiceText> {
        let service = ServiceText::read(self, node);
        self.demand_is_known &= service.is_some();
        Some(service?.value)
    }

    pub(super) fn hosts(&mut self, node: Node) -> Option<At<Vec<At<String>>>> {
        let place = node.place;
        let items = match node.value {
            Value::List(items) if !items.is_empty() => items,
            _ => {
                self.mistakes.push(
                    Diagnostic::error(place, "`hosts` must be a list of one or more servers")
                        .help("write `hosts: [db-001]`"),
                );
                return None;
            }
        };
        let hosts = items.iter().filter_map(|item| self.keep(values::name(item))).collect();
        Some(At { value: hosts, place })
    }

    pub(super) fn calls(&mut self, node: Node) -> Option<At<Vec<CallText>>> {
        let place = node.place;
        let Value::List(items) = node.value else {
            self.mistakes.push(
                Diagnostic::error(place, "`calls` must be a list of services")
                    .help("write `calls: [payment-service, {database: 0.5}]`"),
            );
            return None;
        };
        let mut calls = Vec::new();
        for item in items {
            match item.value {
                Value::Map(entries) => {
                    for (key, node) in entries {
                        let per_request = self.keep(values::number(
                            &node,
                            "the number of calls per request",
                            language::CALLS,
                        ));
                        if let Some(per_request) = per_request {
                            calls.push(CallText { service: key, per_request: per_request.value });
                        }
                    }
                }
                _ => {
                    if let Some(service) = self.keep(values::name(&item)) {
                        calls.push(CallText { service, per_request: 1.0 });
                    }
                }
            }
        }
        Some(At { value: calls, place })
    }
}

pub(super) fn latency(node: &Node) -> Read<crate::time::Span> {
    let latency = values::span(node)?;
    if (1..=10_000).contains(&latency.value.0) {
        return Ok(latency);
    }
    Err(Diagnostic::error(node.place, format!("a latency of {} is out of range", latency.value))
        .label("must be between 1ms and 10s"))
}

pub(super) fn throughput(node: &Node, what: &str) -> Read<f64> {
    values::within(values::quantity(node, Quantity::Throughput), what, 1.0, 100_000.0, "MB/s")
}

pub(super) fn watts(node: &Node) -> Read<f64> {
    values::within(values::quantity(node, Quantity::Power), "the power of a server", 1.0, 100_000.0, "W")
}

/// Reads the memory of a server, in GB.
pub(super) fn memory(node: &Node) -> Read<f64> {
    values::within(values::memory(node), "the memory of a server", 1.0, 65_536.0, "GB")
}

/// Reads the size of a disk, in TB.
pub(super) fn disk_size(node: &Node) -> Read<f64> {
    let size = values::within(values::memory(node), "the size of a disk", 10.0, 1e8, "GB")?;
    Ok(size.map(|gb| gb / 1e3))
}

/// Wraps the reader of a key that creates demand. If such a key cannot be read, it is unknown which services have
/// no demand.
pub(super) fn demand<T>(
    read: impl FnOnce(&mut Reader, Node) -> Option<At<T>>,
) -> impl FnOnce(&mut Reader, Node) -> Option<At<T>> {
    move |reader, node| {
        let known = reader.mistakes.len();
        let value = read(reader, node);
        reader.demand_is_known &= reader.mistakes.len() == known;
        value
    }
}
