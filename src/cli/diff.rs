//! `reenact diff`: decides whether each side is a dataset or a lock file, and compares them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::status::{Failure, Outcome};
use super::{Summary, Words, variants};
use crate::golden::{
    Compared, Entry, Lock, Trust, compare, diff, is_old_lock, scenario_name, take_recording,
};
use crate::recording::{Recording, RecordingError};
use crate::scenario::{count, is_yaml};

/// Show the differences between two datasets, two lock files, or one of each
///
/// Names the incidents, series and hours that differ. For two datasets, it also shows the first tick that differs, with
/// both values. The exit status is 1 if anything differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact diff before/ after/
  reenact diff scenarios/examples/hot-rack.yaml after/      compare a lock file with a dataset
  reenact diff scenarios/examples/hot-rack.lock after/ --limit 100")]
pub(super) struct Args {
    /// The old side: a dataset, a file of a dataset, a lock file, or a scenario file that has a lock file
    old: PathBuf,

    /// The new side: any of the same
    new: PathBuf,

    /// How many incidents, series, rows and hours to list at most
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

enum Side {
    Recording(Recording),
    Lock(PathBuf),
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    if [&args.old, &args.new].iter().all(|path| path.as_os_str() == "-") {
        return Err(Failure::input(
            "both sides are standard input, which can be read only once",
            "name a file for one of them",
        ));
    }
    let compared = match (side(&args.old)?, side(&args.new)?) {
        (Side::Recording(old), Side::Recording(new)) => diff(&old, &new)?,
        (Side::Lock(lock), Side::Recording(new)) => {
            let (now, damages) = take_recording(&new)?;
            by_sums(&entry(&lock, Some(&new))?, &now, damages)
        }
        (Side::Recording(old), Side::Lock(lock)) => {
            let (was, damages) = take_recording(&old)?;
            by_sums(&was, &entry(&lock, Some(&old))?, damages)
        }
        (Side::Lock(old), Side::Lock(new)) => by_sums(&entry(&old, None)?, &entry(&new, None)?, Vec::new()),
    };
    words.json(Summary::Stdout, || {
        let damages: Vec<String> = compared.damages.iter().map(ToString::to_string).collect();
        let difference = compared.difference.as_ref().map(|difference| difference.to_json(args.limit));
        json!({"rows": compared.rows, "differs": difference.is_some(), "difference": difference, "damages": damages})
    })?;
    if let (Some(difference), false) = (&compared.difference, words.json) {
        super::to_stdout(&difference.to_text(args.limit))?;
    }
    if !compared.damages.is_empty() {
        for damage in compared.damages {
            Failure::from(damage).report(words);
        }
        return Ok(Outcome::Input);
    }
    Ok(match compared.difference {
        Some(_) => Outcome::No,
        None => {
            words.say(format_args!("no difference in {}", count(compared.rows, "row")));
            Outcome::Done
        }
    })
}

fn by_sums(old: &Entry, new: &Entry, damages: Vec<RecordingError>) -> Compared {
    Compared { rows: old.rows, difference: compare(old, new), damages }
}

fn side(path: &Path) -> Result<Side, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        _ if is_old_lock(path) => Err(variants::is_old(path)),
        Some("lock") if path.is_file() => Ok(Side::Lock(path.into())),
        _ if is_yaml(path) && path.is_file() => Ok(Side::Lock(path.into())),
        _ => Ok(Side::Recording(Recording::open(path)?)),
    }
}

/// Returns an entry of the lock that a path names: a lock, or the scenario file that it belongs to. It is the entry of
/// the other side's scenario, or otherwise the first one.
fn entry(path: &Path, other: Option<&Recording>) -> Result<Entry, Failure> {
    let is_lock = path.extension().is_some_and(|extension| extension == "lock");
    let lock = if is_lock { path.into() } else { variants::lock_of(path)? };
    let Some(read) = Lock::read(&lock)? else {
        return Err(variants::unlocked(path, &lock).with(Outcome::Input));
    };
    let digest = other.and_then(Recording::manifest).map(|manifest| &manifest.scenario_digest);
    let entries = read.entries();
    let found = entries.iter().find(|entry| Some(&entry.scenario) == digest).or_else(|| entries.first());
    let Some(entry) = found else {
        let message = format!("`{}` has no entry", lock.display());
        return Err(Failure::input(message, "renew it with `reenact lock`"));
    };
    // Like `verify`, do not compare an entry that was edited.
    match Trust::Checksum.accepts(entry) {
        true => Ok(entry.clone()),
        false => Err(variants::edited(&lock, &entry.name(), &scenario_name(&lock))),
    }
}
