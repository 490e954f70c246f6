//! Writes `labels.parquet`.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;

use super::hashed::Hashed;
use super::{TableOptions, failed, properties};
use crate::arrow::labels_to_arrow;
use crate::label::Label;
use crate::output::OutputError;

/// A labels file with the columns of `Label`.
pub struct ParquetLabels {
    path: PathBuf,
    writer: ArrowWriter<Hashed>,
}

impl ParquetLabels {
    /// Creates the file.
    ///
    /// # Errors
    /// If the file can't be created.
    pub fn create(path: &Path, options: &TableOptions) -> Result<ParquetLabels, OutputError> {
        let file = File::create_new(path).map_err(|error| OutputError::io(path, error))?;
        let schema = labels_to_arrow(&[]).schema();
        let writer = ArrowWriter::try_new(Hashed::new(file), schema, Some(properties(options).build()));
        Ok(ParquetLabels { path: path.into(), writer: writer.map_err(|error| failed(path, error))? })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn write(&mut self, labels: &[Label]) -> Result<(), OutputError> {
        self.writer.write(&labels_to_arrow(labels)).map_err(|error| failed(&self.path, error))
    }

    /// Closes the file, syncs it to disk, and returns the digest of its bytes.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn finish(&mut self) -> Result<String, OutputError> {
        self.writer.finish().map_err(|error| failed(&self.path, error))?;
        let hashed = self.writer.inner();
        hashed.file().sync_all().map_err(|error| OutputError::io(&self.path, error))?;
        Ok(hashed.digest())
    }
}
