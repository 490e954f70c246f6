//! Builds batches: appends rows one by one, as copies, or as one row per entity to be filled in.

use std::ops::Range;
use std::sync::Arc;

use super::{Batch, Entities, Row, Segment, Table, TagColumns};
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// Collects the rows of a [`Batch`] in stream order.
///
/// ```
/// use std::sync::Arc;
/// use reenact::batch::{BatchBuilder, Entities};
/// use reenact::schema::{EntityType, Metric, Schema};
/// use reenact::time::SimTime;
/// let pump = EntityType::new("pump", "pump_metric").tag("pump_id", "the pump");
/// let schema = Arc::new(Schema::new([pump.metric(Metric::new("flow_lps", "l/s", 1, "what it delivers"))]));
/// let pump = schema.type_named("pump").unwrap();
/// let mut entities = Entities::new(schema.clone());
/// entities.of_mut(pump).push(["pump-001"]);
/// let mut rows = BatchBuilder::new(&schema);
/// rows.push(pump, SimTime(0), 0, [425], []);
/// let batch = rows.build(Arc::new(entities));
/// let row = batch.rows().next().unwrap();
/// assert_eq!((row.name(), row.get(schema.metric_named("flow_lps").unwrap())), ("pump-001", Some(42.5)));
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    tables: Vec<Table>,
    segments: Vec<Segment>,
    rows: usize,
}

/// The columns of rows that were just added, to be filled in.
#[derive(Debug)]
pub struct Columns<'a> {
    table: &'a mut Table,
    first: usize,
}

impl Columns<'_> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.table.num_rows() - self.first
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the stored values of each metric, and the values of each text column as indices. Both have the order of
    /// the columns in the entity type.
    pub fn all(&mut self) -> (impl Iterator<Item = &mut [i64]>, impl Iterator<Item = &mut [u8]>) {
        let first = self.first;
        let numbers = self.table.numbers.iter_mut().map(move |column| &mut column[first..]);
        (numbers, self.table.enums.iter_mut().map(move |column| &mut column[first..]))
    }
}

impl BatchBuilder {
    /// Creates a builder without rows.
    pub fn new(schema: &Schema) -> BatchBuilder {
        BatchBuilder::with_capacity(schema, |_| 0)
    }

    /// Creates a builder without rows, with memory for this number of rows of each entity type.
    pub fn with_capacity(schema: &Schema, rows: impl Fn(TypeId) -> usize) -> BatchBuilder {
        let tables = schema.ids().map(|id| Table::with_capacity(&schema[id], rows(id))).collect();
        BatchBuilder { tables, segments: Vec::new(), rows: 0 }
    }

    /// The number of rows of all types so far.
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// Appends a row: its event time, the index of its entity, its stored values, and the indices of its text values.
    ///
    /// # Panics
    /// If the row does not have exactly one value for each metric and each text column of its type.
    pub fn push(
        &mut self,
        id: TypeId,
        timestamp: SimTime,
        entity: u32,
        numbers: impl IntoIterator<Item = i64, IntoIter: ExactSizeIterator>,
        enums: impl IntoIterator<Item = u8>,
    ) {
        let table = &mut self.tables[id.index()];
        table.timestamps.push(timestamp);
        table.entities.push(entity);
        let numbers = numbers.into_iter();
        assert_eq!(numbers.len(), table.numbers.len(), "a value for each metric");
        table.numbers.iter_mut().zip(numbers).for_each(|(column, value)| column.push(value));
        let mut enums = enums.into_iter();
        for column in &mut table.enums {
            column.push(enums.next().expect("a value for each text column"));
        }
        assert!(enums.next().is_none(), "a text column for each value");
        self.note(id, 1);
    }

    /// Appends one row for each entity in a range, all with the same event time. Their values are 0 until they are
    /// filled in.
    pub fn begin(&mut self, id: TypeId, timestamp: SimTime, entities: Range<u32>) -> Columns<'_> {
        self.note(id, entities.len());
        let table = &mut self.tables[id.index()];
        let first = table.num_rows();
        let rows = first + entities.len();
        table.timestamps.resize(rows, timestamp);
        table.entities.extend(entities);
        table.numbers.iter_mut().for_each(|column| column.resize(rows, 0));
        table.enums.iter_mut().for_each(|column| column.resize(rows, 0));
        Columns { table, first }
    }

    /// Appends a copy of a row of a batch with the same schema.
    pub fn append(&mut self, row: &Row<'_>) {
        self.push(row.type_id(), row.timestamp(), row.entity(), row.values(), row.codes());
    }

    /// Appends copies of a range of rows from a table. The table must belong to a batch with the same schema.
    pub fn extend(&mut self, id: TypeId, from: &Table, rows: Range<usize>) {
        let table = &mut self.tables[id.index()];
        table.timestamps.extend_from_slice(&from.timestamps[rows.clone()]);
        table.entities.extend_from_slice(&from.entities[rows.clone()]);
        for (to, from) in table.numbers.iter_mut().zip(&from.numbers) {
            to.extend_from_slice(&from[rows.clone()]);
        }
        for (to, from) in table.enums.iter_mut().zip(&from.enums) {
            to.extend_from_slice(&from[rows.clone()]);
        }
        self.note(id, rows.len());
    }

    /// Builds a batch of these rows. `entities` contains the entities of the rows.
    ///
    /// # Panics
    /// If the entities have a different number of types.
    pub fn build(self, entities: Arc<Entities>) -> Batch {
        assert_eq!(self.tables.len(), entities.schema().len(), "the entities have the schema of the rows");
        let is_there = |(table, (_, tags)): (&Table, (TypeId, &TagColumns))| {
            table.entities.iter().all(|entity| (*entity as usize) < tags.len())
        };
        debug_assert!(self.tables.iter().zip(entities.types()).all(is_there), "each row has an entity");
        Batch { entities, tables: self.tables, segments: self.segments }
    }

    /// Notes that the next rows on the stream are of this type.
    fn note(&mut self, id: TypeId, rows: usize) {
        self.rows += rows;
        match self.segments.last_mut() {
            Some(last) if last.id == id => last.rows += rows as u32,
            _ if rows > 0 => self.segments.push(Segment { id, rows: rows as u32 }),
            _ => {}
        }
    }
}
