//! Rows of all entity types by column: what leaves the engine, and what every output takes.
//!
//! A number is stored as value × 10^decimals, rounded once in the engine, so that each format carries the same one. Each
//! entity type has a table; segments give the order of their rows on the stream.

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

/// The value of a missing number in a column.
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
    /// These columns: times, entities by index, stored values by metric, and codes by text column.
    ///
    /// # Panics
    /// If they have different lengths.
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

    /// The entity of each row, by its index in [`Entities`].
    pub fn entities(&self) -> &[u32] {
        &self.entities
    }

    /// The stored values of each metric, in the order of the entity type's; [`NULL`] for a missing one.
    pub fn numbers(&self) -> &[Vec<i64>] {
        &self.numbers
    }

    /// The values of each text column, in the order of the entity type's, as indices.
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

/// A piece of the stream. A [`BatchBuilder`] makes it.
// Invariant: the rows of `segments` add up to those of each table, and each row's entity is one of `entities`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    entities: Arc<Entities>,
    /// The rows of each entity type in stream order.
    tables: Vec<Table>,
    /// How they interleave.
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

    /// Event time.
    pub fn timestamp(&self) -> SimTime {
        self.table.timestamps[self.index]
    }

    /// The entity's index among those of its type.
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

    /// The stored value of a metric of its type, by the metric's place there.
    #[inline]
    pub fn value(&self, column: usize) -> i64 {
        self.table.numbers[column][self.index]
    }

    /// The stored values of all metrics, in the order of its type's.
    pub fn values(&self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        let index = self.index;
        self.table.numbers.iter().map(move |column| column[index])
    }

    /// A metric in its unit: none if it is missing, or of another entity type.
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

    /// The indices of the values of its text columns, in the order of its type's.
    pub fn codes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let index = self.index;
        self.table.enums.iter().map(move |column| column[index])
    }

    /// The values of its text columns, in the order of its type's.
    pub fn enums(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let columns = self.entity_type().enums().iter().zip(self.codes());
        columns.map(|(column, code)| &*column.values()[usize::from(code)])
    }
}

impl Row<'_> {
    /// A batch of this row.
    #[must_use]
    pub fn alone(&self) -> Batch {
        let mut one = BatchBuilder::new(self.batch.schema());
        one.append(self);
        one.build(Arc::clone(&self.batch.entities))
    }
}

impl Batch {
    /// A batch of the rows of one entity type.
    pub fn of_table(id: TypeId, table: Table, entities: Arc<Entities>) -> Batch {
        let schema = entities.schema();
        let mut tables: Vec<Table> = schema.types().iter().map(|it| Table::with_capacity(it, 0)).collect();
        let segments = vec![Segment { id, rows: table.num_rows() as u32 }];
        tables[id.index()] = table;
        Batch { entities, tables, segments }
    }

    /// The types of its rows, and their columns.
    pub fn schema(&self) -> &Arc<Schema> {
        self.entities.schema()
    }

    /// The names and tags behind the indices.
    pub fn entities(&self) -> &Arc<Entities> {
        &self.entities
    }

    /// The rows of an entity type.
    pub fn table(&self, id: TypeId) -> &Table {
        &self.tables[id.index()]
    }

    /// Rows of all types.
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

    /// The rows for which this holds, in the same order.
    #[must_use]
    pub fn filter(&self, mut is_wanted: impl FnMut(&Row<'_>) -> bool) -> Batch {
        let mut some = BatchBuilder::new(self.schema());
        self.rows().filter(|row| is_wanted(row)).for_each(|row| some.append(&row));
        some.build(Arc::clone(&self.entities))
    }
}
