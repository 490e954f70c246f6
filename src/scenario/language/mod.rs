//! The keys of the language, a table for each mapping: what reading, messages, `reenact schema` and
//! the reference page know of them.

mod fleet;
mod incidents;

use std::ops::RangeInclusive;

pub use fleet::{DISK, FLEET, POOL, POWER, SERVICE, ZONE};
pub use incidents::{ANOMALY, BACKGROUND, QUANTILES, RAMP, SEVERITIES, TARGET};

/// A mapping of the language.
#[derive(Debug)]
pub struct Mapping {
    /// As messages call it.
    pub what: &'static str,
    /// In the order in which they are shown.
    pub keys: &'static [Key],
}

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it means, with its unit.
    pub about: &'static str,
    /// What holds where it is missing; empty where nothing does.
    pub default: &'static str,
    /// What may stand there.
    pub form: Form,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may be missing.
    Optional,
    /// It may not; an error shows this value.
    Required(&'static str),
    /// The language has it, this version does not yet.
    NotYet,
}

/// What may stand at a key.
#[derive(Debug)]
pub enum Form {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A text, a number, or `true` or `false`.
    Scalar,
    /// Letters, digits, `-`, `_`, `.`.
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A preset's name, or the path of a file.
    Use,
    /// The name of a kind.
    Kind,
    /// Kinds with something each.
    ByKind(&'static Form),
    /// A whole number.
    Whole(RangeInclusive<i64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// `90s`, longer than nothing.
    Duration,
    /// `90s`, or `0s`.
    Distance,
    /// `14h`: a time of day.
    Hour,
    /// RFC 3339 with an offset.
    EventTime,
    /// A duration from the run's start, or RFC 3339.
    Moment,
    /// `120/s`.
    Rate,
    /// `2%` or `0.02`.
    Share,
    /// `128GB`.
    Size,
    /// `10Gbps`.
    Throughput,
    /// `4ms`, `250us`.
    CpuTime,
    /// `420W`.
    Power,
    /// `21C`.
    Temperature,
    /// `low`, `medium`, `high`, or a multiple of the scale.
    Severity,
    /// The cause of a kind in physical terms, each kind its own.
    With,
    /// A mapping with keys of its own.
    Map(&'static Mapping),
    /// Names with something each.
    Named(&'static Form),
    /// A list.
    List(&'static Form),
    /// A list of one or more.
    Several(&'static Form),
    /// One of several.
    Either(&'static [Form]),
}

impl Mapping {
    /// The key that another word is often written for.
    pub(super) fn synonym(&self, word: &str) -> Option<&'static str> {
        let meant = SYNONYMS.iter().filter(|(written, _)| *written == word).map(|(_, meant)| *meant);
        meant.filter_map(|meant| self.key(meant)).map(|key| key.name).next()
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// What people write who know other tools, and the key that they mean.
const SYNONYMS: &[(&str, &str)] = &[
    ("duration", "for"),
    ("duration", "run"),
    ("length", "for"),
    ("length", "run"),
    ("start", "at"),
    ("onset", "at"),
    ("time", "at"),
    ("begin", "start"),
    ("interval", "every"),
    ("interval", "step"),
    ("repeat", "every"),
    ("times", "every"),
    ("name", "id"),
    ("type", "kind"),
    ("anomaly", "kind"),
    ("anomaly", "anomalies"),
    ("incidents", "anomalies"),
    ("schedule", "anomalies"),
    ("level", "severity"),
    ("pools", "servers"),
    ("hosts", "servers"),
    ("machines", "servers"),
    ("include", "use"),
    ("extends", "use"),
    ("preset", "use"),
    ("variables", "vars"),
    ("description", "about"),
    ("probability", "share"),
    ("replicas", "instances"),
    ("number", "count"),
    ("ram", "memory"),
    ("cpus", "cores"),
    ("network", "nic"),
    ("tz", "timezone"),
];

/// A key that may be missing; `default` is what holds then.
const fn optional(name: &'static str, form: Form, about: &'static str, default: &'static str) -> Key {
    Key { name, about, default, form, need: Need::Optional }
}

/// A key that must be there, such as this `example`.
const fn required(name: &'static str, form: Form, about: &'static str, example: &'static str) -> Key {
    Key { name, about, default: "", form, need: Need::Required(example) }
}

/// A key that this version refuses.
const fn not_yet(name: &'static str, about: &'static str) -> Key {
    Key { name, about, default: "", form: Form::Text, need: Need::NotYet }
}

/// The largest number of servers or instances: two blocks of such a fleet take some 7 GB.
pub(super) const MOST: i64 = 100_000;
/// Cores of a server.
pub(super) const CORES: RangeInclusive<i64> = 1..=4_096;
/// Racks of a fleet.
pub(super) const RACKS: RangeInclusive<i64> = 1..=1_000;
/// How far demand may swing over the day: it never falls below .4 of its mean.
pub(super) const MOST_DAILY: f64 = 0.6;
/// Bursts of a service's demand a day, at most.
pub(super) const MOST_BURSTS: f64 = 24.0;
/// Weights, of which only their ratios count.
pub(super) const WEIGHT: RangeInclusive<f64> = 0.0..=1e6;
/// Calls per request.
pub(super) const CALLS: RangeInclusive<f64> = 0.0..=f64::MAX;
/// Incidents that a scenario can expect of a kind.
pub(super) const INCIDENTS: RangeInclusive<i64> = 0..=1_000_000_000;

/// A file.
pub const SCENARIO: Mapping = Mapping {
    what: "a scenario",
    keys: &[
        Key {
            name: "scenario",
            about: "The version of the language: 1.",
            default: "",
            form: Form::Whole(1..=1),
            need: Need::Required("1"),
        },
        optional("name", Form::Text, "What messages, plans and manifests call the scenario.", "`scenario`"),
        optional("about", Form::Text, "What it teaches or is for.", ""),
        optional(
            "seed",
            Form::Whole(0..=i64::MAX),
            "Where all that is random comes from: 0 … 2⁶³−1. The same seed gives the same rows on every run.",
            "0, never random",
        ),
        optional(
            "epoch",
            Form::Whole(0..=u32::MAX as i64),
            "The values that the file was written against; a program that makes others stops.",
            "the program's own",
        ),
        optional(
            "use",
            Form::Either(&[Form::Use, Form::List(&Form::Use)]),
            "Presets by name, or paths of `.yaml` files relative to this one; one or a list. Later ones win, then this file.",
            "nothing: then `clock` and `fleet` are required, and there is no background",
        ),
        optional(
            "vars",
            Form::Named(&Form::Scalar),
            "Variables: `${name}` in a value below stands for it, and `--set vars.name=…` changes it. `$${` is a literal `${`.",
            "",
        ),
        optional(
            "clock",
            Form::Map(&CLOCK),
            "When the run starts, how long it is, how often samples are taken.",
            "",
        ),
        optional("fleet", Form::Map(&FLEET), "Servers and services, who runs where and calls whom.", ""),
        optional(
            "load",
            Form::Map(&LOAD),
            "The shape of demand over the day and the week.",
            "drawn for each entity",
        ),
        optional(
            "anomalies",
            Form::List(&Form::Map(&ANOMALY)),
            "The schedule: each entry makes one incident or more.",
            "none",
        ),
        optional(
            "background",
            Form::Map(&BACKGROUND),
            "Incidents that nobody scheduled, drawn from the seed.",
            "none",
        ),
        not_yet("delivery", "What the wire does to records: late, doubled, dropped."),
        optional(
            "expect",
            Form::Map(&EXPECT),
            "What must come of it: `check` and `run` exit 1 where it does not.",
            "",
        ),
    ],
};

/// `clock:`
pub const CLOCK: Mapping = Mapping {
    what: "`clock`",
    keys: &[
        required(
            "start",
            Form::EventTime,
            "The moment of tick 0: RFC 3339 with an offset, in quotes; from 1970 on.",
            "\"2026-01-05T00:00:00Z\"",
        ),
        required("run", Form::Duration, "How long the run is.", "1h"),
        required("step", Form::Duration, "The distance between two samples; whole milliseconds.", "1s"),
        optional(
            "timezone",
            Form::Text,
            "The zone that office hours and weekends follow, by its IANA name: `Europe/Paris`.",
            "UTC",
        ),
        optional(
            "clean",
            Form::Distance,
            "Nothing goes wrong before so long after the start: a prefix to train on.",
            "0s",
        ),
    ],
};

/// `load:`
pub const LOAD: Mapping = Mapping {
    what: "`load`",
    keys: &[
        optional(
            "daily",
            Form::Share,
            "How far demand swings over the day, as a share of its mean: 0 … 0.6.",
            "0.22–0.41, drawn for each entity",
        ),
        optional(
            "weekend",
            Form::Share,
            "Demand on Saturdays and Sundays, as a share of a weekday's.",
            "0.75–1, drawn",
        ),
        optional(
            "peak",
            Form::Hour,
            "The hour of most demand, in the clock's timezone: 0h … 24h; entities lie around it as they do by default.",
            "15h, services within an hour and hosts' own load within an hour and a half",
        ),
        optional("bursts", Form::Rate, "Bursts of each service's demand: at most 24/day.", "4/day"),
    ],
};

/// `expect:`
pub const EXPECT: Mapping = Mapping {
    what: "`expect`",
    keys: &[
        optional(
            "incidents",
            Form::ByKind(&Form::Whole(INCIDENTS)),
            "How many incidents of a kind the schedule makes: `{memory_leak: 1}`; kinds that are not named may have any number.",
            "",
        ),
        optional(
            "visible",
            Form::Word(&["all"]),
            "`all`: every incident shows in some metric, by a quarter of its scale or more.",
            "",
        ),
    ],
};
