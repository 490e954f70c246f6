use std::io;
use std::path::PathBuf;

use super::manifest::FORMAT;
use super::path_problem::{MORE_FILES, is_out_of_files};

/// A recording that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no recording at all.
    #[error("`{path}` is no recording: {reason}")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// It was one, but is damaged.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// All its rows could be read, and they are not what its manifest says.
    #[error("`{path}` is damaged: {reason}")]
    Whole {
        /// Which dataset.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two files that belong together are not of one recording.
    #[error("`{path}` and `{other}` contradict each other: {reason}")]
    Contradiction {
        /// One of them.
        path: PathBuf,
        /// The other one.
        other: PathBuf,
        /// In what.
        reason: String,
    },
    /// Labels without a manifest have mistakes, or are not of these records.
    #[error("the labels `{path}` do not fit the records `{records}`: {reason}")]
    Labels {
        /// The labels.
        path: PathBuf,
        /// The records.
        records: PathBuf,
        /// The mistakes with their lines.
        reason: String,
    },
    /// It is no neighbour of the others.
    #[error("`{path}` does not belong to the others: {reason}")]
    Apart {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A program of another time made it.
    #[error("`{path}` has format {found}, and this program reads {FORMAT}")]
    OtherFormat {
        /// Which manifest.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
}

impl RecordingError {
    /// Whether it is a verdict about all rows of a recording, which were read to their end.
    pub fn is_of_the_whole(&self) -> bool {
        matches!(self, RecordingError::Whole { .. } | RecordingError::Contradiction { .. })
    }

    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            RecordingError::Io { source, .. } if is_out_of_files(source) => MORE_FILES,
            RecordingError::Io { .. } => "check the path",
            RecordingError::Foreign { .. } => {
                "give a directory that `run --out parquet:DIR/` wrote, or `ndjson:` or `csv:`; or a file from it"
            }
            RecordingError::Damaged { .. } | RecordingError::Whole { .. } => {
                "take it from where it came again; `reenact run DIR/ --out FORMAT:OTHER/` renders a dataset again"
            }
            RecordingError::Contradiction { .. } => {
                "one of them is of another run: write them again together, or remove the labels or the manifest \
                 if you changed the others on purpose"
            }
            RecordingError::Labels { .. } => {
                "correct these lines, or remove the labels to use the records alone"
            }
            RecordingError::Apart { .. } => "give all shards of one run, each once, in any order",
            RecordingError::OtherFormat { .. } => "take a version of reenact that reads it",
        }
    }
}

/// Mistakes that an error lists, at most.
const MOST_LISTED: usize = 20;

/// Mistakes of one file as a reason, the first of many.
pub(super) fn listed(mut mistakes: Vec<String>) -> String {
    let more = mistakes.len().saturating_sub(MOST_LISTED);
    mistakes.truncate(MOST_LISTED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    mistakes.join("; ") + &more
}
