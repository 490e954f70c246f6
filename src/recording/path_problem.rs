use std::io;
use std::path::{Path, PathBuf};

use crate::output::Stalled;

/// Why a path can't be written, found before anything is rendered.
#[derive(Debug, thiserror::Error)]
pub enum PathProblem {
    /// It exists, and may be replaced with `--force`.
    #[error("`{0}` already exists")]
    Exists(PathBuf),
    /// It exists, and holds something that reenact did not write.
    #[error("`{path}` is not replaced, not even with `--force`: {reason}")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        reason: String,
    },
    /// A directory where a file is to be written.
    #[error("`{0}` is a directory")]
    IsDirectory(PathBuf),
    /// Something else where a directory is to be written.
    #[error("`{0}` exists and is not a directory")]
    NotADirectory(PathBuf),
    /// A device, a FIFO or a socket where only a regular file will do.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// A file that is a mount point: no other file can get its name.
    #[error("`{0}` is a mount point, so that it can't be replaced")]
    IsMounted(PathBuf),
    /// Another run holds the lock.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// A leftover that may be in use: this file system has no locks.
    #[error("`{0}` exists, and this file system does not show whether another run is writing it")]
    Left(PathBuf),
    /// The path has no last part.
    #[error("`{0}` names no file or directory")]
    Nameless(PathBuf),
    /// A FIFO that nobody reads, and somebody asked to stop.
    #[error("nobody reads `{0}`")]
    Unread(PathBuf),
    /// The file system refused.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PathProblem {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            PathProblem::Exists(_) => "choose another path, or add `--force` to replace it",
            PathProblem::Foreign { .. } | PathProblem::NotADirectory(_) | PathProblem::NotAFile(_) => {
                "choose another path"
            }
            PathProblem::IsDirectory(_) => "add a `/` at its end to write a dataset directory",
            PathProblem::IsMounted(_) => "mount the folder that holds it, or choose another path",
            PathProblem::InTheMaking(_) => "wait until it ends, or choose another path",
            PathProblem::Left(_) => "remove it if no run is writing it, or choose another path",
            PathProblem::Nameless(_) => "name the file or directory to write",
            PathProblem::Io { source, .. } if is_out_of_files(source) => MORE_FILES,
            PathProblem::Unread(_) => "start its reader",
            PathProblem::Io { .. } => "create its folder, or choose a path that can be written",
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> PathProblem {
        match source.get_ref().is_some_and(|inner| inner.is::<Stalled>()) {
            true => PathProblem::Unread(path.into()),
            false => PathProblem::Io { path: path.into(), source },
        }
    }
}

/// What to do where no more files can be opened.
pub const MORE_FILES: &str = "allow more open files: `ulimit -n 256`";

/// Whether a process or the system may open no more files, whatever the file is.
pub fn is_out_of_files(error: &io::Error) -> bool {
    // EMFILE and ENFILE, of every Unix.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// Why finished outputs did not get their names.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    pub(super) reason: Reason,
    /// Where the finished outputs are instead.
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
    /// The new output is complete and has its name.
    #[error("cannot remove `{path}`, which belonged to what was replaced: {source}")]
    Stale { path: PathBuf, source: io::Error },
}

impl PublishError {
    pub(super) fn new(reason: Reason) -> PublishError {
        PublishError { reason, kept: Vec::new() }
    }

    /// What to do next.
    pub fn help(&self) -> String {
        let names: Vec<String> = self.kept.iter().map(|path| format!("`{}`", path.display())).collect();
        match names.is_empty() {
            true if matches!(self.reason, Reason::Stale { .. }) => {
                "the new output is complete: remove the old file yourself".into()
            }
            true if matches!(&self.reason, Reason::Io { source, .. } if is_out_of_files(source)) => {
                MORE_FILES.into()
            }
            true => "write it again to another path".into(),
            false => format!("the finished output is kept in {}: rename it, or remove it", names.join(", ")),
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
    /// What a path that could be written at first has become.
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
            | PathProblem::Unread(path) => Reason::Changed { path, why: "another run writes it".into() },
        }
    }
}
