//! Merges one tree over another, and sets single values in a tree.

use super::diagnostic::{At, Diagnostic, Place, quoted};
use super::node::{Node, Value};

pub(super) type Entries = Vec<(At<String>, Node)>;

/// The maps of settings, which are merged key by key. Everything else is replaced as a whole, except `anomalies`.
const SETTINGS: [&str; 7] = ["clock", "fleet", "load", "background", "delivery", "vars", "expect"];

/// Keys that exclude each other: the later one replaces the other.
const EITHER: [(&str, &str); 2] =
    [("background.share", "background.rate"), ("background.rate", "background.share")];

/// Merges `over` over `base`. `path` is the path of the map that both are in, with a dot at its end.
pub(super) fn merge(base: &mut Entries, over: Entries, path: &str) {
    for (key, value) in over {
        let below = format!("{path}{}", key.value);
        if let Some((_, other)) = EITHER.iter().find(|(one, _)| *one == below) {
            let source = value.place.source;
            base.retain(|(known, old)| {
                format!("{path}{}", known.value) != *other || old.place.source == source
            });
        }
        let Some((_, old)) = base.iter_mut().find(|(known, _)| known.value == key.value) else {
            base.push((key, value));
            continue;
        };
        let place = value.place;
        *old = match (std::mem::replace(&mut old.value, Value::Null), value.value) {
            (Value::Map(mut settings), Value::Map(over)) if SETTINGS.contains(&below.as_str()) => {
                merge(&mut settings, over, &format!("{below}."));
                Node { value: Value::Map(settings), place }
            }
            (Value::List(mut entries), Value::List(more)) if below == "anomalies" => {
                for entry in more {
                    append_anomaly(&mut entries, entry);
                }
                Node { value: Value::List(entries), place }
            }
            (_, value) => Node { value, place },
        };
    }
}

/// Appends an entry, or replaces the entry of another source that has the same `id`.
fn append_anomaly(entries: &mut Vec<Node>, entry: Node) {
    let same = |old: &&mut Node| {
        id(&entry).is_some() && id(old) == id(&entry) && old.place.source != entry.place.source
    };
    match entries.iter_mut().find(same) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}

/// Returns the `id` of an entry of `anomalies`.
fn id(entry: &Node) -> Option<&str> {
    let Value::Map(map) = &entry.value else { return None };
    match &map.iter().find(|(key, _)| key.value == "id")?.1.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Sets the value at a path of the file, and creates the missing maps on the way. Examples of paths are
/// `clock.step`, `fleet.servers.web.count` and `anomalies.leak.severity`, which finds the entry by its `id`.
pub(super) fn set(root: &mut Node, path: &At<String>, value: Node) -> Result<(), Diagnostic> {
    let mut at = path.place.start;
    let mut slot = root;
    let mut passed = String::new();
    let steps: Vec<&str> = path.value.split('.').collect();
    for (i, step) in steps.iter().enumerate() {
        // A flag such as `--seed` does not spell the path out. Errors then point at the whole flag.
        let is_written = path.place.end - path.place.start == path.value.len() as u32;
        let part = Place { start: at, end: at + step.len() as u32, ..path.place };
        let place = if is_written { part } else { path.place };
        at = part.end + 1;
        if step.is_empty() {
            let error = Diagnostic::error(path.place, format!("`{}` is not a valid path", path.value));
            return Err(error.help("separate the keys with dots, such as `clock.step`"));
        }
        let is_last = i + 1 == steps.len();
        let below = if passed.is_empty() { (*step).to_string() } else { format!("{passed}.{step}") };
        if let Some((_, other)) = EITHER.iter().find(|(one, _)| is_last && *one == below)
            && let Value::Map(entries) = &mut slot.value
        {
            let other = other.rsplit('.').next();
            entries.retain(|(key, _)| Some(key.value.as_str()) != other);
        }
        slot = match &mut slot.value {
            Value::List(entries) if passed == "anomalies" => {
                let ids: Vec<String> = entries.iter().filter_map(id).map(str::to_string).collect();
                let found = entries.iter_mut().find(|entry| id(entry) == Some(step));
                found.ok_or_else(|| no_anomaly(step, place, &ids))?
            }
            // There is no list in which to look for the entry.
            Value::Map(entries)
                if passed.is_empty()
                    && *step == "anomalies"
                    && !is_last
                    && !entries.iter().any(|(key, _)| key.value == "anomalies") =>
            {
                return Err(no_anomaly(steps[1], Place { start: at, ..path.place }, &[]));
            }
            Value::Map(entries) => below_map(entries, step, place, value.place),
            _ => return Err(no_map(&passed, &path.value, place)),
        };
        passed = below;
    }
    *slot = value;
    Ok(())
}

/// Returns the value of a key. Inserts an empty map if the key is missing.
fn below_map<'a>(entries: &'a mut Entries, key: &str, place: Place, value: Place) -> &'a mut Node {
    let index = entries.iter().position(|(known, _)| known.value == key).unwrap_or_else(|| {
        let empty = Node { value: Value::Map(Vec::new()), place: value };
        entries.push((At { value: key.into(), place }, empty));
        entries.len() - 1
    });
    &mut entries[index].1
}

fn no_anomaly(id: &str, place: Place, ids: &[String]) -> Diagnostic {
    let error = Diagnostic::error(place, format!("no anomaly has the id `{id}`"));
    match ids {
        [] => error.help("give the entry an `id`, and write this `id` in the path"),
        ids => error
            .label(format!("the ids are {}", quoted(ids.iter().map(String::as_str))))
            .nearest(id, ids.iter().map(String::as_str)),
    }
}

fn no_map(passed: &str, path: &str, place: Place) -> Diagnostic {
    let message = format!("`{passed}` has no keys: it is a value or a list");
    Diagnostic::error(place, message).help(format!("set all of it with `{passed}=…` instead of `{path}`"))
}

/// Reports each key that a map has twice, and keeps the first one.
pub(super) fn drop_duplicates(node: &mut Node, mistakes: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| drop_duplicates(item, mistakes)),
        Value::Map(entries) => {
            let mut kept: Entries = Vec::with_capacity(entries.len());
            let mut seen: std::collections::BTreeMap<String, Place> = Default::default();
            for (key, mut value) in entries.drain(..) {
                drop_duplicates(&mut value, mistakes);
                match seen.get(&key.value) {
                    Some(first) => mistakes.push(
                        Diagnostic::error(key.place, format!("the key `{}` occurs twice", key.value))
                            .related(*first, "first here")
                            .help("keep one of them"),
                    ),
                    None => {
                        seen.insert(key.value.clone(), key.place);
                        kept.push((key, value));
                    }
                }
            }
            *entries = kept;
        }
        _ => {}
    }
}
