//! What goes wrong, scheduled and in the background.

use super::{Form, MOST, WEIGHT};
use crate::scenario::diagnostic::At;
use crate::scenario::read::{Reader, value, whole};
use crate::scenario::read_incidents::{background_length, every, length, up_to_a_year};
use crate::scenario::{Entries, KindsText, Length, Moment, Quantiles, Severity, TargetText, words};
use crate::time::Span;

/// A name or glob, or a list of them.
const ONE_OR_MORE: Form = Form::Either(&[Form::Text, Form::Several(&Form::Text)]);

mapping! {
    /// One entry of `anomalies`; what is missing or could not be read is `None` and was reported.
    AnomalyText, ANOMALY, "an anomaly";
    "id" as id: String {
        form: Form::Name,
        read: value(words::name),
        about: "Its name in labels and for `--without`; an entry with the `id` of one in `use` replaces it.",
        default: "the kind and a hash of kind, target and `at`",
    }
    "kind" as kind: String {
        form: Form::Kind,
        read: value(words::text),
        about: "What goes wrong: `reenact kinds` lists what there is.",
        example: "cpu_spike",
    }
    "target" as target: TargetText {
        form: Form::Either(&[Form::Text, Form::Map(&TARGET)]),
        read: Reader::target,
        about: "Whom it hits: a server, an instance, a service (all its instances), a glob, or a map of conditions.",
        example: "srv-001",
    }
    "at" as at: Moment {
        form: Form::Moment,
        read: value(words::moment),
        about: "Its onset: a duration from the run's start, or RFC 3339 with an offset.",
        example: "40m",
    }
    "for" as length: Length {
        form: Form::Either(&[Form::Duration, Form::Word(&["until-end"])]),
        read: value(length),
        about: "How long; `until-end` is to the run's end. An incident that begins in the run may end after it.",
        example: "25m",
    }
    "severity" as severity: Severity {
        form: Form::Severity,
        read: value(words::severity),
        about: "`low`, `medium`, `high`: 0.5, 1 and 2 times the scale of the kind's carrier (about the p99.9 of its normal residual); or that multiple, above 0, at most 100.",
        default: "`medium`",
    }
    "with" as with: Entries {
        form: Form::With,
        read: Reader::with,
        about: "Instead of a severity, the cause in physical terms; the severity is then what came of it.",
    }
    "ramp" as ramp: RampText {
        form: Form::Map(&RAMP),
        read: Reader::ramp,
        about: "How it comes and goes: smooth steps inside `for`.",
        default: "20 % of `for`, at most a minute",
    }
    "every" as every: Span {
        form: Form::Duration,
        read: value(every),
        about: "Repeats from `at`, so far apart, at least 1s; their ids are `id.1`, `id.2`, …",
        default: "once",
    }
    "jitter" as jitter: Span {
        form: Form::Distance,
        read: value(|node| words::distance(node, "`jitter`")),
        about: "Moves each repeat by at most so much; at most half of what `every` leaves beside `for`.",
        default: "0s",
    }
    "then" {
        form: Form::Text,
        about: "What follows from it: a cascade.",
        not_yet: true,
    }
}

mapping! {
    /// A target as a map of conditions: names or globs, one of which must match.
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
        about: "Instances with one of these names or globs, or of services with one of them.",
        default: "any",
    }
    "zone" as zones: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "In one of these zones; an instance is where its host is.",
        default: "any",
    }
    "rack" as racks: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "In one of these racks: `R01`.",
        default: "any",
    }
    "pool" as pools: Vec<At<String>> {
        form: ONE_OR_MORE,
        read: Reader::one_or_more,
        about: "In one of these pools.",
        default: "any",
    }
    "pick" as pick: u32 {
        form: Form::Whole(1..=MOST),
        read: whole("`pick`", 1..=MOST),
        about: "So many of them, drawn by a hash of seed, anomaly and name; the same for each repeat.",
        default: "all",
    }
    "host" as host: bool {
        form: Form::Flag,
        read: value(words::flag),
        about: "The servers that they run on, each once.",
        default: "false",
    }
}

mapping! {
    /// `ramp:` of an anomaly.
    RampText, RAMP, "`ramp`";
    "up" as up: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "a ramp")),
        about: "How long it takes to come.",
        default: "20 % of `for`, at most a minute",
    }
    "down" as down: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "a ramp")),
        about: "How long it takes to go.",
        default: "20 % of `for`, at most a minute",
    }
}

mapping! {
    /// `background:`, incidents that nobody scheduled.
    BackgroundText, BACKGROUND, "`background`";
    "share" as share: f64 {
        form: Form::Share,
        read: value(words::share),
        about: "Of the time of each entity that some listed kind can act on, inside an incident; `0%` is none.",
        default: "none",
    }
    "rate" as rate: f64 {
        form: Form::Rate,
        read: value(words::rate),
        about: "Instead of a share: incidents of each entity, such as `0.5/day`.",
        default: "none",
    }
    "kinds" as kinds: KindsText {
        form: Form::Either(&[
                Form::Word(&["all"]),
                Form::Several(&Form::Kind),
                Form::ByKind(&Form::Number(WEIGHT)),
            ]),
        read: Reader::kinds,
        about: "A list, weights (`{cpu_spike: 3, error_burst: 1}`), or `all`: every kind that this version has.",
        default: "the eight kinds of version 0.1; a later version adds none to them",
    }
    "for" as lengths: Quantiles {
        form: Form::Either(&[Form::Duration, Form::Map(&QUANTILES)]),
        read: Reader::lengths,
        about: "How long they last: one duration, or three quantiles.",
        default: "each kind's own",
    }
    "severity" as severity: [f64; 3] {
        form: Form::Map(&SEVERITIES),
        read: Reader::severities,
        about: "Weights: `{low: 1, medium: 1, high: 1}`.",
        default: "all alike",
    }
    "gap" as gap: Span {
        form: Form::Distance,
        read: value(|node| up_to_a_year(node, "`gap`")),
        about: "The least distance between two incidents of one entity.",
        default: "0s",
    }
}

mapping! {
    /// `for:` of the background, as three quantiles.
    QuantilesText, QUANTILES, "`for` of `background`";
    "p10" as p10: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "One in ten is shorter.",
        example: "3m",
    }
    "p50" as p50: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "Half of them are shorter.",
        example: "11m",
    }
    "p90" as p90: Span {
        form: Form::Duration,
        read: value(background_length),
        about: "One in ten is longer; none longer than a day.",
        example: "4h",
    }
}

mapping! {
    /// `severity:` of the background: weights.
    SeveritiesText, SEVERITIES, "`severity` of `background`";
    "low" as low: f64 {
        form: Form::Number(WEIGHT),
        read: value(words::weight),
        about: "The weight of 0.5 times the scale.",
        default: "0",
    }
    "medium" as medium: f64 {
        form: Form::Number(WEIGHT),
        read: value(words::weight),
        about: "The weight of the scale.",
        default: "0",
    }
    "high" as high: f64 {
        form: Form::Number(WEIGHT),
        read: value(words::weight),
        about: "The weight of twice the scale.",
        default: "0",
    }
}
