//! `reenact lock`: finds and plans the scenarios, then renews the entries of their lock files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::overrides::Overrides;
use super::status::{Failure, Outcome};
use super::{Summary, Words, signals, variants};
use crate::golden::{self, Entry, Lock, LockError, lock_path, locks_in, lost_link, old_lock, scenario_of};
use crate::recording::parent;
use crate::run::Run;
use crate::scenario::count;

/// Lock scenarios: write checksums of their rows into lock files next to them
///
/// `hot-rack.lock` belongs to `hot-rack.yaml`. With flags such as `--seed`, the command writes a separate entry, which
/// `verify` renders with the same flags. Without flags, it renews all entries of the lock file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact lock scenarios/examples/hot-rack.yaml
  reenact lock scenarios/examples/hot-rack.yaml --seed 8 --set anomalies.hot.severity=low
  reenact lock scenarios                                    lock every scenario in this folder and below
  reenact lock --prune scenarios                            remove lock files without a scenario")]
pub(super) struct Args {
    /// Scenario files, or folders to search recursively (required unless `--prune` is given); scenarios that other
    /// scenarios use are skipped
    #[arg(required_unless_present = "prune")]
    paths: Vec<PathBuf>,

    /// Remove lock files without a scenario, and lock nothing; without paths, in the current folder
    #[arg(long)]
    prune: bool,

    /// Remove the entry with the given flags, such as `--remove --seed 8`, and lock nothing
    #[arg(long, conflicts_with = "prune")]
    remove: bool,

    #[command(flatten)]
    overrides: Overrides,
}

/// A scenario to lock, with its lock and the runs of its entries.
struct Planned {
    scenario: PathBuf,
    lock: PathBuf,
    runs: Vec<(Vec<String>, Run)>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let flags = args.overrides.flags()?;
    if args.prune {
        if !flags.is_empty() {
            let message = "`--prune` cannot be combined with flags that change the scenario";
            return Err(Failure::input(message, "omit these flags"));
        }
        return super::prune::run(&args.paths, words);
    }
    if args.remove {
        return super::remove::run(&args.paths, &flags, words);
    }
    let Asked { scenarios, folders, locks } = asked(&args.paths, words)?;
    let new: Vec<PathBuf> = scenarios.iter().filter(|path| !lock_path(path).exists()).cloned().collect();
    let planned = all_planned(scenarios, &args.overrides, &flags, words)?;
    let left_over = left_over(&locks, &new, words)?;
    for old in folders.iter().filter_map(|folder| old_lock(folder)) {
        signals::whole(|| split(&old, words))?;
    }
    let mut locked = Vec::new();
    for Planned { scenario, lock, runs } in planned {
        let take = |(flags, run): (Vec<String>, Run)| Entry { flags, ..golden::take(&run) };
        let entries: Vec<Entry> = runs.into_iter().map(take).collect();
        let described: Vec<(String, u64, Value)> =
            entries.iter().map(|entry| described(&scenario, &lock, entry)).collect();
        signals::whole(|| Lock::renew(&lock, entries))?;
        for (title, rows, value) in described {
            words.say(format_args!("{title}: locked {} in {}", count(rows, "row"), lock.display()));
            locked.push(value);
        }
    }
    for lock in left_over {
        words.warn(format_args!(
            "`{}` has no scenario: rename it if its scenario was renamed, or remove it with `reenact lock --prune`",
            lock.display()
        ));
    }
    words.json(Summary::Stdout, || locked.into())?;
    Ok(Outcome::Done)
}

/// Returns the locks without a scenario, but only if new locks are about to be written: one of them may belong to a
/// scenario that was renamed.
///
/// # Errors
/// If a lock matches a scenario without a lock. A new lock would not have the old one's entries with flags.
fn left_over(locks: &BTreeSet<PathBuf>, new: &[PathBuf], words: Words) -> Result<Vec<PathBuf>, Failure> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let is_left_over = |lock: &&PathBuf| scenario_of(lock).is_none() && lost_link(lock).is_none();
    let mut digests = variants::ScenarioDigests::default();
    let (mut unknown, mut failures) = (Vec::new(), Vec::new());
    for lock in locks.iter().filter(is_left_over) {
        match digests.renamed(lock, new) {
            Some(scenario) => failures.push(variants::renamed(lock, scenario)),
            None => unknown.push(lock.clone()),
        }
    }
    all_reported(failures, words).map_or(Ok(unknown), Err)
}

/// Plans all scenarios before the first lock is written. Reports all errors except the last one, which it returns.
fn all_planned(
    scenarios: Vec<PathBuf>,
    overrides: &Overrides,
    flags: &[String],
    words: Words,
) -> Result<Vec<Planned>, Failure> {
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        match planned(scenario, overrides, flags) {
            Ok(planned) => all.push(planned),
            Err(more) => failures.extend(more),
        }
    }
    all_reported(failures, words).map_or(Ok(all), Err)
}

/// Reports all failures except the last one, which it returns.
fn all_reported(mut failures: Vec<Failure>, words: Words) -> Option<Failure> {
    let last = failures.pop();
    for failure in failures {
        failure.report(words);
    }
    last
}

fn described(scenario: &Path, lock: &Path, entry: &Entry) -> (String, u64, Value) {
    let value = json!({
        "scenario": scenario.display().to_string(),
        "lock": lock.display().to_string(),
        "flags": entry.flags,
        "rows": entry.rows,
    });
    (variants::title(scenario, &entry.name(), &entry.flags), entry.rows, value)
}

/// What the paths of the command line mean.
struct Asked {
    /// The scenarios, each once.
    scenarios: Vec<PathBuf>,
    /// The folders that contain these scenarios or old locks.
    folders: BTreeSet<PathBuf>,
    /// The locks in the named folders and next to the named scenarios.
    locks: BTreeSet<PathBuf>,
}

fn asked(paths: &[PathBuf], words: Words) -> Result<Asked, Failure> {
    let folder_of = |path: &Path| parent(path).to_path_buf();
    let (mut scenarios, mut folders, mut locks) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for path in paths {
        if path.is_dir() {
            let found = variants::look(path)?;
            variants::warn_closed(&found, words);
            if found.scenarios.is_empty() && found.old_locks.is_empty() {
                let message = format!("`{}` and its subfolders contain no scenario", path.display());
                return Err(Failure::input(message, "name a scenario file"));
            }
            folders.extend(found.old_locks.iter().map(|old| folder_of(old)));
            scenarios.extend(found.scenarios);
            locks.extend(found.locks);
        } else {
            scenarios.push(path.clone());
            locks.extend(locks_in(path.parent().unwrap_or(Path::new(""))));
        }
    }
    let mut seen = BTreeSet::new();
    scenarios.retain(|path| seen.insert(path.clone()));
    folders.extend(scenarios.iter().map(|path| folder_of(path)));
    Ok(Asked { scenarios, folders, locks })
}

/// Plans the entries to renew: the one with the given flags, or the plain one and all others in the lock. Returns an
/// error for each entry that does not fit. If the scenario itself has mistakes, they are the only error.
fn planned(scenario: PathBuf, overrides: &Overrides, flags: &[String]) -> Result<Planned, Vec<Failure>> {
    let lock = variants::lock_of(&scenario).map_err(|failure| vec![failure])?;
    let others = others(&lock, flags).map_err(|error| vec![error.into()])?;
    let own = variants::plan(&scenario, overrides).map_err(|failure| vec![failure])?;
    let mut runs = vec![(flags.to_vec(), own.run())];
    let mut failures = Vec::new();
    for flags in others {
        match variants::plan_entry(&scenario, &lock, &flags) {
            Ok(plan) => runs.push((flags, plan.run())),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(Planned { scenario, lock, runs }) } else { Err(failures) }
}

/// Returns the flags of the entries that are renewed together with the plain one.
fn others(lock: &Path, flags: &[String]) -> Result<Vec<Vec<String>>, LockError> {
    if golden::is_old_lock(lock) {
        return Ok(Vec::new());
    }
    // A merge conflict in the lock can be resolved only if all entries are renewed.
    if !flags.is_empty() {
        return Lock::read(lock).map(|_| Vec::new());
    }
    Ok(Lock::flags(lock)?.into_iter().filter(|flags| !flags.is_empty()).collect())
}

/// Splits a lock that an earlier version wrote for a whole folder.
fn split(old: &Path, words: Words) -> Result<(), Failure> {
    let split = golden::split(old)?;
    let locks = count(split.written.len() as u64, "lock file");
    words.say(format_args!(
        "{}: split into {locks}; run `reenact verify --full` to check their lines",
        old.display()
    ));
    if !split.left.is_empty() {
        let names = crate::scenario::quoted(split.left.iter().map(String::as_str));
        words.say(format_args!(
            "{}: kept, because its entries {names} have no scenario here; `reenact lock --prune` removes it",
            old.display()
        ));
    }
    Ok(())
}
