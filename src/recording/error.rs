//! The errors of reading a recording, each with the help that the user sees.

use std::io;
use std::path::PathBuf;

use super::manifest::FORMAT;
use super::path_problem::{MORE_FILES, is_out_of_files};

/// An error that prevents reading a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path is not a recording.
    #[error("`{path}` is not a recording: {reason}")]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The recording is damaged.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// All rows could be read, but they differ from what the manifest states.
    #[error("`{path}` is damaged: {reason}")]
    Whole {
        /// The dataset.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two files that belong together describe different recordings.
    #[error("`{path}` and `{other}` contradict each other: {reason}")]
    Contradiction {
        /// One of the files.
        path: PathBuf,
        /// The other file.
        other: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// Labels without a manifest contain mistakes, or do not belong to these records.
    #[error("the labels `{path}` do not match the records `{records}`: {reason}")]
    Labels {
        /// The labels file.
        path: PathBuf,
        /// The records file.
        records: PathBuf,
        /// The mistakes, each with its line number.
        reason: String,
    },
    /// The recording is not a neighbouring shard of the others.
    #[error("`{path}` does not belong to the other recordings: {reason}")]
    Apart {
        /// The recording.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// Another version of the program wrote it, with a different layout.
    #[error("`{path}` has format {found}, but this version of reenact reads format {FORMAT}")]
    OtherFormat {
        /// The manifest or Parquet file.
        path: PathBuf,
        /// The version of its layout.
        found: u64,
    },
}

impl RecordingError {
    /// Whether the error was found only after all rows of a recording were read.
    pub fn is_of_the_whole(&self) -> bool {
        matches!(self, RecordingError::Whole { .. } | RecordingError::Contradiction { .. })
    }

    /// Returns what the user can do next.
    pub fn help(&self) -> &'static str {
        match self {
            RecordingError::Io { source, .. } if is_out_of_files(source) => MORE_FILES,
            RecordingError::Io { .. } => "check the path",
            RecordingError::Foreign { .. } => {
                "name a directory that `run` wrote with `--out parquet:DIR/`, `ndjson:DIR/` or `csv:DIR/`, or a file \
                 from it"
            }
            RecordingError::Damaged { .. } | RecordingError::Whole { .. } => {
                "copy it from its source again, or render a dataset again with `reenact run DIR/ --out FORMAT:OTHER/`"
            }
            RecordingError::Contradiction { .. } => {
                "one of them belongs to another run: write them again together, or remove the labels or the manifest \
                 if you changed the other files on purpose"
            }
            RecordingError::Labels { .. } => {
                "correct these lines, or remove the labels to use only the records"
            }
            RecordingError::Apart { .. } => "name all shards of one run, each once, in any order",
            RecordingError::OtherFormat { .. } => "use a version of reenact that reads it",
        }
    }
}

/// The largest number of mistakes that an error lists.
const MOST_LISTED: usize = 20;

/// Joins the mistakes of one file into a reason. Lists the first `MOST_LISTED` and counts the others.
pub(super) fn listed(mut mistakes: Vec<String>) -> String {
    let more = mistakes.len().saturating_sub(MOST_LISTED);
    mistakes.truncate(MOST_LISTED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    mistakes.join("; ") + &more
}
