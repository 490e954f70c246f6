//! Facts about a recording that do not need all of its rows: its digest, start, step and last event time.

use std::fs::File;

use super::error::RecordingError;
use super::lines::STDIN;
use super::read::{Recording, Source};
use crate::time::{SimTime, Span};

impl Recording {
    /// Returns a digest of the recording: over the digests in the manifests, or over the bytes of a single file.
    /// Returns `None` for a pipe.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn digest(&self) -> Result<Option<String>, RecordingError> {
        let mut all = blake3::Hasher::new();
        for source in &self.sources {
            let Some(digest) = source.digest()? else { return Ok(None) };
            all.update(digest.as_bytes());
        }
        Ok(Some(all.finalize().to_hex().to_string()))
    }

    /// Returns the error that something is missing from the recording.
    pub(crate) fn lacks(&self, what: &str) -> RecordingError {
        let path = self.sources.first().map(|source| source.path().into()).unwrap_or_default();
        RecordingError::Foreign { path, reason: format!("it has no {what}") }
    }

    /// Whether the recording can be read only once, because it is standard input or a pipe.
    pub fn is_read_once(&self) -> bool {
        let is_once = |source: &Source| {
            let path = source.path();
            path.as_os_str() == STDIN
                || std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
        };
        self.sources.iter().any(is_once)
    }

    /// Returns the last event time that the manifest states; `None` for a shard or without a manifest.
    pub(crate) fn last_tick(&self) -> Option<SimTime> {
        let manifest = self.manifest().filter(|manifest| manifest.shard.is_none())?;
        let (to, step) = (SimTime::parse(&manifest.window.to)?, Span::parse(&manifest.clock.step)?);
        Some(to - step)
    }

    /// Returns the time between two ticks, as the manifest states it.
    pub(crate) fn step(&self) -> Option<Span> {
        Span::parse(&self.manifest()?.clock.step)
    }

    /// Returns the time from which durations count: the start of the run, or the first event time of a file without a
    /// manifest.
    ///
    /// # Errors
    /// If the recording can't be read, or has no records.
    pub fn start(&self) -> Result<SimTime, RecordingError> {
        if let Some(start) = self.manifest().and_then(|manifest| SimTime::parse(&manifest.clock.start)) {
            return Ok(start);
        }
        let first = self.batches()?.next().transpose()?;
        let moment = first.as_ref().and_then(|batch| batch.rows().next()).map(|row| row.timestamp());
        moment.ok_or_else(|| self.lacks("record"))
    }
}

impl Source {
    fn digest(&self) -> Result<Option<String>, RecordingError> {
        let path = match self {
            Source::Dataset { manifest, .. } => return Ok(Some(manifest.digest.clone())),
            Source::Lines { path, .. } | Source::Table(path) => path,
        };
        let io = |source| RecordingError::Io { path: path.clone(), source };
        // A pipe can be read only once.
        if path.as_os_str() == STDIN || !std::fs::metadata(path).map_err(io)?.is_file() {
            return Ok(None);
        }
        let mut bytes = blake3::Hasher::new();
        bytes.update_reader(File::open(path).map_err(io)?).map_err(io)?;
        Ok(Some(bytes.finalize().to_hex().to_string()))
    }
}
