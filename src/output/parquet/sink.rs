use std::path::Path;

use arrow_array::RecordBatch;

use super::TableOptions;
use super::columns::arrow_batch;
use super::table::{ColumnWork, Table};
use crate::batch::{Batch, RecordType};
use crate::output::{Encode, OutputError, Receipt, Sink};
use crate::threads::Threads;

/// Rows → an Arrow batch for each record type.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParquetEncode;

/// A batch as Arrow has it.
#[derive(Debug)]
pub struct ParquetPart(Vec<RecordBatch>);

impl Encode for ParquetEncode {
    type Part = ParquetPart;

    fn encode(&self, batch: &Batch) -> ParquetPart {
        ParquetPart(RecordType::ALL.map(|record| arrow_batch(batch, record)).into())
    }
}

/// Rows that are gathered before the columns are encoded side by side: so many that the hand-over costs
/// nothing, so few that the memory does not matter.
const SLICE: usize = 1 << 16;

/// Writes a folder for each record type, with `part-00000.parquet` and further parts.
pub struct ParquetSink {
    target: String,
    /// By record type.
    tables: Vec<Table>,
    threads: Threads,
    slice: usize,
    waiting: usize,
    rows: u64,
}

impl ParquetSink {
    /// Makes the first file of each table inside a directory that exists.
    ///
    /// # Errors
    /// If a file can't be made.
    pub fn create(
        directory: &Path,
        target: String,
        options: &TableOptions,
    ) -> Result<ParquetSink, OutputError> {
        let table = |record| Table::create(directory, record, options);
        let tables: Result<Vec<Table>, OutputError> = RecordType::ALL.into_iter().map(table).collect();
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
