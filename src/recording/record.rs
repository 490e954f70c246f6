//! Reads one record of a text format as a row.

use std::sync::Arc;

use super::merge::{Names, ROWS};
use crate::batch::{Batch, BatchBuilder, NULL, read_decimal};
use crate::schema::{Metric, Schema, TypeId};
use crate::time::SimTime;

/// The fields of a record in a text format. `column` counts from 0 in the order of `EntityType::columns`.
pub(super) trait Fields {
    /// Returns the event time.
    fn timestamp(&self) -> Result<SimTime, String>;

    /// Returns a text that is not empty.
    fn text(&self, column: usize, name: &str) -> Result<&str, String>;

    /// Returns the text of a number; `None` if the value is missing.
    fn number(&self, column: usize, name: &str) -> Result<Option<&str>, String>;
}

/// The index of the first column after `type` and `timestamp`.
const FIRST_TAG: usize = 2;

/// Reads records as rows, and collects the names of their entities.
#[derive(Debug)]
pub(super) struct RecordReader {
    names: Names,
    /// By entity type: the entity that is expected next, since rows come in the order of the fleet.
    next: Vec<u32>,
    rows: BatchBuilder,
    /// The only type that it reads; `None` if it reads all types.
    only: Option<TypeId>,
    /// Buffers for the values of one row.
    numbers: Vec<i64>,
    enums: Vec<u8>,
}

impl RecordReader {
    /// Creates a reader of the records of all types, or of only one.
    pub(super) fn new(schema: &Arc<Schema>, only: Option<TypeId>) -> RecordReader {
        RecordReader {
            only,
            names: Names::new(schema),
            next: vec![0; schema.len()],
            rows: room(schema, only),
            numbers: Vec::new(),
            enums: Vec::new(),
        }
    }

    pub(super) fn schema(&self) -> &Arc<Schema> {
        self.names.schema()
    }

    /// Returns the number of rows that `take` would return.
    pub(super) fn num_rows(&self) -> usize {
        self.rows.num_rows()
    }

    /// Returns the rows read so far; `None` if there are none.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let rows = std::mem::replace(&mut self.rows, room(self.names.schema(), self.only));
        (rows.num_rows() > 0).then(|| rows.build(self.names.entities()))
    }

    /// Appends a record as a row.
    ///
    /// # Errors
    /// If a field is not valid. The error names the first one.
    pub(super) fn append(&mut self, id: TypeId, fields: &impl Fields) -> Result<(), String> {
        let timestamp = fields.timestamp()?;
        let entity = self.entity(id, fields)?;
        let entity_type = &self.names.schema()[id];
        let first = FIRST_TAG + entity_type.tags().len();
        self.numbers.clear();
        for (index, metric) in (first..).zip(entity_type.metrics()) {
            self.numbers.push(number(fields, index, metric)?);
        }
        let first = first + entity_type.metrics().len();
        self.enums.clear();
        for (index, column) in (first..).zip(entity_type.enums()) {
            let value = fields.text(index, column.name())?;
            self.enums.push(column.index_of(value).ok_or_else(|| column.unknown(value))?);
        }
        self.rows.push(id, timestamp, entity, self.numbers.iter().copied(), self.enums.iter().copied());
        Ok(())
    }

    fn entity(&mut self, id: TypeId, fields: &impl Fields) -> Result<u32, String> {
        let next = &mut self.next[id.index()];
        let known = self.names.of(id);
        let tags = self.names.schema()[id].tags();
        let mut is_next = (*next as usize) < known.len();
        for (tag, column) in tags.iter().enumerate() {
            let text = fields.text(FIRST_TAG + tag, column.name())?;
            is_next = is_next && known.tag(tag, *next) == text;
        }
        let entity = match is_next {
            true => *next,
            false => {
                let texts = tags.iter().enumerate().map(|(tag, it)| fields.text(FIRST_TAG + tag, it.name()));
                let texts: Result<Vec<&str>, String> = texts.collect();
                self.names.entity(id, &texts?)?
            }
        };
        *next = entity + 1;
        Ok(entity)
    }
}

/// Allocates space for the rows of one batch.
fn room(schema: &Schema, only: Option<TypeId>) -> BatchBuilder {
    BatchBuilder::with_capacity(schema, |id| if only.is_none_or(|only| only == id) { ROWS } else { 0 })
}

fn number(fields: &impl Fields, column: usize, metric: &Metric) -> Result<i64, String> {
    let (name, decimals) = (metric.name(), metric.decimals());
    let Some(text) = fields.number(column, name)? else { return Ok(NULL) };
    read_decimal(text, decimals)
        .ok_or_else(|| format!("its `{name}` is not a number with {decimals} decimals"))
}
