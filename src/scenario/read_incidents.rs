//! `anomalies:` and `background:` of the resolved tree.

use super::diagnostic::{At, Diagnostic, Place};
use super::language;
use super::node::{Node, Value};
use super::read::Reader;
use super::words::Read;
use super::{
    AnomalyText, BackgroundText, Conditions, Length, Quantiles, RampText, TargetText, Weighted, words,
};
use crate::kinds::KINDS;
use crate::time::Span;

impl Reader {
    pub(super) fn anomalies(&mut self, node: Node) -> Vec<At<AnomalyText>> {
        let Value::List(items) = node.value else {
            self.mistakes.push(
                Diagnostic::error(node.place, "`anomalies` takes a list of entries")
                    .help("begin each entry with `- kind: …`"),
            );
            return Vec::new();
        };
        items.into_iter().filter_map(|item| self.anomaly(item)).collect()
    }

    fn anomaly(&mut self, node: Node) -> Option<At<AnomalyText>> {
        let mut map = self.map(node, &language::ANOMALY)?;
        // An entry can fill the page: its first key stands for it.
        map.place = map.entries.first().map_or(map.place, |(key, _)| key.place);
        let place = map.place;
        let value = AnomalyText {
            id: self.value(&mut map, "id", words::name),
            kind: self.value(&mut map, "kind", words::text),
            target: map.take("target").and_then(|node| self.target(node)),
            at: self.value(&mut map, "at", words::moment),
            length: self.value(&mut map, "for", length),
            severity: self.value(&mut map, "severity", words::severity),
            with: map.take("with").and_then(|node| self.with(node)),
            ramp: map.take("ramp").and_then(|node| self.ramp(node)),
            every: self.value(&mut map, "every", every),
            jitter: self.value(&mut map, "jitter", |node| words::distance(node, "`jitter`")),
        };
        self.finish(map);
        Some(At { value, place })
    }

    fn with(&mut self, node: Node) -> Option<At<super::Entries>> {
        let place = node.place;
        if let Value::Map(value) = node.value {
            return Some(At { value, place });
        }
        let error = Diagnostic::error(place, "`with` takes a mapping of keys to values");
        self.mistakes.push(error.help("`reenact kinds` shows the key of each kind"));
        None
    }

    fn ramp(&mut self, node: Node) -> Option<At<RampText>> {
        let place = node.place;
        if let Value::Text(text) = &node.value {
            let error = Diagnostic::error(place, "a ramp has a step up and a step down");
            self.mistakes.push(error.help(format!("write `ramp: {{up: {text}, down: {text}}}`")));
            return None;
        }
        let mut map = self.map(node, &language::RAMP)?;
        let [up, down] =
            ["up", "down"].map(|key| self.value(&mut map, key, |node| up_to_a_year(node, "a ramp")));
        self.finish(map);
        Some(At { value: RampText { up, down }, place })
    }

    fn target(&mut self, node: Node) -> Option<At<TargetText>> {
        let place = node.place;
        match &node.value {
            Value::Map(_) => {}
            Value::List(_) => {
                let error =
                    Diagnostic::error(place, "a target is one name or glob, or a mapping of conditions");
                self.mistakes.push(
                    error.label("this is a list").help(
                        "write `target: {servers: [srv-001, srv-002]}` or `target: {services: [a, b]}`",
                    ),
                );
                return None;
            }
            _ => return self.keep(words::text(&node).map(|text| text.map(TargetText::Name))),
        }
        let mut map = self.map(node, &language::TARGET)?;
        let known = self.mistakes.len();
        let mut names = |key| map.take(key).and_then(|node| self.one_or_more(node));
        let [servers, services, zones, racks, pools] =
            ["servers", "services", "zone", "rack", "pool"].map(&mut names);
        let pick = self.value(&mut map, "pick", |node| words::whole(node, "`pick`", 1..=language::MOST));
        let host = self.value(&mut map, "host", words::flag).is_some_and(|host| host.value);
        let pick = pick.map(|pick| pick.map(|n| n as u32));
        let conditions = Conditions { servers, services, zones, racks, pools, pick, host };
        self.finish(map);
        if self.mistakes.len() > known {
            return None;
        }
        if !conditions.says_whom() {
            let error = Diagnostic::error(place, "a target without a condition would be everything");
            self.mistakes.push(error.help("say which, such as `servers: \"*\"` for all servers"));
            return None;
        }
        Some(At { value: TargetText::Where(Box::new(conditions)), place })
    }

    /// A name or glob, or a list of them.
    fn one_or_more(&mut self, node: Node) -> Option<At<Vec<At<String>>>> {
        let place = node.place;
        let items = match node.value {
            Value::List(items) => items,
            value => vec![Node { value, place }],
        };
        if items.is_empty() {
            self.mistakes.push(Diagnostic::error(place, "an empty list names nothing").help("leave it out"));
            return None;
        }
        if items.len() > MOST_NAMES {
            let error = Diagnostic::error(place, format!("a condition has more than {MOST_NAMES} names"));
            self.mistakes.push(error.help("take a glob"));
            return None;
        }
        let value: Vec<At<String>> = items.iter().filter_map(|item| self.keep(words::text(item))).collect();
        (value.len() == items.len()).then_some(At { value, place })
    }

    pub(super) fn background(&mut self, node: Node) -> Option<At<BackgroundText>> {
        let place = node.place;
        let mut map = self.map(node, &language::BACKGROUND)?;
        let known = self.mistakes.len();
        let share = self.value(&mut map, "share", words::share);
        let rate = self.value(&mut map, "rate", words::rate);
        if let (Some(share), Some(rate)) = (&share, &rate) {
            let error = Diagnostic::error(rate.place, "`background` has a `share` and a `rate`");
            self.mistakes.push(error.beside(share.place, "the share").help("keep one of them"));
        }
        let kinds = map.take("kinds");
        let all_kinds = kinds.as_ref().filter(|node| is_all(node)).map(|node| node.place);
        let kinds = kinds.and_then(|node| self.kinds(node));
        let lengths = map.take("for").and_then(|node| self.lengths(node));
        let severity = map.take("severity").and_then(|node| self.severities(node));
        let gap = self.value(&mut map, "gap", |node| up_to_a_year(node, "`gap`"));
        if share.is_none() && rate.is_none() && self.mistakes.len() == known {
            let error = Diagnostic::error(place, "`background` does not say how much");
            self.mistakes.push(error.help("add `share: 2%`, or `rate: 0.5/day`; `share: 0%` is none"));
        }
        self.finish(map);
        Some(At { value: BackgroundText { share, rate, kinds, all_kinds, lengths, severity, gap }, place })
    }

    /// `all`, a list, or weights.
    fn kinds(&mut self, node: Node) -> Option<At<Vec<Weighted>>> {
        let (place, known) = (node.place, self.mistakes.len());
        let kinds: Vec<Weighted> = match node.value {
            _ if is_all(&node) => all_kinds(place),
            Value::List(items) => {
                let kind = |item: &Node| self.keep(words::text(item)).map(|name| (name, 1.0));
                items.iter().filter_map(kind).collect()
            }
            Value::Map(entries) => {
                let weighted = |(name, node): (At<String>, Node)| {
                    self.keep(words::weight(&node)).map(|weight| (name, weight.value))
                };
                entries.into_iter().filter_map(weighted).collect()
            }
            _ => {
                let error =
                    Diagnostic::error(place, "`kinds` takes `all`, a list of kinds, or their weights");
                self.mistakes.push(error.help("write `kinds: [cpu_spike, error_burst]`"));
                return None;
            }
        };
        if kinds.iter().any(|(_, weight)| *weight > 0.0) {
            return Some(At { value: kinds, place });
        }
        if self.mistakes.len() > known {
            return None;
        }
        let error = Diagnostic::error(place, "no kind has a weight");
        self.mistakes.push(
            error.help("leave `kinds` out for the default list, or write `share: 0%` for no background"),
        );
        None
    }

    /// How long background incidents last: one duration, or three quantiles.
    fn lengths(&mut self, node: Node) -> Option<At<Quantiles>> {
        let place = node.place;
        let span = |node: &Node| {
            let span = words::length(node, "an incident cannot last")?;
            if span.value <= Quantiles::LONGEST {
                return Ok(span);
            }
            Err(Diagnostic::error(span.place, "background incidents last a day at most").label("at most 24h"))
        };
        if !matches!(node.value, Value::Map(_)) {
            let all = self.keep(span(&node))?.value;
            return Some(At { value: Quantiles { p10: all, p50: all, p90: all }, place });
        }
        let mut map = self.map(node, &language::QUANTILES)?;
        let [p10, p50, p90] = ["p10", "p50", "p90"].map(|key| self.value(&mut map, key, span));
        self.finish(map);
        let (p10, p50, p90) = (p10?, p50?, p90?);
        for (less, more) in [(&p10, &p50), (&p50, &p90)] {
            if less.value > more.value {
                let error = Diagnostic::error(more.place, "quantiles fall");
                self.mistakes.push(error.beside(less.place, "this one comes before").help("sort them"));
                return None;
            }
        }
        Some(At { value: Quantiles { p10: p10.value, p50: p50.value, p90: p90.value }, place })
    }

    fn severities(&mut self, node: Node) -> Option<At<[f64; 3]>> {
        let place = node.place;
        let mut map = self.map(node, &language::SEVERITIES)?;
        let known = self.mistakes.len();
        let weights = ["low", "medium", "high"]
            .map(|key| self.value(&mut map, key, words::weight).map_or(0.0, |weight| weight.value));
        self.finish(map);
        if weights.iter().sum::<f64>() > 0.0 {
            return Some(At { value: weights, place });
        }
        if self.mistakes.len() == known {
            let error = Diagnostic::error(place, "no severity has a weight");
            self.mistakes.push(error.help("write `severity: {low: 1, medium: 1, high: 1}`"));
        }
        None
    }
}

/// A span of nothing to a year: products with it stay far within 64 bits.
fn up_to_a_year(node: &Node, what: &str) -> Read<Span> {
    let span = words::distance(node, what)?;
    if span.value <= Span::hours(24 * 366) {
        return Ok(span);
    }
    Err(Diagnostic::error(node.place, format!("{what} is {}", span.value)).label("at most 366d"))
}

/// `every:` of an anomaly: thousands of repeats in a block of two hours are followed, millions are not.
fn every(node: &Node) -> Read<Span> {
    let every = words::length(node, "`every` is")?;
    if every.value >= Span::seconds(1) {
        return Ok(every);
    }
    Err(Diagnostic::error(node.place, format!("`every` is {}", every.value)).label("at least 1s"))
}

/// Names of a condition, at most: each is looked for in the whole fleet.
const MOST_NAMES: usize = 1_000;

/// `for:` of an anomaly.
fn length(node: &Node) -> Read<Length> {
    match &node.value {
        Value::Text(text) if text == "until-end" => Ok(At { value: Length::UntilEnd, place: node.place }),
        Value::Text(text) if text.contains("end") => {
            let error = Diagnostic::error(node.place, format!("`{text}` is no length"));
            Err(error.help("write `until-end`, or a duration such as `25m`"))
        }
        _ => Ok(words::length(node, "an incident cannot last")?.map(Length::Lasts)),
    }
}

impl Quantiles {
    /// No background incident lasts longer.
    pub const LONGEST: Span = Span::hours(24);
}

impl Conditions {
    fn says_whom(&self) -> bool {
        [&self.servers, &self.services, &self.zones, &self.racks, &self.pools].iter().any(|it| it.is_some())
    }
}

fn is_all(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if text == "all")
}

/// Every kind that this version has, all with the same weight.
fn all_kinds(place: Place) -> Vec<Weighted> {
    KINDS.iter().map(|kind| (At { value: kind.name().to_string(), place }, 1.0)).collect()
}
