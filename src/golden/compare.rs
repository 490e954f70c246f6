//! Compares two entries fact by fact: totals, incidents, series and hours.

use std::collections::BTreeMap;

use super::difference::{Changed, Difference, change, stranger};
use super::entry::{Entry, IncidentLine};

/// Compares a locked entry with the current one; `None` if nothing differs. A changed scenario is not a difference by
/// itself.
pub fn compare(locked: &Entry, now: &Entry) -> Option<Difference> {
    let mut whole = Vec::new();
    if locked.epoch != now.epoch {
        whole.push(format!("epoch {} → {}", locked.epoch, now.epoch));
    }
    if locked.rows != now.rows {
        whole.push(format!("rows {} → {}", locked.rows, now.rows));
    }
    whole.extend(strangers(locked, now, "removed"));
    whole.extend(strangers(now, locked, "added"));
    let has_labels = [locked, now].map(|entry| !entry.labels.is_empty());
    let incidents = if has_labels == [true; 2] { incidents(locked, now) } else { Changed::default() };
    let series =
        changed(&locked.series, &now.series, "different values with the same min, mean and max", |s| {
            vec![
                ("rows", s.rows.to_string()),
                ("min", s.min.clone()),
                ("mean", s.mean.clone()),
                ("max", s.max.clone()),
                ("digest", s.digest.clone()),
            ]
        });
    let hours = changed(&locked.hours, &now.hours, "differs", |digest| vec![("digest", digest.clone())]);
    if locked.stream != now.stream && series.lines.is_empty() {
        whole.push(match hours.lines.is_empty() {
            true => "the digest of the rows differs, but no series and no hour differs".into(),
            false => "the same rows in a different order".into(),
        });
    }
    if locked.labels != now.labels && incidents.lines.is_empty() {
        whole.push(match has_labels {
            [true, false] => "labels were removed".into(),
            [false, true] => "labels were added".into(),
            _ => "the digest of the labels differs, but no incident differs".into(),
        });
    }
    let mut difference = Difference { whole, incidents, series, hours, ..Difference::default() };
    // The scenario of a single file is not known.
    let is_known = [locked, now].iter().all(|entry| !entry.scenario.is_empty());
    if locked.scenario != now.scenario && is_known && !difference.is_empty() {
        difference.whole.insert(0, "the scenario has changed".into());
    }
    (!difference.is_empty()).then_some(difference)
}

/// Returns the entities that have series in `these` but not in `others`, as text.
fn strangers(these: &Entry, others: &Entry, what: &str) -> Vec<String> {
    let entities = |entry: &Entry| -> BTreeMap<String, u64> {
        let entity = |name: &String| name.split('/').next().unwrap_or_default().to_string();
        entry.series.iter().map(|(name, series)| (entity(name), series.rows)).collect()
    };
    let others = entities(others);
    let is_stranger = |(name, _): &(String, u64)| !others.contains_key(name);
    let strangers = entities(these).into_iter().filter(is_stranger);
    strangers.map(|(name, rows)| stranger(&name, rows, what)).collect()
}

fn incidents(locked: &Entry, now: &Entry) -> Changed {
    let mut incidents = changed(&locked.incidents, &now.incidents, "different labels", incident_facts);
    let kinds = changed(&locked.kinds, &now.kinds, "different labels", |kind| {
        vec![("incidents", kind.incidents.to_string()), ("digest", kind.digest.clone())]
    });
    incidents.lines.extend(kinds.lines.into_iter().map(|(kind, what)| (format!("kind {kind}"), what)));
    incidents.of += kinds.of;
    incidents
}

pub(super) fn incident_facts(incident: &IncidentLine) -> Vec<(&'static str, String)> {
    vec![
        ("kind", incident.kind.clone()),
        ("entity", incident.entity.clone()),
        ("cause_start", incident.cause_start.clone()),
        ("cause_end", incident.cause_end.clone()),
        ("snr", incident.snr.clone()),
        ("digest", incident.digest.clone()),
    ]
}

fn changed<T>(
    locked: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    otherwise: &str,
    facts: impl Fn(&T) -> Vec<(&'static str, String)>,
) -> Changed {
    let mut names: Vec<&String> = locked.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    let line = |name: &&String| match (locked.get(*name), now.get(*name)) {
        (Some(old), Some(new)) => {
            changes(&facts(old), &facts(new), otherwise).map(|what| ((*name).clone(), what))
        }
        (Some(_), None) => Some(((*name).clone(), "was removed".into())),
        _ => Some(((*name).clone(), "was added".into())),
    };
    Changed { of: names.len(), lines: names.iter().filter_map(line).collect() }
}

/// Describes which facts changed; returns `otherwise` if only their digest did.
fn changes(
    old: &[(&'static str, String)],
    new: &[(&'static str, String)],
    otherwise: &str,
) -> Option<String> {
    let differing: Vec<_> = old.iter().zip(new).filter(|((_, old), (_, new))| old != new).collect();
    let listed: Vec<String> = differing
        .iter()
        .filter(|((fact, _), _)| *fact != "digest")
        .map(|((fact, old), (_, new))| format!("{fact} {}", change(old, new)))
        .collect();
    match (differing.is_empty(), listed.is_empty()) {
        (true, _) => None,
        (false, true) => Some(otherwise.into()),
        (false, false) => Some(listed.join(", ")),
    }
}
