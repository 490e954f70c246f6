//! Reads the resolved tree into the structs of `Scenario`, and collects every mistake.

use std::ops::RangeInclusive;

use super::diagnostic::{At, Diagnostic, Place, Sources, nearest, quoted};
use super::language::{self, Mapping, Need, ScenarioText};
use super::layers::Merged;
use super::node::{Node, Value};
use super::values::Read;
use super::vars::substitute;
use super::{Expected, Scenario, values};

/// Reads the scenario from merged texts. `mistakes` are those that were found before.
pub(super) fn scenario(merged: Merged, sources: Sources, mut mistakes: Vec<Diagnostic>) -> Scenario {
    let already = mistakes.len();
    let (root, put_in) = substitute(merged.root.clone(), &sources, &mut mistakes);
    // A text that could not be read may define what is missing here, so these mistakes are hidden.
    for mistake in mistakes[already..].iter_mut().filter(|_| !merged.is_whole) {
        mistake.is_hidden = true;
    }
    let mut reader = Reader { mistakes, demand_is_known: true, is_whole: merged.is_whole };
    let keys = reader.map(root.clone(), &language::SCENARIO).map(|mut map| {
        // A text without a version is not a scenario and was refused as a whole.
        map.found.push("scenario");
        ScenarioText::read_map(&mut reader, map)
    });
    for mistake in &mut reader.mistakes[already..] {
        mistake.from_reading = true;
    }
    let (keys, mistakes) = (keys.unwrap_or_default(), reader.mistakes);
    Scenario { keys, mistakes, sources, merged, put_in, root }
}

/// A struct that is read from the keys of a mapping. The macro `mapping!` implements it.
pub(super) trait FromKeys: Sized {
    /// The mapping with its keys.
    const MAPPING: &'static Mapping;

    /// Reads the keys of a mapping and reports those that are unknown or missing.
    fn read_map(reader: &mut Reader, map: Map) -> Self;

    /// Reads a mapping and reports its mistakes.
    fn read(reader: &mut Reader, node: Node) -> Option<At<Self>> {
        let place = node.place;
        let map = reader.map(node, Self::MAPPING)?;
        Some(At { value: Self::read_map(reader, map), place })
    }
}

/// Decodes the tree and collects every mistake.
pub(super) struct Reader {
    pub(super) mistakes: Vec<Diagnostic>,
    /// Whether every `rate` and every call so far could be read.
    pub(super) demand_is_known: bool,
    /// Whether all texts could be read. If so, a key that seems to be missing is really missing.
    is_whole: bool,
}

/// A mapping whose keys are taken out one by one. The keys that are left at the end are unknown.
pub(super) struct Map {
    mapping: &'static Mapping,
    /// The place that is underlined if a key is missing.
    pub(super) place: Place,
    pub(super) entries: Vec<(At<String>, Node)>,
    pub(super) found: Vec<&'static str>,
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
    /// Returns the value. If there is a mistake instead, records it and returns `None`.
    pub(super) fn keep<T>(&mut self, read: Read<T>) -> Option<At<T>> {
        read.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    pub(super) fn map(&mut self, node: Node, mapping: &'static Mapping) -> Option<Map> {
        let place = node.place;
        if let Value::Map(entries) = node.value {
            return Some(Map { mapping, place, entries, found: Vec::new() });
        }
        let keys = mapping.keys.iter().filter(|key| key.need != Need::NotYet).map(|key| key.name);
        let error = Diagnostic::error(place, format!("{} must be a mapping of keys to values", mapping.what));
        self.mistakes.push(error.help(format!("its keys are {}", quoted(keys))));
        None
    }

    /// Reports the keys that are left over and the required keys that are missing.
    pub(super) fn finish(&mut self, map: Map) {
        let Map { mapping, place, entries, found } = map;
        let known = || mapping.keys.iter().filter(|key| key.need != Need::NotYet).map(|key| key.name);
        let mut meant = Vec::new();
        for (key, _) in &entries {
            let error = match mapping.key(&key.value).map(|key| key.need) {
                Some(Need::NotYet) => {
                    Diagnostic::error(key.place, format!("`{}` is not implemented yet", key.value))
                        .label(format!("this version does not support this key of {}", mapping.what))
                        .help("remove it for now")
                }
                _ => {
                    // A word from another tool is not a typo, even if it is close to another key.
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
                // A key that was mistyped is not missing.
                && !meant.contains(&key.name)
            {
                self.mistakes.push(
                    Diagnostic::error(place, format!("{} requires the key `{}`", mapping.what, key.name))
                        .help(format!("add `{}: {example}`", key.name)),
                );
            }
        }
    }

    pub(super) fn expected_incidents(&mut self, node: Node) -> Option<At<Expected>> {
        let place = node.place;
        let Value::Map(entries) = node.value else {
            let error = Diagnostic::error(node.place, "`incidents` must be a mapping of kinds to numbers");
            self.mistakes.push(error.help("write `incidents: {memory_leak: 1}`"));
            return None;
        };
        let read = |(kind, node): (At<String>, Node)| {
            let what = "the number of incidents";
            let number = self.keep(values::whole(&node, what, language::INCIDENTS))?;
            Some((kind, number.map(|n| n as u64)))
        };
        Some(At { value: entries.into_iter().filter_map(read).collect(), place })
    }
}

/// Turns the reader of a value into the reader of a key.
pub(super) fn value<T>(
    read: impl FnOnce(&Node) -> Read<T>,
) -> impl FnOnce(&mut Reader, Node) -> Option<At<T>> {
    move |reader, node| reader.keep(read(&node))
}

/// Returns the reader of a whole number in a range that the type can represent. Messages call the number `what`.
pub(super) fn whole<T: TryFrom<i64>>(
    what: &'static str,
    range: RangeInclusive<i64>,
) -> impl FnOnce(&mut Reader, Node) -> Option<At<T>> {
    move |reader, node| {
        let number = reader.keep(values::whole(&node, what, range))?;
        let place = number.place;
        T::try_from(number.value).ok().map(|value| At { value, place })
    }
}

/// Reads `daily:` of `load`.
pub(super) fn daily(node: &Node) -> Read<f64> {
    let swing = values::share(node)?;
    if swing.value <= language::MOST_DAILY {
        return Ok(swing);
    }
    Err(Diagnostic::error(node.place, "`daily` is out of range")
        .label(format!("must be between 0 and {}", language::MOST_DAILY)))
}

/// Reads `bursts:` of `load`.
pub(super) fn bursts(node: &Node) -> Read<f64> {
    let rate = values::rate(node)?;
    if rate.value * 86_400.0 <= language::MOST_BURSTS {
        return Ok(rate);
    }
    Err(Diagnostic::error(node.place, "`bursts` is too high: the bursts would overlap")
        .label(format!("must be at most {}/day", language::MOST_BURSTS)))
}
