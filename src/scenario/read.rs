//! The resolved tree → the structs of `Scenario`, collecting every mistake.

use super::diagnostic::{At, Diagnostic, Place, Sources};
use super::node::{Node, Value};
use super::{ClockText, Scenario, words};

pub(super) fn scenario(root: Node, sources: Sources, mistakes: Vec<Diagnostic>) -> Scenario {
    let mut reader = Reader { mistakes, demand_is_known: true };
    let already = reader.mistakes.len();
    let mut scenario = Scenario {
        name: None,
        about: None,
        seed: None,
        epoch: None,
        clock: None,
        fleet: None,
        background: None,
        anomalies: Vec::new(),
        mistakes: Vec::new(),
        sources,
        root: root.clone(),
    };
    if let Some(mut map) = reader.map(root, "a scenario") {
        map.asked.push("use");
        map.not_yet = &["vars", "load", "delivery", "expect"];
        match map.take("scenario") {
            Some((_, node)) => {
                let version = words::whole(&node, "`scenario`, the version of the language,", 1, 1);
                reader.keep(version);
            }
            None => reader.missing_version(&map),
        }
        scenario.name = map.take("name").and_then(|(_, node)| reader.keep(words::text(&node)));
        scenario.about = map.take("about").and_then(|(_, node)| reader.keep(words::text(&node)));
        scenario.seed = map.take("seed").and_then(|(_, node)| {
            let seed = words::whole(&node, "`seed`", 0, i64::MAX.into());
            reader.keep(seed).map(|seed| seed.map(|n| n as u64))
        });
        scenario.epoch = map.take("epoch").and_then(|(_, node)| {
            let epoch = words::whole(&node, "`epoch`", 0, u32::MAX.into());
            reader.keep(epoch).map(|epoch| epoch.map(|n| n as u32))
        });
        scenario.clock = map.take("clock").and_then(|(_, node)| reader.clock(node));
        scenario.fleet = map.take("fleet").and_then(|(_, node)| reader.fleet(node));
        scenario.background = map.take("background").and_then(|(_, node)| reader.background(node));
        if let Some((_, node)) = map.take("anomalies") {
            scenario.anomalies = reader.anomalies(node);
        }
        reader.finish(map);
    }
    for mistake in &mut reader.mistakes[already..] {
        mistake.from_reading = true;
    }
    scenario.mistakes = reader.mistakes;
    scenario
}

/// Takes the tree apart and collects every mistake.
pub(super) struct Reader {
    pub(super) mistakes: Vec<Diagnostic>,
    /// No `rate` and no call was met that could not be read.
    pub(super) demand_is_known: bool,
}

/// A mapping that is taken apart key by key; what is left at the end is unknown.
pub(super) struct Map {
    what: &'static str,
    place: Place,
    pub(super) entries: Vec<(At<String>, Node)>,
    asked: Vec<&'static str>,
    pub(super) not_yet: &'static [&'static str],
}

impl Map {
    pub(super) fn take(&mut self, key: &'static str) -> Option<(At<String>, Node)> {
        self.asked.push(key);
        let index = self.entries.iter().position(|(known, _)| known.value == key)?;
        Some(self.entries.remove(index))
    }
}

impl Reader {
    /// The value, or none with its mistake noted.
    pub(super) fn keep<T>(&mut self, read: Result<T, Diagnostic>) -> Option<T> {
        read.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    pub(super) fn map(&mut self, node: Node, what: &'static str) -> Option<Map> {
        match node.value {
            Value::Map(entries) => {
                Some(Map { what, place: node.place, entries, asked: Vec::new(), not_yet: &[] })
            }
            _ => {
                let message = format!("{what} takes a mapping of keys to values");
                self.mistakes.push(Diagnostic::error(node.place, message));
                None
            }
        }
    }

    /// A mapping; what stands there instead is answered with an example.
    pub(super) fn map_like(&mut self, node: Node, what: &'static str, example: &str) -> Option<Map> {
        if matches!(node.value, Value::Map(_)) {
            return self.map(node, what);
        }
        let error = Diagnostic::error(node.place, format!("{what} takes a mapping of keys to values"));
        self.mistakes.push(error.help(format!("write `{example}`")));
        None
    }

    /// Tells the keys that are left over.
    pub(super) fn finish(&mut self, map: Map) {
        for (key, _) in &map.entries {
            let error = if map.not_yet.contains(&key.value.as_str()) {
                Diagnostic::error(key.place, format!("`{}` is not there yet", key.value))
                    .label(format!("this version does not have this key of {}", map.what))
                    .help("leave it out for now")
            } else {
                let known = map.asked.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
                Diagnostic::error(key.place, format!("{} has no key `{}`", map.what, key.value))
                    .label(format!("the keys are {}", known.join(", ")))
                    .nearest(&key.value, map.asked.iter().copied())
            };
            self.mistakes.push(error);
        }
    }

    fn missing(&mut self, place: Place, map: &Map, key: &str, example: &str) {
        self.mistakes.push(
            Diagnostic::error(place, format!("{} needs `{key}`", map.what))
                .help(format!("add `{key}: {example}`")),
        );
    }

    /// The value of a key that a map must have.
    pub(super) fn required(
        &mut self,
        map: &mut Map,
        place: Place,
        key: &'static str,
        example: &str,
    ) -> Option<Node> {
        let found = map.take(key);
        if found.is_none() {
            self.missing(place, map, key, example);
        }
        found.map(|(_, node)| node)
    }

    fn missing_version(&mut self, map: &Map) {
        // A file that could not be parsed has said so already.
        if self.mistakes.is_empty() || !map.entries.is_empty() {
            let start = Place { end: map.place.start, ..map.place };
            self.mistakes.push(
                Diagnostic::error(start, "the file does not say which version of the language it is in")
                    .help("begin it with `scenario: 1`"),
            );
        }
    }

    fn clock(&mut self, node: Node) -> Option<At<ClockText>> {
        let place = node.place;
        let mut map = self.map(node, "`clock`")?;
        map.not_yet = &["timezone", "clean"];
        let [start, run, step] = [("start", "\"2026-01-05T00:00:00Z\""), ("run", "1h"), ("step", "1s")]
            .map(|(key, example)| self.required(&mut map, place, key, example));
        let clock = ClockText {
            start: start.and_then(|node| self.keep(words::sim_time(&node))),
            run: run.and_then(|node| self.keep(words::span(&node))),
            step: step.and_then(|node| self.keep(words::span(&node))),
        };
        self.finish(map);
        Some(At { value: clock, place })
    }
}
