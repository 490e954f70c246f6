//! The resolved tree → the structs of `Scenario`, collecting every mistake.

use super::diagnostic::{At, Diagnostic, Place, Sources, nearest, quoted};
use super::language::{self, Mapping, Need};
use super::layers::Merged;
use super::node::{Node, Value};
use super::vars::substitute;
use super::words::Read;
use super::{ClockText, ExpectText, LoadText, Scenario, words};

/// The scenario that merged texts say; `mistakes` are those that were found before.
pub(super) fn scenario(merged: Merged, sources: Sources, mut mistakes: Vec<Diagnostic>) -> Scenario {
    let already = mistakes.len();
    let (root, put_in) = substitute(merged.root.clone(), &sources, &mut mistakes);
    // Of what could not be read nobody knows what it would have brought.
    for mistake in mistakes[already..].iter_mut().filter(|_| !merged.is_whole) {
        mistake.is_hidden = true;
    }
    let mut reader = Reader { mistakes, demand_is_known: true, is_whole: merged.is_whole };
    let mut scenario = Scenario {
        name: None,
        about: None,
        seed: None,
        epoch: None,
        clock: None,
        fleet: None,
        load: None,
        background: None,
        anomalies: Vec::new(),
        expect: None,
        mistakes: Vec::new(),
        sources,
        merged,
        put_in,
        root: root.clone(),
    };
    if let Some(mut map) = reader.map(root, &language::SCENARIO) {
        reader.version(&mut map);
        scenario.name = reader.value(&mut map, "name", words::text);
        scenario.about = reader.value(&mut map, "about", words::text);
        scenario.seed = reader.value(&mut map, "seed", words::seed);
        let epoch =
            reader.value(&mut map, "epoch", |node| words::whole(node, "`epoch`", 0..=u32::MAX.into()));
        scenario.epoch = epoch.map(|epoch| epoch.map(|n| n as u32));
        scenario.clock = map.take("clock").and_then(|node| reader.clock(node));
        scenario.fleet = map.take("fleet").and_then(|node| reader.fleet(node));
        scenario.load = map.take("load").and_then(|node| reader.load(node));
        scenario.background = map.take("background").and_then(|node| reader.background(node));
        scenario.expect = map.take("expect").and_then(|node| reader.expect(node));
        if let Some(node) = map.take("anomalies") {
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
    /// All texts could be read: what seems to be missing is missing.
    is_whole: bool,
}

/// A mapping that is taken apart key by key; what is left at the end is unknown.
pub(super) struct Map {
    mapping: &'static Mapping,
    /// What is underlined where a key is missing.
    pub(super) place: Place,
    pub(super) entries: Vec<(At<String>, Node)>,
    found: Vec<&'static str>,
}

impl Map {
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        debug_assert!(self.mapping.key(key).is_some(), "{} has no key `{key}`", self.mapping.what);
        let index = self.entries.iter().position(|(known, _)| known.value == key)?;
        self.found.push(key);
        Some(self.entries.remove(index).1)
    }
}

impl Reader {
    /// The value, or none with its mistake noted.
    pub(super) fn keep<T>(&mut self, read: Read<T>) -> Option<At<T>> {
        read.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// The value of a key, if it is there and can be read.
    pub(super) fn value<T>(
        &mut self,
        map: &mut Map,
        key: &'static str,
        read: impl FnOnce(&Node) -> Read<T>,
    ) -> Option<At<T>> {
        map.take(key).and_then(|node| self.keep(read(&node)))
    }

    pub(super) fn map(&mut self, node: Node, mapping: &'static Mapping) -> Option<Map> {
        let place = node.place;
        if let Value::Map(entries) = node.value {
            return Some(Map { mapping, place, entries, found: Vec::new() });
        }
        let keys = mapping.keys.iter().filter(|key| key.need != Need::NotYet).map(|key| key.name);
        let error = Diagnostic::error(place, format!("{} takes a mapping of keys to values", mapping.what));
        self.mistakes.push(error.help(format!("its keys are {}", quoted(keys))));
        None
    }

    /// Tells the keys that are left over, and those that are missing.
    pub(super) fn finish(&mut self, map: Map) {
        let Map { mapping, place, entries, found } = map;
        let known = || mapping.keys.iter().filter(|key| key.need != Need::NotYet).map(|key| key.name);
        let mut meant = Vec::new();
        for (key, _) in &entries {
            let error = match mapping.key(&key.value).map(|key| key.need) {
                Some(Need::NotYet) => {
                    Diagnostic::error(key.place, format!("`{}` is not there yet", key.value))
                        .label(format!("this version does not have this key of {}", mapping.what))
                        .help("leave it out for now")
                }
                _ => {
                    // A word of another tool is no slip of the finger, however near it is to some key.
                    let near = mapping.synonym(&key.value).or_else(|| nearest(&key.value, known()));
                    meant.extend(near);
                    let message = format!("{} has no key `{}`", mapping.what, key.value);
                    let error = Diagnostic::error(key.place, message)
                        .label(format!("the keys are {}", quoted(known())));
                    near.map_or(error.clone(), |near| error.help(format!("did you mean `{near}`?")))
                }
            };
            self.mistakes.push(error);
        }
        for key in mapping.keys {
            if let Need::Required(example) = key.need
                && !found.contains(&key.name)
                && self.is_whole
                // What was mistyped is not missing.
                && !meant.contains(&key.name)
            {
                self.mistakes.push(
                    Diagnostic::error(place, format!("{} needs `{}`", mapping.what, key.name))
                        .help(format!("add `{}: {example}`", key.name)),
                );
            }
        }
    }

    fn version(&mut self, map: &mut Map) {
        if let Some(node) = map.take("scenario") {
            self.keep(words::version(&node));
        }
        // A text without it is not a scenario, and was refused as a whole.
        map.found.push("scenario");
    }

    fn clock(&mut self, node: Node) -> Option<At<ClockText>> {
        let place = node.place;
        let mut map = self.map(node, &language::CLOCK)?;
        let clock = ClockText {
            start: self.value(&mut map, "start", words::sim_time),
            run: self.value(&mut map, "run", words::span),
            step: self.value(&mut map, "step", words::span),
            timezone: self.value(&mut map, "timezone", words::text),
            clean: self.value(&mut map, "clean", |node| words::distance(node, "`clean`")),
        };
        self.finish(map);
        Some(At { value: clock, place })
    }

    fn load(&mut self, node: Node) -> Option<At<LoadText>> {
        let place = node.place;
        let mut map = self.map(node, &language::LOAD)?;
        let load = LoadText {
            daily: self.value(&mut map, "daily", |node| {
                let swing = words::share(node)?;
                if swing.value <= language::MOST_DAILY {
                    return Ok(swing);
                }
                Err(Diagnostic::error(node.place, "demand cannot swing so far over the day")
                    .label(format!("at least 0, at most {}", language::MOST_DAILY)))
            }),
            weekend: self.value(&mut map, "weekend", words::share),
            peak: self.value(&mut map, "peak", words::hour),
            bursts: self.value(&mut map, "bursts", |node| {
                let rate = words::rate(node)?;
                if rate.value * 86_400.0 <= language::MOST_BURSTS {
                    return Ok(rate);
                }
                Err(Diagnostic::error(node.place, "so many bursts run into each other")
                    .label(format!("at most {}/day", language::MOST_BURSTS)))
            }),
        };
        self.finish(map);
        Some(At { value: load, place })
    }

    fn expect(&mut self, node: Node) -> Option<At<ExpectText>> {
        let place = node.place;
        let mut map = self.map(node, &language::EXPECT)?;
        let incidents = map.take("incidents").map(|node| self.expected_incidents(node));
        let visible = self.value(&mut map, "visible", |node| words::word(node, &["all"]));
        self.finish(map);
        let incidents = incidents.unwrap_or_default();
        Some(At { value: ExpectText { incidents, visible: visible.map(|visible| visible.place) }, place })
    }

    fn expected_incidents(&mut self, node: Node) -> Vec<(At<String>, At<u64>)> {
        let Value::Map(entries) = node.value else {
            let error = Diagnostic::error(node.place, "`incidents` takes kinds with a number each");
            self.mistakes.push(error.help("write `incidents: {memory_leak: 1}`"));
            return Vec::new();
        };
        let read = |(kind, node): (At<String>, Node)| {
            let what = "a number of incidents";
            let number = self.keep(words::whole(&node, what, language::INCIDENTS))?;
            Some((kind, number.map(|n| n as u64)))
        };
        entries.into_iter().filter_map(read).collect()
    }
}
