//! The formats of dataset directories: one file per format, listed once in [`FORMATS`].

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
use crate::output::{OutputError, TableOptions, Tee};
use crate::schema::Schema;

/// A format of dataset directories: which files it has, and how they are written and read.
pub(super) trait DatasetFormat: fmt::Debug + Sync {
    /// Returns the name that `--out` uses, such as `parquet`. It is also the extension of the labels file.
    fn name(&self) -> &'static str;

    /// Returns the name for use in sentences, such as `Parquet`.
    fn title(&self) -> &'static str;

    /// Whether the user can choose the compression.
    fn is_compressible(&self) -> bool {
        false
    }

    /// Adds the records of an unfinished directory to the outputs of a run. `target` is the directory's name in the
    /// receipt.
    fn add(
        &self,
        tee: &mut Tee,
        directory: &Path,
        target: String,
        schema: &Schema,
        options: &TableOptions,
    ) -> Result<(), OutputError>;

    /// Creates the labels file.
    fn create_labels(&self, path: PathBuf, options: &TableOptions)
    -> Result<Box<dyn LabelFile>, OutputError>;

    /// Whether a dataset with these parts has this format.
    fn holds(&self, manifest: &Manifest, schema: &Schema) -> bool;

    /// Returns the records in stream order. May leave out records that the filter does not select.
    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        manifest: &Manifest,
        filter: &Filter,
    ) -> Result<Batches, RecordingError>;

    /// Reads the rows of a labels file. `digest` is the digest of the file's bytes, if the manifest states one.
    fn label_rows(&self, path: &Path, digest: Option<&str>) -> Result<Vec<LabelRow>, RecordingError>;
}

/// All formats. A dataset has the first format that recognises its parts.
pub(super) static FORMATS: &[&dyn DatasetFormat] = &[
    &ndjson::Ndjson,
    &csv::Csv,
    #[cfg(feature = "parquet")]
    &parquet::Parquet,
];

/// A row of a labels file: its location, and either its fields in the order of [`crate::label::COLUMNS`] or what is
/// wrong with it.
pub(super) type LabelRow = (String, Result<Vec<String>, String>);

/// Adds the location to rows: their number, counted from 1.
fn numbered(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<LabelRow> {
    (1..).zip(rows).map(|(number, fields)| (format!("row {number}"), Ok(fields))).collect()
}

/// A labels file that is being written.
pub(super) trait LabelFile: Send {
    /// Appends rows; `lines` contains the same rows as NDJSON.
    fn write(&mut self, labels: &[Label], lines: &[u8]) -> Result<(), OutputError>;

    /// Completes the file and syncs it to disk. Returns the digest of its bytes if readers should check it.
    fn finish(&mut self) -> Result<Option<String>, OutputError>;
}

/// The format of a dataset directory.
#[derive(Clone, Copy)]
pub struct Format(pub(super) &'static dyn DatasetFormat);

impl Format {
    /// `records.ndjson` and `labels.ndjson`.
    pub const NDJSON: Format = Format(&ndjson::Ndjson);

    /// One table per entity type, and `labels.csv`.
    pub const CSV: Format = Format(&csv::Csv);

    /// Parquet files per entity type, and `labels.parquet`.
    #[cfg(feature = "parquet")]
    pub const PARQUET: Format = Format(&parquet::Parquet);

    /// Returns all formats that this program was built with.
    pub fn all() -> impl Iterator<Item = Format> {
        FORMATS.iter().map(|format| Format(*format))
    }

    /// Returns the name that the command line uses.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the name for use in sentences.
    pub fn title(self) -> &'static str {
        self.0.title()
    }

    /// Whether the user can choose the compression. Only Parquet allows this.
    pub fn is_compressible(self) -> bool {
        self.0.is_compressible()
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
