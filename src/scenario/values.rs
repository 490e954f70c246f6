//! Reads values as people write them: spans, moments, rates, counts, names, severities.

use std::ops::RangeInclusive;

use super::diagnostic::{At, Diagnostic, quoted};
use super::node::{Node, Value};
use super::{Moment, Severity, language};
use crate::glob::is_name;
use crate::kinds::Quantity;
use crate::time::{SimTime, Span};

/// A value, or the mistake in it.
pub(super) type Read<T> = Result<At<T>, Diagnostic>;

fn at<T>(node: &Node, value: T) -> Read<T> {
    Ok(At { value, place: node.place })
}

fn wrong(node: &Node, expected: &str) -> Diagnostic {
    let found = match &node.value {
        Value::Null => "there is no value here",
        Value::Bool(_) => "this is true or false",
        Value::Int(_) | Value::Float(_) => "this is a number",
        Value::Text(_) => "this is a text",
        Value::List(_) => "this is a list",
        Value::Map(_) => "this is a mapping",
    };
    Diagnostic::error(node.place, format!("expected {expected}")).label(found)
}

/// Reads any text.
pub(super) fn text(node: &Node) -> Read<String> {
    match &node.value {
        Value::Text(text) => at(node, text.clone()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
            Err(wrong(node, "a text").help("put it in quotes"))
        }
        _ => Err(wrong(node, "a text")),
    }
}

/// Reads a name, which records contain without escapes: letters, digits, `-`, `_`, `.`.
pub(super) fn name(node: &Node) -> Read<String> {
    let name = text(node)?;
    if is_name(&name.value) {
        return Ok(name);
    }
    Err(Diagnostic::error(node.place, format!("`{}` is not a valid name", name.value.escape_debug())).help(
        "begin with a letter or digit, and continue with letters, digits, `-`, `_` or `.`, at most 100 characters",
    ))
}

/// Reads one of these words.
pub(super) fn word(node: &Node, words: &[&'static str]) -> Read<&'static str> {
    let list = || quoted(words.iter().copied());
    let Value::Text(text) = &node.value else { return Err(wrong(node, &list())) };
    match words.iter().find(|word| *word == text) {
        Some(word) => at(node, *word),
        None => {
            Err(wrong(node, &list()).label(format!("this is `{text}`")).nearest(text, words.iter().copied()))
        }
    }
}

/// Reads `true` or `false`.
pub(super) fn flag(node: &Node) -> Read<bool> {
    match node.value {
        Value::Bool(flag) => at(node, flag),
        _ => Err(wrong(node, "`true` or `false`")),
    }
}

/// Reads a key that is itself a name.
pub(super) fn name_of(key: &At<String>) -> Read<String> {
    name(&Node { value: Value::Text(key.value.clone()), place: key.place })
}

/// Reads the version of the language.
pub(super) fn version(node: &Node) -> Read<i64> {
    let version = whole(node, "the version of the scenario language", 1..=1);
    version.map_err(|error| {
        error.help("this program supports version 1: write `scenario: 1`, or use a newer program")
    })
}

/// Reads a seed: 0 … 2⁶³−1.
pub(super) fn seed(node: &Node) -> Read<u64> {
    whole(node, "`seed`", 0..=i64::MAX).map(|seed| seed.map(|n| n as u64))
}

/// Reads a whole number in a range. Messages call it `what`.
pub(super) fn whole(node: &Node, what: &str, range: RangeInclusive<i64>) -> Read<i64> {
    let (low, high) = (i128::from(*range.start()), i128::from(*range.end()));
    match node.value {
        Value::Int(n) if (low..=high).contains(&n) => at(node, n as i64),
        Value::Int(n) if n < low => {
            Err(Diagnostic::error(node.place, format!("{what} is {n}"))
                .label(format!("must be at least {low}")))
        }
        Value::Int(n) => {
            Err(Diagnostic::error(node.place, format!("{what} is {n}"))
                .label(format!("must be at most {high}")))
        }
        // The parser reads a number that is too large for an integer as a float.
        Value::Float(n) if n >= high as f64 => {
            Err(Diagnostic::error(node.place, format!("{what} is {n}"))
                .label(format!("must be at most {high}")))
        }
        Value::Text(ref text) if text.parse::<i64>().is_ok() => {
            Err(wrong(node, &format!("a whole number for {what}")).help("remove the quotes"))
        }
        _ => Err(wrong(node, &format!("a whole number for {what}"))),
    }
}

/// Reads a span of more than 0. The error for another span begins with `what`.
pub(super) fn length(node: &Node, what: &str) -> Read<Span> {
    let span = span(node)?;
    if span.value.0 > 0 {
        return Ok(span);
    }
    Err(Diagnostic::error(node.place, format!("{what} {}", span.value)).label("must be more than 0"))
}

/// Reads a span of 0 or more.
pub(super) fn distance(node: &Node, what: &str) -> Read<Span> {
    let span = span(node)?;
    if span.value.0 >= 0 {
        return Ok(span);
    }
    Err(Diagnostic::error(node.place, format!("{what} is {}", span.value)).label("must be 0s or more"))
}

/// Reads a time of day as a span from midnight: `14h`, `8h30m`.
pub(super) fn hour(node: &Node) -> Read<Span> {
    let span = span(node).map_err(|error| match node.value {
        Value::Int(n) => Diagnostic { help: vec![format!("write `{n}h`")], ..error },
        Value::Float(n) => Diagnostic { help: vec![format!("write `{n}h`")], ..error },
        _ => error,
    })?;
    if (0..=86_400_000).contains(&span.value.0) {
        return Ok(span);
    }
    Err(Diagnostic::error(node.place, format!("an hour of {} is out of range", span.value))
        .label("must be between 0h and 24h"))
}

/// Reads a span: `90s`, `1h30m`.
pub(super) fn span(node: &Node) -> Read<Span> {
    const EXPECTED: &str = "a duration such as `90s`, `1h30m` or `500ms`";
    match &node.value {
        Value::Text(text) => match Span::parse(text) {
            Some(span) => at(node, span),
            None => Err(wrong(node, EXPECTED).label("this is not a valid duration").help(
                "use the units d, h, m, s and ms, the longest first and without spaces; the value must be a whole number of milliseconds",
            )),
        },
        Value::Int(n) => Err(Diagnostic::error(node.place, "a duration needs a unit")
            .help(format!("write `{n}s` for seconds, `{n}m` for minutes"))),
        Value::Float(n) => Err(Diagnostic::error(node.place, "a duration needs a unit")
            .help(format!("write `{n}s` for seconds, `{n}m` for minutes"))),
        _ => Err(wrong(node, EXPECTED)),
    }
}

/// Reads a moment in RFC 3339 with an offset.
pub(super) fn sim_time(node: &Node) -> Read<SimTime> {
    let expected = "a time with an offset, such as `\"2026-01-05T08:00:00Z\"`";
    let Value::Text(text) = &node.value else { return Err(wrong(node, expected)) };
    match SimTime::parse(text) {
        Some(moment) => at(node, moment),
        None => Err(wrong(node, expected)
            .label("this is not a valid time")
            .help("write the date, `T`, the time with at most three decimals, then `Z` or an offset such as `+01:00`")),
    }
}

/// Reads a span from the start of the run, or a moment in RFC 3339.
pub(super) fn moment(node: &Node) -> Read<Moment> {
    match &node.value {
        // A date without a time is read as a moment too, so that the error is about the moment.
        Value::Text(text) if text.contains('T') || text.matches('-').count() > 1 => {
            Ok(sim_time(node)?.map(Moment::At))
        }
        _ => Ok(span(node)?.map(Moment::After)),
    }
}

/// Reads a rate such as `120/s` or `4/day`, and returns it per second.
pub(super) fn rate(node: &Node) -> Read<f64> {
    const EXPECTED: &str = "a rate such as `120/s`";
    let Value::Text(text) = &node.value else {
        let error = wrong(node, EXPECTED);
        return Err(match node.value {
            Value::Int(n) if n >= 0 => error.help(format!("write `{n}/s`")),
            _ => error,
        });
    };
    let parsed = text.split_once('/').and_then(|(number, unit)| {
        let seconds = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" | "day" => 86_400.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number / seconds)
    });
    match parsed {
        Some(rate) => at(node, rate),
        None => Err(wrong(node, EXPECTED)
            .label("this is not a valid rate")
            .help("write a number of 0 or more, `/`, then s, min, h or day")),
    }
}

/// Reads a number in a range. If the range ends at the largest number, the error names only where it begins.
pub(super) fn number(node: &Node, what: &str, range: RangeInclusive<f64>) -> Read<f64> {
    let value = match node.value {
        Value::Int(n) => n as f64,
        Value::Float(n) => n,
        _ => return Err(wrong(node, &format!("a number for {what}"))),
    };
    if range.contains(&value) {
        return at(node, value);
    }
    let (low, high) = range.into_inner();
    let bounds = match high < f64::MAX {
        true => format!("must be between {low} and {high}"),
        false => format!("must be at least {low}"),
    };
    Err(Diagnostic::error(node.place, format!("{what} is {value}")).label(bounds))
}

/// Reads a share of at most 100 %: `2%` or `0.02`.
pub(super) fn share(node: &Node) -> Read<f64> {
    const EXPECTED: &str = "a share such as `2%` or `0.02`";
    let value = match &node.value {
        Value::Int(n) => *n as f64,
        Value::Float(n) => *n,
        Value::Text(text) => {
            match text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()) {
                Some(percent) => percent / 100.0,
                None => return Err(wrong(node, EXPECTED).label("this is not a valid share")),
            }
        }
        _ => return Err(wrong(node, EXPECTED)),
    };
    if (0.0..=1.0).contains(&value) {
        return at(node, value);
    }
    let error =
        Diagnostic::error(node.place, format!("a share of {}% is out of range", (value * 1e6).trunc() / 1e4))
            .label("must be between 0% and 100%");
    Err(match node.value {
        Value::Int(n) if (1..=100).contains(&n) => error.help(format!("write `{n}%`")),
        _ => error,
    })
}

/// Reads a physical quantity with its unit, and returns it in the unit that amounts of this quantity have.
pub(crate) fn quantity(node: &Node, quantity: Quantity) -> Read<f64> {
    let (expected, units): (&str, &[(&str, f64)]) = match quantity {
        Quantity::Cores => {
            return number(node, "the number of cores", 0.0..=f64::MAX).and_then(|n| positive(node, n.value));
        }
        Quantity::Share => return share(node).and_then(|n| positive(node, n.value)),
        Quantity::Delay => {
            let span = span(node)?;
            return positive(node, span.value.0 as f64);
        }
        Quantity::MemoryRate => (
            "memory per time, such as `1.5GB/h`",
            &[
                ("GB/h", 1.0 / 3_600.0),
                ("GB/min", 1.0 / 60.0),
                ("GB/s", 1.0),
                ("MB/h", 1e-3 / 3_600.0),
                ("MB/min", 1e-3 / 60.0),
                ("MB/s", 1e-3),
            ],
        ),
        Quantity::Warming => ("a temperature difference, such as `+9C`", &[("C", 1.0)]),
        Quantity::Power => ("power, such as `60W`", &[("kW", 1e3), ("W", 1.0)]),
        Quantity::Throughput => (
            "throughput, such as `80MB/s` or `10Gbps`",
            &[("MB/s", 1.0), ("GB/s", 1e3), ("Gbps", 125.0), ("Mbps", 0.125)],
        ),
    };
    with_unit(node, expected, units)
}

/// Reads the CPU time of a request, in seconds: `4ms`, `250us`.
pub(super) fn cpu_time(node: &Node) -> Read<f64> {
    let units = [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    within(with_unit(node, "CPU time such as `4ms`", &units), "the CPU time of a request", 1e-6, 10.0, "s")
}

/// Reads a size of memory, in GB: `128GB`, `64GiB`.
pub(super) fn memory(node: &Node) -> Read<f64> {
    let units = [
        ("MB", 1e-3),
        ("MiB", 1.048_576e-3),
        ("GB", 1.0),
        ("GiB", 1.073_741_824),
        ("TB", 1e3),
        ("TiB", 1_099.511_627_776),
    ];
    with_unit(node, "a size such as `128GB`", &units)
}

/// Refuses a value outside `low … high`. `what` and `unit` are words for the error.
pub(super) fn within(read: Read<f64>, what: &str, low: f64, high: f64, unit: &str) -> Read<f64> {
    let read = read?;
    if (low..=high).contains(&read.value) {
        return Ok(read);
    }
    Err(Diagnostic::error(read.place, format!("{what} is out of range"))
        .label(format!("must be between {low} {unit} and {high} {unit}")))
}

/// Reads the air temperature at an inlet, in °C: `21C`.
pub(super) fn celsius(node: &Node) -> Read<f64> {
    within(
        with_unit(node, "a temperature such as `21C`", &[("C", 1.0)]),
        "the inlet temperature",
        5.0,
        45.0,
        "°C",
    )
}

fn positive(node: &Node, value: f64) -> Read<f64> {
    if value > 0.0 {
        at(node, value)
    } else {
        Err(Diagnostic::error(node.place, "a cause of 0 has no effect").label("must be more than 0"))
    }
}

/// Reads a positive number that is followed by one of these units. A `+` in front and spaces between are allowed.
pub(super) fn with_unit(node: &Node, expected: &str, units: &[(&str, f64)]) -> Read<f64> {
    let names = || quoted(units.iter().map(|(name, _)| *name));
    let Value::Text(text) = &node.value else {
        let error = wrong(node, expected);
        return Err(if matches!(node.value, Value::Int(_) | Value::Float(_)) {
            error.label("this number has no unit").help(format!("the units are {}", names()))
        } else {
            error
        });
    };
    let parsed = units.iter().find_map(|(name, factor)| {
        let number = text.strip_suffix(name)?.trim().trim_start_matches('+').parse::<f64>().ok()?;
        (number.is_finite() && number > 0.0).then_some(number * factor)
    });
    match parsed {
        Some(value) => at(node, value),
        None => Err(wrong(node, expected)
            .label("this is not a valid quantity")
            .help(format!("write a number above 0 and a unit: {}", names()))),
    }
}

/// Reads a weight.
pub(super) fn weight(node: &Node) -> Read<f64> {
    number(node, "a weight", language::WEIGHT)
}

/// Reads `low`, `medium`, `high`, or a multiple of the scale.
pub(super) fn severity(node: &Node) -> Read<Severity> {
    let value = match &node.value {
        Value::Int(n) => *n as f64,
        Value::Float(n) => *n,
        Value::Text(text) => match text.as_str() {
            "low" => 0.5,
            "medium" => 1.0,
            "high" => 2.0,
            other => {
                return Err(Diagnostic::error(node.place, format!("`{other}` is not a valid severity"))
                    .label("must be `low`, `medium`, `high`, or a number")
                    .nearest(other, ["low", "medium", "high"]));
            }
        },
        _ => return Err(wrong(node, "a severity: `low`, `medium`, `high`, or a number")),
    };
    if !(value > 0.0 && value <= 100.0) {
        return Err(Diagnostic::error(node.place, format!("a severity of {value} is out of range"))
            .label("must be more than 0 and at most 100")
            .help(
                "a severity of 1 is as large as a deviation that occurs normally once in a thousand ticks",
            ));
    }
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        _ => format!("{value}"),
    };
    at(node, Severity { text, value })
}
