//! Whether labels without a manifest fit the records of their file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::error::RecordingError;
use super::read::lines_of;
use crate::batch::Entities;
use crate::label::Label;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// All that labels can't be of these records for, each with its line. The labels file has a line for each.
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
            Some(first) => add(format!("it is equal to line {first}")),
            None => drop(lines.insert(text, line)),
        }
        // Once for each incident.
        outside.remove(&*label.incident_id).into_iter().for_each(add);
    }
    Ok(mistakes)
}

/// Intervals that end before they start. An empty one is no mistake: they are half-open.
fn reversed(label: &Label) -> impl Iterator<Item = String> {
    let intervals =
        [("cause", label.cause_start, label.cause_end), ("effect", label.effect_start, label.effect_end)];
    intervals
        .into_iter()
        .filter(|(_, start, end)| end < start)
        .map(|(what, start, end)| format!("its `{what}_end` {end} is before its `{what}_start` {start}"))
}

/// The entities with records, and what kind of entity each is. A server and a service may share a name.
type Names<'a> = BTreeSet<(&'a str, TypeId)>;

/// What is wrong with the entity of a label, its type and its metric.
fn wrong_entity(label: &Label, schema: &Schema, names: &Names<'_>) -> Option<String> {
    let (entity, said) = (&*label.entity, &*label.entity_type);
    let has = |id: &TypeId| names.contains(&(entity, *id));
    let Some(first) = schema.ids().find(has) else {
        return Some(format!("`{entity}` has no record"));
    };
    let Some(id) = schema.ids().filter(has).find(|id| schema[*id].name() == said) else {
        let is = schema[first].name();
        return Some(format!("`{entity}` is a {is}, and its `entity_type` is `{said}`"));
    };
    let metric = label.metric.name();
    let has_metric = schema[id].metrics().iter().any(|it| it.name() == metric);
    (!has_metric).then(|| format!("its `metric` is `{metric}`, which a {said} does not have"))
}

/// What labels can be compared with: which entities a file has records of, and from when to when.
struct Seen {
    entities: Arc<Entities>,
    first: SimTime,
    last: SimTime,
}

impl Seen {
    /// Reads all of a file, a batch at a time.
    fn of(path: &Path, schema: &Arc<Schema>) -> Result<Seen, RecordingError> {
        let entities = Arc::new(Entities::new(Arc::clone(schema)));
        let mut seen = Seen { entities, first: SimTime(i64::MAX), last: SimTime(i64::MIN) };
        for batch in lines_of(path, schema)? {
            let batch = batch?;
            for row in batch.rows() {
                let moment = row.timestamp();
                (seen.first, seen.last) = (seen.first.min(moment), seen.last.max(moment));
            }
            // Each batch has the names of all before it.
            seen.entities = Arc::clone(batch.entities());
        }
        Ok(seen)
    }

    fn names(&self) -> Names<'_> {
        self.entities.types().flat_map(|(id, tags)| tags.names().map(move |name| (name, id))).collect()
    }

    /// The incidents that were over before the first record or began after the last. A single row of an incident may
    /// well be: a shard has the labels of what begins in it.
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
            (id, format!("`{id}` is from {from} to {to}, and the records are from {first} to {last}"))
        };
        spans.into_iter().filter(is_outside).map(words).collect()
    }
}
