use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::entry::Entry;
use crate::recording::{Partial, PathProblem};

/// The first line of every lock file. Files of other programs that end in `.lock` don't have it.
const MARK: &str = "# reenact lock";

/// The comment below it.
const ABOUT: &str = "\
# What the scenario of the same name gave. `reenact verify` compares, `reenact lock SCENARIO.yaml` renews.
# At a merge conflict take either side, then renew.
";

/// The last line: a file without it was cut off.
const END: &str = "[end]";

/// The version of the lock's layout.
const VERSION: u32 = 2;

/// What a conflict of a merge begins with.
const CONFLICT: &str = "<<<<<<< ";

/// A lock file: what the scenario next to it gave, plain and under flags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The plain entry first, then by name.
    entries: Vec<Entry>,
}

/// A lock that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system said no.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be written.
    #[error("cannot write `{path}`: {source}")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of another time wrote it.
    #[error("`{path}` has version {found}, and this program reads {VERSION}")]
    OtherVersion {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another program writes it, and does not end.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// Something at its path can't be replaced.
    #[error(transparent)]
    Path(PathProblem),
    /// Another program's file, or one that lost its first line.
    #[error("`{0}` is not a lock of reenact: its first line is not `{MARK}`")]
    Foreign(PathBuf),
    /// It is damaged.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl From<PathProblem> for LockError {
    fn from(problem: PathProblem) -> LockError {
        match problem {
            PathProblem::Io { path, source } => LockError::Unwritable { path, source },
            problem => LockError::Path(problem),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    version: u32,
    end: Option<End>,
    #[serde(flatten)]
    entries: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// How often the lock is asked for while another program writes it, and how long in between: some ten
/// seconds, where writing takes a millisecond.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock in the making, once no other program makes it.
fn claim(path: &Path) -> Result<(Partial, File), LockError> {
    for _ in 0..TRIES {
        match Partial::file(path, true) {
            Err(PathProblem::InTheMaking(_)) => std::thread::sleep(PAUSE),
            Err(problem) => return Err(problem.into()),
            Ok(claimed) => return Ok(claimed),
        }
    }
    Err(LockError::InTheMaking(path.into()))
}

/// The path of a scenario's lock: the same name, ending in `.lock`.
pub fn lock_path(scenario: &Path) -> PathBuf {
    scenario.with_extension("lock")
}

/// The scenario file of a lock, if there is one.
pub fn scenario_of(lock: &Path) -> Option<PathBuf> {
    ["yaml", "yml"].map(|extension| lock.with_extension(extension)).into_iter().find(|path| path.is_file())
}

/// The scenario file of a lock, or the name that it would have.
pub fn scenario_name(lock: &Path) -> PathBuf {
    scenario_of(lock).unwrap_or_else(|| lock.with_extension("yaml"))
}

/// Whether a regular file begins as a lock does, or as one with a conflict in its first lines. A file that does
/// not exist does not.
///
/// # Errors
/// If it can't be read.
pub fn is_lock(path: &Path) -> io::Result<bool> {
    let is_marked = || -> io::Result<bool> {
        let mut start = Vec::new();
        // Only a regular file is opened: a FIFO would wait.
        if path.metadata()?.is_file() {
            File::open(path)?.take(300).read_to_end(&mut start)?;
        }
        Ok(is_marked(&start))
    };
    match is_marked() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        read => read,
    }
}

fn is_marked(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_mark = |line: Option<&[u8]>| line == Some(MARK.as_bytes());
    match lines.next() {
        Some(first) if first.starts_with(CONFLICT.as_bytes()) => is_mark(lines.next()),
        first => is_mark(first),
    }
}

impl Lock {
    /// The entries: the plain one first, then by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes an entry in, instead of the one with the same flags.
    pub fn insert(&mut self, entry: Entry) {
        self.entries.retain(|old| old.flags != entry.flags);
        self.entries.push(entry);
        self.entries.sort_by_key(|entry| (!entry.flags.is_empty(), entry.name()));
    }

    /// Reads the lock at a path; none if there is no such file.
    ///
    /// Whether its entries are intact is for `Entry::is_intact` to say.
    ///
    /// # Errors
    /// If it can't be read, or is not a lock.
    pub fn read(path: &Path) -> Result<Option<Lock>, LockError> {
        let io = |source| LockError::Io { path: path.into(), source };
        match path.metadata() {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(LockError::Foreign(path.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        if !is_marked(&bytes) {
            return Err(LockError::Foreign(path.into()));
        }
        let unreadable = |reason: String| LockError::Unreadable { path: path.into(), reason };
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not text in UTF-8".into()))?;
        Lock::parse(&text).map_err(|wrong| match wrong {
            Wrong::Version(found) => LockError::OtherVersion { path: path.into(), found },
            Wrong::Text(reason) => unreadable(reason),
        })
    }

    fn parse(text: &str) -> Result<Option<Lock>, Wrong> {
        let line_of = |byte: usize| text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1;
        if let Some(conflict) = text.find(CONFLICT) {
            return Err(Wrong::Text(format!("a merge left a conflict at line {}", line_of(conflict))));
        }
        let written: Written = toml::from_str(text).map_err(|error| {
            // A layout of another version may have other keys.
            let version = toml::from_str::<Version>(text).map_or(VERSION, |written| written.version);
            let line =
                error.span().map_or_else(String::new, |span| format!("line {}: ", line_of(span.start)));
            match version {
                VERSION => Wrong::Text(format!("{line}{}", error.message().replace('\n', " "))),
                _ => Wrong::Version(version),
            }
        })?;
        if written.version != VERSION {
            return Err(Wrong::Version(written.version));
        }
        if written.end.is_none() {
            return Err(Wrong::Text(format!("it was cut off: its last line `{END}` is missing")));
        }
        let mut lock = Lock::default();
        for (name, mut entry) in written.entries {
            if entry.name() != name {
                return Err(Wrong::Text(format!("the entry `{name}` does not have the flags in its name")));
            }
            entry.checksum.get_or_insert_default();
            lock.insert(entry);
        }
        Ok(Some(lock))
    }

    /// Renews entries of the lock at a path; the others stay as they are in the file by now.
    ///
    /// # Errors
    /// If it can't be read or written, or the file is not a lock.
    pub fn renew(path: &Path, entries: Vec<Entry>) -> Result<(), LockError> {
        Lock::change(path, |lock| entries.into_iter().for_each(|entry| lock.insert(entry)))
    }

    /// Removes the entry with these flags from the lock at a path; the others stay as they are.
    ///
    /// # Errors
    /// If it can't be read or written, or the file is not a lock.
    pub fn remove(path: &Path, flags: &[String]) -> Result<(), LockError> {
        Lock::change(path, |lock| lock.entries.retain(|entry| entry.flags != flags))
    }

    fn change(path: &Path, change: impl FnOnce(&mut Lock)) -> Result<(), LockError> {
        let unwritable = |source| LockError::Unwritable { path: path.into(), source };
        let (partial, mut file) = claim(path)?;
        let written = Lock::read(path).and_then(|lock| {
            let mut lock = lock.unwrap_or_default();
            change(&mut lock);
            file.write_all(lock.to_toml().as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
        });
        match written {
            Ok(()) => partial.publish().map_err(LockError::from),
            Err(error) => {
                partial.discard();
                Err(error)
            }
        }
    }

    /// As text: sorted, a line for each fact, so that it merges and reads well.
    pub fn to_toml(&self) -> String {
        let mut out = format!("{MARK}\n{ABOUT}version = {VERSION}\n");
        for entry in &self.entries {
            entry.write(&mut out).expect("a string takes all");
        }
        out + "\n" + END + "\n"
    }
}

/// Why a text is not a lock.
enum Wrong {
    Version(u32),
    Text(String),
}
