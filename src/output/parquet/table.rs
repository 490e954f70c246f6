//! Writes the Parquet files of one entity type: row groups, columns, and when the next file begins.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::hashed::Hashed;
use super::{TableOptions, failed, properties};
use crate::arrow::schema_of;
use crate::output::{OutputError, WrittenPart};
use crate::schema::EntityType;

/// The files of one entity type. Each file is a part that contains row groups, and a row group has a chunk for each
/// column.
pub(super) struct Table {
    fields: SchemaRef,
    folder: PathBuf,
    /// The record type, which is also the name of the folder.
    record: String,
    properties: WriterProperties,
    row_group: usize,
    part_bytes: u64,
    open: OpenPart,
    /// Rows that wait until there are enough to encode the columns in parallel.
    waiting: Vec<RecordBatch>,
    finished: Vec<WrittenPart>,
}

/// A file that row groups are appended to.
struct OpenPart {
    path: PathBuf,
    file: SerializedFileWriter<Hashed>,
    columns_of: ArrowRowGroupWriterFactory,
    /// The column writers of the open row group, in order. Empty while threads work on them.
    columns: Vec<ArrowColumnWriter>,
    rows_in_group: usize,
    rows: u64,
}

/// The work for one column. It is independent of all other columns.
pub(super) struct ColumnWork {
    field: FieldRef,
    index: usize,
    writer: ArrowColumnWriter,
    waiting: Arc<[RecordBatch]>,
    ends: bool,
}

/// A column of a row group: open for more rows, or complete.
pub(super) enum Column {
    Partly(Box<ArrowColumnWriter>),
    Whole(Box<ArrowColumnChunk>),
}

impl ColumnWork {
    /// Encodes the waiting rows. Closes the column chunk if these are its last rows.
    pub(super) fn encode(mut self) -> Result<Column, ParquetError> {
        for batch in &*self.waiting {
            for leaf in compute_leaves(&self.field, batch.column(self.index))? {
                self.writer.write(&leaf)?;
            }
        }
        Ok(if self.ends {
            Column::Whole(self.writer.close()?.into())
        } else {
            Column::Partly(self.writer.into())
        })
    }
}

impl Table {
    /// Creates the folder of the entity type in an existing directory, and the first file in it.
    pub(super) fn create(
        directory: &Path,
        entity_type: &EntityType,
        options: &TableOptions,
    ) -> Result<Table, OutputError> {
        let (fields, record) = (schema_of(entity_type), entity_type.record().to_string());
        let folder = directory.join(&record);
        std::fs::create_dir(&folder).map_err(|error| OutputError::io(&folder, error))?;
        // The second column is the timestamp.
        let by_time = SortingColumn { column_idx: 1, descending: false, nulls_first: false };
        let properties = properties(options).set_sorting_columns(Some(vec![by_time])).build();
        let open = OpenPart::create(&folder, &fields, 0, &properties)?;
        let (row_group, part_bytes) = (options.row_group.max(1), options.part_bytes);
        let (waiting, finished) = (Vec::new(), Vec::new());
        Ok(Table { fields, folder, record, properties, row_group, part_bytes, open, waiting, finished })
    }

    pub(super) fn append(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.waiting.push(batch);
        }
    }

    /// Returns the work for the waiting rows, one item for each column. Pass the results to `end`. `is_last` means that
    /// no more rows follow.
    pub(super) fn begin(&mut self, is_last: bool) -> impl Iterator<Item = ColumnWork> + use<> {
        let waiting: Arc<[RecordBatch]> = std::mem::take(&mut self.waiting).into();
        self.open.rows_in_group += waiting.iter().map(RecordBatch::num_rows).sum::<usize>();
        let ends = self.open.rows_in_group >= self.row_group || (is_last && self.open.rows_in_group > 0);
        let fields = Arc::clone(&self.fields);
        let columns = std::mem::take(&mut self.open.columns).into_iter().enumerate();
        columns.map(move |(index, writer)| {
            let (field, waiting) = (Arc::clone(&fields.fields()[index]), Arc::clone(&waiting));
            ColumnWork { field, index, writer, waiting, ends }
        })
    }

    /// Takes the results of the work from `begin`. Closes the row group and the part if they are full.
    pub(super) fn end(
        &mut self,
        encoded: &mut impl Iterator<Item = Result<Column, ParquetError>>,
    ) -> Result<(), OutputError> {
        let columns: Result<Vec<Column>, ParquetError> = encoded.take(self.fields.fields().len()).collect();
        let is_whole = self.open.take_back(columns)?;
        if !is_whole || (self.open.file.bytes_written() as u64) < self.part_bytes {
            return Ok(());
        }
        let next = OpenPart::create(&self.folder, &self.fields, self.finished.len() + 1, &self.properties)?;
        let full = std::mem::replace(&mut self.open, next);
        self.finished.push(full.close(&self.record)?);
        Ok(())
    }

    /// Closes all files and syncs them to disk.
    pub(super) fn finish(mut self) -> Result<Vec<WrittenPart>, OutputError> {
        // An empty part is removed, unless it is the only one.
        if self.open.rows == 0 && !self.finished.is_empty() {
            let path = self.open.path;
            std::fs::remove_file(&path).map_err(|error| OutputError::io(&path, error))?;
            return Ok(self.finished);
        }
        self.finished.push(self.open.close(&self.record)?);
        Ok(self.finished)
    }
}

impl OpenPart {
    fn create(
        folder: &Path,
        fields: &SchemaRef,
        number: usize,
        properties: &WriterProperties,
    ) -> Result<OpenPart, OutputError> {
        let path = folder.join(format!("part-{number:05}.parquet"));
        let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
        let opened = ArrowWriter::try_new(Hashed::new(file), Arc::clone(fields), Some(properties.clone()))
            .and_then(ArrowWriter::into_serialized_writer);
        let (file, columns_of) = opened.map_err(|error| failed(&path, error))?;
        let mut part = OpenPart { path, file, columns_of, columns: Vec::new(), rows_in_group: 0, rows: 0 };
        part.begin_group()?;
        Ok(part)
    }

    fn begin_group(&mut self) -> Result<(), OutputError> {
        let group = self.file.flushed_row_groups().len();
        let columns = self.columns_of.create_column_writers(group);
        self.columns = columns.map_err(|error| failed(&self.path, error))?;
        self.rows_in_group = 0;
        Ok(())
    }

    /// Takes columns back. If the row group is complete, appends them to the file in order and returns `true`.
    fn take_back(&mut self, columns: Result<Vec<Column>, ParquetError>) -> Result<bool, OutputError> {
        let mut chunks = Vec::new();
        for column in columns.map_err(|error| failed(&self.path, error))? {
            match column {
                Column::Partly(writer) => self.columns.push(*writer),
                Column::Whole(chunk) => chunks.push(*chunk),
            }
        }
        if chunks.is_empty() {
            return Ok(false);
        }
        append(&mut self.file, chunks).map_err(|error| failed(&self.path, error))?;
        self.rows += self.rows_in_group as u64;
        self.begin_group()?;
        Ok(true)
    }

    fn close(self, record: &str) -> Result<WrittenPart, OutputError> {
        let path = self.path;
        let hashed = self.file.into_inner().map_err(|error| failed(&path, error))?;
        let size = hashed.file().sync_all().and_then(|()| hashed.file().metadata());
        let bytes = size.map_err(|error| OutputError::io(&path, error))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("{record}/{name}");
        Ok(WrittenPart { path, rows: self.rows, bytes, file_digest: Some(hashed.digest()) })
    }
}

fn append(
    file: &mut SerializedFileWriter<Hashed>,
    chunks: Vec<ArrowColumnChunk>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut group))?;
    group.close().map(drop)
}
