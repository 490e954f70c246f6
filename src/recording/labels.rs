use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::dataset::{Format, name_of};
use super::manifest::LabelFacts;
use crate::label::{self, Label};
#[cfg(feature = "parquet")]
use crate::output::ParquetLabels;
use crate::output::{Direct, OutputError, TableOptions};

/// A labels file that is written while records stream.
pub struct LabelSink {
    /// As the manifest calls it.
    name: String,
    file: Destination,
    rows: u64,
    digest: blake3::Hasher,
}

enum Destination {
    Lines {
        file: BufWriter<Direct>,
        path: PathBuf,
    },
    Csv {
        file: Box<csv::Writer<File>>,
        path: PathBuf,
    },
    #[cfg(feature = "parquet")]
    Parquet {
        file: Box<ParquetLabels>,
        waiting: Vec<Label>,
    },
}

/// Rows that are handed to Parquet at once.
#[cfg(feature = "parquet")]
const ROWS: usize = 4_096;

impl LabelSink {
    /// The labels file of a dataset directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn create(
        format: Format,
        directory: &Path,
        options: &TableOptions,
    ) -> Result<LabelSink, OutputError> {
        #[cfg(not(feature = "parquet"))]
        let _ = options;
        let name = format!("labels.{}", format.name());
        let path = directory.join(&name);
        let make = || File::create_new(&path).map_err(|error| OutputError::io(&path, error));
        match format {
            Format::Ndjson => Ok(LabelSink::lines(make()?, path)),
            Format::Csv => {
                let mut file = Box::new(csv::Writer::from_writer(make()?));
                let header = file.write_record(label::COLUMNS.iter().map(|(column, _)| column));
                header.map_err(|error| OutputError::io(&path, error.into()))?;
                let file = Destination::Csv { file, path };
                Ok(LabelSink { name, file, rows: 0, digest: blake3::Hasher::new() })
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let file = Destination::Parquet {
                    file: Box::new(ParquetLabels::create(&path, options)?),
                    waiting: Vec::new(),
                };
                Ok(LabelSink { name, file, rows: 0, digest: blake3::Hasher::new() })
            }
        }
    }

    /// Lines of NDJSON into an open file; `path` is how messages call it.
    pub fn lines(file: impl Into<Direct>, path: PathBuf) -> LabelSink {
        let name = name_of(&path);
        let file = Destination::Lines { file: BufWriter::new(file.into()), path };
        LabelSink { name, file, rows: 0, digest: blake3::Hasher::new() }
    }

    /// Appends rows, in the order of a labels file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&mut self, labels: &[Label]) -> Result<(), OutputError> {
        let lines = label::lines(labels);
        self.digest.update(&lines);
        self.rows += labels.len() as u64;
        match &mut self.file {
            Destination::Lines { file, path } => {
                file.write_all(&lines).map_err(|error| OutputError::io(path, error))
            }
            Destination::Csv { file, path } => {
                let written = labels.iter().try_for_each(|label| file.write_record(label.fields()));
                written.map_err(|error| OutputError::io(path, error.into()))
            }
            #[cfg(feature = "parquet")]
            Destination::Parquet { file, waiting } => {
                waiting.extend_from_slice(labels);
                if waiting.len() < ROWS {
                    return Ok(());
                }
                file.write(&std::mem::take(waiting))
            }
        }
    }

    /// Ends the file, durably.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn finish(&mut self) -> Result<LabelFacts, OutputError> {
        #[cfg_attr(not(feature = "parquet"), expect(unused_mut, reason = "only Parquet has one"))]
        let mut file_digest = None;
        match &mut self.file {
            Destination::Lines { file, path } => {
                let ended = file.flush().and_then(|()| file.get_ref().sync());
                ended.map_err(|error| OutputError::io(path, error))?;
            }
            Destination::Csv { file, path } => {
                let ended = file.flush().and_then(|()| file.get_ref().sync_all());
                ended.map_err(|error| OutputError::io(path, error))?;
            }
            #[cfg(feature = "parquet")]
            Destination::Parquet { file, waiting } => {
                file.write(&std::mem::take(waiting))?;
                file_digest = Some(file.finish()?);
            }
        }
        let digest = self.digest.finalize().to_hex().to_string();
        Ok(LabelFacts { path: self.name.clone(), rows: self.rows, digest, file_digest })
    }
}
