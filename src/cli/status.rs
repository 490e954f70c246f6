//! Exit statuses and failures: maps each error of the library to a status, a message and help.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Words;
use crate::export::ExportError;
use crate::golden::{LockError, scenario_name};
use crate::output::{ErrorEvent, Event};
use crate::printable::shell_path;
use crate::recording::{MORE_FILES, PathProblem, RecordingError, is_out_of_files};
use crate::replay::ReplayError;
use crate::run::RunError;
use crate::scenario::{Diagnostics, Level, Style, count};

/// How a verb ended, as an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// 0: success.
    Done,
    /// 1: the answer is negative.
    No,
    /// 2: the input is wrong.
    Input,
    /// 3: the output failed.
    Output,
    /// 128 plus the number of the signal that stopped it.
    Stopped(u8),
}

impl Outcome {
    /// Returns the exit status.
    pub fn status(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::No => 1,
            Outcome::Input => 2,
            Outcome::Output => 3,
            Outcome::Stopped(signal) => 128 + signal,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome.status())
    }
}

/// Why a verb failed.
#[derive(Debug)]
pub struct Failure {
    outcome: Outcome,
    message: Message,
    about: Option<Box<About>>,
}

/// The entry of a lock that a failure is about.
#[derive(Debug)]
pub(super) struct About {
    /// The lock.
    pub file: PathBuf,
    /// What is wrong with the entry.
    pub text: String,
    /// What to do next.
    pub help: String,
}

#[derive(Debug)]
enum Message {
    Plain { text: String, help: Vec<String>, first_missing: Option<u64> },
    Scenario(Diagnostics),
}

impl Failure {
    /// Returns a failure because of wrong input, with what to do next.
    pub fn input(text: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::plain(Outcome::Input, text.into(), vec![help.into()])
    }

    /// Returns a failure because an output failed, with what to do next.
    pub fn output(text: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::plain(Outcome::Output, text.into(), vec![help.into()])
    }

    fn plain(outcome: Outcome, text: String, help: Vec<String>) -> Failure {
        Failure { outcome, message: Message::Plain { text, help, first_missing: None }, about: None }
    }

    /// Returns the exit status.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the mistakes in a scenario, if the failure is about one.
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        match &self.message {
            Message::Scenario(diagnostics) => Some(diagnostics),
            Message::Plain { .. } => None,
        }
    }

    /// Changes the exit status, and keeps the message.
    pub fn with(self, outcome: Outcome) -> Failure {
        Failure { outcome, ..self }
    }

    /// Makes this failure the reason why an entry of a lock is wrong.
    pub(super) fn of_entry(self, about: About) -> Failure {
        Failure { about: Some(Box::new(about)), ..self }
    }

    /// Returns the lock whose entry is wrong, if the failure is about one.
    pub(super) fn lock(&self) -> Option<&Path> {
        self.about.as_ref().map(|about| about.file.as_path())
    }

    /// Adds one more line of help before the others.
    pub fn advised(mut self, advice: String) -> Failure {
        if let Message::Plain { help, .. } = &mut self.message {
            help.insert(0, advice);
        }
        self
    }

    /// Prints the failure as text or as JSON. Returns the exit status.
    pub(super) fn report(&self, words: Words) -> Outcome {
        match words.json {
            true => {
                words.emit(&Event::Error(self.to_event()));
                self.outcome
            }
            false => self.print(),
        }
    }

    /// Prints the failure as text. Returns the exit status.
    pub fn print(&self) -> Outcome {
        if let Message::Scenario(diagnostics) = &self.message {
            super::show(diagnostics);
        }
        super::to_stderr(&self.words());
        self.outcome
    }

    /// Returns the error event for scripts.
    pub(super) fn to_event(&self) -> ErrorEvent {
        let (message, exit_status) = (self.to_string(), self.outcome.status());
        let mut event = ErrorEvent { message, exit_status, ..ErrorEvent::default() };
        match &self.message {
            Message::Plain { help, first_missing, .. } => {
                (event.help, event.first_missing) = (help.clone(), *first_missing);
            }
            Message::Scenario(diagnostics) => {
                event.found = diagnostics.located().map(super::check::json).collect();
            }
        }
        event.help.extend(self.about.iter().map(|about| about.help.clone()));
        event
    }

    /// Returns the failure as text without colours.
    pub fn to_text(&self) -> String {
        match &self.message {
            Message::Plain { .. } => self.words(),
            Message::Scenario(diagnostics) => diagnostics.render(Style::Plain) + &self.words(),
        }
    }

    /// Returns the text after the mistakes of a scenario, or the whole text if there are none.
    fn words(&self) -> String {
        match (&self.message, &self.about) {
            (Message::Plain { .. }, _) => format!("{}\n", Event::Error(self.to_event())),
            (Message::Scenario(_), Some(about)) => {
                format!("error: {}\n  = help: {}\n", about.text, about.help)
            }
            (Message::Scenario(diagnostics), None) => {
                let errors = count(diagnostics.count(Level::Error) as u64, "error");
                format!("{errors}; nothing was written\n")
            }
        }
    }
}

impl std::fmt::Display for Failure {
    /// Writes what is wrong in one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(about) = &self.about {
            write!(f, "{}: ", about.text)?;
        }
        match &self.message {
            Message::Plain { text, .. } => f.write_str(text),
            Message::Scenario(diagnostics) => {
                let words: Vec<&str> = diagnostics.iter().map(|it| it.message.as_str()).collect();
                f.write_str(&words.join("; "))
            }
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Failure {
        Failure { outcome: Outcome::Input, message: Message::Scenario(diagnostics), about: None }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        let outcome = if error.is_input() { Outcome::Input } else { Outcome::Output };
        let first_missing = match &error {
            RunError::Output(error) => error.first_missing(),
            _ => None,
        };
        Failure {
            outcome,
            message: Message::Plain { text: error.to_string(), help: error.help(), first_missing },
            about: None,
        }
    }
}

impl From<RecordingError> for Failure {
    fn from(error: RecordingError) -> Failure {
        Failure::input(error.to_string(), error.help())
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        match error {
            ExportError::Recording(error) => error.into(),
            ExportError::NoLabels => Failure::input(
                error.to_string(),
                "name a dataset directory that was written with labels, or a file with labels next to it",
            ),
            ExportError::Disorder(..) => Failure::input(
                error.to_string(),
                "sort the recording, or render it again; nothing was written",
            ),
            ExportError::Path(PathProblem::Exists(path) | PathProblem::Foreign { path, .. }) => {
                let message = format!("`{}` already exists and is not empty", path.display());
                Failure::input(message, "choose another directory, or remove it")
            }
            ExportError::Publish(error) => Failure::output(error.to_string(), error.help()),
            ExportError::Stopped => Failure::input(error.to_string(), "nothing was written"),
            ExportError::Path(problem) => Failure::input(problem.to_string(), problem.help()),
            ExportError::Io { .. } => Failure::output(
                error.to_string(),
                "free some disk space, or choose another directory; nothing was written",
            ),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Failure {
        match error {
            ReplayError::Recording(error) => error.into(),
            ReplayError::Run(error) => error.into(),
            ReplayError::Nothing => {
                Failure::input(error.to_string(), "`--dry-run` shows what a recording contains")
            }
            ReplayError::NoIncident(_) => {
                Failure::input(error.to_string(), "its labels contain all ids, as `incident_id`")
            }
            ReplayError::NoLabels => {
                Failure::input(error.to_string(), "name a dataset that was written with labels")
            }
            ReplayError::Once => Failure::input(
                error.to_string(),
                "write it to a file first, or omit `--rebase end`, `--loop` and `--dry-run`",
            ),
            ReplayError::Beyond => {
                Failure::input(error.to_string(), "choose another `--rebase`, or fewer loops")
            }
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        let help = match &error {
            LockError::Io { source, .. } if is_out_of_files(source) => MORE_FILES.into(),
            LockError::Io { .. } => "check the path".into(),
            LockError::Path(problem) => problem.help().into(),
            LockError::Unwritable { .. } => {
                return Failure::output(error.to_string(), "the lock file was not changed");
            }
            LockError::OtherVersion { .. } => "use a version of reenact that reads it".into(),
            LockError::InTheMaking(_) => {
                return Failure::output(
                    error.to_string(),
                    "wait until it ends; the lock file was not changed",
                );
            }
            LockError::Foreign(path) => format!(
                "if it is a lock file, write `# reenact lock` above its first line, then run `reenact lock {}`; \
                 otherwise remove it, or rename the scenario: reenact does not overwrite it",
                shell_path(&scenario_name(path))
            ),
            LockError::Conflict { path, .. } => format!(
                "resolve conflicts in the scenario, then renew the entries of both sides with `reenact lock {}`",
                shell_path(&scenario_name(path))
            ),
            LockError::Unreadable { path, .. } => format!(
                "restore it (`git checkout HEAD {}`), then renew it with `reenact lock {}`",
                shell_path(path),
                shell_path(&scenario_name(path))
            ),
        };
        Failure::input(error.to_string(), help)
    }
}
