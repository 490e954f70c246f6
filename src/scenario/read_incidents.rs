//! `anomalies:` and `background:` of the resolved tree.

use super::diagnostic::{At, Diagnostic, Place};
use super::node::{Node, Value};
use super::read::Reader;
use super::{AnomalyText, BackgroundText, RampText, Weighted, words};

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
        let place = node.place;
        let mut map = self.map(node, "an anomaly")?;
        map.not_yet = &["then"];
        let first = map.entries.first().map_or(place, |(key, _)| key.place);
        let [kind, target, at, length] =
            [("kind", "cpu_spike"), ("target", "srv-001"), ("at", "40m"), ("for", "25m")]
                .map(|(key, example)| self.required(&mut map, first, key, example));
        let id = map.take("id").and_then(|(_, node)| self.keep(words::name(&node)));
        let severity = map.take("severity").map(|(_, node)| self.keep(words::severity(&node)));
        let kind = kind.and_then(|node| self.keep(words::text(&node)));
        let target = target.and_then(|node| self.target(&node));
        let at = at.and_then(|node| self.keep(words::moment(&node)));
        let length = length.and_then(|node| self.length(&node));
        let with = map.take("with").and_then(|(_, node)| {
            let place = node.place;
            self.map(node, "`with`").map(|with| At { value: with.entries, place })
        });
        let ramp = map.take("ramp").and_then(|(_, node)| self.ramp(node));
        let every = map.take("every").and_then(|(_, node)| self.keep(words::span(&node)));
        let every = every.and_then(|every| self.positive(every, "`every`"));
        let jitter = map.take("jitter").and_then(|(_, node)| self.keep(words::span(&node)));
        self.finish(map);
        let severity = severity.flatten();
        let value = AnomalyText { id, kind, target, at, length, severity, with, ramp, every, jitter };
        Some(At { value, place: Place { end: first.end, ..first } })
    }

    fn ramp(&mut self, node: Node) -> Option<At<RampText>> {
        let place = node.place;
        let mut map = self.map_like(node, "`ramp`", "ramp: {up: 1m, down: 1m}")?;
        let [up, down] = ["up", "down"].map(|key| {
            let span = map.take(key).and_then(|(_, node)| self.keep(words::span(&node)))?;
            if span.value.0 >= 0 {
                return Some(span);
            }
            let error = Diagnostic::error(span.place, format!("a ramp cannot last {}", span.value));
            self.mistakes.push(error.label("0s or more"));
            None
        });
        self.finish(map);
        Some(At { value: RampText { up, down }, place })
    }

    fn positive(&mut self, span: At<crate::time::Span>, what: &str) -> Option<At<crate::time::Span>> {
        if span.value.0 > 0 {
            return Some(span);
        }
        let error = Diagnostic::error(span.place, format!("{what} is {}", span.value));
        self.mistakes.push(error.label("more than 0"));
        None
    }

    pub(super) fn background(&mut self, node: Node) -> Option<At<BackgroundText>> {
        let place = node.place;
        let mut map = self.map(node, "`background`")?;
        map.not_yet = &["for"];
        let known = self.mistakes.len();
        let share = map.take("share").and_then(|(_, node)| self.keep(words::share(&node)));
        let rate = map.take("rate").and_then(|(_, node)| self.keep(words::rate(&node)));
        if let (Some(share), Some(rate)) = (&share, &rate) {
            let error = Diagnostic::error(rate.place, "`background` has a `share` and a `rate`");
            self.mistakes.push(error.beside(share.place, "the share").help("keep one of them"));
        }
        let kinds = map.take("kinds").and_then(|(_, node)| self.kinds(node));
        let severity = map.take("severity").and_then(|(_, node)| self.severities(node));
        let gap = map.take("gap").and_then(|(_, node)| self.keep(words::span(&node)));
        let gap = gap.and_then(|gap| {
            let is_lawful = gap.value.0 >= 0;
            if !is_lawful {
                let error = Diagnostic::error(gap.place, format!("`gap` is {}", gap.value));
                self.mistakes.push(error.label("0s or more"));
            }
            is_lawful.then_some(gap)
        });
        if share.is_none() && rate.is_none() && self.mistakes.len() == known {
            let error = Diagnostic::error(place, "`background` does not say how much");
            self.mistakes.push(error.help("add `share: 2%`, or `rate: 0.5/day`; `share: 0%` is none"));
        }
        self.finish(map);
        Some(At { value: BackgroundText { share, rate, kinds, severity, gap }, place })
    }

    /// `all`, a list, or weights.
    fn kinds(&mut self, node: Node) -> Option<At<Vec<Weighted>>> {
        let place = node.place;
        let kinds: Vec<Weighted> = match node.value {
            Value::Text(text) if text == "all" => return None,
            Value::List(items) => {
                let kind = |item: &Node| self.keep(words::text(item)).map(|name| (name, 1.0));
                items.iter().filter_map(kind).collect()
            }
            Value::Map(entries) => {
                let mut kinds = Vec::new();
                for (name, node) in entries {
                    let weight = self.keep(words::weight(&node));
                    kinds.extend(weight.map(|weight| (name, weight.value)));
                }
                kinds
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
        let error = Diagnostic::error(place, "no kind has a weight");
        self.mistakes.push(error.help("write `kinds: all`, or `share: 0%` for no background"));
        None
    }

    fn severities(&mut self, node: Node) -> Option<At<[f64; 3]>> {
        let place = node.place;
        let mut map = self.map(node, "`severity` of `background`")?;
        let known = self.mistakes.len();
        let weights = ["low", "medium", "high"].map(|key| {
            let weight = map.take(key).and_then(|(_, node)| self.keep(words::weight(&node)));
            weight.map_or(0.0, |weight| weight.value)
        });
        self.finish(map);
        if weights.iter().sum::<f64>() > 0.0 {
            return Some(At { value: weights, place });
        }
        if self.mistakes.len() > known {
            return None;
        }
        let error = Diagnostic::error(place, "no severity has a weight");
        self.mistakes.push(error.help("write `severity: {low: 1, medium: 1, high: 1}`"));
        None
    }

    fn target(&mut self, node: &Node) -> Option<At<String>> {
        let globs = |text: &str| text.contains(['*', '?', '[']);
        match &node.value {
            Value::Map(_) => {
                self.mistakes.push(
                    Diagnostic::error(node.place, "a target as a map of conditions is not there yet")
                        .help("name a server, an instance or a service"),
                );
                None
            }
            Value::Text(text) if globs(text) => {
                self.mistakes.push(
                    Diagnostic::error(node.place, "a target as a glob is not there yet")
                        .help("name a server, an instance or a service"),
                );
                None
            }
            _ => self.keep(words::text(node)),
        }
    }

    fn length(&mut self, node: &Node) -> Option<At<crate::time::Span>> {
        if matches!(&node.value, Value::Text(text) if text == "until-end") {
            self.mistakes.push(
                Diagnostic::error(node.place, "`for: until-end` is not there yet").help("write a duration"),
            );
            return None;
        }
        let length = self.keep(words::span(node))?;
        if length.value.0 > 0 {
            return Some(length);
        }
        self.mistakes.push(
            Diagnostic::error(node.place, format!("an incident cannot last {}", length.value))
                .label("more than 0"),
        );
        None
    }
}
