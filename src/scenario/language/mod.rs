//! The keys of the language, in one table for each mapping. One entry defines a key: its field, its reader, its
//! meaning, its range and its default. Messages, `reenact schema` and the reference page use the same entries.

#[macro_use]
mod mapping;
mod fleet;
mod incidents;

use std::ops::RangeInclusive;

pub(super) use fleet::POOL;
pub use fleet::{DiskText, FLEET, FleetText, PoolText, PowerText, ServiceText, ZoneText};
pub use incidents::{ANOMALY, AnomalyText, BACKGROUND, BackgroundText, Conditions, RampText};
pub(super) use incidents::{QuantilesText, SeveritiesText};

use super::diagnostic::At;
use super::read::{Reader, bursts, daily, value, whole};
use super::{Expected, values};
use crate::time::{SimTime, Span};

/// A mapping of the language.
#[derive(Debug)]
pub struct Mapping {
    /// Its name in messages.
    pub what: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [Key],
}

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// The key as a scenario writes it.
    pub name: &'static str,
    /// What it means, with its unit.
    pub about: &'static str,
    /// What applies if the key is missing; empty if nothing does.
    pub default: &'static str,
    /// The form of the value.
    pub form: Form,
    /// Whether the key is required.
    pub need: Need,
}

/// Whether a key is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The key may be missing.
    Optional,
    /// The key is required. If it is missing, the error shows this value as an example.
    Required(&'static str),
    /// The language has the key, but this version does not support it yet.
    NotYet,
}

/// The form of a value.
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
    /// A mapping from kinds to values of one form.
    ByKind(&'static Form),
    /// A whole number.
    Whole(RangeInclusive<i64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// `90s`: more than zero.
    Duration,
    /// `90s` or `0s`: zero or more.
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
    /// The cause in physical terms. Each kind has its own key.
    With,
    /// A mapping with its own table of keys.
    Map(&'static Mapping),
    /// A mapping from names to values of one form.
    Named(&'static Form),
    /// A list.
    List(&'static Form),
    /// A list of one or more items.
    Several(&'static Form),
    /// One of several forms.
    Either(&'static [Form]),
}

impl Mapping {
    /// Returns the key of this mapping that users often mean by another word.
    pub(super) fn synonym(&self, word: &str) -> Option<&'static str> {
        let meant = SYNONYMS.iter().filter(|(written, _)| *written == word).map(|(_, meant)| *meant);
        meant.filter_map(|meant| self.key(meant)).map(|key| key.name).next()
    }

    /// Returns the key with this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Words from other tools, each with the key that users mean by it.
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

/// The maximum number of servers or instances. Two blocks of a fleet of this size take about 7 GB of memory.
pub(super) const MOST: i64 = 100_000;
/// The range of `epoch`.
const EPOCHS: RangeInclusive<i64> = 0..=u32::MAX as i64;
/// The range of the number of cores of a server.
pub(super) const CORES: RangeInclusive<i64> = 1..=4_096;
/// The range of the number of racks of a fleet.
pub(super) const RACKS: RangeInclusive<i64> = 1..=1_000;
/// The maximum daily swing of demand, as a share of its mean: demand never falls below 0.4 of its mean.
pub(super) const MOST_DAILY: f64 = 0.6;
/// The maximum number of bursts of a service's demand per day.
pub(super) const MOST_BURSTS: f64 = 24.0;
/// The range of weights. Only their ratios matter.
pub(super) const WEIGHT: RangeInclusive<f64> = 0.0..=1e6;
/// The range of calls per request.
pub(super) const CALLS: RangeInclusive<f64> = 0.0..=f64::MAX;
/// The range of the number of incidents of a kind that a scenario can expect.
pub(super) const INCIDENTS: RangeInclusive<i64> = 0..=1_000_000_000;

mapping! {
    /// A scenario: the keys of a file.
    ScenarioText, SCENARIO, "a scenario";
    "scenario" as version: i64 {
        form: Form::Whole(1..=1),
        read: value(values::version),
        about: "The version of the scenario language: 1.",
        example: "1",
    }
    "name" as name: String {
        form: Form::Text,
        read: value(values::text),
        about: "The name of the scenario in messages, plans and manifests.",
        default: "`scenario`",
    }
    "about" as about: String {
        form: Form::Text,
        read: value(values::text),
        about: "A description of the scenario.",
    }
    "seed" as seed: u64 {
        form: Form::Whole(0..=i64::MAX),
        read: value(values::seed),
        about: "The seed of everything random that changes with time: 0 … 2⁶³−1. The same seed gives the same rows on every run.",
        default: "0",
    }
    "epoch" as epoch: u32 {
        form: Form::Whole(EPOCHS),
        read: whole("`epoch`", EPOCHS),
        about: "The version of the generated values that the file expects. A program with another version stops with an error.",
        default: "the version of the program",
    }
    "use" {
        form: Form::Either(&[Form::Use, Form::List(&Form::Use)]),
        about: "One preset or file, or a list of them, to build on: names of presets, or paths of `.yaml` or `.yml` files relative to this file. Later entries override earlier ones, and this file overrides them all.",
        default: "nothing; then `clock` and `fleet` are required, and there is no background",
    }
    "vars" {
        form: Form::Named(&Form::Scalar),
        about: "Variables. `${name}` in a value is replaced by the variable; `--set vars.name=…` overrides it. `$${` is a literal `${`.",
    }
    "clock" as clock: ClockText {
        form: Form::Map(&CLOCK),
        read: ClockText::read,
        about: "When the run starts, how long it is, and how often samples are taken.",
    }
    "fleet" as fleet: FleetText {
        form: Form::Map(&FLEET),
        read: Reader::fleet,
        about: "Servers and services: which service runs where and calls which other services.",
    }
    "load" as load: LoadText {
        form: Form::Map(&LOAD),
        read: LoadText::read,
        about: "The shape of demand over the day and the week.",
        default: "drawn for each entity",
    }
    "anomalies" as anomalies: Vec<At<AnomalyText>> {
        form: Form::List(&Form::Map(&ANOMALY)),
        read: Reader::anomalies,
        about: "The schedule. Each entry produces one or more incidents.",
        default: "none",
    }
    "background" as background: BackgroundText {
        form: Form::Map(&BACKGROUND),
        read: Reader::background,
        about: "Random incidents, drawn from the seed.",
        default: "none",
    }
    "delivery" {
        form: Form::Text,
        about: "Delivery faults: late, duplicate and lost records.",
        not_yet: true,
    }
    "expect" as expect: ExpectText {
        form: Form::Map(&EXPECT),
        read: ExpectText::read,
        about: "What the scenario must produce. If it does not, `check` and `run` exit with status 1.",
    }
}

mapping! {
    /// `clock:`
    ClockText, CLOCK, "`clock`";
    "start" as start: SimTime {
        form: Form::EventTime,
        read: value(values::sim_time),
        about: "The time of the first sample: RFC 3339 with an offset, in quotes, not before 1970.",
        example: "\"2026-01-05T00:00:00Z\"",
    }
    "run" as run: Span {
        form: Form::Duration,
        read: value(values::span),
        about: "The length of the run.",
        example: "1h",
    }
    "step" as step: Span {
        form: Form::Duration,
        read: value(values::span),
        about: "The time between two samples, in whole milliseconds.",
        example: "1s",
    }
    "timezone" as timezone: String {
        form: Form::Text,
        read: value(values::text),
        about: "The time zone of office hours and weekends, as an IANA name: `Europe/Paris`.",
        default: "UTC",
    }
    "clean" as clean: Span {
        form: Form::Distance,
        read: value(|node| values::distance(node, "`clean`")),
        about: "The length of an incident-free period at the start, for training.",
        default: "0s",
    }
}

mapping! {
    /// `load:`, the shape of demand. Most defaults are drawn for each entity.
    LoadText, LOAD, "`load`";
    "daily" as daily: f64 {
        form: Form::Share,
        read: value(daily),
        about: "The amplitude of demand over the day, as a fraction of its mean: 0 … 0.6.",
        default: "0.22–0.41, drawn for each entity",
    }
    "weekend" as weekend: f64 {
        form: Form::Share,
        read: value(values::share),
        about: "Demand on Saturdays and Sundays, as a fraction of that on weekdays.",
        default: "0.75–1, drawn",
    }
    "peak" as peak: Span {
        form: Form::Hour,
        read: value(values::hour),
        about: "The hour of peak demand, in the time zone of the clock: 0h … 24h. The peaks of the entities vary around this hour as they do by default.",
        default: "15h; services peak within an hour of it, the hosts' own load within an hour and a half",
    }
    "bursts" as bursts: f64 {
        form: Form::Rate,
        read: value(bursts),
        about: "The rate of demand bursts of each service: at most 24/day.",
        default: "4/day",
    }
}

mapping! {
    /// `expect:`, the results that a scenario must have.
    ExpectText, EXPECT, "`expect`";
    "incidents" as incidents: Expected {
        form: Form::ByKind(&Form::Whole(INCIDENTS)),
        read: Reader::expected_incidents,
        about: "The number of scheduled incidents by kind: `{memory_leak: 1}`. Kinds that are not listed may have any number.",
    }
    "visible" as visible: &'static str {
        form: Form::Word(&["all"]),
        read: value(|node| values::word(node, &["all"])),
        about: "`all`: every incident changes at least one metric by a quarter of the metric's scale or more.",
    }
}
