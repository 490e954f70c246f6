//! Summarises a run or a recording: as an entry with all lines, or only as totals.

use std::convert::Infallible;

use super::entry::Entry;
use super::sums::Sums;
use crate::batch::Batch;
use crate::digest;
use crate::label;
use crate::pipeline::Piece;
use crate::plan::VALUES_EPOCH;
use crate::recording::{Recording, RecordingError};
use crate::run::Run;

/// Renders a run and summarises it in an entry.
pub fn take(run: &Run) -> Entry {
    let mut sums = Sums::new();
    let Ok(()) = run.pieces(Batch::clone, |piece| {
        match piece {
            Piece::Records(batch) => sums.feed(&batch),
            Piece::Labels(labels) => sums.feed_labels(&labels),
            Piece::Followed(_) => {}
        }
        Ok::<(), Infallible>(())
    });
    sums.entry(digest::of_text(run.plan().scenario_json()), VALUES_EPOCH)
}

/// Reads a recording and summarises it in an entry. Also returns damage that did not prevent reading its rows. The
/// digest of the labels is empty if there are no labels. The digest of the scenario is empty for a file without a
/// manifest.
///
/// # Errors
/// If the recording can't be read to its end.
pub fn take_recording(recording: &Recording) -> Result<(Entry, Vec<RecordingError>), RecordingError> {
    let mut sums = Sums::new();
    let mut damages = Vec::new();
    for batch in recording.batches()? {
        match batch {
            Ok(batch) => sums.feed(&batch),
            Err(error) if error.is_of_the_whole() => damages.push(error),
            Err(error) => return Err(error),
        }
    }
    let labels = recording.labels().unwrap_or_else(|error| {
        damages.push(error);
        None
    });
    sums.feed_labels(labels.as_deref().unwrap_or_default());
    let manifest = recording.manifest();
    let scenario = manifest.map(|manifest| manifest.scenario_digest.clone()).unwrap_or_default();
    let mut entry = sums.entry(scenario, manifest.map_or(VALUES_EPOCH, |manifest| manifest.epoch));
    if labels.is_none() {
        entry.labels.clear();
    }
    Ok((entry, damages))
}

/// The totals that show whether anything changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// The number of rows.
    pub rows: u64,
    /// BLAKE3 of all rows in stream order.
    pub stream: String,
    /// BLAKE3 of the labels as lines.
    pub labels: String,
}

impl Digests {
    /// Renders a run and computes only these totals.
    pub fn of(run: &Run) -> Digests {
        let (mut rows, mut stream, mut labels) = (0, blake3::Hasher::new(), blake3::Hasher::new());
        let encode = |batch: &Batch| (batch.num_rows() as u64, digest::batch_bytes(batch));
        let Ok(()) = run.pieces(encode, |piece| {
            match piece {
                Piece::Records((number, bytes)) => {
                    rows += number;
                    stream.update(&bytes);
                }
                Piece::Labels(incident) => drop(labels.update(&label::lines(&incident))),
                Piece::Followed(_) => {}
            }
            Ok::<(), Infallible>(())
        });
        let [stream, labels] = [stream, labels].map(|hasher| hasher.finalize().to_hex().to_string());
        Digests { rows, stream, labels }
    }

    /// Whether an entry has the same totals.
    pub fn are_those_of(&self, entry: &Entry) -> bool {
        (self.rows, &self.stream, &self.labels) == (entry.rows, &entry.stream, &entry.labels)
    }
}
