//! The Parquet encoder and sink: splits batches by entity type, and encodes columns on several threads.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::TableOptions;
use super::table::{ColumnWork, Table};
use crate::arrow::{fields_of, to_arrow};
use crate::batch::Batch;
use crate::output::{Encode, OutputError, Receipt, Sink};
use crate::schema::Schema;
use crate::threads::Threads;

/// Encodes rows as one Arrow batch for each entity type.
#[derive(Clone, Debug)]
pub struct ParquetEncode {
    /// The columns of each entity type.
    fields: Vec<SchemaRef>,
}

impl ParquetEncode {
    /// Creates an encoder for batches of this schema.
    pub fn new(schema: &Schema) -> ParquetEncode {
        ParquetEncode { fields: fields_of(schema) }
    }
}

/// The rows of a batch as one Arrow batch for each entity type.
#[derive(Debug)]
pub struct ParquetPart(Vec<RecordBatch>);

impl Encode for ParquetEncode {
    type Part = ParquetPart;

    fn encode(&self, batch: &Batch) -> ParquetPart {
        let fields = batch.schema().ids().zip(&self.fields);
        ParquetPart(fields.map(|(id, fields)| to_arrow(batch, id, fields)).collect())
    }
}

/// The number of rows that are collected before their columns are encoded in parallel. It is large enough that handing
/// over the work costs next to nothing, and small enough that the memory does not matter.
const SLICE: usize = 1 << 16;

/// Writes a folder for each entity type. It contains `part-00000.parquet` and further parts.
pub struct ParquetSink {
    target: String,
    /// One table for each entity type.
    tables: Vec<Table>,
    threads: Threads,
    slice: usize,
    waiting: usize,
    rows: u64,
}

impl ParquetSink {
    /// Creates the first file of each table in an existing directory.
    ///
    /// # Errors
    /// If a file can't be created.
    pub fn create(
        directory: &Path,
        target: String,
        schema: &Schema,
        options: &TableOptions,
    ) -> Result<ParquetSink, OutputError> {
        let table = |entity_type| Table::create(directory, entity_type, options);
        let tables: Result<Vec<Table>, OutputError> = schema.types().iter().map(table).collect();
        let slice = SLICE.min(options.row_group);
        let tables = tables?;
        Ok(ParquetSink { target, tables, threads: options.threads.clone(), slice, waiting: 0, rows: 0 })
    }

    fn encode_waiting(&mut self, is_last: bool) -> Result<(), OutputError> {
        let work: Vec<ColumnWork> = self.tables.iter_mut().flat_map(|table| table.begin(is_last)).collect();
        let mut done = self.threads.on_each(work, ColumnWork::encode).into_iter();
        self.waiting = 0;
        self.tables.iter_mut().try_for_each(|table| table.end(&mut done))
    }
}

impl Sink for ParquetSink {
    type Part = ParquetPart;

    fn write(&mut self, part: ParquetPart) -> Result<(), OutputError> {
        for (table, batch) in self.tables.iter_mut().zip(part.0) {
            self.waiting += batch.num_rows();
            self.rows += batch.num_rows() as u64;
            table.append(batch);
        }
        if self.waiting < self.slice { Ok(()) } else { self.encode_waiting(false) }
    }

    fn finish(mut self) -> Result<Receipt, OutputError> {
        self.encode_waiting(true)?;
        let mut parts = Vec::new();
        for table in self.tables {
            parts.extend(table.finish()?);
        }
        let bytes = parts.iter().map(|part| part.bytes).sum();
        Ok(Receipt { target: self.target, rows: self.rows, bytes, parts, ..Receipt::default() })
    }
}
