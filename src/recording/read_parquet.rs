use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::destination::parent;
use super::error::RecordingError;
use super::manifest::{FACT, FORMAT, Manifest, Part};
use super::merge::{Merge, Names, ROWS, Rows, Sorted};
use super::read::{AHEAD, Batches};
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
    names: Names,
}

impl ParquetReader {
    /// Of row groups that hold no wanted row nothing is read but their statistics.
    pub(super) fn open(files: Vec<ParquetFile>, record: RecordType, filter: Filter) -> ParquetReader {
        ParquetReader { record, filter, files: files.into_iter(), reading: None, names: Names::default() }
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
            let rows = rows(self.record, &batch, &mut self.names).map_err(|reason| file.damaged(reason))?;
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

fn rows(record: RecordType, batch: &RecordBatch, names: &mut Names) -> Result<Rows, String> {
    let mut table = Table::with_capacity(record, 0);
    let moments = column(batch, "timestamp")?;
    let moments = moments
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or("its `timestamp` is no timestamp(µs)")?;
    if moments.values().iter().any(|microseconds| microseconds % 1_000 != 0) {
        return Err("a `timestamp` lies between two milliseconds".into());
    }
    table.timestamp =
        moments.values().iter().map(|microseconds| SimTime(microseconds.div_euclid(1_000))).collect();
    if table.timestamp.iter().any(|moment| !moment.is_recordable()) {
        return Err("a `timestamp` lies before 1970 or after the year 9999".into());
    }
    let tags: Result<Vec<Texts<'_>>, String> =
        record.tags().iter().map(|(name, _)| texts(batch, name)).collect();
    table.entity = entities(record, &tags?, names)?;
    for (codes, column) in table.enums.iter_mut().zip(record.enums()) {
        let texts = texts(batch, column.name)?;
        // A value of the dictionary that no row has need not be known.
        let known: Vec<Option<u8>> =
            texts.values.iter().map(|value| value.and_then(|value| column.index_of(value))).collect();
        let used: Option<Vec<u8>> = texts.keys.iter().map(|key| known[*key as usize]).collect();
        *codes = used.ok_or_else(|| format!("its column `{}` has an unknown value", column.name))?;
    }
    for (column, metric) in table.columns.iter_mut().zip(record.metrics()) {
        *column = numbers(batch, *metric)?;
    }
    Ok(Rows { table, entities: names.entities() })
}

/// The entity of each row. A name is that of the entity it was last, where the other tags are the same too.
fn entities(record: RecordType, tags: &[Texts<'_>], names: &mut Names) -> Result<Vec<u32>, String> {
    let first = &tags[0];
    // By the key of the name: the row that had it last, and its entity.
    let mut seen: Vec<Option<(usize, u32)>> = vec![None; first.values.len()];
    let mut guess = 0;
    let entity = |row: usize| {
        let slot = &mut seen[first.keys[row] as usize];
        let is_same = |(last, _): &(usize, u32)| tags[1..].iter().all(|tag| tag.keys[*last] == tag.keys[row]);
        let entity = match slot.filter(is_same) {
            Some((_, entity)) => entity,
            None => {
                let tags: Vec<&str> = tags.iter().map(|tag| tag.at(row)).collect();
                names.entity(record, &tags, guess)?
            }
        };
        *slot = Some((row, entity));
        guess = entity as usize + 1;
        Ok(entity)
    };
    (0..first.keys.len()).map(entity).collect()
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

fn numbers(batch: &RecordBatch, metric: Metric) -> Result<Vec<i64>, String> {
    let name = metric.name();
    let column = column(batch, name)?;
    let wrong = || format!("its column `{name}` holds no numbers of {} decimals", metric.decimals());
    if metric.decimals() == 0 {
        let whole = column.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        return Ok(match whole.null_count() {
            0 => whole.values().to_vec(),
            _ => whole.iter().map(|value| value.unwrap_or(NULL)).collect(),
        });
    }
    let decimals = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let units = metric.units() as f64;
    let stored = |value: f64| {
        // Beyond that a DOUBLE holds no decimal any more.
        let stored = if value.abs() < 1e12 { round_half_up(value * units) } else { NULL };
        (stored as f64 / units == value).then_some(stored)
    };
    let found = |value: f64| {
        format!("its column `{name}` holds {value:e}, no number of {} decimals", metric.decimals())
    };
    let value =
        |value: Option<f64>| value.map_or(Ok(NULL), |value| stored(value).ok_or_else(|| found(value)));
    match decimals.null_count() {
        0 => decimals.values().iter().map(|number| value(Some(*number))).collect(),
        _ => decimals.iter().map(value).collect(),
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
