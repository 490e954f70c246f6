//! Reads `reenact.lock`, the single lock file per folder of earlier versions, and splits it into one lock per scenario.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::entry::Entry;
use super::lock::{Lock, LockError, is_lock, lock_path};
use crate::scenario::is_yaml;

/// The name of an old lock.
const OLD: &str = "reenact.lock";

/// The version of its layout.
const OLD_VERSION: u32 = 1;

/// The line that states this version.
const OLD_LINE: &str = "version = 1";

#[derive(Deserialize)]
struct Written {
    version: u32,
    #[serde(flatten)]
    entries: BTreeMap<String, Entry>,
}

/// The result of splitting an old lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The locks that were written.
    pub written: Vec<PathBuf>,
    /// The names of entries that were not split off, because the folder has no such scenario.
    pub left: Vec<String>,
}

/// Returns the old lock of a folder, if it has one.
pub fn old_lock(folder: &Path) -> Option<PathBuf> {
    let path = if folder == Path::new(".") { PathBuf::from(OLD) } else { folder.join(OLD) };
    is_old_lock(&path).then_some(path)
}

/// Whether a file is an old lock.
pub fn is_old_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == OLD)
        && path.metadata().is_ok_and(|metadata| metadata.is_file())
        && matches!(is_lock(path), Ok(false))
        && std::fs::read_to_string(path)
            .is_ok_and(|text| text.lines().any(|line| line.trim_end() == OLD_LINE))
}

/// Reads an old lock. Returns each entry with its name and its scenario, if that is next to the lock.
fn read(old: &Path) -> Result<Vec<(String, Entry, Option<PathBuf>)>, LockError> {
    let unreadable = |reason: String| LockError::Unreadable { path: old.into(), reason };
    let text = std::fs::read_to_string(old).map_err(|source| LockError::Io { path: old.into(), source })?;
    let file: Written = toml::from_str(&text).map_err(|error| unreadable(error.message().to_string()))?;
    if file.version != OLD_VERSION {
        return Err(LockError::OtherVersion { path: old.into(), found: file.version });
    }
    let scenario = |name: &String| {
        // A name that contains a folder would lead to another place.
        let is_name = Path::new(name).file_name().is_some_and(|last| last == name.as_str());
        let path = old.with_file_name(name);
        (is_name && is_yaml(&path) && path.is_file()).then_some(path)
    };
    let with_scenario = |(name, entry): (String, Entry)| {
        let scenario = scenario(&name);
        (name, entry, scenario)
    };
    Ok(file.entries.into_iter().map(with_scenario).collect())
}

/// Whether an old lock has nothing left to split: each scenario for which it has an entry is gone, or has a lock of its
/// own.
///
/// # Errors
/// If the old lock or a new one can't be read.
pub fn is_left_over(old: &Path) -> Result<bool, LockError> {
    for (_, _, scenario) in read(old)? {
        let Some(scenario) = scenario else { continue };
        if !has_own_lock(&scenario, old)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a scenario has a lock of its own. The lock of a scenario `reenact.yaml` has the name of the old lock, which
/// does not count.
fn has_own_lock(scenario: &Path, old: &Path) -> Result<bool, LockError> {
    let lock = lock_path(scenario);
    let is_lock = is_lock(&lock).map_err(|source| LockError::Io { path: lock.clone(), source })?;
    Ok(lock != old && is_lock)
}

/// Writes a lock for each entry of an old lock that has its scenario next to it. Removes the old lock unless it has
/// other entries. Existing locks stay as they are.
///
/// # Errors
/// If the old lock can't be read, or if a new one can't be written.
pub fn split(old: &Path) -> Result<Split, LockError> {
    let mut split = Split::default();
    for (name, entry, scenario) in read(old)? {
        let Some(scenario) = scenario else {
            split.left.push(name);
            continue;
        };
        let lock = lock_path(&scenario);
        // A lock with the name of the old one has to be created again by the user.
        if lock != *old && !has_own_lock(&scenario, old)? {
            Lock::renew(&lock, vec![entry.sealed()])?;
            split.written.push(lock);
        }
    }
    if split.left.is_empty() {
        let unwritable = |source: io::Error| LockError::Unwritable { path: old.into(), source };
        std::fs::remove_file(old).map_err(unwritable)?;
    }
    Ok(split)
}
