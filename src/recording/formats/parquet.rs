//! The Parquet format: files per entity type, and `labels.parquet`.

use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::{DatasetFormat, LabelFile, LabelRow, numbered};
use crate::arrow::{from_arrow, labels_from_arrow};
use crate::batch::Batch;
use crate::label::Label;
use crate::output::{OutputError, ParquetEncode, ParquetLabels, ParquetSink, TableOptions, Tee};
use crate::recording::dataset::add;
use crate::recording::destination::parent;
use crate::recording::error::RecordingError;
use crate::recording::manifest::{FACT, FORMAT, Manifest, Part};
use crate::recording::merge::{Merge, Names, ROWS, Sorted};
use crate::recording::read::{AHEAD, Batches};
use crate::recording::select::Filter;
use crate::schema::{Schema, TypeId};
use crate::threads::ahead;
use crate::time::SimTime;

#[derive(Debug)]
pub(super) struct Parquet;

/// The number of label rows that are passed to the writer at once.
const LABELS: usize = 4_096;

impl DatasetFormat for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn title(&self) -> &'static str {
        "Parquet"
    }

    fn is_compressible(&self) -> bool {
        true
    }

    fn add(
        &self,
        tee: &mut Tee,
        directory: &Path,
        target: String,
        schema: &Schema,
        options: &TableOptions,
    ) -> Result<(), OutputError> {
        let sink = ParquetSink::create(directory, target, schema, options)?;
        add(tee, ParquetEncode::new(schema), sink, String::new());
        Ok(())
    }

    fn create_labels(
        &self,
        path: PathBuf,
        options: &TableOptions,
    ) -> Result<Box<dyn LabelFile>, OutputError> {
        Ok(Box::new(LabelTable { file: ParquetLabels::create(&path, options)?, waiting: Vec::new() }))
    }

    fn holds(&self, manifest: &Manifest, schema: &Schema) -> bool {
        let has_folder = |record: &str| {
            let folder = format!("{record}/");
            manifest.parts.iter().any(|part| part.path.starts_with(&folder))
        };
        schema.types().iter().any(|it| has_folder(it.record()))
    }

    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        manifest: &Manifest,
        filter: &Filter,
    ) -> Result<Batches, RecordingError> {
        let table = |id: TypeId| -> Result<Sorted, RecordingError> {
            if filter.entity_type.is_some_and(|wanted| wanted != id) {
                return Ok(Box::new(std::iter::empty()));
            }
            let folder = format!("{}/", schema[id].record());
            let parts = manifest.parts.iter().filter(|part| part.path.starts_with(&folder));
            let file =
                |part: &Part| ParquetFile { path: path.join(&part.path), digest: part.file_digest.clone() };
            let reader = ParquetReader::open(parts.map(file).collect(), schema, id, filter.clone());
            Ok(Box::new(ahead(reader, AHEAD)))
        };
        Ok(Box::new(Merge::new(path, schema, table)?))
    }

    fn label_rows(&self, path: &Path, digest: Option<&str>) -> Result<Vec<LabelRow>, RecordingError> {
        let file = ParquetFile { path: path.into(), digest: digest.map(String::from) };
        let builder = file.open()?;
        let mut batches = file.guarded(|| builder.build())?;
        let mut rows = Vec::new();
        while let Some(batch) = file.guarded(|| batches.next().transpose())? {
            rows.extend(labels_from_arrow(&batch).map_err(|reason| file.damaged(reason))?);
        }
        Ok(numbered(rows))
    }
}

struct LabelTable {
    file: ParquetLabels,
    waiting: Vec<Label>,
}

impl LabelFile for LabelTable {
    fn write(&mut self, labels: &[Label], _: &[u8]) -> Result<(), OutputError> {
        self.waiting.extend_from_slice(labels);
        match self.waiting.len() < LABELS {
            true => Ok(()),
            false => self.file.write(&std::mem::take(&mut self.waiting)),
        }
    }

    fn finish(&mut self) -> Result<Option<String>, OutputError> {
        self.file.write(&std::mem::take(&mut self.waiting))?;
        self.file.finish().map(Some)
    }
}

/// A Parquet file to read.
#[derive(Clone, Debug)]
struct ParquetFile {
    pub path: PathBuf,
    /// BLAKE3 of its bytes, if a manifest states it.
    pub digest: Option<String>,
}

impl ParquetFile {
    fn damaged(&self, reason: impl Into<String>) -> RecordingError {
        RecordingError::Damaged { path: self.path.clone(), reason: reason.into() }
    }

    fn io(&self, source: io::Error) -> RecordingError {
        RecordingError::Io { path: self.path.clone(), source }
    }

    /// Opens the file, after checking that its bytes have the digest that the manifest states.
    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, RecordingError> {
        let mut file = File::open(&self.path).map_err(|source| self.io(source))?;
        if let Some(digest) = &self.digest {
            let mut found = blake3::Hasher::new();
            found.update_reader(&mut file).map_err(|source| self.io(source))?;
            if found.finalize().to_hex().as_str() != digest {
                return Err(self.damaged("its bytes do not match the digest in its manifest"));
            }
        }
        let builder = self.guarded(|| ParquetRecordBatchReaderBuilder::try_new(file))?;
        let facts = builder.metadata().file_metadata().key_value_metadata();
        let format = facts.into_iter().flatten().find(|fact| fact.key == format!("{FACT}format"));
        let format = format.and_then(|fact| fact.value.as_ref()?.parse::<u64>().ok());
        match format {
            Some(found) if found == u64::from(FORMAT) => Ok(builder),
            Some(found) => Err(RecordingError::OtherFormat { path: self.path.clone(), found }),
            None => {
                let reason = "it is a Parquet file that reenact did not write".into();
                Err(RecordingError::Foreign { path: self.path.clone(), reason })
            }
        }
    }

    /// Runs a decoder on bytes that may not have been checked. If it panics, the bytes count as damaged.
    fn guarded<T, E: Display>(&self, decode: impl FnOnce() -> Result<T, E>) -> Result<T, RecordingError> {
        IS_GUARDED.set(true);
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        IS_GUARDED.set(false);
        match decoded {
            Ok(Ok(decoded)) => Ok(decoded),
            Ok(Err(error)) => Err(match of_the_system(&error.to_string()) {
                Some(error) => self.io(error),
                // The decoder's own message about meaningless bytes does not help the user.
                None => self.damaged("it cannot be decoded as Parquet"),
            }),
            Err(_) => Err(self.damaged("it cannot be decoded as Parquet")),
        }
    }
}

/// Returns the error of the operating system that caused a decoder error, which contains it only as text. For example,
/// too many open files is not damage.
fn of_the_system(words: &str) -> Option<io::Error> {
    let (_, code) = words.rsplit_once("(os error ")?;
    code.split_once(')')?.0.parse().ok().map(io::Error::from_raw_os_error)
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread decodes bytes that may be damaged. A panic then means damage, not a bug in the program.
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

/// Reads the Parquet files of one entity type, one after the other, as batches in the order of their rows.
struct ParquetReader {
    id: TypeId,
    filter: Filter,
    files: std::vec::IntoIter<ParquetFile>,
    reading: Option<(ParquetFile, ParquetRecordBatchReader)>,
    names: Names,
}

impl ParquetReader {
    /// Opens the files. For row groups without selected rows, only the statistics are read.
    fn open(files: Vec<ParquetFile>, schema: &Arc<Schema>, id: TypeId, filter: Filter) -> ParquetReader {
        ParquetReader { id, filter, files: files.into_iter(), reading: None, names: Names::new(schema) }
    }

    fn begin(&self, file: &ParquetFile) -> Result<ParquetRecordBatchReader, RecordingError> {
        let builder = file.open()?;
        let may_hold = |group: &RowGroupMetaData| {
            times(group).is_none_or(|(first, last)| self.filter.may_hold(first, last))
        };
        let groups = builder.metadata().row_groups().iter().enumerate();
        let groups: Vec<usize> =
            groups.filter(|(_, group)| may_hold(group)).map(|(index, _)| index).collect();
        // The entity type is known, so its column is not needed.
        let schema = builder.parquet_schema();
        let columns = (0..schema.num_columns()).filter(|column| schema.column(*column).name() != "type");
        let wanted = ProjectionMask::leaves(schema, columns);
        file.guarded(|| builder.with_projection(wanted).with_row_groups(groups).with_batch_size(ROWS).build())
    }

    fn next_rows(&mut self) -> Result<Option<Batch>, RecordingError> {
        loop {
            let Some((file, batches)) = &mut self.reading else {
                let Some(file) = self.files.next() else { return Ok(None) };
                let batches = self.begin(&file)?;
                self.reading = Some((file, batches));
                continue;
            };
            let Some(batch) = file.guarded(|| batches.next().transpose())? else {
                self.reading = None;
                continue;
            };
            let schema = Arc::clone(self.names.schema());
            let (id, names) = (self.id, &mut self.names);
            let table = from_arrow(&schema[id], &batch, |tags| names.entity(id, tags));
            let table = table.map_err(|reason| file.damaged(reason))?;
            return Ok(Some(Batch::of_table(id, table, self.names.entities())));
        }
    }
}

impl Iterator for ParquetReader {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows().transpose()
    }
}

/// Returns the first and last event time of a row group, if its statistics state them.
fn times(group: &RowGroupMetaData) -> Option<(SimTime, SimTime)> {
    let is_timestamp =
        |column: &&parquet::file::metadata::ColumnChunkMetaData| column.column_path().string() == "timestamp";
    match group.columns().iter().find(is_timestamp)?.statistics()? {
        Statistics::Int64(times) => {
            let moment = |time: &i64| SimTime(time.div_euclid(1_000));
            Some((moment(times.min_opt()?), moment(times.max_opt()?)))
        }
        _ => None,
    }
}

/// Reads a single Parquet file, or a link to one. If the file belongs to a dataset, the dataset's manifest states its
/// digest.
pub(in crate::recording) fn table_of(
    path: &Path,
    schema: &Arc<Schema>,
    filter: &Filter,
) -> Result<Batches, RecordingError> {
    let digest = digest_of(path).or_else(|| digest_of(&path.canonicalize().ok()?));
    let file = ParquetFile { path: path.into(), digest };
    let builder = file.open()?;
    let has = |name: &str| builder.schema().field_with_name(name).is_ok();
    let has_columns = |id: &TypeId| schema[*id].columns().into_iter().all(has);
    let has_tags = |id: &TypeId| schema[*id].tags().iter().all(|tag| has(tag.name()));
    // A file that lacks a column is damaged; its reader reports which one.
    let Some(found) = schema.ids().find(has_columns).or_else(|| schema.ids().find(has_tags)) else {
        let reason = "it contains no records".into();
        return Err(RecordingError::Foreign { path: path.into(), reason });
    };
    let table = |id| -> Result<Sorted, RecordingError> {
        if id != found {
            return Ok(Box::new(std::iter::empty()));
        }
        Ok(Box::new(ahead(ParquetReader::open(vec![file.clone()], schema, id, filter.clone()), AHEAD)))
    };
    Ok(Box::new(Merge::new(path, schema, table)?))
}

/// Returns the digest of a part that the manifest of its dataset states.
fn digest_of(path: &Path) -> Option<String> {
    let manifest = Manifest::read(parent(parent(path))).ok()?;
    manifest.parts.into_iter().find(|part| path.ends_with(&part.path))?.file_digest
}
