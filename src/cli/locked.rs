//! Finds what `verify` checks: entries of locks with their scenarios, locks without a scenario, and scenarios without
//! a lock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::judged::{Answer, Judged, Lack};
use super::status::{Failure, Outcome};
use super::variants;
use crate::golden::{
    Entry, Found, Lock, LockError, is_lock, is_old_lock, lock_path, lost_link, old_lock, scenario_of,
};
use crate::printable::shell_path;
use crate::recording::parent;

/// Something to check.
pub(super) enum Item {
    Entry {
        scenario: PathBuf,
        lock: PathBuf,
        entry: Entry,
    },
    /// Nothing can be rendered, so the result is known.
    Judged(Judged),
}

impl Item {
    /// Returns the file, the flags and the result. Items with the same three are the same, whatever paths named them.
    fn key(&self) -> (PathBuf, Vec<String>, &'static str) {
        // Resolve only links of the folder: a link to a scenario has its own lock.
        let real = |path: &Path| {
            let folder = parent(path).canonicalize().unwrap_or_else(|_| parent(path).into());
            folder.join(path.file_name().unwrap_or_default())
        };
        match self {
            Item::Entry { lock, entry, .. } => (real(lock), entry.flags.clone(), ""),
            Item::Judged(judged) => (real(Path::new(&judged.scenario)), Vec::new(), judged.word()),
        }
    }
}

/// Returns everything that the paths name, each item once. Without paths, this is the current folder.
pub(super) fn items(paths: &[PathBuf]) -> Result<Vec<Item>, Failure> {
    let here = [PathBuf::from(".")];
    let mut items = Vec::new();
    for path in if paths.is_empty() { &here[..] } else { paths } {
        if path.is_dir() {
            items.extend(in_folder(variants::look(path)?));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            items.extend(of_lock(path)?);
        } else {
            items.extend(of_scenario(path)?);
        }
    }
    let mut seen = BTreeSet::new();
    items.retain(|item| seen.insert(item.key()));
    if items.is_empty() {
        return Err(Failure::input(
            "no scenario and no lock file found",
            "name a folder that contains scenarios or lock files",
        ));
    }
    Ok(items)
}

fn in_folder(found: Found) -> Vec<Item> {
    let has_old_lock =
        |scenario: &&PathBuf| found.old_locks.iter().any(|old| old.parent() == scenario.parent());
    let mut unlocked = found.unlocked();
    let mut digests = variants::ScenarioDigests::default();
    let mut items = Vec::new();
    for lock in &found.locks {
        if scenario_of(lock).is_none()
            && let Some(scenario) = digests.renamed(lock, &unlocked).cloned()
        {
            unlocked.retain(|other| *other != scenario);
            items.push((scenario.clone(), vec![renamed(lock, &scenario)]));
            continue;
        }
        items.push((lock.clone(), entries(lock)));
    }
    items.extend(found.old_locks.iter().map(|old| (old.clone(), vec![is_old(old)])));
    // Scenarios next to an old lock may be in it, so only the old lock is reported.
    let unlocked = unlocked.iter().filter(|scenario| !has_old_lock(scenario));
    items.extend(unlocked.map(|scenario| (scenario.clone(), vec![without_lock(scenario)])));
    items.extend(found.closed.into_iter().map(|(path, error)| {
        let item = judged(&path, &path, None, variants::closed(&path, &error));
        (path, vec![item])
    }));
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    items.into_iter().flat_map(|(_, items)| items).collect()
}

fn of_lock(path: &Path) -> Result<Vec<Item>, Failure> {
    if let Some(items) = named(path) {
        return Ok(items);
    }
    match path {
        _ if is_old_lock(path) => Ok(vec![is_old(path)]),
        _ if path.exists() => Err(LockError::Foreign(path.into()).into()),
        _ => Err(Failure::input(format!("`{}` does not exist", path.display()), "check the path")),
    }
}

fn of_scenario(path: &Path) -> Result<Vec<Item>, Failure> {
    let lock = variants::lock_of(path)?;
    if let Some(items) = named(&lock) {
        return Ok(items);
    }
    if !path.is_file() {
        return Err(Failure::input(format!("`{}` does not exist", path.display()), "check the path"));
    }
    Ok(vec![old_lock(parent(path)).map_or_else(|| without_lock(path), |old| is_old(&old))])
}

/// Returns the items of a file with the name of a lock; `None` if it is not a lock.
fn named(lock: &Path) -> Option<Vec<Item>> {
    match is_lock(lock) {
        Ok(is_lock) => is_lock.then(|| entries(lock)),
        Err(source) => {
            let error = LockError::Io { path: lock.into(), source };
            Some(vec![judged(lock, lock, None, error.into())])
        }
    }
}

/// Returns the entries of a lock, or why there are none.
fn entries(lock: &Path) -> Vec<Item> {
    match read(lock) {
        Ok(items) => items,
        Err((lack, failure)) => vec![judged(lock, lock, lack, failure)],
    }
}

fn read(lock: &Path) -> Result<Vec<Item>, (Option<Lack>, Failure)> {
    let Some(scenario) = scenario_of(lock) else {
        if let Some((link, target)) = lost_link(lock) {
            let help = "restore that file, or change the link";
            let message = format!("`{}` has no scenario: {}", lock.display(), variants::lost(&link, &target));
            return Err((Some(Lack::NoScenario), Failure::input(message, help).with(Outcome::No)));
        }
        let message = format!(
            "`{}` has no scenario: neither `{}` nor `{}` exists",
            lock.display(),
            lock.with_extension("yaml").display(),
            lock.with_extension("yml").display()
        );
        let help = "restore the scenario, or remove such lock files with `reenact lock --prune`";
        return Err((Some(Lack::NoScenario), Failure::input(message, help).with(Outcome::No)));
    };
    let failed = |failure| (None, failure);
    variants::lock_of(&scenario).map_err(failed)?;
    let read = Lock::read(lock).map_err(|error| failed(error.into()))?.unwrap_or_default();
    if read.entries().is_empty() {
        let help = format!("renew it with `reenact lock {}`", shell_path(&scenario));
        let failure = Failure::input(format!("`{}` has no entry", lock.display()), help);
        return Err((Some(Lack::Foreign), failure.with(Outcome::No)));
    }
    let entries = read.entries().iter().cloned();
    Ok(entries.map(|entry| Item::Entry { scenario: scenario.clone(), lock: lock.into(), entry }).collect())
}

fn without_lock(scenario: &Path) -> Item {
    let lock = lock_path(scenario);
    let lack = if lock.symlink_metadata().is_ok() { Lack::Foreign } else { Lack::Unlocked };
    judged(scenario, scenario, Some(lack), variants::unlocked(scenario, &lock))
}

fn renamed(lock: &Path, scenario: &Path) -> Item {
    let failure = variants::renamed(lock, scenario).with(Outcome::No);
    judged(scenario, lock, Some(Lack::Renamed), failure)
}

fn is_old(lock: &Path) -> Item {
    judged(lock, lock, Some(Lack::OldLock), variants::is_old(lock))
}

fn judged(title: &Path, file: &Path, lack: Option<Lack>, failure: Failure) -> Item {
    let name = title.display().to_string();
    let answer = match lack {
        Some(lack) => Answer::No(lack, failure),
        None => Answer::Failed(failure),
    };
    Item::Judged(Judged { title: name.clone(), file: file.into(), scenario: name, flags: Vec::new(), answer })
}
