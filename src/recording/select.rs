//! Filters the rows of a recording by time, entity, field and incident.

use std::collections::BTreeMap;

use super::error::RecordingError;
use crate::batch::{Batch, Row};
use crate::glob;
use crate::label::Label;
use crate::schema::{EntityType, Schema, TypeId};
use crate::time::SimTime;

/// Selects the rows of a recording that meet all of these conditions.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Rows at or after this event time.
    pub from: Option<SimTime>,
    /// Rows before this event time.
    pub to: Option<SimTime>,
    /// Rows of this entity type.
    pub entity_type: Option<TypeId>,
    /// Rows of entities that match one of these names or patterns, such as `srv-00*`. If the list is empty, all
    /// entities match.
    pub entities: Vec<String>,
    /// Rows that match all of these field conditions.
    pub only: Vec<Only>,
    /// Rows of entities that an incident affected, from its first effect on the entity until its last. A row must match
    /// at least one incident of each list.
    pub incidents: Vec<Vec<String>>,
}

/// Selects rows by the value of a field, which must match one of the patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The field.
    pub field: Field,
    /// Patterns, such as `srv-00*`.
    pub values: Vec<String>,
}

/// A text field by which rows can be selected: `type`, or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    /// By entity type: the column of the field, if the type has it.
    columns: Vec<Option<Column>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Type,
    Tag(usize),
}

const TYPE: &str = "type";

impl Field {
    /// Returns the names of all fields.
    pub fn names(schema: &Schema) -> Vec<&str> {
        let mut names = vec![TYPE];
        for tag in schema.types().iter().flat_map(|it| it.tags()) {
            if !names.contains(&tag.name()) {
                names.push(tag.name());
            }
        }
        names
    }

    /// Returns the field with this name.
    pub fn named(schema: &Schema, name: &str) -> Option<Field> {
        let column = |entity_type: &EntityType| match name {
            TYPE => Some(Column::Type),
            _ => entity_type.tags().iter().position(|tag| tag.name() == name).map(Column::Tag),
        };
        let columns: Vec<Option<Column>> = schema.types().iter().map(column).collect();
        columns.iter().any(Option::is_some).then_some(Field { name: name.into(), columns })
    }

    /// Returns the name of the field in records.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the field's value in a row, if the row has the field.
    fn of<'a>(&self, row: &Row<'a>) -> Option<&'a str> {
        match self.columns[row.type_id().index()]? {
            Column::Type => Some(row.entity_type().record()),
            Column::Tag(tag) => row.tags().nth(tag),
        }
    }
}

impl Only {
    fn matches(&self, value: &str) -> bool {
        self.values.iter().any(|pattern| glob::matches(pattern, value))
    }
}

impl Selection {
    /// Whether the selection contains every row.
    pub fn is_all(&self) -> bool {
        let Selection { from, to, entity_type, entities, only, incidents } = self;
        from.is_none()
            && to.is_none()
            && entity_type.is_none()
            && entities.is_empty()
            && only.is_empty()
            && incidents.is_empty()
    }
}

/// A selection together with the effects of its incidents.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
    pub(super) entity_type: Option<TypeId>,
    entities: Vec<String>,
    only: Vec<Only>,
    /// The effects of each list of incidents. A row must match one effect of each list.
    effects: Vec<Vec<Effect>>,
}

/// An entity, the start of an incident's first effect on it, and the end of the last one.
type Effect = (String, SimTime, SimTime);

impl Filter {
    pub(super) fn new(selection: &Selection, schema: &Schema, labels: &[Label]) -> Filter {
        let mut filter = Filter {
            from: selection.from.unwrap_or(SimTime(i64::MIN)),
            to: selection.to.unwrap_or(SimTime(i64::MAX)),
            entity_type: selection.entity_type.or_else(|| the_only_type(&selection.only, schema)),
            entities: selection.entities.clone(),
            only: selection.only.clone(),
            effects: Vec::new(),
        };
        for incidents in &selection.incidents {
            // By incident and entity.
            let mut effects: BTreeMap<(&str, &str), (SimTime, SimTime)> = BTreeMap::new();
            let is_wanted =
                |label: &&Label| incidents.iter().any(|pattern| glob::matches(pattern, &label.incident_id));
            for label in labels.iter().filter(is_wanted) {
                let its = (label.effect_start, label.effect_end);
                let (from, to) = effects.entry((&label.incident_id, &label.entity)).or_insert(its);
                (*from, *to) = (its.0.min(*from), its.1.max(*to));
            }
            filter.from = effects.values().map(|(from, _)| *from).min().unwrap_or(filter.to).max(filter.from);
            filter.to = effects.values().map(|(_, to)| *to).max().unwrap_or(filter.from).min(filter.to);
            let effect = |((_, entity), (from, to)): ((&str, &str), _)| (entity.to_string(), from, to);
            filter.effects.push(effects.into_iter().map(effect).collect());
        }
        filter
    }

    /// Whether a row group with these first and last event times may contain a selected row.
    #[cfg(feature = "parquet")]
    pub(super) fn may_hold(&self, first: SimTime, last: SimTime) -> bool {
        first < self.to && last >= self.from
    }

    fn passes(&self, row: &Row<'_>) -> bool {
        let moment = row.timestamp();
        if !(self.from..self.to).contains(&moment) || self.entity_type.is_some_and(|id| id != row.type_id()) {
            return false;
        }
        let name = row.name();
        let is_named = self.entities.is_empty() || self.entities.iter().any(|glob| glob::matches(glob, name));
        let has = |only: &Only| only.field.of(row).is_some_and(|value| only.matches(value));
        let is_hit = |(entity, from, to): &Effect| entity == name && (*from..*to).contains(&moment);
        is_named && self.only.iter().all(has) && self.effects.iter().all(|one| one.iter().any(is_hit))
    }
}

/// Returns the entity type, if exactly one matches the `type` patterns.
fn the_only_type(only: &[Only], schema: &Schema) -> Option<TypeId> {
    let passes = |id: &TypeId| {
        let record = schema[*id].record();
        only.iter().filter(|only| only.field.name() == TYPE).all(|only| only.matches(record))
    };
    let mut left = schema.ids().filter(passes);
    left.next().filter(|_| left.next().is_none())
}

/// Passes on batches with only the selected rows. In a sorted recording, it ends with the first batch that begins after
/// the last selected row.
pub(super) struct Filtered<I> {
    pub(super) batches: I,
    pub(super) filter: Filter,
    /// Whether the rows are sorted by time, so that no selected row follows one that is too late.
    pub(super) is_sorted: bool,
    pub(super) is_over: bool,
}

impl<I: Iterator<Item = Result<Batch, RecordingError>>> Iterator for Filtered<I> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            let batch = match self.batches.next()? {
                Ok(batch) => batch,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            };
            self.is_over = self.is_sorted
                && batch.rows().next().is_some_and(|first| first.timestamp() >= self.filter.to);
            let rows = batch.filter(|row| self.filter.passes(row));
            if rows.num_rows() > 0 {
                return Some(Ok(rows));
            }
        }
        None
    }
}

#[cfg(all(test, feature = "parquet"))]
mod tests {
    use super::*;

    #[test]
    fn a_row_group_is_skipped_only_if_it_is_outside() {
        let selection =
            Selection { from: Some(SimTime(100)), to: Some(SimTime(200)), ..Selection::default() };
        let filter = Filter::new(&selection, &Schema::new([]), &[]);
        for (first, last, may_hold) in
            [(0, 99, false), (0, 100, true), (150, 160, true), (199, 300, true), (200, 300, false)]
        {
            assert_eq!(filter.may_hold(SimTime(first), SimTime(last)), may_hold, "{first} to {last}");
        }
    }
}
