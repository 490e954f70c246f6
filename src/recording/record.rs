//! One record of any format → a row of its table.

use super::merge::Names;
use crate::batch::{Metric, RecordType, Table};
use crate::time::SimTime;

/// The fields of a record, as its format has them. `column` counts from 0 in the order of `RecordType::columns`.
pub(super) trait Fields {
    /// The event time.
    fn timestamp(&self) -> Result<SimTime, String>;

    /// A text that is not empty.
    fn text(&self, column: usize, name: &str) -> Result<&str, String>;

    /// A stored number; `NULL` for a missing one.
    fn number(&self, column: usize, metric: Metric) -> Result<i64, String>;
}

/// The first column behind `type` and `timestamp`.
pub(super) const FIRST_TAG: usize = 2;

/// Appends records to tables, and collects the names of their entities.
#[derive(Debug)]
pub(super) struct RecordReader {
    pub(super) names: Names,
    /// By record type: the entity that most likely follows, since rows come in the fleet's order.
    next: Vec<u32>,
}

impl RecordReader {
    pub(super) fn new() -> RecordReader {
        RecordReader { names: Names::default(), next: vec![0; RecordType::ALL.len()] }
    }

    /// Appends a record to the table of its type.
    ///
    /// # Errors
    /// The first field that is wrong. The table is then of no use.
    pub(super) fn append(
        &mut self,
        record: RecordType,
        fields: &impl Fields,
        table: &mut Table,
    ) -> Result<(), String> {
        table.timestamp.push(fields.timestamp()?);
        table.entity.push(self.entity(record, fields)?);
        let first = FIRST_TAG + record.tags().len();
        for ((index, metric), column) in (first..).zip(record.metrics()).zip(&mut table.columns) {
            column.push(fields.number(index, *metric)?);
        }
        let first = first + record.metrics().len();
        for ((index, column), codes) in (first..).zip(record.enums()).zip(&mut table.enums) {
            let value = fields.text(index, column.name)?;
            let unknown = || format!("no {} is called `{}`", column.name, value.escape_debug());
            codes.push(column.index_of(value).ok_or_else(unknown)?);
        }
        Ok(())
    }

    fn entity(&mut self, record: RecordType, fields: &impl Fields) -> Result<u32, String> {
        let next = &mut self.next[record as usize];
        let known = self.names.of(record);
        let mut is_next = (*next as usize) < known.len();
        for (tag, (name, _)) in record.tags().iter().enumerate() {
            let text = fields.text(FIRST_TAG + tag, name)?;
            is_next = is_next && known.tag(tag, *next) == text;
        }
        let entity = match is_next {
            true => *next,
            false => {
                let text = |(tag, (name, _)): (usize, &(&str, &str))| fields.text(FIRST_TAG + tag, name);
                let tags: Result<Vec<&str>, String> = record.tags().iter().enumerate().map(text).collect();
                self.names.entity(record, &tags?)?
            }
        };
        *next = entity + 1;
        Ok(entity)
    }
}
