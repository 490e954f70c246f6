//! Reads `anomalies:` and `background:` of the resolved tree.

use super::diagnostic::{At, Diagnostic, Place};
use super::language;
use super::language::{QuantilesText, SeveritiesText};
use super::node::{Node, Value};
use super::read::{FromKeys as _, Reader};
use super::values::Read;
use super::{
    AnomalyText, BackgroundText, Conditions, KindsText, Length, Quantiles, RampText, TargetText, Weighted,
    values,
};
use crate::kinds::KINDS;
use crate::time::Span;

impl Reader {
    pub(super) fn anomalies(&mut self, node: Node) -> Option<At<Vec<At<AnomalyText>>>> {
        let place = node.place;
        let Value::List(items) = node.value else {
            self.mistakes.push(
                Diagnostic::error(node.place, "`anomalies` must be a list of entries")
                    .help("begin each entry with `- kind: …`"),
            );
            return None;
        };
        let value = items.into_iter().filter_map(|item| self.anomaly(item)).collect();
        Some(At { value, place })
    }

    fn anomaly(&mut self, node: Node) -> Option<At<AnomalyText>> {
        let mut map = self.map(node, &language::ANOMALY)?;
        // An entry can be many lines long, so messages underline only its first key.
        map.place = map.entries.first().map_or(map.place, |(key, _)| key.place);
        let place = map.place;
        Some(At { value: AnomalyText::read_map(self, map), place })
    }

    pub(super) fn with(&mut self, node: Node) -> Option<At<super::Entries>> {
        let place = node.place;
        if let Value::Map(value) = node.value {
            return Some(At { value, place });
        }
        let error = Diagnostic::error(place, "`with` must be a mapping of keys to values");
        self.mistakes.push(error.help("`reenact kinds` shows the key of each kind"));
        None
    }

    pub(super) fn ramp(&mut self, node: Node) -> Option<At<RampText>> {
        if let Value::Text(text) = &node.value {
            let error = Diagnostic::error(node.place, "`ramp` must be a mapping with `up` and `down`");
            self.mistakes.push(error.help(format!("write `ramp: {{up: {text}, down: {text}}}`")));
            return None;
        }
        RampText::read(self, node)
    }

    pub(super) fn target(&mut self, node: Node) -> Option<At<TargetText>> {
        let place = node.place;
        match &node.value {
            Value::Map(_) => {}
            Value::List(_) => {
                let error =
                    Diagnostic::error(place, "a target must be one name or glob, or a mapping of conditions");
                self.mistakes.push(
                    error.label("this is a list").help(
                        "write `target: {servers: [srv-001, srv-002]}` or `target: {services: [a, b]}`",
                    ),
                );
                return None;
            }
            _ => return self.keep(values::text(&node).map(|text| text.map(TargetText::Name))),
        }
        let known = self.mistakes.len();
        let conditions = Conditions::read(self, node)?.value;
        if self.mistakes.len() > known {
            return None;
        }
        if !conditions.has_conditions() {
            let error = Diagnostic::error(place, "a target without a condition would match everything");
            self.mistakes.push(error.help("add a condition, such as `servers: \"*\"` for all servers"));
            return None;
        }
        Some(At { value: TargetText::Where(Box::new(conditions)), place })
    }

    /// Reads a name or glob, or a list of them.
    pub(super) fn one_or_more(&mut self, node: Node) -> Option<At<Vec<At<String>>>> {
        let place = node.place;
        let items = match node.value {
            Value::List(items) => items,
            value => vec![Node { value, place }],
        };
        if items.is_empty() {
            self.mistakes
                .push(Diagnostic::error(place, "the list is empty").help("add a name, or remove the key"));
            return None;
        }
        if items.len() > MOST_NAMES {
            let error = Diagnostic::error(place, format!("a condition has more than {MOST_NAMES} names"));
            self.mistakes.push(error.help("use a glob"));
            return None;
        }
        let value: Vec<At<String>> = items.iter().filter_map(|item| self.keep(values::text(item))).collect();
        (value.len() == items.len()).then_some(At { value, place })
    }

    pub(super) fn background(&mut self, node: Node) -> Option<At<BackgroundText>> {
        let place = node.place;
        let map = self.map(node, &language::BACKGROUND)?;
        let says_how_much = map.entries.iter().any(|(key, _)| ["share", "rate"].contains(&&*key.value));
        let background = BackgroundText::read_map(self, map);
        let BackgroundText { share, rate, .. } = &background;
        if let (Some(share), Some(rate)) = (share, rate) {
            let error = Diagnostic::error(rate.place, "`rate` cannot be combined with `share`");
            self.mistakes.push(error.related(share.place, "the share").help("remove one of them"));
        }
        if !says_how_much {
            let error = Diagnostic::error(place, "`background` requires `share` or `rate`");
            self.mistakes
                .push(error.help("add `share: 2%` or `rate: 0.5/day`; `share: 0%` means no incidents"));
        }
        Some(At { value: background, place })
    }

    /// Reads `all`, a list of kinds, or their weights.
    pub(super) fn kinds(&mut self, node: Node) -> Option<At<KindsText>> {
        let (place, known, is_all) = (node.place, self.mistakes.len(), is_all(&node));
        let weights: Vec<Weighted> = match node.value {
            _ if is_all => all_kinds(place),
            Value::List(items) => {
                let kind = |item: &Node| self.keep(values::text(item)).map(|name| (name, 1.0));
                items.iter().filter_map(kind).collect()
            }
            Value::Map(entries) => {
                let weighted = |(name, node): (At<String>, Node)| {
                    self.keep(values::weight(&node)).map(|weight| (name, weight.value))
                };
                entries.into_iter().filter_map(weighted).collect()
            }
            _ => {
                let error = Diagnostic::error(
                    place,
                    "`kinds` must be `all`, a list of kinds, or kinds with their weights",
                );
                self.mistakes.push(error.help("write `kinds: [cpu_spike, error_burst]`"));
                return None;
            }
        };
        if weights.iter().any(|(_, weight)| *weight > 0.0) {
            return Some(At { value: KindsText { weights, is_all }, place });
        }
        if self.mistakes.len() > known {
            return None;
        }
        let error = Diagnostic::error(place, "no kind has a weight above 0");
        self.mistakes.push(
            error.help("remove `kinds` to use the default list, or write `share: 0%` for no background"),
        );
        None
    }

    /// Reads how long background incidents last: one duration, or three quantiles.
    pub(super) fn lengths(&mut self, node: Node) -> Option<At<Quantiles>> {
        let place = node.place;
        if !matches!(node.value, Value::Map(_)) {
            let all = self.keep(background_length(&node))?.value;
            return Some(At { value: Quantiles { p10: all, p50: all, p90: all }, place });
        }
        let QuantilesText { p10, p50, p90 } = QuantilesText::read(self, node)?.value;
        let (p10, p50, p90) = (p10?, p50?, p90?);
        for (less, more) in [(&p10, &p50), (&p50, &p90)] {
            if less.value > more.value {
                let error = Diagnostic::error(more.place, "the quantiles are not in ascending order");
                self.mistakes.push(
                    error.related(less.place, "this one is longer").help("sort them in ascending order"),
                );
                return None;
            }
        }
        Some(At { value: Quantiles { p10: p10.value, p50: p50.value, p90: p90.value }, place })
    }

    pub(super) fn severities(&mut self, node: Node) -> Option<At<[f64; 3]>> {
        let place = node.place;
        let known = self.mistakes.len();
        let SeveritiesText { low, medium, high } = SeveritiesText::read(self, node)?.value;
        let weights = [low, medium, high].map(|weight| weight.map_or(0.0, |weight| weight.value));
        if weights.iter().sum::<f64>() > 0.0 {
            return Some(At { value: weights, place });
        }
        if self.mistakes.len() == known {
            let error = Diagnostic::error(place, "no severity has a weight above 0");
            self.mistakes.push(error.help("write `severity: {low: 1, medium: 1, high: 1}`"));
        }
        None
    }
}

/// Reads how long a background incident lasts: more than 0, at most 24 hours.
pub(super) fn background_length(node: &Node) -> Read<Span> {
    let span = values::length(node, "an incident cannot last")?;
    if span.value <= Quantiles::LONGEST {
        return Ok(span);
    }
    Err(Diagnostic::error(span.place, "a background incident can last at most a day")
        .label("must be at most 24h"))
}

/// Reads a span from 0 to 366 days. Products with such a span stay far within 64 bits.
pub(super) fn up_to_a_year(node: &Node, what: &str) -> Read<Span> {
    let span = values::distance(node, what)?;
    if span.value <= Span::hours(24 * 366) {
        return Ok(span);
    }
    Err(Diagnostic::error(node.place, format!("{what} is {}", span.value)).label("must be at most 366d"))
}

/// Reads `every:` of an anomaly, at least 1 second. A block of two hours can have thousands of repeats, but not
/// millions.
pub(super) fn every(node: &Node) -> Read<Span> {
    let every = values::length(node, "`every` is")?;
    if every.value >= Span::seconds(1) {
        return Ok(every);
    }
    Err(Diagnostic::error(node.place, format!("`every` is {}", every.value)).label("must be at least 1s"))
}

/// The maximum number of names in a condition. Each is looked up in the whole fleet.
const MOST_NAMES: usize = 1_000;

/// Reads `for:` of an anomaly.
pub(super) fn length(node: &Node) -> Read<Length> {
    match &node.value {
        Value::Text(text) if text == "until-end" => Ok(At { value: Length::UntilEnd, place: node.place }),
        Value::Text(text) if text.contains("end") => {
            let error = Diagnostic::error(node.place, format!("`{text}` is not a valid duration"));
            Err(error.help("write `until-end`, or a duration such as `25m`"))
        }
        _ => Ok(values::length(node, "an incident cannot last")?.map(Length::Lasts)),
    }
}

impl Quantiles {
    /// The maximum length of a background incident.
    pub const LONGEST: Span = Span::hours(24);
}

impl Conditions {
    /// Whether the targets are the servers that the matching instances run on.
    pub fn says_host(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.value)
    }

    fn has_conditions(&self) -> bool {
        [&self.servers, &self.services, &self.zones, &self.racks, &self.pools].iter().any(|it| it.is_some())
    }
}

fn is_all(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if text == "all")
}

/// Returns every kind of this version, each with the same weight.
fn all_kinds(place: Place) -> Vec<Weighted> {
    KINDS.iter().map(|kind| (At { value: kind.name().to_string(), place }, 1.0)).collect()
}
