//! Scenario files and their locks, as `lock`, `verify`, `diff` and `check` use them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Words;
use super::overrides::Overrides;
use super::status::{About, Failure, Outcome};
use crate::digest;
use crate::golden::{Entry, Found, Lock, LockError, find, lock_path, sharing};
use crate::plan::Plan;
use crate::printable::shell_path;
use crate::recording::{MORE_FILES, is_out_of_files, parent};
use crate::scenario::{Scenario, is_yaml};

/// Returns the scenarios and locks in a folder and below.
pub(super) fn look(folder: &Path) -> Result<Found, Failure> {
    find(folder).map_err(|error| closed(folder, &error))
}

/// Returns the failure for a folder, or a file in it, that cannot be read.
pub(super) fn closed(path: &Path, error: &io::Error) -> Failure {
    let help = if is_out_of_files(error) { MORE_FILES } else { "check the path and its permissions" };
    Failure::input(format!("cannot read `{}`: {error}", path.display()), help)
}

/// Warns about each part of a folder that cannot be read.
pub(super) fn warn_closed(found: &Found, words: Words) {
    for (path, error) in &found.closed {
        words.warn(format_args!("cannot read `{}`, so its content is skipped: {error}", path.display()));
    }
}

/// Returns the path of a scenario file's lock.
///
/// # Errors
/// If another file would have the same lock, or if this is not the name of a scenario.
pub(super) fn lock_of(scenario: &Path) -> Result<PathBuf, Failure> {
    if !is_yaml(scenario) {
        let message = format!("`{}` does not end in `.yaml` or `.yml`", scenario.display());
        return Err(Failure::input(message, "name a scenario file"));
    }
    let lock = lock_path(scenario);
    if let Some(other) = sharing(scenario) {
        let [scenario, other, lock] = [scenario, &other, &lock].map(|path| path.display());
        let message = format!("`{scenario}` and `{other}` would share the lock file `{lock}`");
        return Err(Failure::input(message, "rename one of them"));
    }
    Ok(lock)
}

/// Plans a scenario file with some flags.
pub(super) fn plan(scenario: &Path, overrides: &Overrides) -> Result<Plan, Failure> {
    Ok(overrides.apply(Scenario::open(scenario)?)?.plan()?)
}

/// Plans a scenario file with the flags of an entry of its lock.
///
/// # Errors
/// If there is no plan. If the scenario has one without these flags, the error says that the entry is wrong.
pub(super) fn plan_entry(scenario: &Path, lock: &Path, flags: &[String]) -> Result<Plan, Failure> {
    let name = Entry::name_of(flags);
    let Some(overrides) = Overrides::of_entry(lock, flags) else {
        let message = format!(
            "the entry `{name}` of `{}` has flags that `reenact lock` does not accept",
            lock.display()
        );
        let help = format!("delete its lines from `{}`: all tables that begin with its name", lock.display());
        return Err(Failure::input(message, help));
    };
    plan(scenario, &overrides).map_err(|failure| {
        if flags.is_empty() || plan(scenario, &Overrides::default()).is_err() {
            return failure;
        }
        let (file, shown) = (lock.to_path_buf(), scenario.display());
        let text = format!("the entry `{name}` of `{}` does not fit `{shown}`", lock.display());
        let scenario = shell_path(scenario);
        let help = format!("remove it if it is no longer needed: `reenact lock {scenario} --remove {name}`");
        failure.of_entry(About { file, text, help })
    })
}

/// The digests of scenario files with flags. Each is planned once; `None` if it cannot be planned.
#[derive(Default)]
pub(super) struct ScenarioDigests(BTreeMap<(PathBuf, Vec<String>), Option<String>>);

impl ScenarioDigests {
    /// Returns the renamed scenario that a lock belongs to, among the scenarios without a lock. It is the one that
    /// matches the most entries, and it must match the plain entry if the lock has one.
    pub(super) fn renamed<'a>(&mut self, lock: &Path, unlocked: &'a [PathBuf]) -> Option<&'a PathBuf> {
        let lock = Lock::read(lock).ok()??;
        let entries = lock.entries();
        let has_plain = entries.iter().any(|entry| entry.flags.is_empty());
        let mut best: Option<(usize, &PathBuf)> = None;
        for scenario in unlocked {
            let is_same = |entry: &&Entry| self.of(scenario, &entry.flags) == Some(&entry.scenario);
            let same: Vec<&Entry> = entries.iter().filter(is_same).collect();
            // With flags, another scenario may match too.
            let is_likely = !has_plain || same.iter().any(|entry| entry.flags.is_empty());
            if is_likely && same.len() > best.map_or(0, |(number, _)| number) {
                best = Some((same.len(), scenario));
            }
        }
        best.map(|(_, scenario)| scenario)
    }

    fn of(&mut self, scenario: &Path, flags: &[String]) -> Option<&String> {
        let plan = || plan_entry(scenario, &lock_path(scenario), flags).ok();
        let digest = || plan().map(|plan| digest::of_text(plan.scenario_json()));
        self.0.entry((scenario.into(), flags.to_vec())).or_insert_with(digest).as_ref()
    }
}

/// Returns the failure for a lock whose scenario was renamed.
pub(super) fn renamed(lock: &Path, scenario: &Path) -> Failure {
    // The name of a lock does not contain the extension of its scenario, and `git mv` rarely changes it.
    let old = lock.with_extension(scenario.extension().unwrap_or_default());
    let message =
        format!("`{}` was renamed to `{}`, but its lock file was not", old.display(), scenario.display());
    Failure::input(message, rename(lock, scenario))
}

/// Returns what to do about such a lock.
pub(super) fn rename(lock: &Path, scenario: &Path) -> String {
    let (old, new) = (shell_path(lock), shell_path(&lock_path(scenario)));
    format!("rename it with `git mv {old} {new}`")
}

/// Describes a link to a scenario that does not exist.
pub(super) fn lost(link: &Path, target: &Path) -> String {
    format!("`{}` is a link to `{}`, which does not exist", link.display(), target.display())
}

/// Returns the name in messages of a scenario with the flags of an entry.
pub(super) fn title(scenario: &Path, name: &str, flags: &[String]) -> String {
    if flags.is_empty() { scenario.display().to_string() } else { format!("{} {name}", scenario.display()) }
}

/// Returns the failure for an entry whose checksum does not match its lines.
pub(super) fn edited(lock: &Path, name: &str, scenario: &Path) -> Failure {
    let message = format!(
        "the entry `{name}` of `{}` was edited or merged by hand: its checksum does not match",
        lock.display()
    );
    let scenario = shell_path(scenario);
    let help = format!(
        "run `reenact verify --full {scenario}` to see which lines differ, or `reenact lock {scenario}` to renew them"
    );
    Failure::input(message, help).with(Outcome::No)
}

/// Returns the failure for a lock that an earlier version wrote.
pub(super) fn is_old(lock: &Path) -> Failure {
    let message = format!("`{}` was written by an earlier version, for a whole folder", lock.display());
    let help = format!(
        "run `reenact lock {}` to split it into one lock file per scenario",
        shell_path(parent(lock))
    );
    Failure::input(message, help).with(Outcome::No)
}

/// Returns the failure for a scenario without a lock.
pub(super) fn unlocked(scenario: &Path, lock: &Path) -> Failure {
    // Another file may have the lock's name.
    if lock.symlink_metadata().is_ok() {
        return Failure::from(LockError::Foreign(lock.into())).with(Outcome::No);
    }
    let message = format!("`{}` has no lock file", scenario.display());
    Failure::input(message, format!("lock it with `reenact lock {}`", shell_path(scenario))).with(Outcome::No)
}
