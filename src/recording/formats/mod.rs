//! The formats of dataset directories: one file each, listed once in [`FORMATS`].

mod csv;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use ndjson::{NdjsonReader, label_lines};
#[cfg(feature = "parquet")]
pub use parquet::is_guarded;
#[cfg(feature = "parquet")]
pub(super) use parquet::table_of;

use super::error::RecordingError;
use super::manifest::Manifest;
use super::read::Batches;
use super::select::Filter;
use crate::label::Label;
use crate::output::{Fan, OutputError, TableOptions};
use crate::schema::Schema;

/// Which files a dataset directory has in a format, and how they are written and read.
pub(super) trait DatasetFormat: fmt::Debug + Sync {
    /// As `--out` writes it: `parquet`. The labels file has it as its extension.
    fn name(&self) -> &'static str;

    /// As sentences call it: `Parquet`.
    fn title(&self) -> &'static str;

    /// Whether its compression can be chosen.
    fn is_compressible(&self) -> bool {
        false
    }

    /// Adds the records of a directory in the making to the outputs of a run. `target` is how the receipt calls the
    /// directory.
    fn add(
        &self,
        fan: &mut Fan,
        directory: &Path,
        target: String,
        schema: &Schema,
        options: &TableOptions,
    ) -> Result<(), OutputError>;

    /// Makes the labels file.
    fn create_labels(&self, path: PathBuf, options: &TableOptions)
    -> Result<Box<dyn LabelFile>, OutputError>;

    /// Whether a dataset with these parts has this format.
    fn holds(&self, manifest: &Manifest, schema: &Schema) -> bool;

    /// The records in stream order; those that the filter does not want may be left out.
    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        manifest: &Manifest,
        filter: &Filter,
    ) -> Result<Batches, RecordingError>;

    /// The rows of a labels file; `digest` is that of its bytes, where a manifest has it.
    fn label_rows(&self, path: &Path, digest: Option<&str>) -> Result<Vec<LabelRow>, RecordingError>;
}

/// All formats; a dataset has the first one that holds it.
pub(super) static FORMATS: &[&dyn DatasetFormat] = &[
    &ndjson::Ndjson,
    &csv::Csv,
    #[cfg(feature = "parquet")]
    &parquet::Parquet,
];

/// A row of a labels file: where it is, and its fields as texts in the order of [`crate::label::COLUMNS`], or what is
/// wrong with it.
pub(super) type LabelRow = (String, Result<Vec<String>, String>);

/// Rows by their numbers, counted from 1.
fn numbered(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<LabelRow> {
    (1..).zip(rows).map(|(number, fields)| (format!("row {number}"), Ok(fields))).collect()
}

/// A labels file that is being written.
pub(super) trait LabelFile: Send {
    /// Appends rows; `lines` are the same as NDJSON.
    fn write(&mut self, labels: &[Label], lines: &[u8]) -> Result<(), OutputError>;

    /// Ends the file, durably; the digest of its bytes, where readers should check it.
    fn finish(&mut self) -> Result<Option<String>, OutputError>;
}

/// How a dataset directory holds its records.
#[derive(Clone, Copy)]
pub struct Format(pub(super) &'static dyn DatasetFormat);

impl Format {
    /// `records.ndjson` and `labels.ndjson`.
    pub const NDJSON: Format = Format(&ndjson::Ndjson);

    /// A table for each entity type, and `labels.csv`.
    pub const CSV: Format = Format(&csv::Csv);

    /// Parquet files for each entity type, and `labels.parquet`.
    #[cfg(feature = "parquet")]
    pub const PARQUET: Format = Format(&parquet::Parquet);

    /// All formats of this program.
    pub fn all() -> impl Iterator<Item = Format> {
        FORMATS.iter().map(|format| Format(*format))
    }

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// As sentences call it.
    pub fn title(self) -> &'static str {
        self.0.title()
    }

    /// Whether its compression can be chosen: Parquet's alone.
    pub fn is_compressible(self) -> bool {
        self.0.is_compressible()
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
