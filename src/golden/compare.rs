use std::collections::BTreeMap;
use std::fmt;

use super::lock::Entry;

/// What differs between a lock's entry and what a scenario gives now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Facts of the whole: (which, locked, now).
    pub whole: Vec<(&'static str, String, String)>,
    /// Incidents that differ, and of how many.
    pub incidents: Changed,
    /// Series that differ.
    pub series: Changed,
    /// UTC hours that differ.
    pub hours: Changed,
}

/// Lines of one kind that differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// How many there are on either side.
    pub of: usize,
    /// (name, what changed in words), by name.
    pub lines: Vec<(String, String)>,
}

/// Compares; none where nothing differs.
pub fn compare(locked: &Entry, now: &Entry) -> Option<Difference> {
    let mut whole = Vec::new();
    let mut fact = |name, locked: String, now: String| {
        if locked != now {
            whole.push((name, locked, now));
        }
    };
    fact("epoch", locked.epoch.to_string(), now.epoch.to_string());
    fact("scenario", locked.scenario.clone(), now.scenario.clone());
    fact("rows", locked.rows.to_string(), now.rows.to_string());
    fact("stream", locked.stream.clone(), now.stream.clone());
    fact("labels", locked.labels.clone(), now.labels.clone());
    let incidents = changed(&locked.incidents, &now.incidents, |i| {
        vec![
            ("kind", i.kind.clone()),
            ("entity", i.entity.clone()),
            ("cause_start", i.cause_start.clone()),
            ("cause_end", i.cause_end.clone()),
            ("snr", i.snr.clone()),
        ]
    });
    let series = changed(&locked.series, &now.series, |s| {
        vec![
            ("rows", s.rows.to_string()),
            ("min", s.min.clone()),
            ("mean", s.mean.clone()),
            ("max", s.max.clone()),
            ("digest", s.digest.clone()),
        ]
    });
    let hours = changed(&locked.hours, &now.hours, |digest| vec![("digest", digest.clone())]);
    let nothing =
        whole.is_empty() && [&incidents, &series, &hours].iter().all(|changed| changed.lines.is_empty());
    (!nothing).then_some(Difference { whole, incidents, series, hours })
}

fn changed<T>(
    locked: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    facts: impl Fn(&T) -> Vec<(&'static str, String)>,
) -> Changed {
    let mut names: Vec<&String> = locked.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    let line = |name: &&String| match (locked.get(*name), now.get(*name)) {
        (Some(a), Some(b)) => {
            let parts: Vec<String> = facts(a)
                .into_iter()
                .zip(facts(b))
                .filter(|(old, new)| old != new)
                .map(|((fact, old), (_, new))| format!("{fact} {old} → {new}"))
                .collect();
            (!parts.is_empty()).then(|| ((*name).clone(), parts.join(", ")))
        }
        (Some(_), None) => Some(((*name).clone(), "is gone".into())),
        _ => Some(((*name).clone(), "is new".into())),
    };
    Changed { of: names.len(), lines: names.iter().filter_map(line).collect() }
}

/// Lines of a kind that are written out.
const SHOWN: usize = 10;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("incidents", &self.incidents), ("series", &self.series), ("hours", &self.hours)];
        let counts = parts.map(|(name, changed)| format!("{} of {} {name}", changed.lines.len(), changed.of));
        writeln!(f, "differs: {}", counts.join(", "))?;
        for (name, old, new) in &self.whole {
            // Long digests say no more than that they differ.
            match old.len() > 20 {
                true => writeln!(f, "{name} digest differs")?,
                false => writeln!(f, "{name} {old} → {new}")?,
            }
        }
        for (name, changed) in
            [("incident", &self.incidents), ("series", &self.series), ("hour", &self.hours)]
        {
            for (which, what) in changed.lines.iter().take(SHOWN) {
                writeln!(f, "{name} {which}: {what}")?;
            }
            if changed.lines.len() > SHOWN {
                writeln!(f, "… and {} more", changed.lines.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
