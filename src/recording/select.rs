use super::error::RecordingError;
use crate::batch::{Batch, RecordType, Row};
use crate::glob;
use crate::label::Label;
use crate::time::SimTime;

/// Which rows of a recording are wanted: those that pass everything that is said here.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// At or after this event time.
    pub from: Option<SimTime>,
    /// Before this one.
    pub to: Option<SimTime>,
    /// Of this record type.
    pub record: Option<RecordType>,
    /// Of entities that match one of these names, `srv-00*` too; all where there is none.
    pub entities: Vec<String>,
    /// Of entities that one of these incidents changed, from its first effect on an entity to its last.
    pub incidents: Vec<String>,
}

impl Selection {
    /// Whether every row passes.
    pub fn is_all(&self) -> bool {
        let Selection { from, to, record, entities, incidents } = self;
        from.is_none() && to.is_none() && record.is_none() && entities.is_empty() && incidents.is_empty()
    }
}

/// A selection with the effects of its incidents.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
    pub(super) record: Option<RecordType>,
    entities: Vec<String>,
    /// (entity, first effect, end of the last one); none where incidents do not matter.
    effects: Option<Vec<(String, SimTime, SimTime)>>,
}

impl Filter {
    pub(super) fn new(selection: &Selection, labels: &[Label]) -> Filter {
        let mut filter = Filter {
            from: selection.from.unwrap_or(SimTime(i64::MIN)),
            to: selection.to.unwrap_or(SimTime(i64::MAX)),
            record: selection.record,
            entities: selection.entities.clone(),
            effects: None,
        };
        if !selection.incidents.is_empty() {
            let is_wanted = |label: &&Label| selection.incidents.contains(&label.incident_id);
            let mut effects: Vec<(String, SimTime, SimTime)> = Vec::new();
            for label in labels.iter().filter(is_wanted) {
                match effects.iter_mut().find(|(entity, ..)| *entity == label.entity) {
                    Some((_, from, to)) => {
                        *from = label.effect_start.min(*from);
                        *to = label.effect_end.max(*to);
                    }
                    None => effects.push((label.entity.clone(), label.effect_start, label.effect_end)),
                }
            }
            filter.from =
                effects.iter().map(|(_, from, _)| *from).min().unwrap_or(filter.to).max(filter.from);
            filter.to = effects.iter().map(|(.., to)| *to).max().unwrap_or(filter.from).min(filter.to);
            filter.effects = Some(effects);
        }
        filter
    }

    /// Whether a row group with these first and last event times may hold a wanted row.
    #[cfg(feature = "parquet")]
    pub(super) fn may_hold(&self, first: SimTime, last: SimTime) -> bool {
        first < self.to && last >= self.from
    }

    fn passes(&self, batch: &Batch, row: &Row<'_>) -> bool {
        let moment = row.timestamp();
        if !(self.from..self.to).contains(&moment) || self.record.is_some_and(|record| record != row.record) {
            return false;
        }
        let name = batch.entity_name(row);
        let is_named = self.entities.is_empty() || self.entities.iter().any(|glob| glob::matches(glob, name));
        let is_hit = |(entity, from, to): &(String, SimTime, SimTime)| {
            entity == name && (*from..*to).contains(&moment)
        };
        is_named && self.effects.as_ref().is_none_or(|effects| effects.iter().any(is_hit))
    }

    /// The rows of a batch that pass.
    fn rows_of(&self, batch: &Batch) -> Batch {
        let rows = batch.num_rows();
        let mut out = Batch::with_capacity(batch.entities.clone(), rows, rows);
        batch.rows().filter(|row| self.passes(batch, row)).for_each(|row| out.append_row(&row));
        out
    }
}

/// Batches with the rows that pass; ends with the first batch that begins after the last of them.
pub(super) struct Filtered<I> {
    pub(super) batches: I,
    pub(super) filter: Filter,
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
            self.is_over = batch.rows().next().is_some_and(|first| first.timestamp() >= self.filter.to);
            let rows = self.filter.rows_of(&batch);
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
    fn a_row_group_is_left_out_only_if_it_lies_outside() {
        let selection =
            Selection { from: Some(SimTime(100)), to: Some(SimTime(200)), ..Selection::default() };
        let filter = Filter::new(&selection, &[]);
        for (first, last, may_hold) in
            [(0, 99, false), (0, 100, true), (150, 160, true), (199, 300, true), (200, 300, false)]
        {
            assert_eq!(filter.may_hold(SimTime(first), SimTime(last)), may_hold, "{first} to {last}");
        }
    }
}
