//! What goes wrong, scheduled and in the background.

use super::{Form, MOST, Mapping, WEIGHT, not_yet, optional, required};

/// An entry of `anomalies`.
pub const ANOMALY: Mapping = Mapping {
    what: "an anomaly",
    keys: &[
        optional(
            "id",
            Form::Name,
            "Its name in labels and for `--without`; an entry with the `id` of one in `use` replaces it.",
            "the kind and a hash of kind, target and `at`",
        ),
        required("kind", Form::Kind, "What goes wrong: `reenact kinds` lists what there is.", "cpu_spike"),
        required(
            "target",
            Form::Either(&[Form::Text, Form::Map(&TARGET)]),
            "Whom it hits: a server, an instance, a service (all its instances), a glob, or a map of conditions.",
            "srv-001",
        ),
        required(
            "at",
            Form::Moment,
            "Its onset: a duration from the run's start, or RFC 3339 with an offset.",
            "40m",
        ),
        required(
            "for",
            Form::Either(&[Form::Duration, Form::Word(&["until-end"])]),
            "How long; `until-end` is to the run's end. An incident that begins in the run may end after it.",
            "25m",
        ),
        optional(
            "severity",
            Form::Severity,
            "`low`, `medium`, `high`: 0.5, 1 and 2 times the scale of the kind's carrier (about the p99.9 of its normal residual); or that multiple, above 0, at most 100.",
            "`medium`",
        ),
        optional(
            "with",
            Form::With,
            "Instead of a severity, the cause in physical terms; the severity is then what came of it.",
            "",
        ),
        optional(
            "ramp",
            Form::Map(&RAMP),
            "How it comes and goes: smooth steps inside `for`.",
            "20 % of `for`, at most a minute",
        ),
        optional(
            "every",
            Form::Duration,
            "Repeats from `at`, so far apart, at least 1s; their ids are `id.1`, `id.2`, …",
            "once",
        ),
        optional(
            "jitter",
            Form::Distance,
            "Moves each repeat by at most so much; at most half of what `every` leaves beside `for`.",
            "0s",
        ),
        not_yet("then", "What follows from it: a cascade."),
    ],
};

/// A `target` as a map of conditions.
pub const TARGET: Mapping = Mapping {
    what: "a target",
    keys: &[
        optional("servers", ONE_OR_MORE, "Servers with one of these names or globs.", "any"),
        optional(
            "services",
            ONE_OR_MORE,
            "Instances with one of these names or globs, or of services with one of them.",
            "any",
        ),
        optional("zone", ONE_OR_MORE, "In one of these zones; an instance is where its host is.", "any"),
        optional("rack", ONE_OR_MORE, "In one of these racks: `R01`.", "any"),
        optional("pool", ONE_OR_MORE, "In one of these pools.", "any"),
        optional(
            "pick",
            Form::Whole(1..=MOST),
            "So many of them, drawn by a hash of seed, anomaly and name; the same for each repeat.",
            "all",
        ),
        optional("host", Form::Flag, "The servers that they run on, each once.", "false"),
    ],
};

/// A name or glob, or a list of them.
const ONE_OR_MORE: Form = Form::Either(&[Form::Text, Form::Several(&Form::Text)]);

/// `ramp:`
pub const RAMP: Mapping = Mapping {
    what: "`ramp`",
    keys: &[
        optional("up", Form::Distance, "How long it takes to come.", "20 % of `for`, at most a minute"),
        optional("down", Form::Distance, "How long it takes to go.", "20 % of `for`, at most a minute"),
    ],
};

/// `background:`
pub const BACKGROUND: Mapping = Mapping {
    what: "`background`",
    keys: &[
        optional(
            "share",
            Form::Share,
            "Of the time of each entity that some listed kind can act on, inside an incident; `0%` is none.",
            "none",
        ),
        optional(
            "rate",
            Form::Rate,
            "Instead of a share: incidents of each entity, such as `0.5/day`.",
            "none",
        ),
        optional(
            "kinds",
            Form::Either(&[
                Form::Word(&["all"]),
                Form::Several(&Form::Kind),
                Form::ByKind(&Form::Number(WEIGHT)),
            ]),
            "A list, weights (`{cpu_spike: 3, error_burst: 1}`), or `all`: every kind that this version has.",
            "the eight kinds that the table above has; a later version adds none",
        ),
        optional(
            "for",
            Form::Either(&[Form::Duration, Form::Map(&QUANTILES)]),
            "How long they last: one duration, or three quantiles.",
            "each kind's own",
        ),
        optional("severity", Form::Map(&SEVERITIES), "Weights: `{low: 1, medium: 1, high: 1}`.", "all alike"),
        optional("gap", Form::Distance, "The least distance between two incidents of one entity.", "0s"),
    ],
};

/// `for:` of the background.
pub const QUANTILES: Mapping = Mapping {
    what: "`for` of `background`",
    keys: &[
        required("p10", Form::Duration, "One in ten is shorter.", "3m"),
        required("p50", Form::Duration, "Half of them are shorter.", "11m"),
        required("p90", Form::Duration, "One in ten is longer; none longer than a day.", "4h"),
    ],
};

/// `severity:` of the background.
pub const SEVERITIES: Mapping = Mapping {
    what: "`severity` of `background`",
    keys: &[
        optional("low", Form::Number(WEIGHT), "The weight of 0.5 times the scale.", "0"),
        optional("medium", Form::Number(WEIGHT), "The weight of the scale.", "0"),
        optional("high", Form::Number(WEIGHT), "The weight of twice the scale.", "0"),
    ],
};
