//! Who is there, who runs where and calls whom.

use super::{CALLS, CORES, Form, MOST, RACKS};
use crate::scenario::diagnostic::At;
use crate::scenario::read::{Reader, value, whole};
use crate::scenario::read_fleet::{demand, disk_size, latency, memory, throughput, watts};
use crate::scenario::{CallText, ServersText, ServicesText, Zones, words};
use crate::time::Span;

mapping! {
    /// `fleet:`
    FleetText, FLEET, "`fleet`";
    "servers" as servers: ServersText {
        form: Form::Either(&[Form::Whole(1..=MOST), Form::Named(&Form::Map(&POOL))]),
        read: Reader::servers,
        about: "Pools of servers by name; or a number: one pool called `srv`.",
        example: "3",
    }
    "services" as services: ServicesText {
        form: Form::Either(&[Form::Whole(0..=MOST), Form::Named(&Form::Map(&SERVICE))]),
        read: Reader::services,
        about: "Services by name; or a number: so many instances of the nine services of the catalogue.",
        default: "none",
    }
    "zones" as zones: Zones {
        form: Form::Either(&[Form::Several(&Form::Name), Form::Named(&Form::Map(&ZONE))]),
        read: Reader::zones,
        about: "Where servers stand: names, or names with the air at their inlets. A rack stands in one zone.",
        default: "`marseille-1`, `marseille-2`",
    }
    "seed" as seed: u64 {
        form: Form::Whole(0..=i64::MAX),
        read: value(words::seed),
        about: "Seed of what does not change with time: hardware, placement, request costs. Under every `seed` of the scenario, the fleet stays the same.",
        default: "0",
    }
    "racks" as racks: u32 {
        form: Form::Whole(RACKS),
        read: whole("the number of racks", RACKS),
        about: "Racks, dealt round within each pool.",
        default: "5",
    }
    also {
        /// No `rate` and no call is there that could not be read: what seems to be missing is missing.
        demand_is_known: bool,
        /// All of it could be read: what seems to be missing is missing.
        is_whole: bool,
    }
}

mapping! {
    /// A zone of `fleet.zones`.
    ZoneText, ZONE, "a zone";
    "inlet" as inlet: f64 {
        form: Form::Temperature,
        read: value(words::celsius),
        about: "The air at its servers' inlets: 5C … 45C, with a daily swing.",
        default: "18–23 °C, drawn",
    }
}

mapping! {
    /// A pool of `fleet.servers`.
    PoolText, POOL, "a pool of servers";
    "count" as count: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("the number of servers of a pool", 1..=MOST),
        about: "How many servers; they are called `<pool>-001` on.",
        example: "3",
    }
    "cores" as cores: u32 {
        form: Form::Whole(CORES),
        read: whole("the number of cores", CORES),
        about: "Cores of each.",
        default: "32",
    }
    "memory" as memory: f64 {
        form: Form::Size,
        read: value(memory),
        about: "Memory of each.",
        default: "128GB",
    }
    "disk" as disk: DiskText {
        form: Form::Map(&DISK),
        read: DiskText::read,
        about: "Its size, and what it reads and writes together.",
        default: "2TB, 550MB/s",
    }
    "nic" as nic: f64 {
        form: Form::Throughput,
        read: value(|node| throughput(node, "the line rate")),
        about: "Line rate of its network each way.",
        default: "10Gbps",
    }
    "power" as power: PowerText {
        form: Form::Map(&POWER),
        read: Reader::power,
        about: "What each draws idle, and at full load without its fan.",
        default: "drawn: 250–600 W at most, of it 30–60 % idle; one gives the other",
    }
}

mapping! {
    /// `disk:` of a pool.
    DiskText, DISK, "`disk`";
    "size" as size: f64 {
        form: Form::Size,
        read: value(disk_size),
        about: "Its size.",
        default: "2TB",
    }
    "limit" as limit: f64 {
        form: Form::Throughput,
        read: value(|node| throughput(node, "the limit of a disk")),
        about: "What it reads and writes together.",
        default: "550MB/s",
    }
}

mapping! {
    /// `power:` of a pool.
    PowerText, POWER, "`power`";
    "idle" as idle: f64 {
        form: Form::Power,
        read: value(watts),
        about: "What a server draws idle.",
        default: "drawn",
    }
    "max" as max: f64 {
        form: Form::Power,
        read: value(watts),
        about: "What it draws at full load without its fan.",
        default: "drawn",
    }
}

mapping! {
    /// A service of `fleet.services`.
    ServiceText, SERVICE, "a service";
    "instances" as instances: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("the number of instances", 1..=MOST),
        about: "How many; they are called `<service>-1` on.",
        default: "1",
    }
    "pool" as pool: String {
        form: Form::Name,
        read: value(words::name),
        about: "Which servers they run on.",
        default: "the only pool; an error where there are several",
    }
    "hosts" as hosts: Vec<At<String>> {
        form: Form::Several(&Form::Name),
        read: Reader::hosts,
        about: "Servers that the instances are pinned to, round-robin.",
        default: "placed by a hash of the names: instances of one service on different servers where there are enough, at most ⌈1.25 × instances ÷ servers⌉ instances on a server",
    }
    "rate" as rate: f64 {
        form: Form::Rate,
        read: demand(value(words::rate)),
        about: "Demand from outside over all instances; what callers send comes on top.",
        default: "none: then a caller must have some",
    }
    "cost" as cost: f64 {
        form: Form::CpuTime,
        read: value(words::cpu_time),
        about: "CPU time of one request, without the services that it calls: 1us … 10s.",
        default: "drawn for each instance: about 12 % of 32 cores at the demand that it has in a fleet with one instance of each service of the catalogue; at 100/s for other names",
    }
    "latency" as latency: Span {
        form: Form::Duration,
        read: value(latency),
        about: "The service's own p50 at normal load: 1ms … 10s.",
        default: "the catalogue's, else 20ms",
    }
    "calls" as calls: Vec<CallText> {
        form: Form::List(&Form::Either(&[Form::Name, Form::Named(&Form::Number(CALLS))])),
        read: demand(Reader::calls),
        about: "Services called: `[a, {b: 0.5}]`, with calls per request; a name alone is one call. No circles.",
        default: "none",
    }
}
