//! Compares the labels of two recordings, incident by incident.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::incident_facts;
use super::difference::{Changed, change};
use super::entry::IncidentLine;
use super::sums::clearness;
use crate::label::{COLUMNS, Label, Role};

/// The largest number of label rows of an incident that are listed one by one.
const MOST_LABELS: usize = 3;

type LabelKey<'a> = (Role, &'a str, &'a str);

/// Returns which incidents differ, and how.
pub(super) fn diff_labels(old: &[Label], new: &[Label]) -> Changed {
    let (old, new) = (by_incident(old), by_incident(new));
    let ids: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let line = |id: &&str| {
        let what = match (old.get(id), new.get(id)) {
            (Some(old), Some(new)) => incident_change(old, new)?,
            (Some(_), None) => "was removed".into(),
            _ => "was added".into(),
        };
        Some(((*id).to_string(), what))
    };
    Changed { of: ids.len(), lines: ids.iter().filter_map(line).collect() }
}

fn by_incident(labels: &[Label]) -> BTreeMap<&str, BTreeMap<LabelKey<'_>, &Label>> {
    let mut incidents: BTreeMap<&str, BTreeMap<LabelKey<'_>, &Label>> = BTreeMap::new();
    for label in labels {
        let key = (label.role, &*label.entity, label.metric.name());
        incidents.entry(&label.incident_id).or_default().insert(key, label);
    }
    incidents
}

/// Describes what changed in an incident: first the facts that a lock contains, then single label rows.
fn incident_change(
    old: &BTreeMap<LabelKey<'_>, &Label>,
    new: &BTreeMap<LabelKey<'_>, &Label>,
) -> Option<String> {
    if old == new {
        return None;
    }
    let facts =
        [old, new].map(|labels| clearest(labels).map(|label| incident_facts(&IncidentLine::of(label))));
    let mut listed: Vec<String> = Vec::new();
    if let [Some(old), Some(new)] = facts {
        let changed = old.into_iter().zip(new).filter(|((_, old), (_, new))| old != new);
        listed.extend(changed.map(|((fact, old), (_, new))| format!("{fact} {}", change(&old, &new))));
    }
    let keys: BTreeSet<&LabelKey<'_>> = old.keys().chain(new.keys()).collect();
    let row = |key: &&LabelKey<'_>| {
        let what = match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => fields_change(old, new),
            (Some(_), None) => Some("was removed".into()),
            _ => Some("was added".into()),
        };
        let (role, entity, metric) = key;
        what.map(|what| format!("{} {entity}/{metric} {what}", role.name()))
    };
    let rows: Vec<String> = keys.iter().copied().filter_map(|key| row(&key)).collect();
    // If the incident itself changed, its labels changed for that reason, so they are only counted.
    let shown = if listed.is_empty() { rows.len().min(MOST_LABELS) } else { 0 };
    let more = rows.len() - shown;
    listed.extend(rows.into_iter().take(shown));
    if more > 0 {
        listed.push(format!("{more} {}of its labels", if shown > 0 { "more " } else { "" }));
    }
    Some(listed.join(", "))
}

fn clearest<'a>(labels: &BTreeMap<LabelKey<'_>, &'a Label>) -> Option<&'a Label> {
    labels.values().copied().max_by_key(|label| clearness(label))
}

fn fields_change(old: &Label, new: &Label) -> Option<String> {
    let (old, new) = (old.fields(), new.fields());
    let changed = COLUMNS.iter().zip(old.iter().zip(&new)).filter(|(_, (old, new))| old != new);
    let listed: Vec<String> =
        changed.map(|((name, _), (old, new))| format!("{name} {}", change(old, new))).collect();
    (!listed.is_empty()).then(|| listed.join(" "))
}
