use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::dataset::RECORDS;
use super::error::RecordingError;
use super::manifest::{FORMAT, MANIFEST, Manifest};
use super::merge::{Merge, Sorted};
use super::read_ndjson::NdjsonReader;
use crate::batch::Batch;
#[cfg(feature = "parquet")]
use crate::batch::RecordType;
use crate::digest;

/// A recorded run: a dataset directory, or an NDJSON file.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    manifest: Option<Manifest>,
}

impl Recording {
    /// Opens a recording.
    ///
    /// # Errors
    /// If there is none, or its manifest can't be understood.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let io = |source| RecordingError::Io { path: path.into(), source };
        if !std::fs::metadata(path).map_err(io)?.is_dir() {
            return Ok(Recording { path: path.into(), manifest: None });
        }
        let manifest_path = path.join(MANIFEST);
        let Ok(text) = std::fs::read_to_string(&manifest_path) else {
            let reason = format!("it has no readable `{MANIFEST}`");
            return Err(RecordingError::Foreign { path: path.into(), reason });
        };
        let damaged = |error: serde_json::Error| RecordingError::Damaged {
            path: manifest_path.clone(),
            reason: error.to_string(),
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64);
        let Some(found) = found else {
            let reason = "it does not say its `format`".into();
            return Err(RecordingError::Damaged { path: manifest_path, reason });
        };
        if found != u64::from(FORMAT) {
            return Err(RecordingError::Newer { path: manifest_path, found });
        }
        let manifest = serde_json::from_value(value).map_err(damaged)?;
        Ok(Recording { path: path.into(), manifest: Some(manifest) })
    }

    /// What a dataset directory says of itself; none for a single file.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// What is wrong with a recording without a record.
    pub(crate) fn empty(&self) -> RecordingError {
        RecordingError::Foreign { path: self.path.clone(), reason: "it has no record".into() }
    }

    /// The recorded rows in stream order. The last item tells if rows are missing or changed.
    ///
    /// # Errors
    /// If a part is missing or is no part.
    pub fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Batch, RecordingError>>>, RecordingError> {
        let Some(manifest) = &self.manifest else {
            return Ok(Box::new(self.lines(&self.path)?));
        };
        if manifest.parts.iter().any(|part| part.path == RECORDS) {
            let lines = self.lines(&self.path.join(RECORDS))?;
            return Ok(Box::new(Checked::new(lines, &self.path, manifest)));
        }
        let merged = self.merged(manifest)?;
        Ok(Box::new(Checked::new(merged, &self.path, manifest)))
    }

    fn lines(&self, path: &Path) -> Result<NdjsonReader<BufReader<File>>, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
        Ok(NdjsonReader::new(BufReader::with_capacity(1 << 18, file), path.into()))
    }

    #[cfg(feature = "parquet")]
    fn merged(&self, manifest: &Manifest) -> Result<Merge, RecordingError> {
        let files = |record: RecordType| -> Result<Sorted, RecordingError> {
            let folder = format!("{}/", record.name());
            let parts = manifest.parts.iter().filter(|part| part.path.starts_with(&folder));
            let paths: Vec<PathBuf> = parts.map(|part| self.path.join(&part.path)).collect();
            Ok(Box::new(super::read_parquet::ParquetReader::open(paths, record)?))
        };
        Ok(Merge::new([files(RecordType::ServerMetric)?, files(RecordType::ApplicationMetric)?]))
    }

    #[cfg(not(feature = "parquet"))]
    fn merged(&self, _: &Manifest) -> Result<Merge, RecordingError> {
        let _: fn([Sorted; 2]) -> Merge = Merge::new;
        let reason = "this program was built without Parquet".into();
        Err(RecordingError::Foreign { path: self.path.clone(), reason })
    }
}

/// Counts and digests what passes, and says at the end if it is not what the manifest says.
struct Checked<I> {
    rows: I,
    digest: blake3::Hasher,
    counts: u64,
    path: PathBuf,
    expected: (u64, String),
    is_over: bool,
}

impl<I> Checked<I> {
    fn new(rows: I, path: &Path, manifest: &Manifest) -> Checked<I> {
        let expected = (
            manifest.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.rows)),
            manifest.digest.clone(),
        );
        Checked {
            rows,
            digest: blake3::Hasher::new(),
            counts: 0,
            path: path.into(),
            expected,
            is_over: false,
        }
    }

    fn verdict(&self) -> Option<RecordingError> {
        let (rows, digest) = &self.expected;
        let reason = if self.counts != *rows {
            format!("it has {} rows, and its manifest says {rows}", self.counts)
        } else if self.digest.finalize().to_hex().as_str() != digest {
            "its rows are not those that its manifest's digest was taken over".into()
        } else {
            return None;
        };
        Some(RecordingError::Damaged { path: self.path.clone(), reason })
    }
}

impl<I: Iterator<Item = Result<Batch, RecordingError>>> Iterator for Checked<I> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.rows.next() {
            Some(Ok(batch)) => {
                self.counts += batch.num_rows() as u64;
                self.digest.update(&digest::batch_bytes(&batch));
                Some(Ok(batch))
            }
            other => {
                self.is_over = true;
                other.or_else(|| self.verdict().map(Err))
            }
        }
    }
}
