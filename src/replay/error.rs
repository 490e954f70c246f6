use crate::output::OutputError;
use crate::recording::RecordingError;
use crate::run::RunError;
use crate::time::SimTime;

/// A replay that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording could not be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// An output failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Nothing is left to send.
    #[error("no record of the recording passes `--from`, `--to` and `--only`")]
    Nothing,
    /// No label is of such an incident.
    #[error("no incident of the recording is called `{0}`")]
    NoIncident(String),
    /// An incident is asked for.
    #[error("only labels tell what an incident changed, and the recording has none")]
    NoLabels,
    /// Its end has to be known before its first record is sent.
    #[error("standard input and pipes can be read only once, and how it ends must be known before")]
    Once,
    /// Times would leave what a record can have.
    #[error("a time would be outside of what can be written: from 1970 to {}", SimTime::END)]
    Beyond,
}

impl From<OutputError> for ReplayError {
    fn from(error: OutputError) -> ReplayError {
        ReplayError::Run(error.into())
    }
}
