//! Compares the number and the digest of the rows that are read with the manifest.

use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::manifest::Manifest;
use crate::batch::Batch;
use crate::digest;

/// Counts and digests the rows that pass. Its last item is an error if they differ from the manifest.
pub(super) struct Checked<I> {
    rows: I,
    digest: blake3::Hasher,
    counts: u64,
    path: PathBuf,
    /// The manifest next to the file, if the recording is a single file.
    manifest_path: Option<PathBuf>,
    expected: (u64, String),
    is_over: bool,
}

impl<I> Checked<I> {
    pub(super) fn new(
        rows: I,
        path: &Path,
        manifest_path: Option<PathBuf>,
        manifest: &Manifest,
    ) -> Checked<I> {
        let expected = (
            manifest.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.rows)),
            manifest.digest.clone(),
        );
        Checked {
            rows,
            digest: blake3::Hasher::new(),
            counts: 0,
            path: path.into(),
            manifest_path,
            expected,
            is_over: false,
        }
    }

    fn verdict(&self) -> Option<RecordingError> {
        let (rows, digest) = &self.expected;
        let reason = if self.counts != *rows {
            format!("it has {} rows, but its manifest states {rows}", self.counts)
        } else if self.digest.finalize().to_hex().as_str() != digest {
            "its rows do not match the digest in its manifest".to_string()
        } else {
            return None;
        };
        let path = self.path.clone();
        Some(match self.manifest_path.clone() {
            Some(other) => RecordingError::Contradiction { path, other, reason },
            None => RecordingError::Whole { path, reason },
        })
    }
}

impl<I: Iterator<Item = Result<(Batch, Vec<u8>), RecordingError>>> Iterator for Checked<I> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.rows.next() {
            Some(Ok((batch, row_bytes))) => {
                self.counts += batch.num_rows() as u64;
                self.digest.update(&row_bytes);
                Some(Ok(batch))
            }
            other => {
                self.is_over = true;
                other.map(|other| other.map(|(batch, _)| batch)).or_else(|| self.verdict().map(Err))
            }
        }
    }
}

/// Returns a batch and the bytes of its rows that digests are computed over.
pub(super) fn with_bytes(batch: Result<Batch, RecordingError>) -> Result<(Batch, Vec<u8>), RecordingError> {
    batch.map(|batch| {
        let row_bytes = digest::batch_bytes(&batch);
        (batch, row_bytes)
    })
}
