//! Checks whether labels without a manifest fit the records of their file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::error::RecordingError;
use super::read::lines_of;
use crate::batch::Entities;
use crate::label::Label;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// Returns the reasons why the labels can't belong to these records, each with its line number. Expects one line per
/// label in the labels file.
///
/// # Errors
/// If the records can't be read.
pub(super) fn mistakes(
    labels: &[Label],
    schema: &Arc<Schema>,
    records: &Path,
) -> Result<Vec<String>, RecordingError> {
    let mut mistakes = Vec::new();
    if labels.is_empty() {
        return Ok(mistakes);
    }
    let seen = Seen::of(records, schema)?;
    let (names, mut outside) = (seen.names(), seen.outside(labels));
    let mut lines = BTreeMap::new();
    for (line, label) in (1..).zip(labels) {
        let mut add = |mistake: String| mistakes.push(format!("line {line}: {mistake}"));
        reversed(label).for_each(&mut add);
        wrong_entity(label, schema, &names).into_iter().for_each(&mut add);
        let mut text = Vec::new();
        label.write_json(&mut text);
        match lines.get(&text) {
            Some(first) => add(format!("it duplicates line {first}")),
            None => drop(lines.insert(text, line)),
        }
        // Report it only once per incident.
        outside.remove(&*label.incident_id).into_iter().for_each(add);
    }
    Ok(mistakes)
}

/// Returns the intervals that end before they start. An empty interval is valid, since intervals are half-open.
fn reversed(label: &Label) -> impl Iterator<Item = String> {
    let intervals =
        [("cause", label.cause_start, label.cause_end), ("effect", label.effect_start, label.effect_end)];
    intervals
        .into_iter()
        .filter(|(_, start, end)| end < start)
        .map(|(what, start, end)| format!("its `{what}_end` {end} is before its `{what}_start` {start}"))
}

/// The entities that have records, each with its type.
type Names<'a> = BTreeSet<(&'a str, TypeId)>;

/// Returns what is wrong with the entity of a label, its type or its metric.
fn wrong_entity(label: &Label, schema: &Schema, names: &Names<'_>) -> Option<String> {
    let (entity, said) = (&*label.entity, &*label.entity_type);
    let has = |id: &TypeId| names.contains(&(entity, *id));
    let Some(first) = schema.ids().find(has) else {
        return Some(format!("`{entity}` has no records"));
    };
    let Some(id) = schema.ids().filter(has).find(|id| schema[*id].name() == said) else {
        let is = schema[first].name();
        return Some(format!("`{entity}` is a {is}, but its `entity_type` is `{said}`"));
    };
    let metric = label.metric.name();
    let has_metric = schema[id].metrics().iter().any(|it| it.name() == metric);
    (!has_metric).then(|| format!("its `metric` is `{metric}`, which a {said} does not have"))
}

/// What labels are compared with: the entities of the records and the range of their times.
struct Seen {
    entities: Arc<Entities>,
    first: SimTime,
    last: SimTime,
}

impl Seen {
    /// Reads a whole file, one batch at a time.
    fn of(path: &Path, schema: &Arc<Schema>) -> Result<Seen, RecordingError> {
        let entities = Arc::new(Entities::new(Arc::clone(schema)));
        let mut seen = Seen { entities, first: SimTime(i64::MAX), last: SimTime(i64::MIN) };
        for batch in lines_of(path, schema)? {
            let batch = batch?;
            for row in batch.rows() {
                let moment = row.timestamp();
                (seen.first, seen.last) = (seen.first.min(moment), seen.last.max(moment));
            }
            // Each batch contains the names of all batches before it.
            seen.entities = Arc::clone(batch.entities());
        }
        Ok(seen)
    }

    fn names(&self) -> Names<'_> {
        self.entities.types().flat_map(|(id, tags)| tags.names().map(move |name| (name, id))).collect()
    }

    /// Returns the incidents that end before the first record or begin after the last one. A single label row may be
    /// outside: a shard has all labels of the incidents that begin in it.
    fn outside<'a>(&self, labels: &'a [Label]) -> BTreeMap<&'a str, String> {
        let mut spans: BTreeMap<&str, (SimTime, SimTime)> = BTreeMap::new();
        for label in labels {
            let (start, end) =
                (label.cause_start.min(label.effect_start), label.cause_end.max(label.effect_end));
            let (from, to) = spans.entry(&label.incident_id).or_insert((start, end));
            (*from, *to) = (start.min(*from), end.max(*to));
        }
        let (first, last) = (self.first, self.last);
        let is_outside = |(_, (from, to)): &(&str, (SimTime, SimTime))| *from > last || *to <= first;
        let words = |(id, (from, to))| {
            (
                id,
                format!(
                    "incident `{id}` lasts from {from} to {to}, but the records are from {first} to {last}"
                ),
            )
        };
        spans.into_iter().filter(is_outside).map(words).collect()
    }
}
