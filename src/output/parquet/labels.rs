use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;

use super::columns::{LENGTHS_AGREE, timestamps};
use super::hashed::Hashed;
use super::schema::described;
use super::{TableOptions, failed, properties};
use crate::label::{COLUMNS, Label};
use crate::output::OutputError;
use crate::time::SimTime;

/// A labels file, with the columns of `Label`.
pub struct ParquetLabels {
    path: PathBuf,
    writer: ArrowWriter<Hashed>,
}

impl ParquetLabels {
    /// Makes the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn create(path: &Path, options: &TableOptions) -> Result<ParquetLabels, OutputError> {
        let file = File::create_new(path).map_err(|error| OutputError::io(path, error))?;
        let schema = label_batch(&[]).schema();
        let writer = ArrowWriter::try_new(Hashed::new(file), schema, Some(properties(options).build()));
        Ok(ParquetLabels { path: path.into(), writer: writer.map_err(|error| failed(path, error))? })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn write(&mut self, labels: &[Label]) -> Result<(), OutputError> {
        self.writer.write(&label_batch(labels)).map_err(|error| failed(&self.path, error))
    }

    /// Ends the file, durably; the digest of its bytes.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(&mut self) -> Result<String, OutputError> {
        self.writer.finish().map_err(|error| failed(&self.path, error))?;
        let hashed = self.writer.inner();
        hashed.file().sync_all().map_err(|error| OutputError::io(&self.path, error))?;
        Ok(hashed.digest())
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
    // In the order of `COLUMNS`.
    let columns: Vec<ArrayRef> = vec![
        text(|l| &l.incident_id),
        text(|l| &l.kind),
        text(|l| &l.severity),
        doubles(|l| l.severity_value),
        text(|l| l.source.name()),
        Arc::new(labels.iter().map(|l| Some(l.benign)).collect::<BooleanArray>()),
        text(|l| l.role.name()),
        text(|l| l.entity_type),
        text(|l| &l.entity),
        text(|l| l.metric.name()),
        moments(|l| l.cause_start),
        moments(|l| l.cause_end),
        moments(|l| l.effect_start),
        moments(|l| l.effect_end),
        moments(|l| l.peak_at),
        doubles(|l| l.peak_deviation as f64 / l.metric.units() as f64),
        doubles(Label::snr),
        Arc::new(labels.iter().map(|l| l.parent_id.as_deref()).collect::<StringArray>()),
        text(|l| &l.root_entity),
    ];
    let field = |((name, about), array): (&(&str, &str), &ArrayRef)| {
        described(Field::new(*name, array.data_type().clone(), *name == "parent_id"), about)
    };
    let schema = Schema::new(COLUMNS.iter().zip(&columns).map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).expect(LENGTHS_AGREE)
}
