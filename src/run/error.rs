//! The errors of a run, each with the help that the user sees.

use std::path::PathBuf;

use crate::output::OutputError;
use crate::recording::{PathProblem, PublishError};
use crate::time::SimTime;

/// An error that prevents a run or makes it fail.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No incident has this id.
    #[error("incident `{id}` does not exist")]
    NoIncident {
        /// The requested id.
        id: String,
        /// The ids of the first scheduled incidents.
        known: Vec<String>,
    },
    /// The window contains no tick.
    #[error("the window contains no tick")]
    EmptyWindow,
    /// A bound of the window is outside the run.
    #[error("{moment} is outside the run, which lasts from {start} to {end}")]
    OutsideRun {
        /// The bound.
        moment: SimTime,
        /// The run's start.
        start: SimTime,
        /// The first moment after the run.
        end: SimTime,
    },
    /// The shard's number is not in 1 … n.
    #[error("shard {i} of {n} does not exist")]
    NoSuchShard {
        /// The number of the shard.
        i: u64,
        /// The number of shards.
        n: u64,
    },
    /// There are more shards than ticks.
    #[error("{ticks} ticks cannot be divided into {n} shards")]
    TooManyShards {
        /// The number of shards.
        n: u64,
        /// The number of ticks.
        ticks: u64,
    },
    /// The output, as written, is not valid.
    #[error("{message}")]
    Target {
        /// What is wrong.
        message: String,
        /// What to write instead.
        help: String,
    },
    /// A path can't be written. Nothing was rendered.
    #[error(transparent)]
    Path(PathProblem),
    /// A stop was requested before the end. Nothing is published.
    #[error("stopped before the end")]
    Stopped,
    /// The system can't start a thread. Nothing was sent.
    #[error("cannot start a thread: {0}")]
    NoThread(std::io::Error),
    /// An output failed. No output is published.
    #[error(transparent)]
    Output(OutputError),
    /// All outputs are complete, but not all could get their final names.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Publish {
        /// The reasons.
        errors: Vec<PublishError>,
        /// The outputs that have their final names.
        published: Vec<PathBuf>,
    },
}

impl From<PathProblem> for RunError {
    fn from(problem: PathProblem) -> RunError {
        match problem {
            PathProblem::Unread(_) => RunError::Stopped,
            problem => RunError::Path(problem),
        }
    }
}

impl From<OutputError> for RunError {
    fn from(error: OutputError) -> RunError {
        match error {
            OutputError::Stalled { .. } => RunError::Stopped,
            error => RunError::Output(error),
        }
    }
}

impl RunError {
    /// The largest number of incident ids that the help lists if an id is unknown.
    pub(super) const MOST_KNOWN: usize = 10;

    /// Whether the cause is an invalid input and not a failed output.
    pub fn is_input(&self) -> bool {
        match self {
            RunError::Output(error) => matches!(error, OutputError::KafkaSetting { .. }),
            RunError::Publish { .. } | RunError::NoThread(_) => false,
            _ => true,
        }
    }

    /// Returns what the user can do next.
    pub fn help(&self) -> Vec<String> {
        match self {
            RunError::NoIncident { known, .. } if known.is_empty() => {
                vec!["no incident is scheduled; `plan` and the labels list all incidents".into()]
            }
            RunError::NoIncident { known, .. } => {
                let few = known.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
                let more = if known.len() == RunError::MOST_KNOWN { ", …" } else { "" };
                vec![format!("known incidents: {}{more}", few.join(", "))]
            }
            RunError::Stopped => vec!["nothing was published".into()],
            RunError::NoThread(_) => {
                vec!["raise the process limit (`ulimit -u`); nothing was sent".into()]
            }
            RunError::EmptyWindow => {
                vec!["make the window at least one step long, and its end later than its start".into()]
            }
            RunError::OutsideRun { .. } => vec!["durations are counted from the start of the run".into()],
            RunError::NoSuchShard { n, .. } => vec![format!("use a shard from 1/{n} to {n}/{n}")],
            RunError::TooManyShards { ticks, .. } => vec![format!("use at most {ticks}")],
            RunError::Target { help, .. } => vec![help.clone()],
            RunError::Path(problem) => vec![problem.help().into()],
            RunError::Output(error) => error.help().to_vec(),
            RunError::Publish { errors, published } => {
                let mut help: Vec<String> = errors.iter().map(PublishError::help).collect();
                let names: Vec<String> = published.iter().map(|it| format!("`{}`", it.display())).collect();
                if !names.is_empty() {
                    help.push(format!("the other outputs are complete: {}", names.join(", ")));
                }
                help
            }
        }
    }
}
