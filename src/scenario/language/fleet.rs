//! Who is there, who runs where and calls whom.

use super::{CALLS, CORES, Form, MOST, Mapping, RACKS, optional, required};

/// `fleet:`
pub const FLEET: Mapping = Mapping {
    what: "`fleet`",
    keys: &[
        required(
            "servers",
            Form::Either(&[Form::Whole(1..=MOST), Form::Named(&Form::Map(&POOL))]),
            "Pools of servers by name; or a number: one pool called `srv`.",
            "3",
        ),
        optional(
            "services",
            Form::Either(&[Form::Whole(0..=MOST), Form::Named(&Form::Map(&SERVICE))]),
            "Services by name; or a number: so many instances of the nine services of the catalogue.",
            "none",
        ),
        optional(
            "zones",
            Form::Either(&[Form::Several(&Form::Name), Form::Named(&Form::Map(&ZONE))]),
            "Where servers stand: names, or names with the air at their inlets. A rack stands in one zone.",
            "`marseille-1`, `marseille-2`",
        ),
        optional(
            "seed",
            Form::Whole(0..=i64::MAX),
            "Seed of what does not change with time: hardware, placement, request costs. Under every `seed` of the scenario, the fleet stays the same.",
            "0",
        ),
        optional("racks", Form::Whole(RACKS), "Racks, dealt round within each pool.", "5"),
    ],
};

/// A zone of `fleet.zones`.
pub const ZONE: Mapping = Mapping {
    what: "a zone",
    keys: &[optional(
        "inlet",
        Form::Temperature,
        "The air at its servers' inlets: 5C … 45C, with a daily swing.",
        "18–23 °C, drawn",
    )],
};

/// A pool of `fleet.servers`.
pub const POOL: Mapping = Mapping {
    what: "a pool of servers",
    keys: &[
        required("count", Form::Whole(1..=MOST), "How many servers; they are called `<pool>-001` on.", "3"),
        optional("cores", Form::Whole(CORES), "Cores of each.", "32"),
        optional("memory", Form::Size, "Memory of each.", "128GB"),
        optional(
            "disk",
            Form::Map(&DISK),
            "Its size, and what it reads and writes together.",
            "2TB, 550MB/s",
        ),
        optional("nic", Form::Throughput, "Line rate of its network each way.", "10Gbps"),
        optional(
            "power",
            Form::Map(&POWER),
            "What each draws idle, and at full load without its fan.",
            "drawn: 250–600 W at most, of it 30–60 % idle; one gives the other",
        ),
    ],
};

/// `disk:` of a pool.
pub const DISK: Mapping = Mapping {
    what: "`disk`",
    keys: &[
        optional("size", Form::Size, "Its size.", "2TB"),
        optional("limit", Form::Throughput, "What it reads and writes together.", "550MB/s"),
    ],
};

/// `power:` of a pool.
pub const POWER: Mapping = Mapping {
    what: "`power`",
    keys: &[
        optional("idle", Form::Power, "What a server draws idle.", "drawn"),
        optional("max", Form::Power, "What it draws at full load without its fan.", "drawn"),
    ],
};

/// A service of `fleet.services`.
pub const SERVICE: Mapping = Mapping {
    what: "a service",
    keys: &[
        optional("instances", Form::Whole(1..=MOST), "How many; they are called `<service>-1` on.", "1"),
        optional(
            "pool",
            Form::Name,
            "Which servers they run on.",
            "the only pool; an error where there are several",
        ),
        optional(
            "hosts",
            Form::Several(&Form::Name),
            "Servers that the instances are pinned to, round-robin.",
            "placed by a hash of the names: instances of one service on different servers where there are enough, at most ⌈1.25 × instances ÷ servers⌉ instances on a server",
        ),
        optional(
            "rate",
            Form::Rate,
            "Demand from outside over all instances; what callers send comes on top.",
            "none: then a caller must have some",
        ),
        optional(
            "cost",
            Form::CpuTime,
            "CPU time of one request, without the services that it calls: 1us … 10s.",
            "drawn for each instance: about 12 % of 32 cores at the demand that it has in a fleet with one instance of each service above; at 100/s for other names",
        ),
        optional(
            "latency",
            Form::Duration,
            "The service's own p50 at normal load: 1ms … 10s.",
            "the catalogue's, else 20ms",
        ),
        optional(
            "calls",
            Form::List(&Form::Either(&[Form::Name, Form::Named(&Form::Number(CALLS))])),
            "Services called: `[a, {b: 0.5}]`, with calls per request; a name alone is one call. No circles.",
            "none",
        ),
    ],
};
