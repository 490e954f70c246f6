use super::diagnostic::{At, Diagnostic, Place, Sources};
use super::node::{self, Node, Value};

/// The scenarios shipped inside the program: ordinary YAML, with no privilege.
pub const PRESETS: &[(&str, &str)] = &[
    ("normal", include_str!("../../scenarios/presets/normal.yaml")),
    ("chaos", include_str!("../../scenarios/presets/chaos.yaml")),
    ("temperature", include_str!("../../scenarios/presets/temperature.yaml")),
    ("network", include_str!("../../scenarios/presets/network.yaml")),
    ("production", include_str!("../../scenarios/presets/production.yaml")),
    ("dev", include_str!("../../scenarios/presets/dev.yaml")),
];

/// Presets of the language that this version does not have yet.
const NOT_YET: [&str; 1] = ["week"];

/// The maps of settings, which merge key by key; everything else is replaced whole, but `anomalies`.
const SETTINGS: [&str; 6] = ["clock", "fleet", "load", "background", "delivery", "vars"];

/// Reads a text and what its `use` names, and merges them: later ones win, then the text itself.
pub(super) fn resolve(name: &str, text: &str, sources: &mut Sources, mistakes: &mut Vec<Diagnostic>) -> Node {
    let nothing = |source| Node { value: Value::Map(Vec::new()), place: Place { source, start: 0, end: 0 } };
    let mut own = match node::parse(name, text, sources) {
        Ok(node) => node,
        Err(mistake) => {
            mistakes.push(mistake);
            return nothing(0);
        }
    };
    drop_duplicates(&mut own, mistakes);
    let place = own.place;
    let Value::Map(mut entries) = own.value else {
        let message = "a scenario is a mapping of keys to values";
        mistakes.push(Diagnostic::error(place, message).help(
            "begin with `scenario: 1` and `use: dev`; everything not written then comes from the preset",
        ));
        return nothing(place.source);
    };
    let used = entries.iter().position(|(key, _)| key.value == "use").map(|i| entries.remove(i).1);
    let mut base = Vec::new();
    for preset in used.map(|node| names(node, mistakes)).unwrap_or_default() {
        if let Some(layer) = preset_entries(&preset, sources, mistakes) {
            merge(&mut base, layer, "");
        }
    }
    merge(&mut base, entries, "");
    // The version stands first, whatever the presets brought.
    base.sort_by_key(|(key, _)| key.value != "scenario");
    Node { value: Value::Map(base), place }
}

/// The names that `use` gives: one, or a list.
fn names(node: Node, mistakes: &mut Vec<Diagnostic>) -> Vec<At<String>> {
    match node.value {
        Value::Text(value) => vec![At { value, place: node.place }],
        Value::List(items) => items.into_iter().flat_map(|item| names(item, mistakes)).collect(),
        _ => {
            mistakes.push(
                Diagnostic::error(node.place, "`use` takes the name of a preset, or a list of names")
                    .help("write `use: dev`"),
            );
            Vec::new()
        }
    }
}

type Entries = Vec<(At<String>, Node)>;

fn preset_entries(
    name: &At<String>,
    sources: &mut Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Entries> {
    let there = || PRESETS.iter().map(|(preset, _)| *preset);
    let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name.value) else {
        let error = if NOT_YET.contains(&name.value.as_str()) {
            Diagnostic::error(name.place, format!("the preset `{}` is not there yet", name.value))
                .help("`reenact presets` lists what there is")
        } else if name.value.contains('/') || name.value.ends_with(".yaml") {
            Diagnostic::error(name.place, "`use` of a file is not there yet")
                .help("this version takes the name of a preset: `use: dev`")
        } else {
            let list = there().map(|preset| format!("`{preset}`")).collect::<Vec<_>>().join(", ");
            Diagnostic::error(name.place, format!("no preset is called `{}`", name.value))
                .label(format!("there is {list}"))
                .nearest(&name.value, there())
        };
        mistakes.push(error);
        return None;
    };
    let node = node::parse(&format!("preset {}", name.value), text, sources);
    match node.expect("presets are parsed by a test").value {
        // Each file says itself in which version of the language it is.
        Value::Map(entries) => Some(entries.into_iter().filter(|(key, _)| key.value != "scenario").collect()),
        _ => None,
    }
}

/// Lays `over` on `base`. `path` is that of the map they stand in.
fn merge(base: &mut Entries, over: Entries, path: &str) {
    for (key, value) in over {
        let below = format!("{path}{}", key.value);
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

/// Appends an entry; one of another source with the same `id` gives way to it.
fn append_anomaly(entries: &mut Vec<Node>, entry: Node) {
    let id = |node: &Node| match &node.value {
        Value::Map(map) => {
            map.iter().find(|(key, _)| key.value == "id").and_then(|(_, id)| match &id.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    let same = |old: &&mut Node| {
        id(&entry).is_some() && id(old) == id(&entry) && old.place.source != entry.place.source
    };
    match entries.iter_mut().find(same) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}

/// Sets the value at a dotted path, making the maps on the way.
pub(super) fn set(root: &mut Node, path: &str, value: Node) {
    let place = value.place;
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    if !matches!(root.value, Value::Map(_)) {
        root.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut root.value else { return };
    if !entries.iter().any(|(key, _)| key.value == first) {
        let empty = Node { value: Value::Map(Vec::new()), place };
        entries.push((At { value: first.into(), place }, empty));
    }
    let slot = entries.iter_mut().find(|(key, _)| key.value == first).map(|(_, node)| node);
    let slot = slot.expect("the entry was made just now if it was missing");
    match rest {
        Some(rest) => set(slot, rest, value),
        None => *slot = value,
    }
}

/// Tells each key that a map has twice, and keeps the first.
fn drop_duplicates(node: &mut Node, mistakes: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| drop_duplicates(item, mistakes)),
        Value::Map(entries) => {
            let mut kept: Entries = Vec::with_capacity(entries.len());
            for (key, mut value) in entries.drain(..) {
                drop_duplicates(&mut value, mistakes);
                match kept.iter().find(|(first, _)| first.value == key.value) {
                    Some((first, _)) => mistakes.push(
                        Diagnostic::error(key.place, format!("the key `{}` stands here twice", key.value))
                            .beside(first.place, "first here")
                            .help("keep one of them"),
                    ),
                    None => kept.push((key, value)),
                }
            }
            *entries = kept;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_scenario_without_a_mistake() {
        for (name, text) in PRESETS {
            let (mut sources, mut mistakes) = (Sources::default(), Vec::new());
            resolve(name, text, &mut sources, &mut mistakes);
            assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        }
    }
}
