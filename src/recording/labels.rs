//! Writes a labels file of any format, and counts and digests its rows for the manifest.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::dataset::name_of;
use super::formats::{Format, LabelFile};
use super::manifest::LabelFacts;
use crate::label::{self, Label};
use crate::output::{Direct, OutputError, TableOptions};

/// A labels file that is written while the records stream.
pub struct LabelSink {
    /// The file's name in the manifest.
    name: String,
    file: Box<dyn LabelFile>,
    rows: u64,
    digest: blake3::Hasher,
}

impl LabelSink {
    /// Creates the labels file of a dataset directory.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn create(
        format: Format,
        directory: &Path,
        options: &TableOptions,
    ) -> Result<LabelSink, OutputError> {
        let path = directory.join(format!("labels.{}", format.name()));
        let name = name_of(&path);
        Ok(LabelSink::new(name, format.0.create_labels(path, options)?))
    }

    /// Writes NDJSON lines into an open file; `path` is its name in messages.
    pub fn lines(file: impl Into<Direct>, path: PathBuf) -> LabelSink {
        LabelSink::new(name_of(&path), Box::new(LabelLines::new(file, path)))
    }

    fn new(name: String, file: Box<dyn LabelFile>) -> LabelSink {
        LabelSink { name, file, rows: 0, digest: blake3::Hasher::new() }
    }

    /// Appends rows, which must be in the order of a labels file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&mut self, labels: &[Label]) -> Result<(), OutputError> {
        let lines = label::lines(labels);
        self.digest.update(&lines);
        self.rows += labels.len() as u64;
        self.file.write(labels, &lines)
    }

    /// Completes the file and syncs it to disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(&mut self) -> Result<LabelFacts, OutputError> {
        let file_digest = self.file.finish()?;
        let digest = self.digest.finalize().to_hex().to_string();
        Ok(LabelFacts { path: self.name.clone(), rows: self.rows, digest, file_digest })
    }
}

/// Writes labels as lines of NDJSON.
pub(super) struct LabelLines {
    file: BufWriter<Direct>,
    path: PathBuf,
}

impl LabelLines {
    pub(super) fn new(file: impl Into<Direct>, path: PathBuf) -> LabelLines {
        LabelLines { file: BufWriter::new(file.into()), path }
    }
}

impl LabelFile for LabelLines {
    fn write(&mut self, _: &[Label], lines: &[u8]) -> Result<(), OutputError> {
        self.file.write_all(lines).map_err(|error| OutputError::io(&self.path, error))
    }

    fn finish(&mut self) -> Result<Option<String>, OutputError> {
        let ended = self.file.flush().and_then(|()| self.file.get_ref().sync());
        ended.map(|()| None).map_err(|error| OutputError::io(&self.path, error))
    }
}
