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
    #[error("no record of the recording passes `--from`, `--to` and `--only`")]
    Nothing,
    /// No label belongs to this incident.
    #[error("no incident of the recording is called `{0}`")]
    NoIncident(String),
    /// An incident is requested, but the recording has no labels.
    #[error("only labels tell what an incident changed, and the recording has none")]
    NoLabels,
    /// The end of the recording must be known before its first record is sent, but the recording can be read only once.
    #[error("standard input and pipes can be read only once, and how it ends must be known before")]
    Once,
    /// A time would be outside the range that a record can have.
    #[error("a time would be outside of what can be written: from 1970 to {}", SimTime::END)]
    Beyond,
}

impl From<OutputError> for ReplayError {
    fn from(error: OutputError) -> ReplayError {
        ReplayError::Run(error.into())
    }
}
