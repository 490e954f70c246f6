//! Scenario files and their locks, as `lock`, `verify`, `diff` and `check` name them.

use std::path::{Path, PathBuf};

use super::Words;
use super::overrides::Overrides;
use super::status::{Failure, Outcome};
use crate::digest;
use crate::golden::{Found, Lock, LockError, find, lock_path};
use crate::plan::Plan;
use crate::scenario::{Scenario, is_yaml};

/// What a folder has, with a line about each part of it that can't be looked at.
pub(super) fn look(folder: &Path, words: Words) -> Result<Found, Failure> {
    let found = find(folder).map_err(|error| {
        Failure::input(format!("cannot read `{}`: {error}", folder.display()), "check the path")
    })?;
    for (path, error) in &found.closed {
        words.say(format_args!(
            "warning: cannot read `{}`, so nothing in it is looked at: {error}",
            path.display()
        ));
    }
    Ok(found)
}

/// The lock of a scenario file.
///
/// # Errors
/// If another file would have the same lock, or this is not the name of a scenario.
pub(super) fn lock_of(scenario: &Path) -> Result<PathBuf, Failure> {
    if !is_yaml(scenario) {
        let message = format!("`{}` does not end in `.yaml` or `.yml`", scenario.display());
        return Err(Failure::input(message, "name a scenario file"));
    }
    let other = scenario.with_extension(if scenario.extension().is_some_and(|it| it == "yml") {
        "yaml"
    } else {
        "yml"
    });
    let lock = lock_path(scenario);
    if other.is_file() && scenario.is_file() {
        let [scenario, other, lock] = [scenario, &other, &lock].map(|path| path.display());
        let message = format!("`{scenario}` and `{other}` would share the lock `{lock}`");
        return Err(Failure::input(message, "rename one of them"));
    }
    Ok(lock)
}

/// The scenario file of a lock, if there is one.
pub(super) fn scenario_of(lock: &Path) -> Option<PathBuf> {
    ["yaml", "yml"].map(|extension| lock.with_extension(extension)).into_iter().find(|path| path.is_file())
}

/// The plan of a scenario file under the flags of an entry.
pub(super) fn plan(scenario: &Path, flags: &[String]) -> Result<Plan, Failure> {
    let overrides = Overrides::of_flags(flags)?;
    Ok(overrides.apply(Scenario::open(scenario)?)?.plan()?)
}

/// The scenario that a lock belongs to by what it gives, among those without a lock: it was renamed.
pub(super) fn renamed<'a>(lock: &Path, unlocked: &'a [PathBuf]) -> Option<&'a PathBuf> {
    let lock = Lock::read(lock).ok()??;
    let is_its = |scenario: &&PathBuf| {
        lock.entries().iter().any(|entry| {
            let plan = plan(scenario, &entry.flags);
            plan.is_ok_and(|plan| digest::of_text(plan.scenario_json()) == entry.scenario)
        })
    };
    unlocked.iter().find(is_its)
}

/// What to do about a lock whose scenario was renamed.
pub(super) fn rename(lock: &Path, scenario: &Path) -> String {
    format!("`git mv {} {}` gives it the new name", lock.display(), lock_path(scenario).display())
}

/// A scenario with the flags of an entry, as messages name it.
pub(super) fn title(scenario: &Path, name: &str, flags: &[String]) -> String {
    if flags.is_empty() { scenario.display().to_string() } else { format!("{} {name}", scenario.display()) }
}

/// An entry whose checksum is not that of its lines.
pub(super) fn edited(lock: &Path, name: &str, scenario: &Path) -> Failure {
    let message = format!(
        "the entry `{name}` of `{}` was edited or merged by hand: its checksum is another one",
        lock.display()
    );
    let scenario = scenario.display();
    let help = format!(
        "`reenact verify --full {scenario}` shows which lines differ, `reenact lock {scenario}` renews them"
    );
    Failure::input(message, help).with(Outcome::No)
}

/// A lock that an earlier version wrote.
pub(super) fn is_old(lock: &Path) -> Failure {
    let folder = lock.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let message = format!("`{}` was written by an earlier version, for a whole folder", lock.display());
    let help = format!("`reenact lock {}` splits it into one lock for each scenario", folder.display());
    Failure::input(message, help).with(Outcome::No)
}

/// A scenario without a lock.
pub(super) fn unlocked(scenario: &Path, lock: &Path) -> Failure {
    // A file of that name which is not a lock is the reason.
    if lock.symlink_metadata().is_ok() {
        return Failure::from(LockError::Foreign(lock.into())).with(Outcome::No);
    }
    let message = format!("`{}` has no lock", scenario.display());
    Failure::input(message, format!("lock it with `reenact lock {}`", scenario.display())).with(Outcome::No)
}
