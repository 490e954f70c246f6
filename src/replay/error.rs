//! The errors of a replay.

use crate::output::OutputError;
use crate::recording::RecordingError;
use crate::run::RunError;
use crate::time::SimTime;

/// The error of a replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording could not be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// An output failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The selection contains no record.
    #[error("no record of the recording matches `--from`, `--to` and `--only`")]
    Nothing,
    /// No label belongs to this incident.
    #[error("incident `{0}` does not exist in the recording")]
    NoIncident(String),
    /// An incident is requested, but the recording has no labels.
    #[error("the recording has no labels, which selecting an incident requires")]
    NoLabels,
    /// The end of the recording must be known before its first record is sent, but the recording can be read only once.
    #[error(
        "standard input and pipes can be read only once, but the end of the recording must be known first"
    )]
    Once,
    /// A time would be outside the range that a record can have.
    #[error("a time would be out of range: times must be between 1970 and {}", SimTime::END)]
    Beyond,
}

impl From<OutputError> for ReplayError {
    fn from(error: OutputError) -> ReplayError {
        ReplayError::Run(error.into())
    }
}
