use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::overrides::Overrides;
use super::status::{Failure, Outcome};
use super::{Summary, Words, signals, variants};
use crate::golden::{self, Entry, Lock, LockError, old_lock};
use crate::recording::parent;
use crate::run::Run;
use crate::scenario::count;

/// Write what scenarios give into the lock files next to them
///
/// `hot-rack.lock` belongs to `hot-rack.yaml`. Flags make an entry of their own in it, which `verify` renders
/// with these flags. Without flags, all entries that the lock has are renewed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact lock scenarios/examples/hot-rack.yaml
  reenact lock scenarios/examples/hot-rack.yaml --seed 8 --set anomalies.hot.severity=low
  reenact lock scenarios                                    every scenario in this folder and below
  reenact lock --prune scenarios                            remove locks of scenarios that are gone")]
pub(super) struct Args {
    /// Scenario files, or folders: all scenarios in them and below, without those that others use
    #[arg(required_unless_present = "prune")]
    paths: Vec<PathBuf>,

    /// Remove the locks whose scenario is gone, and lock nothing; in this folder where none is named
    #[arg(long)]
    prune: bool,

    /// Remove the entry with these flags, as in `--remove --seed 8`, and lock nothing
    #[arg(long, conflicts_with = "prune")]
    remove: bool,

    #[command(flatten)]
    overrides: Overrides,
}

/// A scenario to be locked, with its lock and the runs of its entries.
struct Planned {
    scenario: PathBuf,
    lock: PathBuf,
    runs: Vec<(Vec<String>, Run)>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let flags = args.overrides.flags()?;
    if args.prune {
        if !flags.is_empty() {
            return Err(Failure::input("`--prune` locks nothing, so flags have no use", "leave them out"));
        }
        return super::prune::run(&args.paths, words);
    }
    if args.remove {
        return super::remove::run(&args.paths, &flags, words);
    }
    let (scenarios, folders) = scenarios(&args.paths, words)?;
    let planned = all_planned(scenarios, &args.overrides, &flags, words)?;
    for old in folders.iter().filter_map(|folder| old_lock(folder)) {
        signals::whole(|| split(&old, words))?;
    }
    let mut locked = Vec::new();
    for Planned { scenario, lock, runs } in planned {
        let take = |(flags, run): (Vec<String>, Run)| Entry { flags, ..golden::take(&run) };
        let entries: Vec<Entry> = runs.into_iter().map(take).collect();
        let told: Vec<(String, u64, Value)> =
            entries.iter().map(|entry| told(&scenario, &lock, entry)).collect();
        signals::whole(|| Lock::renew(&lock, entries))?;
        for (title, rows, value) in told {
            words.say(format_args!("{title}: locked {} in {}", count(rows, "row"), lock.display()));
            locked.push(value);
        }
    }
    words.tell(Summary::Stdout, || locked.into())?;
    Ok(Outcome::Done)
}

/// All are planned before the first lock is written, and all errors are reported: the last one is returned.
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
    let Some(last) = failures.pop() else { return Ok(all) };
    for failure in failures {
        failure.report(words);
    }
    Err(last)
}

fn told(scenario: &Path, lock: &Path, entry: &Entry) -> (String, u64, Value) {
    let value = json!({
        "scenario": scenario.display().to_string(),
        "lock": lock.display().to_string(),
        "flags": entry.flags,
        "rows": entry.rows,
    });
    (variants::title(scenario, &entry.name(), &entry.flags), entry.rows, value)
}

/// The scenarios that are asked for, each once, and the folders in which they or old locks are.
fn scenarios(paths: &[PathBuf], words: Words) -> Result<(Vec<PathBuf>, BTreeSet<PathBuf>), Failure> {
    let folder_of = |path: &Path| parent(path).to_path_buf();
    let (mut scenarios, mut folders) = (Vec::new(), BTreeSet::new());
    for path in paths {
        if path.is_dir() {
            let found = variants::look(path)?;
            variants::warn_closed(&found, words);
            if found.scenarios.is_empty() && found.old_locks.is_empty() {
                let message = format!("there is no scenario in `{}` or below it", path.display());
                return Err(Failure::input(message, "name a scenario file"));
            }
            folders.extend(found.old_locks.iter().map(|old| folder_of(old)));
            scenarios.extend(found.scenarios);
        } else {
            scenarios.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    scenarios.retain(|path| seen.insert(path.clone()));
    folders.extend(scenarios.iter().map(|path| folder_of(path)));
    Ok((scenarios, folders))
}

/// Plans the entries to renew: that of the flags, or the plain one and all that the lock has. All that don't fit are
/// errors; where the scenario itself is wrong, it alone is.
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

/// The flags of the entries that are renewed together with the plain one.
fn others(lock: &Path, flags: &[String]) -> Result<Vec<Vec<String>>, LockError> {
    if golden::is_old_lock(lock) {
        return Ok(Vec::new());
    }
    // Only where all entries are renewed can a conflict be resolved.
    if !flags.is_empty() {
        return Lock::read(lock).map(|_| Vec::new());
    }
    Ok(Lock::flags(lock)?.into_iter().filter(|flags| !flags.is_empty()).collect())
}

/// Splits a lock that an earlier version wrote for a folder.
fn split(old: &Path, words: Words) -> Result<(), Failure> {
    let split = golden::split(old)?;
    let locks = count(split.written.len() as u64, "lock");
    words.say(format_args!(
        "{}: split into {locks}; `reenact verify --full` checks their lines",
        old.display()
    ));
    if !split.left.is_empty() {
        let names = crate::scenario::quoted(split.left.iter().map(String::as_str));
        words.say(format_args!(
            "{}: kept, for its entries {names} have no scenario here; `reenact lock --prune` removes it",
            old.display()
        ));
    }
    Ok(())
}
