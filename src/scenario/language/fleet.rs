//! The keys of `fleet`: servers and services, where services run and what they call.

use super::{CALLS, CORES, Form, MOST, RACKS};
use crate::scenario::diagnostic::At;
use crate::scenario::read::{Reader, value, whole};
use crate::scenario::read_fleet::{demand, disk_size, latency, memory, throughput, watts};
use crate::scenario::{CallText, ServersText, ServicesText, Zones, values};
use crate::time::Span;

mapping! {
    /// `fleet:`
    FleetText, FLEET, "`fleet`";
    "servers" as servers: ServersText {
        form: Form::Either(&[Form::Whole(1..=MOST), Form::Named(&Form::Map(&POOL))]),
        read: Reader::servers,
        about: "Pools of servers by name, or a number of servers in one pool called `srv`.",
        example: "3",
    }
    "services" as services: ServicesText {
        form: Form::Either(&[Form::Whole(0..=MOST), Form::Named(&Form::Map(&SERVICE))]),
        read: Reader::services,
        about: "Services by name, or a number of instances of the nine built-in services.",
        default: "none",
    }
    "zones" as zones: Zones {
        form: Form::Either(&[Form::Several(&Form::Name), Form::Named(&Form::Map(&ZONE))]),
        read: Reader::zones,
        about: "Zones: a list of names, or names with their inlet temperature. Each rack is in one zone.",
        default: "`marseille-1`, `marseille-2`",
    }
    "seed" as seed: u64 {
        form: Form::Whole(0..=i64::MAX),
        read: value(values::seed),
        about: "The seed of everything that does not change with time: hardware, placement, request costs. The fleet is the same under every `seed` of the scenario.",
        default: "0",
    }
    "racks" as racks: u32 {
        form: Form::Whole(RACKS),
        read: whole("the number of racks", RACKS),
        about: "The number of racks. The servers of each pool are assigned to them round-robin.",
        default: "5",
    }
    also {
        /// Whether every `rate` and every call could be read. If so, demand that seems to be missing is really
        /// missing.
        demand_is_known: bool,
        /// Whether all of `fleet` could be read. If so, a name that seems to be missing is really missing.
        is_whole: bool,
    }
}

mapping! {
    /// A zone of `fleet.zones`.
    ZoneText, ZONE, "a zone";
    "inlet" as inlet: f64 {
        form: Form::Temperature,
        read: value(values::celsius),
        about: "The mean temperature of the air at the inlets of its servers: 5C … 45C. It varies over the day.",
        default: "18–23 °C, drawn",
    }
}

mapping! {
    /// A pool of `fleet.servers`.
    PoolText, POOL, "a pool of servers";
    "count" as count: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("the number of servers of a pool", 1..=MOST),
        about: "The number of servers, called `<pool>-001` and so on.",
        example: "3",
    }
    "cores" as cores: u32 {
        form: Form::Whole(CORES),
        read: whole("the number of cores", CORES),
        about: "Cores of each server.",
        default: "32",
    }
    "memory" as memory: f64 {
        form: Form::Size,
        read: value(memory),
        about: "Memory of each server.",
        default: "128GB",
    }
    "disk" as disk: DiskText {
        form: Form::Map(&DISK),
        read: DiskText::read,
        about: "The disk of each server: its size, and its limit for reads and writes together.",
        default: "2TB, 550MB/s",
    }
    "nic" as nic: f64 {
        form: Form::Throughput,
        read: value(|node| throughput(node, "the line rate")),
        about: "The line rate of the network, in each direction.",
        default: "10Gbps",
    }
    "power" as power: PowerText {
        form: Form::Map(&POWER),
        read: Reader::power,
        about: "The power of each server when idle, and at full load without its fan.",
        default: "drawn: 250–600 W at full load, and 30–60 % of it when idle; if one is given, the other is derived from it",
    }
}

mapping! {
    /// `disk:` of a pool.
    DiskText, DISK, "`disk`";
    "size" as size: f64 {
        form: Form::Size,
        read: value(disk_size),
        about: "The size of the disk.",
        default: "2TB",
    }
    "limit" as limit: f64 {
        form: Form::Throughput,
        read: value(|node| throughput(node, "the limit of a disk")),
        about: "The limit for reads and writes together.",
        default: "550MB/s",
    }
}

mapping! {
    /// `power:` of a pool.
    PowerText, POWER, "`power`";
    "idle" as idle: f64 {
        form: Form::Power,
        read: value(watts),
        about: "The power of an idle server.",
        default: "drawn",
    }
    "max" as max: f64 {
        form: Form::Power,
        read: value(watts),
        about: "The power at full load, without the fan.",
        default: "drawn",
    }
}

mapping! {
    /// A service of `fleet.services`.
    ServiceText, SERVICE, "a service";
    "instances" as instances: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("the number of instances", 1..=MOST),
        about: "The number of instances, called `<service>-1` and so on.",
        default: "1",
    }
    "pool" as pool: String {
        form: Form::Name,
        read: value(values::name),
        about: "The pool of servers on which the instances run.",
        default: "the only pool; required if there are several",
    }
    "hosts" as hosts: Vec<At<String>> {
        form: Form::Several(&Form::Name),
        read: Reader::hosts,
        about: "Servers to which the instances are assigned round-robin.",
        default: "placed by a hash of the names: instances of a service are on different servers if there are enough; a server has at most ⌈1.25 × instances ÷ servers⌉ instances",
    }
    "rate" as rate: f64 {
        form: Form::Rate,
        read: demand(value(values::rate)),
        about: "External demand over all instances. Calls from other services are added to it.",
        default: "none; then the service needs a caller with demand",
    }
    "cost" as cost: f64 {
        form: Form::CpuTime,
        read: value(values::cpu_time),
        about: "CPU time of one request, without the services that it calls: 1us … 10s.",
        default: "drawn for each instance. It uses about 12 % of 32 cores at a reference rate: for a built-in service, its rate in a fleet with one instance of each built-in service; for other services, 100/s",
    }
    "latency" as latency: Span {
        form: Form::Duration,
        read: value(latency),
        about: "The service's own median latency (p50) at normal load: 1ms … 10s.",
        default: "that of the built-in service, else 20ms",
    }
    "calls" as calls: Vec<CallText> {
        form: Form::List(&Form::Either(&[Form::Name, Form::Named(&Form::Number(CALLS))])),
        read: demand(Reader::calls),
        about: "The services that it calls, with calls per request: `[a, {b: 0.5}]`. A name alone is one call per request. Calls must not form a cycle.",
        default: "none",
    }
}
