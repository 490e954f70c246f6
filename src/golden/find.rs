//! Finds the scenarios and locks in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::lock::{is_lock, lock_path, scenario_of};
use super::old::is_old_lock;
use crate::recording::{MANIFEST, Manifest};
use crate::scenario::{is_yaml, outline, read_other_encoding, read_regular};

/// What was found in a folder and below it. Each list is sorted by path.
#[derive(Debug, Default)]
pub struct Found {
    /// Scenarios: files with a `scenario:` key that no other file uses, or that have a lock.
    pub scenarios: Vec<PathBuf>,
    /// Locks.
    pub locks: Vec<PathBuf>,
    /// Locks in the format of earlier versions.
    pub old_locks: Vec<PathBuf>,
    /// Paths that can't be read, so that their contents are unknown.
    pub closed: Vec<(PathBuf, io::Error)>,
}

impl Found {
    /// Returns the scenarios without a lock. A scenario with an unreadable lock is not one of them.
    pub fn unlocked(&self) -> Vec<PathBuf> {
        let is_unlocked = |scenario: &&PathBuf| {
            let lock = lock_path(scenario);
            self.locks.binary_search(&lock).is_err() && self.closed.iter().all(|(path, _)| *path != lock)
        };
        self.scenarios.iter().filter(is_unlocked).cloned().collect()
    }
}

/// Finds the scenarios and locks in a folder and in all folders below it. Skips datasets, hidden folders and `target`,
/// and does not follow links to folders.
///
/// # Errors
/// If the folder itself can't be read.
pub fn find(folder: &Path) -> io::Result<Found> {
    let mut walk = Walk::default();
    walk.folder(folder)?;
    let Walk { mut found, uses } = walk;
    let parts = parts(&uses);
    let locks = without_targets(std::mem::take(&mut found.locks));
    let mut scenarios: Vec<PathBuf> = uses.into_keys().collect();
    scenarios.retain(|path| !parts.contains(&real(path)) || locks.binary_search(&lock_path(path)).is_ok());
    Ok(Found { scenarios, locks, ..found })
}

/// Returns the locks in a folder, sorted by path. Does not look into subfolders, and leaves out files that can't be
/// read.
pub fn locks_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let names = entries.into_iter().flatten().flatten().map(|entry| folder.join(entry.file_name()));
    let is_named_lock = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lock");
    without_targets(names.filter(is_named_lock).filter(|path| is_lock(path).unwrap_or(false)).collect())
}

/// Sorts locks, and leaves out the targets of links: if a lock is a link to another file, the link is the lock. A
/// target that has a scenario of its own name is kept.
fn without_targets(mut locks: Vec<PathBuf>) -> Vec<PathBuf> {
    locks.sort();
    let linked: BTreeSet<PathBuf> =
        locks.iter().filter(|lock| lock.is_symlink()).map(|lock| real(lock)).collect();
    locks.retain(|lock| lock.is_symlink() || scenario_of(lock).is_some() || !linked.contains(&real(lock)));
    locks
}

/// Returns the files that others use, directly or indirectly. Files that only use each other in a circle are not
/// included.
fn parts(uses: &BTreeMap<PathBuf, Vec<PathBuf>>) -> BTreeSet<PathBuf> {
    let real_uses = uses.iter().map(|(path, used)| {
        let path = real(path);
        let used: BTreeSet<PathBuf> =
            used.iter().map(|used| real(used)).filter(|used| *used != path).collect();
        (path, used)
    });
    let uses: BTreeMap<PathBuf, BTreeSet<PathBuf>> = real_uses.collect();
    let used: BTreeSet<&PathBuf> = uses.values().flatten().collect();
    let mut open: Vec<&PathBuf> = uses.keys().filter(|path| !used.contains(path)).collect();
    let mut parts = BTreeSet::new();
    while let Some(path) = open.pop() {
        let more = uses.get(path).into_iter().flatten();
        open.extend(more.filter(|used| parts.insert((*used).clone())));
    }
    parts
}

/// Returns the path without links, `.` and `..`.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

#[derive(Default)]
struct Walk {
    found: Found,
    /// By file with a `scenario:` key: the files that it uses.
    uses: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Walk {
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        if folder.join(MANIFEST).is_file() && Manifest::read(folder).is_ok() {
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            let path = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            let is_skipped = name.as_encoded_bytes().starts_with(b".") || name == "target";
            let is_named_lock = path.extension().is_some_and(|extension| extension == "lock");
            let metadata = match path.metadata() {
                Ok(metadata) => metadata,
                // The file no longer exists, or a link leads nowhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // The target of a link matters only if the link has the name of a scenario or a lock.
                Err(error) => {
                    if !is_skipped && (is_yaml(&path) || is_named_lock || !path.is_symlink()) {
                        self.found.closed.push((path, error));
                    }
                    continue;
                }
            };
            if metadata.is_dir() {
                if !is_skipped
                    && !path.is_symlink()
                    && let Err(error) = self.folder(&path)
                {
                    self.found.closed.push((path, error));
                }
                continue;
            }
            match is_named_lock.then(|| is_lock(&path)) {
                Some(Ok(true)) => self.found.locks.push(path),
                Some(Err(error)) => self.found.closed.push((path, error)),
                _ if is_old_lock(&path) => self.found.old_locks.push(path),
                _ if metadata.is_file() && is_yaml(&path) => self.yaml(path),
                _ => {}
            }
        }
        Ok(())
    }

    fn yaml(&mut self, path: PathBuf) {
        // A scenario in another encoding can't be rendered, but it counts as a scenario.
        let text = read_regular(&path).or_else(|error| match error.kind() {
            io::ErrorKind::InvalidData => read_other_encoding(&path),
            _ => Err(error),
        });
        let text = match text {
            Ok(text) => text,
            Err(error) => return self.found.closed.push((path, error)),
        };
        if let Some(outline) = outline(&text) {
            let folder = path.parent().unwrap_or(Path::new(""));
            let uses = outline.uses.iter().map(|used| folder.join(used)).collect();
            self.uses.insert(path, uses);
        }
    }
}
