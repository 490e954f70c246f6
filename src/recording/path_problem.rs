//! The errors of writing to a path and of publishing outputs, each with its help.

use std::io;
use std::path::{Path, PathBuf};

use crate::output::Stalled;

/// Why reenact can't write a path. This is detected before anything is rendered.
#[derive(Debug, thiserror::Error)]
pub enum PathProblem {
    /// The path exists and may be replaced with `--force`.
    #[error("`{0}` already exists")]
    Exists(PathBuf),
    /// The directory exists and contains something that reenact did not write.
    #[error("`{path}` is not replaced, even with `--force`: {reason}")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The path of a file to write is a directory.
    #[error("`{0}` is a directory")]
    IsDirectory(PathBuf),
    /// The path of a directory to write is something else.
    #[error("`{0}` exists and is not a directory")]
    NotADirectory(PathBuf),
    /// The path is a device, a FIFO or a socket, but only a regular file can be written here.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// The file is a mount point, so no other file can get its name.
    #[error("`{0}` is a mount point and cannot be replaced")]
    IsMounted(PathBuf),
    /// Another run has the lock.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// A leftover file that may be in use: this file system does not support locks.
    #[error("`{0}` exists, and this file system does not show whether another run is writing it")]
    Left(PathBuf),
    /// The path has no last component.
    #[error("`{0}` does not name a file or directory")]
    Nameless(PathBuf),
    /// The FIFO has no reader, and a stop was requested.
    #[error("`{0}` has no reader")]
    Unread(PathBuf),
    /// The file system reported an error.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl PathProblem {
    /// Returns what the user can do next.
    pub fn help(&self) -> &'static str {
        match self {
            PathProblem::Exists(_) => "choose another path, or add `--force` to replace it",
            PathProblem::Foreign { .. } | PathProblem::NotADirectory(_) | PathProblem::NotAFile(_) => {
                "choose another path"
            }
            PathProblem::IsDirectory(_) => "add a `/` at its end to write a dataset directory",
            PathProblem::IsMounted(_) => "mount the directory that contains it, or choose another path",
            PathProblem::InTheMaking(_) => "wait until it ends, or choose another path",
            PathProblem::Left(_) => "remove it if no run is writing it, or choose another path",
            PathProblem::Nameless(_) => "name the file or directory to write",
            PathProblem::Io { source, .. } if is_out_of_files(source) => MORE_FILES,
            PathProblem::Unread(_) => "start a process that reads it",
            PathProblem::Io { .. } => "create its directory, or choose a writable path",
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> PathProblem {
        match source.get_ref().is_some_and(|inner| inner.is::<Stalled>()) {
            true => PathProblem::Unread(path.into()),
            false => PathProblem::Io { path: path.into(), source },
        }
    }
}

/// What the user can do when no more files can be opened.
pub const MORE_FILES: &str = "allow more open files: `ulimit -n 256`";

/// Whether the process or the system can't open any more files.
pub fn is_out_of_files(error: &io::Error) -> bool {
    // EMFILE and ENFILE have these numbers on every Unix.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Why complete outputs could not be renamed to their final names.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    pub(super) reason: Reason,
    /// Where the complete outputs are kept instead.
    pub kept: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("`{0}` appeared while this run was writing it, and was not replaced")]
    Appeared(PathBuf),
    #[error("`{path}` changed while this run was writing it, and was not replaced: {why}")]
    Changed { path: PathBuf, why: String },
    #[error("cannot write `{path}`: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// The new output is complete and has its final name.
    #[error("cannot remove `{path}`, a file of the replaced output: {source}")]
    Stale { path: PathBuf, source: io::Error },
}

impl PublishError {
    pub(super) fn new(reason: Reason) -> PublishError {
        PublishError { reason, kept: Vec::new() }
    }

    /// Returns what the user can do next.
    pub fn help(&self) -> String {
        let names: Vec<String> = self.kept.iter().map(|path| format!("`{}`", path.display())).collect();
        match names.is_empty() {
            true if matches!(self.reason, Reason::Stale { .. }) => {
                "the new output is complete: remove the old file manually".into()
            }
            true if matches!(&self.reason, Reason::Io { source, .. } if is_out_of_files(source)) => {
                MORE_FILES.into()
            }
            true => "write the output again to another path".into(),
            false => format!("the complete output is kept at {}: rename or remove it", names.join(", ")),
        }
    }
}

impl From<Reason> for PathProblem {
    fn from(reason: Reason) -> PathProblem {
        match reason {
            Reason::Appeared(path) => PathProblem::Exists(path),
            Reason::Changed { path, why } => PathProblem::Foreign { path, reason: why },
            Reason::Io { path, source } | Reason::Stale { path, source } => PathProblem::Io { path, source },
        }
    }
}

impl Reason {
    /// Converts a problem with a path that could be written when the run started.
    pub(super) fn of(problem: PathProblem) -> Reason {
        match problem {
            PathProblem::Exists(path) => Reason::Appeared(path),
            PathProblem::Foreign { path, reason } => Reason::Changed { path, why: reason },
            PathProblem::Io { path, source } => Reason::Io { path, source },
            PathProblem::IsDirectory(path) => Reason::Changed { path, why: "it is a directory now".into() },
            PathProblem::NotADirectory(ref path) | PathProblem::NotAFile(ref path) => {
                Reason::Changed { path: path.clone(), why: problem.to_string() }
            }
            PathProblem::IsMounted(path) => Reason::Changed { path, why: "it is a mount point".into() },
            PathProblem::InTheMaking(path)
            | PathProblem::Left(path)
            | PathProblem::Nameless(path)
            | PathProblem::Unread(path) => Reason::Changed { path, why: "another run is writing it".into() },
        }
    }
}
