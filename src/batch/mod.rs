//! Rows of all entity types, stored by column. The engine produces them, and every output takes them.
//!
//! A number is stored as value × 10^decimals. The engine rounds it once, so that all formats contain the same number.
//! Each entity type has a table. Segments record the order of the rows on the stream.

mod builder;
mod decimal;
mod entities;
mod times;

use std::sync::Arc;

pub use builder::{BatchBuilder, Columns};
pub use decimal::{decimal_text, read_decimal, read_short_decimal, write_decimal};
pub use entities::{Entities, TagColumns};

use crate::schema::{EntityType, MetricId, Schema, TypeId};
use crate::time::SimTime;

/// The stored value that marks a missing number.
pub const NULL: i64 = i64::MIN;

/// Rows of one entity type, by column.
// Invariant: all columns have the same length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    timestamps: Vec<SimTime>,
    entities: Vec<u32>,
    numbers: Vec<Vec<i64>>,
    enums: Vec<Vec<u8>>,
}

impl Table {
    /// Creates a table from its columns: event times, indices of entities, the stored values of each metric, and the
    /// value indices of each text column.
    ///
    /// # Panics
    /// If the columns have different lengths.
    pub fn new(
        timestamps: Vec<SimTime>,
        entities: Vec<u32>,
        numbers: Vec<Vec<i64>>,
        enums: Vec<Vec<u8>>,
    ) -> Table {
        let rows = timestamps.len();
        let is_whole = numbers.iter().all(|column| column.len() == rows)
            && enums.iter().all(|column| column.len() == rows)
            && entities.len() == rows;
        assert!(is_whole, "all columns have one value a row");
        Table { timestamps, entities, numbers, enums }
    }

    fn with_capacity(entity_type: &EntityType, rows: usize) -> Table {
        Table {
            timestamps: Vec::with_capacity(rows),
            entities: Vec::with_capacity(rows),
            numbers: entity_type.metrics().iter().map(|_| Vec::with_capacity(rows)).collect(),
            enums: entity_type.enums().iter().map(|_| Vec::with_capacity(rows)).collect(),
        }
    }

    /// The number of rows.
    pub fn num_rows(&self) -> usize {
        self.timestamps.len()
    }

    /// The event time of each row.
    pub fn timestamps(&self) -> &[SimTime] {
        &self.timestamps
    }

    /// The entity of each row, as an index in [`Entities`].
    pub fn entities(&self) -> &[u32] {
        &self.entities
    }

    /// The stored values of each metric, in the order of the metrics in the entity type. A missing value is [`NULL`].
    pub fn numbers(&self) -> &[Vec<i64>] {
        &self.numbers
    }

    /// The values of each text column as indices, in the order of the text columns in the entity type.
    pub fn enums(&self) -> &[Vec<u8>] {
        &self.enums
    }
}

/// Rows of one entity type that follow each other on the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    id: TypeId,
    rows: u32,
}

/// A piece of the stream. A [`BatchBuilder`] creates it.
// Invariant: for each entity type, the rows of its segments add up to the rows of its table. The entity of each row is
// in `entities`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    entities: Arc<Entities>,
    /// The rows of each entity type in stream order.
    tables: Vec<Table>,
    /// How the rows of the entity types interleave.
    segments: Vec<Segment>,
}

/// One row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    batch: &'a Batch,
    table: &'a Table,
    id: TypeId,
    index: usize,
}

impl<'a> Row<'a> {
    /// The id of its entity type.
    pub fn type_id(&self) -> TypeId {
        self.id
    }

    /// Its entity type.
    pub fn entity_type(&self) -> &'a EntityType {
        &self.batch.schema()[self.id]
    }

    /// The event time.
    pub fn timestamp(&self) -> SimTime {
        self.table.timestamps[self.index]
    }

    /// The index of the entity among the entities of its type.
    pub fn entity(&self) -> u32 {
        self.table.entities[self.index]
    }

    /// The entity's name: the key of the row on the stream.
    pub fn name(&self) -> &'a str {
        self.batch.entities.name(self.id, self.entity())
    }

    /// The entity's tags, its name first.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.batch.entities.of(self.id).tags(self.entity())
    }

    /// The stored value of a metric. `column` is the position of the metric in the entity type.
    #[inline]
    pub fn value(&self, column: usize) -> i64 {
        self.table.numbers[column][self.index]
    }

    /// The stored values of all metrics, in the order of the entity type.
    pub fn values(&self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        let index = self.index;
        self.table.numbers.iter().map(move |column| column[index])
    }

    /// Returns the value of a metric in its unit; `None` if the value is missing or the metric belongs to another
    /// entity type.
    ///
    /// ```
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let batch = run.batches().next().unwrap();
    /// let [cpu, queue] = ["cpu_usage_percent", "queue_depth"].map(|name| batch.schema().metric_named(name).unwrap());
    /// let first = batch.rows().next().unwrap();
    /// assert_eq!(first.name(), "srv-001");
    /// assert!((0.0..=100.0).contains(&first.get(cpu).unwrap()));
    /// assert_eq!(first.get(queue), None);
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn get(&self, metric: MetricId) -> Option<f64> {
        if metric.entity_type() != self.id {
            return None;
        }
        let value = Some(self.value(metric.column())).filter(|value| *value != NULL)?;
        Some(value as f64 / self.batch.schema()[metric].units() as f64)
    }

    /// The values of its text columns as indices, in the order of the entity type.
    pub fn codes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let index = self.index;
        self.table.enums.iter().map(move |column| column[index])
    }

    /// The values of its text columns, in the order of the entity type.
    pub fn enums(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let columns = self.entity_type().enums().iter().zip(self.codes());
        columns.map(|(column, code)| &*column.values()[usize::from(code)])
    }
}

impl Row<'_> {
    /// Returns a batch that contains only this row.
    #[must_use]
    pub fn alone(&self) -> Batch {
        let mut one = BatchBuilder::new(self.batch.schema());
        one.append(self);
        one.build(Arc::clone(&self.batch.entities))
    }
}

impl Batch {
    /// Creates a batch of the rows of one entity type.
    pub fn of_table(id: TypeId, table: Table, entities: Arc<Entities>) -> Batch {
        let schema = entities.schema();
        let mut tables: Vec<Table> = schema.types().iter().map(|it| Table::with_capacity(it, 0)).collect();
        let segments = vec![Segment { id, rows: table.num_rows() as u32 }];
        tables[id.index()] = table;
        Batch { entities, tables, segments }
    }

    /// The entity types of its rows, and their columns.
    pub fn schema(&self) -> &Arc<Schema> {
        self.entities.schema()
    }

    /// The names and tags that the entity indices refer to.
    pub fn entities(&self) -> &Arc<Entities> {
        &self.entities
    }

    /// The rows of an entity type.
    pub fn table(&self, id: TypeId) -> &Table {
        &self.tables[id.index()]
    }

    /// The number of rows of all types.
    pub fn num_rows(&self) -> usize {
        self.tables.iter().map(Table::num_rows).sum()
    }

    /// The rows in stream order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut next = vec![0; self.tables.len()];
        self.segments.iter().flat_map(move |Segment { id, rows }| {
            let slot = &mut next[id.index()];
            let begin = *slot;
            *slot += *rows as usize;
            let table = &self.tables[id.index()];
            (begin..*slot).map(move |index| Row { batch: self, table, id: *id, index })
        })
    }

    /// The rows of one entity type, in stream order.
    pub fn rows_of(&self, id: TypeId) -> impl Iterator<Item = Row<'_>> {
        let table = self.table(id);
        (0..table.num_rows()).map(move |index| Row { batch: self, table, id, index })
    }

    /// Returns a batch of the rows for which `is_wanted` returns `true`, in the same order.
    #[must_use]
    pub fn filter(&self, mut is_wanted: impl FnMut(&Row<'_>) -> bool) -> Batch {
        let mut some = BatchBuilder::new(self.schema());
        self.rows().filter(|row| is_wanted(row)).for_each(|row| some.append(&row));
        some.build(Arc::clone(&self.entities))
    }
}
