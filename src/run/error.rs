use std::path::PathBuf;

use crate::output::OutputError;
use crate::recording::{PathProblem, PublishError};
use crate::time::SimTime;

/// A run that can't begin, or that failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No incident has this id.
    #[error("no incident is called `{id}`")]
    NoIncident {
        /// What was asked for.
        id: String,
        /// The first that there are.
        known: Vec<String>,
    },
    /// A window without a tick.
    #[error("no tick lies in the window")]
    EmptyWindow,
    /// A bound of the window lies outside the run.
    #[error("{moment} lies outside the run, which lasts from {start} to {end}")]
    OutsideRun {
        /// The bound.
        moment: SimTime,
        /// The run's start.
        start: SimTime,
        /// The first moment after the run.
        end: SimTime,
    },
    /// A shard's number outside 1 … n.
    #[error("there is no shard {i} of {n}")]
    NoSuchShard {
        /// Which.
        i: u64,
        /// Of how many.
        n: u64,
    },
    /// More shards than ticks.
    #[error("{ticks} ticks can't be cut into {n} shards")]
    TooManyShards {
        /// How many shards.
        n: u64,
        /// How many ticks.
        ticks: u64,
    },
    /// An output as written makes no sense.
    #[error("{message}")]
    Target {
        /// What is wrong.
        message: String,
        /// What to write.
        help: String,
    },
    /// A path can't be written; nothing was rendered.
    #[error(transparent)]
    Path(PathProblem),
    /// Whoever watches it wanted it to stop: nothing is published.
    #[error("stopped before the end")]
    Stopped,
    /// The system starts no thread for it: nothing was sent.
    #[error("cannot start a thread: {0}")]
    NoThread(std::io::Error),
    /// An output failed: none is published.
    #[error(transparent)]
    Output(OutputError),
    /// All outputs are whole, but not all could be given their names.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Publish {
        /// Why.
        errors: Vec<PublishError>,
        /// Those that have theirs.
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
    /// Ids of incidents that are told to whoever asked for another one.
    pub(super) const MOST_KNOWN: usize = 10;

    /// Whether the input was wrong, and not an output.
    pub fn is_input(&self) -> bool {
        match self {
            RunError::Output(error) => matches!(error, OutputError::KafkaSetting { .. }),
            RunError::Publish { .. } | RunError::NoThread(_) => false,
            _ => true,
        }
    }

    /// What to do next.
    pub fn help(&self) -> Vec<String> {
        match self {
            RunError::NoIncident { known, .. } if known.is_empty() => {
                vec!["nothing is scheduled; `plan` and the labels tell what there is".into()]
            }
            RunError::NoIncident { known, .. } => {
                let few = known.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
                let more = if known.len() == RunError::MOST_KNOWN { ", …" } else { "" };
                vec![format!("there is {}{more}", few.join(", "))]
            }
            RunError::Stopped => vec!["nothing was published".into()],
            RunError::NoThread(_) => {
                vec!["raise the limit of processes (`ulimit -u`); nothing was sent".into()]
            }
            RunError::EmptyWindow => vec!["make it at least one step long".into()],
            RunError::OutsideRun { .. } => vec!["durations count from the run's start".into()],
            RunError::NoSuchShard { n, .. } => vec![format!("shards count from 1/{n} to {n}/{n}")],
            RunError::TooManyShards { ticks, .. } => vec![format!("take at most {ticks}")],
            RunError::Target { help, .. } => vec![help.clone()],
            RunError::Path(problem) => vec![problem.help().into()],
            RunError::Output(OutputError::KafkaSetting { help, .. }) => vec![help.clone()],
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
