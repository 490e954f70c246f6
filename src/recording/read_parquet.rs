use std::fs::File;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::error::RecordingError;
use super::merge::{Names, ROWS, Rows};
use crate::batch::{ENDPOINTS, Metric, NULL, RecordType, ServerName, ServiceName, Table};
use crate::math::round_half_up;
use crate::time::SimTime;

/// The Parquet files of one record type, one after the other → rows in their order.
pub(super) struct ParquetReader {
    record: RecordType,
    parts: std::vec::IntoIter<Part>,
    reading: Option<Part>,
    names: Names,
}

struct Part {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl Part {
    fn open(path: PathBuf) -> Result<Part, RecordingError> {
        let file = File::open(&path).map_err(|source| RecordingError::Io { path: path.clone(), source })?;
        let built = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(ROWS).build());
        match built {
            Ok(batches) => Ok(Part { path, batches }),
            Err(error) => Err(RecordingError::Damaged { path, reason: error.to_string() }),
        }
    }
}

impl ParquetReader {
    pub(super) fn open(paths: Vec<PathBuf>, record: RecordType) -> Result<ParquetReader, RecordingError> {
        let parts: Vec<Part> = paths.into_iter().map(Part::open).collect::<Result<_, _>>()?;
        Ok(ParquetReader { record, parts: parts.into_iter(), reading: None, names: Names::default() })
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<Rows, String> {
        let mut table = Table::with_capacity(self.record, batch.num_rows());
        let moments = column(batch, "timestamp")?;
        let moments = moments
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or("its `timestamp` is no timestamp(µs)")?;
        table.timestamp = moments.values().iter().map(|microseconds| SimTime(microseconds / 1_000)).collect();
        if table.timestamp.iter().any(|moment| !moment.is_recordable()) {
            return Err("a `timestamp` lies before 1970 or after the year 9999".into());
        }
        let mut guess = 0;
        match self.record {
            RecordType::ServerMetric => {
                let [server_id, rack_id, datacenter_zone] =
                    texts(batch, ["server_id", "rack_id", "datacenter_zone"])?;
                for row in 0..batch.num_rows() {
                    let name = ServerName {
                        server_id: server_id.at(row).into(),
                        rack_id: rack_id.at(row).into(),
                        datacenter_zone: datacenter_zone.at(row).into(),
                    };
                    let index = self.names.server(&name, guess);
                    guess = index as usize + 1;
                    table.entity.push(index);
                }
            }
            RecordType::ApplicationMetric => {
                let [service_name, server_id, endpoint] =
                    texts(batch, ["service_name", "server_id", "endpoint"])?;
                for row in 0..batch.num_rows() {
                    let name = ServiceName {
                        service_name: service_name.at(row).into(),
                        server_id: server_id.at(row).into(),
                    };
                    let index = self.names.service(&name, guess);
                    guess = index as usize + 1;
                    table.entity.push(index);
                    let known = ENDPOINTS.iter().position(|known| *known == endpoint.at(row));
                    table.endpoint.push(known.ok_or("an endpoint is not one of ours")? as u8);
                }
            }
        }
        for (column, metric) in table.columns.iter_mut().zip(self.record.metrics()) {
            *column = numbers(batch, *metric)?;
        }
        Ok(Rows { table, entities: self.names.entities() })
    }
}

impl Iterator for ParquetReader {
    type Item = Result<Rows, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let part = match &mut self.reading {
                Some(part) => part,
                None => self.reading.insert(self.parts.next()?),
            };
            let Some(batch) = part.batches.next() else {
                self.reading = None;
                continue;
            };
            let path = part.path.clone();
            let rows = batch.map_err(|error| error.to_string()).and_then(|batch| self.rows(&batch));
            return Some(rows.map_err(|reason| RecordingError::Damaged { path, reason }));
        }
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
struct Texts<'a> {
    keys: &'a [i32],
    values: &'a arrow_array::StringArray,
}

impl Texts<'_> {
    fn at(&self, row: usize) -> &str {
        self.values.value(self.keys[row] as usize)
    }
}

fn texts<'a, const N: usize>(batch: &'a RecordBatch, names: [&str; N]) -> Result<[Texts<'a>; N], String> {
    let mut columns = Vec::with_capacity(N);
    for name in names {
        let wrong = || format!("its column `{name}` holds no dictionary-encoded strings");
        let dictionary = column(batch, name)?.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
        let values = dictionary.values().as_string_opt::<i32>().ok_or_else(wrong)?;
        columns.push(Texts { keys: dictionary.keys().values(), values });
    }
    columns.try_into().map_err(|_| "one column for each name".into())
}

fn numbers(batch: &RecordBatch, metric: Metric) -> Result<Vec<i64>, String> {
    let name = metric.name();
    let column = column(batch, name)?;
    if let Some(whole) = column.as_primitive_opt::<Int64Type>() {
        return Ok(whole.iter().map(|value| value.unwrap_or(NULL)).collect());
    }
    let decimals = column.as_primitive_opt::<Float64Type>();
    let decimals = decimals.ok_or_else(|| format!("its column `{name}` holds no numbers"))?;
    let units = metric.units() as f64;
    let stored = |value: Option<f64>| match value {
        None => Ok(NULL),
        Some(value) if value.abs() < 1e12 => Ok(round_half_up(value * units)),
        Some(value) => Err(format!("its column `{name}` holds {value}")),
    };
    decimals.iter().map(stored).collect()
}
