use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Encode, OutputError, Receipt, Sink};
use crate::batch::{Batch, ENDPOINTS, Metric, NULL, RecordType, Table};
use crate::label::Label;
use crate::time::SimTime;

/// Rows → two Arrow batches, one for each record type.
///
/// Times are timestamp(µs, UTC), names dictionary-encoded strings, numbers DOUBLE (exactly the
/// rounded decimal's nearest) or INT64; rows stand in stream order.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParquetEncode;

/// A batch as Arrow has it.
#[derive(Debug)]
pub struct ParquetPart([RecordBatch; 2]);

impl Encode for ParquetEncode {
    type Part = ParquetPart;

    fn encode(&self, batch: &Batch) -> ParquetPart {
        ParquetPart(RecordType::ALL.map(|record| arrow_batch(batch, record)))
    }
}

fn schema(record: RecordType) -> Arc<Schema> {
    let text = |name: &str| Field::new(name, dictionary(), false);
    let names: &[&str] = match record {
        RecordType::ServerMetric => &["server_id", "rack_id", "datacenter_zone"],
        RecordType::ApplicationMetric => &["service_name", "server_id"],
    };
    let mut fields = vec![text("type"), Field::new("timestamp", timestamp(), false)];
    fields.extend(names.iter().map(|name| text(name)));
    fields.extend(record.metrics().iter().map(|metric| Field::new(metric.name(), number(*metric), true)));
    if record == RecordType::ApplicationMetric {
        fields.push(text("endpoint"));
    }
    Arc::new(Schema::new(fields))
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn number(metric: Metric) -> DataType {
    if metric.decimals() == 0 { DataType::Int64 } else { DataType::Float64 }
}

const LENGTHS_AGREE: &str = "all columns have one value a row";

fn arrow_batch(batch: &Batch, record: RecordType) -> RecordBatch {
    let table = batch.table(record);
    let rows = table.num_rows();
    let by_entity = |names: Vec<&str>| coded(table.entity.iter().map(|e| *e as i32), names);
    let entities = &batch.entities;
    let mut columns = vec![coded((0..rows).map(|_| 0), vec![record.name()]), timestamps(&table.timestamp)];
    match record {
        RecordType::ServerMetric => {
            columns.push(by_entity(entities.servers.iter().map(|s| s.server_id.as_str()).collect()));
            columns.push(by_entity(entities.servers.iter().map(|s| s.rack_id.as_str()).collect()));
            columns.push(by_entity(entities.servers.iter().map(|s| s.datacenter_zone.as_str()).collect()));
        }
        RecordType::ApplicationMetric => {
            columns.push(by_entity(entities.services.iter().map(|s| s.service_name.as_str()).collect()));
            columns.push(by_entity(entities.services.iter().map(|s| s.server_id.as_str()).collect()));
        }
    }
    columns.extend(record.metrics().iter().map(|metric| numbers(table, *metric)));
    if record == RecordType::ApplicationMetric {
        columns.push(coded(table.endpoint.iter().map(|e| i32::from(*e)), ENDPOINTS.to_vec()));
    }
    RecordBatch::try_new(schema(record), columns).expect(LENGTHS_AGREE)
}

fn coded(keys: impl Iterator<Item = i32>, values: Vec<&str>) -> ArrayRef {
    let keys: Int32Array = keys.collect();
    let values = Arc::new(StringArray::from(values));
    Arc::new(DictionaryArray::try_new(keys, values).expect("indices are those of the values"))
}

fn timestamps(moments: &[SimTime]) -> ArrayRef {
    let microseconds = moments.iter().map(|moment| moment.0 * 1_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds).with_timezone("UTC"))
}

fn numbers(table: &Table, metric: Metric) -> ArrayRef {
    let column = &table.columns[metric.column()];
    let present = column.iter().map(|value| (*value != NULL).then_some(*value));
    if metric.decimals() == 0 {
        return Arc::new(present.collect::<Int64Array>());
    }
    // Both are exact, so the quotient is the nearest double to the decimal.
    let units = metric.units() as f64;
    Arc::new(present.map(|value| value.map(|value| value as f64 / units)).collect::<Float64Array>())
}

/// Writes `server_metric/part-00000.parquet` and `application_metric/part-00000.parquet`.
pub struct ParquetSink {
    target: String,
    writers: Vec<(PathBuf, ArrowWriter<File>)>,
    rows: u64,
}

impl ParquetSink {
    /// Makes both files inside a directory that exists.
    ///
    /// # Errors
    /// If a file can't be made.
    pub fn create(directory: &Path, target: String) -> Result<ParquetSink, OutputError> {
        let mut writers = Vec::new();
        for record in RecordType::ALL {
            let folder = directory.join(record.name());
            std::fs::create_dir(&folder).map_err(|error| OutputError::io(&folder, error))?;
            let path = folder.join("part-00000.parquet");
            let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
            let writer = ArrowWriter::try_new(file, schema(record), Some(properties()));
            writers.push((path.clone(), writer.map_err(|error| failed(&path, &error))?));
        }
        Ok(ParquetSink { target, writers, rows: 0 })
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd")))
        .set_created_by(concat!("reenact version ", env!("CARGO_PKG_VERSION")).into())
        .build()
}

fn failed(path: &Path, error: &parquet::errors::ParquetError) -> OutputError {
    OutputError::Parquet { path: path.into(), reason: error.to_string() }
}

impl Sink for ParquetSink {
    type Part = ParquetPart;

    fn write(&mut self, part: ParquetPart) -> Result<(), OutputError> {
        for ((path, writer), batch) in self.writers.iter_mut().zip(&part.0) {
            writer.write(batch).map_err(|error| failed(path, &error))?;
            self.rows += batch.num_rows() as u64;
        }
        Ok(())
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let mut receipt = Receipt { target: self.target, rows: self.rows, ..Receipt::default() };
        for (path, writer) in self.writers {
            receipt.bytes += close(&path, writer)?;
        }
        Ok(receipt)
    }
}

/// Ends a file, durably; its size.
fn close(path: &Path, writer: ArrowWriter<File>) -> Result<u64, OutputError> {
    let file = writer.into_inner().map_err(|error| failed(path, &error))?;
    let size = file.sync_all().and_then(|()| file.metadata());
    size.map(|meta| meta.len()).map_err(|error| OutputError::io(path, error))
}

/// A labels file, with the columns of `Label`.
pub struct ParquetLabels {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl ParquetLabels {
    /// Makes the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn create(path: &Path) -> Result<ParquetLabels, OutputError> {
        let file = File::create_new(path).map_err(|error| OutputError::io(path, error))?;
        let schema = label_batch(&[]).schema();
        let writer = ArrowWriter::try_new(file, schema, Some(properties()));
        Ok(ParquetLabels { path: path.into(), writer: writer.map_err(|error| failed(path, &error))? })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn write(&mut self, labels: &[Label]) -> Result<(), OutputError> {
        self.writer.write(&label_batch(labels)).map_err(|error| failed(&self.path, &error))
    }

    /// Ends the file, durably.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        self.writer.finish().map_err(|error| failed(&self.path, &error))?;
        self.writer.inner().sync_all().map_err(|error| OutputError::io(&self.path, error))
    }
}

fn label_batch(labels: &[Label]) -> RecordBatch {
    let text = |value: fn(&Label) -> &str| -> ArrayRef {
        Arc::new(labels.iter().map(|l| Some(value(l))).collect::<StringArray>())
    };
    let moments = |value: fn(&Label) -> SimTime| timestamps(&labels.iter().map(value).collect::<Vec<_>>());
    let doubles = |value: fn(&Label) -> f64| -> ArrayRef {
        Arc::new(labels.iter().map(|l| Some(value(l))).collect::<Float64Array>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("incident_id", text(|l| &l.incident_id)),
        ("kind", text(|l| &l.kind)),
        ("severity", text(|l| &l.severity)),
        ("severity_value", doubles(|l| l.severity_value)),
        ("source", text(|l| l.source.name())),
        ("benign", Arc::new(labels.iter().map(|l| Some(l.benign)).collect::<BooleanArray>())),
        ("role", text(|l| l.role.name())),
        ("entity_type", text(|l| l.entity_type)),
        ("entity", text(|l| &l.entity)),
        ("metric", text(|l| l.metric.name())),
        ("cause_start", moments(|l| l.cause_start)),
        ("cause_end", moments(|l| l.cause_end)),
        ("effect_start", moments(|l| l.effect_start)),
        ("effect_end", moments(|l| l.effect_end)),
        ("peak_at", moments(|l| l.peak_at)),
        ("peak_deviation", doubles(|l| l.peak_deviation as f64 / l.metric.units() as f64)),
        ("snr", doubles(Label::snr)),
        ("parent_id", Arc::new(labels.iter().map(|l| l.parent_id.as_deref()).collect::<StringArray>())),
        ("root_entity", text(|l| &l.root_entity)),
    ];
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), *name == "parent_id");
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(schema, arrays).expect(LENGTHS_AGREE)
}
