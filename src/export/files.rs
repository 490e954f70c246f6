//! Writes the many files of an export with one open at a time, and defines the errors of exports.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::recording::{PathProblem, PublishError, RecordingError};
use crate::time::SimTime;

/// How many bytes of one file may wait in memory. An export has too many files to keep all of them open.
const OWED: usize = 16 << 10;

/// How many bytes of all files together may wait in memory.
const ALL_OWED: usize = 64 << 20;

/// The files of an unfinished directory. All of them are written bit by bit.
pub(super) struct Files {
    directory: PathBuf,
    owed: BTreeMap<String, Vec<u8>>,
    all_owed: usize,
}

/// The error of an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The recording can't be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The recording has no labels to export.
    #[error("the recording has no labels, which an export requires")]
    NoLabels,
    /// A row of an entity is not later than the previous row of the same entity.
    #[error("the rows of `{0}` are not in strictly increasing time order: {1}")]
    Disorder(String, SimTime),
    /// The directory can't be created.
    #[error(transparent)]
    Path(#[from] PathProblem),
    /// The finished directory can't be moved to its final name.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The user requested a stop.
    #[error("stopped before the end")]
    Stopped,
    /// A file can't be written.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
}

impl ExportError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> ExportError {
        ExportError::Io { path: path.into(), source }
    }
}

impl Files {
    pub(super) fn new(directory: &Path) -> Files {
        Files { directory: directory.into(), owed: BTreeMap::new(), all_owed: 0 }
    }

    /// Whether nothing was written to this file yet.
    pub(super) fn is_new(&self, name: &str) -> bool {
        !self.owed.contains_key(name)
    }

    /// Appends bytes to a file.
    pub(super) fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.all_owed += bytes.len();
        let Some(owed) = self.owed.get_mut(name) else {
            self.owed.insert(name.into(), bytes.to_vec());
            return Ok(());
        };
        owed.extend_from_slice(bytes);
        if owed.len() >= OWED {
            let owed = std::mem::take(owed);
            return self.pay(name, &owed);
        }
        if self.all_owed >= ALL_OWED {
            let mut all = std::mem::take(&mut self.owed);
            let paid = all.iter_mut().try_for_each(|(name, owed)| self.pay(name, &std::mem::take(owed)));
            self.owed = all;
            return paid;
        }
        Ok(())
    }

    fn pay(&mut self, name: &str, owed: &[u8]) -> Result<(), ExportError> {
        self.all_owed -= owed.len();
        self.open(name)?.write_all(owed).map_err(|error| ExportError::io(&self.directory.join(name), error))
    }

    fn open(&self, name: &str) -> Result<File, ExportError> {
        let path = self.directory.join(name);
        let folder = path.parent().unwrap_or(&self.directory);
        let made = std::fs::create_dir_all(folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
        made.map_err(|error| ExportError::io(&path, error))
    }

    /// Completes all files, syncs them to disk, and gives each the name that `rename` returns for it.
    pub(super) fn finish(self, rename: impl Fn(&str) -> String) -> Result<(), ExportError> {
        for (name, owed) in &self.owed {
            let mut file = self.open(name)?;
            let (path, place) = (self.directory.join(name), self.directory.join(rename(name)));
            let ended = file.write_all(owed).and_then(|()| file.sync_all());
            let ended =
                ended.and_then(|()| if place == path { Ok(()) } else { std::fs::rename(&path, &place) });
            ended.map_err(|error| ExportError::io(&place, error))?;
        }
        Ok(())
    }

    /// Joins the files `names`, in this order, into the single file `place`, and appends `end`.
    pub(super) fn finish_as_one(self, place: &str, names: &[String], end: &[u8]) -> Result<(), ExportError> {
        let place = self.directory.join(place);
        let mut one = File::create_new(&place).map_err(|error| ExportError::io(&place, error))?;
        for name in names {
            let path = self.directory.join(name);
            let copied = match File::open(&path) {
                Ok(mut file) => std::io::copy(&mut file, &mut one).and_then(|_| std::fs::remove_file(&path)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            let owed = self.owed.get(name).map(Vec::as_slice).unwrap_or_default();
            copied.and_then(|()| one.write_all(owed)).map_err(|error| ExportError::io(&place, error))?;
        }
        one.write_all(end).and_then(|()| one.sync_all()).map_err(|error| ExportError::io(&place, error))
    }
}
