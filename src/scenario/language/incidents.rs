//! The keys of `anomalies` and `background`: what goes wrong, scheduled or not.

use super::{Form, MOST, WEIGHT};
use crate::scenario::diagnostic::At;
use crate::scenario::read::{Reader, value, whole};
use crate::scenario::read_incidents::{background_length, every, length, up_to_a_year};
use crate::scenario::{Entries, KindsText, Length, Moment, Quantiles, Severity, TargetText, values};
use crate::time::Span;

/// A name or glob, or a list of them.
const ONE_OR_MORE: Form = Form::Either(&[Form::Text, Form::Several(&Form::Text)]);

mapping! {
    /// One entry of `anomalies`. A key that is missing or could not be read is `None`; its mistake was reported.
    AnomalyText, ANOMALY, "an anomaly";
    "id" as id: String {
        form: Form::Name,
        read: value(values::name),
        about: "The name in labels and for `--without`. An entry with the `id` of an entry in `use` replaces it.",
        default: "the kind and a hash of kind, target and `at`",
    }
    "kind" as kind: String {
        form: Form::Kind,
        read: value(values::text),
        about: "The kind of anomaly. `reenact kinds` lists them.",
        example: "cpu_spike",
    }
    "target" as target: TargetText {
        form: Form::Either(&[Form::Text, Form::Map(&TARGET)]),
        read: Reader::target,
        about: "What the anomaly acts on: a server, an instance, a service (all its instances), a glob, or a map of conditions.",
        example: "srv-001",
    }
    "at" as at: Moment {
        form: Form::Moment,
        read: value(values::moment),
        about: "The onset: a duration from the start of the run, or RFC 3339 with an offset.",
        example: "40m",
    }
    "for" as length: Length {
        form: Form::Either(&[Form::Duration, Form::Word(&["until-end"])]),
        read: value(length),
        about: "The duration, or `until-end`: until the end of the run. An incident may end after the run.",
        example: "25m",
    }
    "severity" as severity: Severity {
        form: Form::Severity,
        read: value(values::severity),
        about: "The size at the peak, as a multiple of the scale of the kind's carrier (about the p99.9 of its normal residual): `low` (0.5), `medium` (1), `high` (2), or a number above 0 and at most 100.",
        default: "`medium`",
    }
    "with" as with: Entries {
        form: Form::With,
        read: Reader::with,
        about: "The cause in physical terms, instead of a severity. The severity is then measured.",
    }
    "ramp" as ramp: RampText {
        form: Form::Map(&RAMP),
        read: Reader::ramp,
        about: "How long the anomaly takes to build up and to end, as smooth steps within `for`.",
        default: "20 % of `for`, at most one minute",
    }
    "every" as every: Span {
        form: Form::Duration,
        read: value(every),
        about: "The time from one onset to the next, at least 1s. The ids of the repeats are `id.1`, `id.2`, …",
        default: "once",
    }
    "jitter" as jitter: Span {
        form: Form::Distance,
        read: value(|node| values::distance(node, "`jitter`")),
        about: "The largest random shift of each repeat, at most half of the time that `every` leaves between two incidents.",
        default: "0s",
    }
    "then" {
        form: Form::Text,
        about: "Anomalies that follow from this one: a cascade.",
        not_yet: true,
    }
}

mapping! {
    /// A target as a map of conditions. Each condition is one or more names or globs, and one of them must match.
    Conditions, TARGET, "a target";
    "servers" as servers: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "Servers with one of these names or globs.",
        default: "any",
    }
    "services" as services: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "Instances that match one of these names or globs, or whose service does.",
        default: "any",
    }
    "zone" as zones: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "Entities in one of these zones. An instance is in the zone of its host.",
        default: "any",
    }
    "rack" as racks: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "Entities in one of these racks: `R01`.",
        default: "any",
    }
    "pool" as pools: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "Entities in one of these pools.",
        default: "any",
    }
    "pick" as pick: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("`pick`", 1..=MOST),
        about: "The number of entities to choose, by a hash of seed, anomaly and name. All repeats act on the same entities.",
        default: "all",
    }
    "host" as host: bool {
        form: Form::Flag,
        read: value(values::flag),
        about: "Use the servers on which the instances run, each server once.",
        default: "false",
    }
}

mapping! {
    /// `ramp:` of an anomaly.
    RampText, RAMP, "`ramp`";
    "up" as up: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "a ramp")),
        about: "How long the anomaly takes to build up.",
        default: "20 % of `for`, at most one minute",
    }
    "down" as down: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "a ramp")),
        about: "How long it takes to end.",
        default: "20 % of `for`, at most one minute",
    }
}

mapping! {
    /// `background:`, the incidents that are not scheduled.
    BackgroundText, BACKGROUND, "`background`";
    "share" as share: f64 {
        form: Form::Share,
        read: value(values::share),
        about: "The fraction of time that each eligible entity spends inside an incident. `0%` means no incidents.",
        default: "none",
    }
    "rate" as rate: f64 {
        form: Form::Rate,
        read: value(values::rate),
        about: "Instead of a share: the rate of incidents of each entity, such as `0.5/day`.",
        default: "none",
    }
    "kinds" as kinds: KindsText {
        form: Form::Either(&[
                Form::Word(&["all"]),
                Form::Several(&Form::Kind),
                Form::ByKind(&Form::Number(WEIGHT)),
            ]),
        read: Reader::kinds,
        about: "A list of kinds, weights (`{cpu_spike: 3, error_burst: 1}`), or `all`: every kind of this version.",
        default: "the eight kinds of version 0.1, also in later versions",
    }
    "for" as lengths: Quantiles {
        form: Form::Either(&[Form::Duration, Form::Map(&QUANTILES)]),
        read: Reader::lengths,
        about: "The duration of the incidents: one value, or three quantiles.",
        default: "that of each kind",
    }
    "severity" as severity: [f64; 3] {
        form: Form::Map(&SEVERITIES),
        read: Reader::severities,
        about: "Weights of the severities: `{low: 1, medium: 1, high: 1}`.",
        default: "equal weights",
    }
    "gap" as gap: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "`gap`")),
        about: "The minimum time between two incidents of one entity.",
        default: "0s",
    }
}

mapping! {
    /// `for:` of the background, as three quantiles.
    QuantilesText, QUANTILES, "`for` of `background`";
    "p10" as p10: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "10 % of the incidents are shorter.",
        example: "3m",
    }
    "p50" as p50: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "50 % of the incidents are shorter.",
        example: "11m",
    }
    "p90" as p90: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "10 % of the incidents are longer. None is longer than a day.",
        example: "4h",
    }
}

mapping! {
    /// `severity:` of the background: weights.
    SeveritiesText, SEVERITIES, "`severity` of `background`";
    "low" as low: f64 {
        form: Form::Number(WEIGHT),
        read: value(values::weight),
        about: "The weight of 0.5 times the scale.",
        default: "0",
    }
    "medium" as medium: f64 {
        form: Form::Number(WEIGHT),
        read: value(values::weight),
        about: "The weight of the scale.",
        default: "0",
    }
    "high" as high: f64 {
        form: Form::Number(WEIGHT),
        read: value(values::weight),
        about: "The weight of twice the scale.",
        default: "0",
    }
}
