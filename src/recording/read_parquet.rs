use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::destination::parent;
use super::error::RecordingError;
use super::manifest::{FACT, FORMAT, Manifest, Part};
use super::merge::{Merge, ROWS, Rows, Sorted};
use super::read::{AHEAD, Batches};
use super::record::{FIRST_TAG, Fields, RecordReader};
use super::select::Filter;
use crate::batch::{Metric, NULL, RecordType, Table};
use crate::math::round_half_up;
use crate::threads::ahead;
use crate::time::SimTime;

/// A Parquet file that is to be read.
#[derive(Clone, Debug)]
pub(super) struct ParquetFile {
    pub path: PathBuf,
    /// BLAKE3 of its bytes, where a manifest tells it.
    pub digest: Option<String>,
}

impl ParquetFile {
    fn damaged(&self, reason: impl Into<String>) -> RecordingError {
        RecordingError::Damaged { path: self.path.clone(), reason: reason.into() }
    }

    fn io(&self, source: io::Error) -> RecordingError {
        RecordingError::Io { path: self.path.clone(), source }
    }

    /// Opens it, once its bytes are those that the manifest tells.
    pub(super) fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, RecordingError> {
        let mut file = File::open(&self.path).map_err(|source| self.io(source))?;
        if let Some(digest) = &self.digest {
            let mut found = blake3::Hasher::new();
            found.update_reader(&mut file).map_err(|source| self.io(source))?;
            if found.finalize().to_hex().as_str() != digest {
                return Err(self.damaged("its bytes are not those that its manifest's digest was taken over"));
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

    /// What a decoder makes of bytes that nobody may have looked at: where it panics, they are damaged.
    pub(super) fn guarded<T, E: Display>(
        &self,
        decode: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, RecordingError> {
        IS_GUARDED.set(true);
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        IS_GUARDED.set(false);
        match decoded {
            Ok(Ok(decoded)) => Ok(decoded),
            Ok(Err(error)) => Err(match of_the_system(&error.to_string()) {
                Some(error) => self.io(error),
                // What a decoder says of bytes that make no sense makes none either.
                None => self.damaged("it can't be decoded as Parquet"),
            }),
            Err(_) => Err(self.damaged("it can't be decoded as Parquet")),
        }
    }
}

/// The error of the operating system behind a decoder's, which has it only in its words: too many open files are no
/// damage.
fn of_the_system(words: &str) -> Option<io::Error> {
    let (_, code) = words.rsplit_once("(os error ")?;
    code.split_once(')')?.0.parse().ok().map(io::Error::from_raw_os_error)
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread decodes bytes that may be damaged: a panic is then an answer, and nobody's mistake.
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

/// The Parquet files of one record type, one after the other → rows in their order.
pub(super) struct ParquetReader {
    record: RecordType,
    filter: Filter,
    files: std::vec::IntoIter<ParquetFile>,
    reading: Option<(ParquetFile, ParquetRecordBatchReader)>,
    records: RecordReader,
}

impl ParquetReader {
    /// Of row groups that hold no wanted row nothing is read but their statistics.
    pub(super) fn open(files: Vec<ParquetFile>, record: RecordType, filter: Filter) -> ParquetReader {
        ParquetReader {
            record,
            filter,
            files: files.into_iter(),
            reading: None,
            records: RecordReader::new(),
        }
    }

    fn begin(&self, file: &ParquetFile) -> Result<ParquetRecordBatchReader, RecordingError> {
        let builder = file.open()?;
        let may_hold = |group: &RowGroupMetaData| {
            times(group).is_none_or(|(first, last)| self.filter.may_hold(first, last))
        };
        let groups = builder.metadata().row_groups().iter().enumerate();
        let groups: Vec<usize> =
            groups.filter(|(_, group)| may_hold(group)).map(|(index, _)| index).collect();
        // The record type is known.
        let schema = builder.parquet_schema();
        let columns = (0..schema.num_columns()).filter(|column| schema.column(*column).name() != "type");
        let wanted = ProjectionMask::leaves(schema, columns);
        file.guarded(|| builder.with_projection(wanted).with_row_groups(groups).with_batch_size(ROWS).build())
    }

    fn next_rows(&mut self) -> Result<Option<Rows>, RecordingError> {
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
            let rows = rows(self.record, &batch, &mut self.records).map_err(|reason| file.damaged(reason))?;
            return Ok(Some(rows));
        }
    }
}

impl Iterator for ParquetReader {
    type Item = Result<Rows, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows().transpose()
    }
}

/// The first and last event time of a row group, where its statistics tell them.
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

fn rows(record: RecordType, batch: &RecordBatch, records: &mut RecordReader) -> Result<Rows, String> {
    let mut table = Table::with_capacity(record, batch.num_rows());
    let columns = Columns::of(record, batch)?;
    for row in 0..batch.num_rows() {
        records.append(record, &Row { columns: &columns, row }, &mut table)?;
    }
    Ok(Rows { table, entities: records.names.entities() })
}

/// The columns of a batch in the order of the record type's, but for `type`, which is known.
struct Columns<'a> {
    moments: &'a [i64],
    tags: Vec<Texts<'a>>,
    numbers: Vec<Numbers<'a>>,
    enums: Vec<Texts<'a>>,
}

impl<'a> Columns<'a> {
    fn of(record: RecordType, batch: &'a RecordBatch) -> Result<Columns<'a>, String> {
        let moments = column(batch, "timestamp")?;
        let moments = moments
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or("its `timestamp` is no timestamp(µs)")?;
        let tags: Result<_, String> = record.tags().iter().map(|(name, _)| texts(batch, name)).collect();
        let numbers: Result<_, String> =
            record.metrics().iter().map(|metric| Numbers::of(batch, *metric)).collect();
        let enums: Result<_, String> =
            record.enums().iter().map(|column| texts(batch, column.name)).collect();
        Ok(Columns { moments: moments.values(), tags: tags?, numbers: numbers?, enums: enums? })
    }
}

/// One row of a batch.
struct Row<'a> {
    columns: &'a Columns<'a>,
    row: usize,
}

impl Fields for Row<'_> {
    fn timestamp(&self) -> Result<SimTime, String> {
        let microseconds = self.columns.moments[self.row];
        if microseconds % 1_000 != 0 {
            return Err("a `timestamp` is between two milliseconds".into());
        }
        let moment = SimTime(microseconds / 1_000);
        match moment.is_recordable() {
            true => Ok(moment),
            false => Err("a `timestamp` is before 1970 or after the year 9999".into()),
        }
    }

    fn text(&self, column: usize, _: &str) -> Result<&str, String> {
        let Columns { tags, numbers, enums, .. } = self.columns;
        let place = column - FIRST_TAG;
        let texts = tags.get(place).unwrap_or_else(|| &enums[place - tags.len() - numbers.len()]);
        Ok(texts.at(self.row))
    }

    fn number(&self, column: usize, metric: Metric) -> Result<i64, String> {
        self.columns.numbers[column - FIRST_TAG - self.columns.tags.len()].at(self.row, metric)
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
    if column.null_count() > 0 && Metric::named(name).is_none() {
        return Err(format!("its column `{name}` has nulls"));
    }
    Ok(column)
}

/// Dictionary-encoded strings.
// Invariant: no key is beyond the values, and no value is null.
struct Texts<'a> {
    keys: &'a [i32],
    values: &'a arrow_array::StringArray,
}

impl Texts<'_> {
    fn at(&self, row: usize) -> &'_ str {
        self.values.value(self.keys[row] as usize)
    }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<Texts<'a>, String> {
    let wrong = || format!("its column `{name}` holds no dictionary-encoded strings");
    let dictionary = column(batch, name)?.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
    let values = dictionary.values().as_string_opt::<i32>().ok_or_else(wrong)?;
    let is_value = |key: &i32| usize::try_from(*key).is_ok_and(|key| key < values.len());
    if values.null_count() > 0 || !dictionary.keys().values().iter().all(is_value) {
        return Err(format!("its column `{name}` has a key without a value"));
    }
    Ok(Texts { keys: dictionary.keys().values(), values })
}

/// A column of whole numbers, or of decimals.
enum Numbers<'a> {
    Whole(&'a Int64Array),
    Decimal(&'a Float64Array),
}

impl<'a> Numbers<'a> {
    fn of(batch: &'a RecordBatch, metric: Metric) -> Result<Numbers<'a>, String> {
        let column = column(batch, metric.name())?;
        let found = match metric.decimals() {
            0 => column.as_primitive_opt::<Int64Type>().map(Numbers::Whole),
            _ => column.as_primitive_opt::<Float64Type>().map(Numbers::Decimal),
        };
        let wrong =
            || format!("its column `{}` holds no numbers of {} decimals", metric.name(), metric.decimals());
        found.ok_or_else(wrong)
    }

    fn at(&self, row: usize, metric: Metric) -> Result<i64, String> {
        let value = match self {
            Numbers::Whole(values) if values.is_null(row) => return Ok(NULL),
            Numbers::Whole(values) => return Ok(values.value(row)),
            Numbers::Decimal(values) if values.is_null(row) => return Ok(NULL),
            Numbers::Decimal(values) => values.value(row),
        };
        let units = metric.units() as f64;
        // Beyond that a DOUBLE holds no decimal any more.
        let stored = if value.abs() < 1e12 { round_half_up(value * units) } else { NULL };
        let wrong = || {
            let (name, decimals) = (metric.name(), metric.decimals());
            format!("its column `{name}` holds {value:e}, no number of {decimals} decimals")
        };
        (stored as f64 / units == value).then_some(stored).ok_or_else(wrong)
    }
}

/// The tables of a dataset.
pub(super) fn tables_of(
    path: &Path,
    manifest: &Manifest,
    filter: &Filter,
) -> Result<Batches, RecordingError> {
    let table = |record: RecordType| -> Sorted {
        if filter.record.is_some_and(|wanted| wanted != record) {
            return Box::new(std::iter::empty());
        }
        let folder = format!("{}/", record.name());
        let parts = manifest.parts.iter().filter(|part| part.path.starts_with(&folder));
        let file =
            |part: &Part| ParquetFile { path: path.join(&part.path), digest: part.file_digest.clone() };
        let reader = ParquetReader::open(parts.map(file).collect(), record, filter.clone());
        Box::new(ahead(reader, AHEAD))
    };
    Ok(Box::new(Merge::new(path, RecordType::ALL.map(table))))
}

/// A Parquet file alone, or a link to one; the manifest of its dataset has its digest, if it has a dataset.
pub(super) fn table_of(path: &Path, filter: &Filter) -> Result<Batches, RecordingError> {
    let digest = digest_of(path).or_else(|| digest_of(&path.canonicalize().ok()?));
    let file = ParquetFile { path: path.into(), digest };
    let builder = file.open()?;
    let has = |name: &str| builder.schema().field_with_name(name).is_ok();
    let has_tags = |record: &RecordType| record.tags().iter().all(|(tag, _)| has(tag));
    let Some(found) = RecordType::ALL.into_iter().find(has_tags) else {
        let reason = "it holds no records".into();
        return Err(RecordingError::Foreign { path: path.into(), reason });
    };
    let table = |record| -> Sorted {
        if record != found {
            return Box::new(std::iter::empty());
        }
        Box::new(ahead(ParquetReader::open(vec![file.clone()], record, filter.clone()), AHEAD))
    };
    Ok(Box::new(Merge::new(path, RecordType::ALL.map(table))))
}

/// The digest of a part as the manifest of its dataset has it.
fn digest_of(path: &Path) -> Option<String> {
    let manifest = Manifest::read(parent(parent(path))).ok()?;
    manifest.parts.into_iter().find(|part| path.ends_with(&part.path))?.file_digest
}
