//! Reads, parses and changes lock files, while other programs may write them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::conflict;
use super::entry::Entry;
use crate::recording::{Partial, PathProblem};
use crate::scenario::ENDINGS;

/// The first line of every lock file. It distinguishes them from files of other programs that end in `.lock`.
const MARK: &str = "# reenact lock";

/// The comment after the first line.
const ABOUT: &str = "\
# What the scenario of the same name gave. `reenact verify` compares, `reenact lock SCENARIO.yaml` renews.
# At a merge conflict, resolve the scenario, then renew: the entries of both sides are kept.
";

/// The last line. A file without it was cut off.
pub(super) const END: &str = "[end]";

/// The version of the lock's layout.
pub(super) const VERSION: u32 = 2;

/// A lock file: what the scenario next to it produced, without flags and with flags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The entries: the plain one first, then sorted by name.
    entries: Vec<Entry>,
}

/// An error that prevents reading or writing a lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system reported an error while reading.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The lock can't be written.
    #[error("cannot write `{path}`: {source}")]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another version of the program wrote it, with a different layout.
    #[error("`{path}` has version {found}, but this version of reenact reads version {VERSION}")]
    OtherVersion {
        /// The path.
        path: PathBuf,
        /// The version of its layout.
        found: u32,
    },
    /// Another program is writing it, and has not finished in time.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// Something at its path can't be replaced.
    #[error(transparent)]
    Path(PathProblem),
    /// The file belongs to another program, or has lost its first line.
    #[error("`{0}` is not a lock file of reenact: its first line is not `{MARK}`")]
    Foreign(PathBuf),
    /// A merge left a conflict in the file.
    #[error("cannot read `{path}`: it contains a merge conflict at line {line}")]
    Conflict {
        /// The path.
        path: PathBuf,
        /// The line at which the conflict begins.
        line: usize,
    },
    /// The file is damaged.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
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

/// How often to try to get the lock file while another program writes it, and the pause between tries. In total this is
/// about 10 s; writing takes about 1 ms.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Starts writing the lock file, once no other program writes it.
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

/// Returns the path of a scenario's lock: the same name with the extension `.lock`.
pub fn lock_path(scenario: &Path) -> PathBuf {
    scenario.with_extension("lock")
}

/// Returns the scenario file of a lock, if there is one.
pub fn scenario_of(lock: &Path) -> Option<PathBuf> {
    names_of(lock).find(|path| path.is_file())
}

/// Returns the names that the scenario of a lock may have.
fn names_of(lock: &Path) -> impl Iterator<Item = PathBuf> {
    ENDINGS.into_iter().map(|ending| lock.with_extension(ending))
}

/// Returns a link that has the name of a lock's scenario but leads to no file, with its target.
pub fn lost_link(lock: &Path) -> Option<(PathBuf, PathBuf)> {
    let name = names_of(lock).find(|path| path.is_symlink() && !path.is_file())?;
    let target = name.read_link().ok()?;
    Some((name, target))
}

/// Returns another scenario file that would have the same lock. Two names of the same file do not count, as on a disk
/// that ignores case.
pub fn sharing(scenario: &Path) -> Option<PathBuf> {
    let is_other = |other: &PathBuf| {
        other != scenario && other.is_file() && other.canonicalize().ok() != scenario.canonicalize().ok()
    };
    names_of(scenario).find(is_other).filter(|_| scenario.is_file())
}

/// Returns the scenario file of a lock, or the name that it would have.
pub fn scenario_name(lock: &Path) -> PathBuf {
    scenario_of(lock).unwrap_or_else(|| lock.with_extension("yaml"))
}

/// Whether a regular file begins like a lock, or like a lock with a conflict in its first lines. Returns `false` if the
/// file does not exist.
///
/// # Errors
/// If the file can't be read.
pub fn is_lock(path: &Path) -> io::Result<bool> {
    let is_marked = || -> io::Result<bool> {
        let mut start = Vec::new();
        // Only open a regular file: opening a FIFO would block.
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

/// The byte order mark, which some editors write at the beginning of a file.
const BOM: char = '\u{feff}';

fn is_marked(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BOM.encode_utf8(&mut [0; 4]).as_bytes()).unwrap_or(bytes);
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_mark = |line: Option<&[u8]>| line == Some(MARK.as_bytes());
    match lines.next() {
        Some(first) if std::str::from_utf8(first).is_ok_and(|first| conflict::first(first).is_some()) => {
            is_mark(lines.next())
        }
        first => is_mark(first),
    }
}

/// Returns the text of the lock at a path; `None` if there is no such file.
fn text(path: &Path) -> Result<Option<String>, LockError> {
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
    let wrong = |_| Wrong::Text("it is not UTF-8 text".into()).of(path);
    let text = String::from_utf8(bytes).map_err(wrong)?;
    Ok(Some(text.trim_start_matches(BOM).into()))
}

impl Lock {
    /// Returns the entries: the plain one first, then sorted by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry. Replaces the entry with the same flags.
    pub fn insert(&mut self, entry: Entry) {
        self.entries.retain(|old| old.flags != entry.flags);
        self.entries.push(entry);
        self.entries.sort_by_key(|entry| (!entry.flags.is_empty(), entry.name()));
    }

    /// Reads the lock at a path; `None` if there is no such file.
    ///
    /// This does not check whether the entries are intact: see `Entry::is_intact`.
    ///
    /// # Errors
    /// If the file can't be read, or is not a lock.
    pub fn read(path: &Path) -> Result<Option<Lock>, LockError> {
        let Some(text) = text(path)? else { return Ok(None) };
        Lock::parse(&text).map(Some).map_err(|wrong| wrong.of(path))
    }

    /// Returns the flags of all entries of the lock at a path. If a merge left a conflict, these are the entries of
    /// both sides.
    ///
    /// # Errors
    /// If they can't be read, or the file is not a lock.
    pub fn flags(path: &Path) -> Result<BTreeSet<Vec<String>>, LockError> {
        let Some(text) = text(path)? else { return Ok(BTreeSet::new()) };
        match Lock::parse(&text) {
            Ok(lock) => Ok(lock.entries.into_iter().map(|entry| entry.flags).collect()),
            Err(Wrong::Conflict(_)) => conflict::flags(&text).map_err(|wrong| wrong.of(path)),
            Err(wrong) => Err(wrong.of(path)),
        }
    }

    fn parse(text: &str) -> Result<Lock, Wrong> {
        let line_of = |byte: usize| text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1;
        if let Some(line) = conflict::first(text) {
            return Err(Wrong::Conflict(line));
        }
        let written: Written = toml::from_str(text).map_err(|error| {
            // The layout of another version may have other keys.
            let version = toml::from_str::<Version>(text).map_or(VERSION, |written| written.version);
            match (version, error.span()) {
                (VERSION, Some(span)) => Wrong::of_line(line_of(span.start), error.message()),
                (VERSION, None) => Wrong::Text(error.message().replace('\n', " ")),
                _ => Wrong::Version(version),
            }
        })?;
        if written.version != VERSION {
            return Err(Wrong::Version(written.version));
        }
        if written.end.is_none() {
            return Err(Wrong::cut_off());
        }
        let mut lock = Lock::default();
        for (name, mut entry) in written.entries {
            if entry.name() != name {
                return Err(Wrong::other_flags(&name));
            }
            entry.checksum.get_or_insert_default();
            lock.insert(entry);
        }
        Ok(lock)
    }

    /// Renews entries of the lock at a path. The other entries stay as they are in the file. A merge conflict is
    /// resolved if `entries` contains all entries of both sides.
    ///
    /// # Errors
    /// If it can't be read or written, or the file is not a lock.
    pub fn renew(path: &Path, entries: Vec<Entry>) -> Result<(), LockError> {
        Lock::change(path, |lock| {
            let mut lock = match lock {
                Err(LockError::Conflict { .. }) if are_all(&entries, &Lock::flags(path)?) => Lock::default(),
                lock => lock?,
            };
            entries.into_iter().for_each(|entry| lock.insert(entry));
            Ok(lock.to_toml())
        })
    }

    /// Removes the entry with these flags from the lock at a path. The other entries stay as they are, and so does a
    /// merge conflict.
    ///
    /// # Errors
    /// If it can't be read or written, or the file is not a lock.
    pub fn remove(path: &Path, flags: &[String]) -> Result<(), LockError> {
        Lock::change(path, |lock| {
            let mut lock = match lock {
                Err(LockError::Conflict { .. }) => {
                    return Ok(conflict::without(&text(path)?.unwrap_or_default(), flags));
                }
                lock => lock?,
            };
            lock.entries.retain(|entry| entry.flags != flags);
            Ok(lock.to_toml())
        })
    }

    /// Replaces the lock at a path with the result of `change`, while no other program writes it.
    fn change(
        path: &Path,
        change: impl FnOnce(Result<Lock, LockError>) -> Result<String, LockError>,
    ) -> Result<(), LockError> {
        let unwritable = |source| LockError::Unwritable { path: path.into(), source };
        let (partial, mut file) = claim(path)?;
        let written = change(Lock::read(path).map(Option::unwrap_or_default)).and_then(|text| {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
        });
        match written {
            Ok(()) => partial.publish().map_err(LockError::from),
            Err(error) => {
                partial.discard();
                Err(error)
            }
        }
    }

    /// Returns the lock as text: sorted, with one line per fact, so that it is easy to merge and review.
    pub fn to_toml(&self) -> String {
        let mut out = format!("{MARK}\n{ABOUT}version = {VERSION}\n");
        for entry in &self.entries {
            entry.write(&mut out).expect("a string takes all");
        }
        out + "\n" + END + "\n"
    }
}

/// Whether the entries include all these flags.
fn are_all(entries: &[Entry], flags: &BTreeSet<Vec<String>>) -> bool {
    flags.iter().all(|flags| entries.iter().any(|entry| entry.flags == *flags))
}

/// The reason why a text is not a lock.
pub(super) enum Wrong {
    Version(u32),
    Conflict(usize),
    Text(String),
}

impl Wrong {
    pub(super) fn of_line(line: usize, reason: &str) -> Wrong {
        Wrong::Text(format!("line {line}: {}", reason.replace('\n', " ")))
    }

    pub(super) fn cut_off() -> Wrong {
        Wrong::Text(format!("it is truncated: its last line `{END}` is missing"))
    }

    pub(super) fn other_flags(name: &str) -> Wrong {
        Wrong::Text(format!("the flags of the entry `{name}` do not match its name"))
    }

    fn of(self, path: &Path) -> LockError {
        let path = path.into();
        match self {
            Wrong::Version(found) => LockError::OtherVersion { path, found },
            Wrong::Conflict(line) => LockError::Conflict { path, line },
            Wrong::Text(reason) => LockError::Unreadable { path, reason },
        }
    }
}
