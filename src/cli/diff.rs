use std::path::{Path, PathBuf};

use serde_json::json;

use super::status::{Failure, Outcome};
use super::verify::entry_of;
use super::{Summary, Words};
use crate::golden::{Compared, Entry, Lock, compare, diff, take_recording};
use crate::recording::{Recording, RecordingError};
use crate::scenario::count;

/// Tell the difference between two datasets, or a lock and a dataset
///
/// Which incidents, series and hours differ, and of datasets the first tick and both values. Exit status 1
/// if anything does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact diff before/ after/
  reenact diff scenarios/examples/hot-rack.yaml after/      what was locked against a dataset
  reenact diff scenarios/examples/reenact.lock after/ --limit 100")]
pub(super) struct Args {
    /// A dataset, a file of one, a `reenact.lock`, or a scenario file that is locked
    old: PathBuf,

    /// The same, to compare with
    new: PathBuf,

    /// Incidents, series, rows and hours that are told one by one
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
            "both sides are standard input, which can be read once",
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
    words.tell(Summary::Stdout, || {
        let damages: Vec<String> = compared.damages.iter().map(ToString::to_string).collect();
        let difference = compared.difference.as_ref().map(|difference| difference.to_json(args.limit));
        json!({"rows": compared.rows, "differs": difference.is_some(), "difference": difference, "damages": damages})
    })?;
    if let (Some(difference), false) = (&compared.difference, words.json) {
        super::to_stdout(&difference.to_text(args.limit))?;
    }
    if !compared.damages.is_empty() {
        for damage in compared.damages {
            Failure::from(damage).print();
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
        Some("lock" | "yaml" | "yml") if path.is_file() => Ok(Side::Lock(path.into())),
        _ => Ok(Side::Recording(Recording::open(path)?)),
    }
}

/// The entry that a path names: that of a scenario file, or of a lock the one that fits the recording.
fn entry(path: &Path, other: Option<&Recording>) -> Result<Entry, Failure> {
    if path.extension().is_some_and(|extension| extension != "lock") {
        return entry_of(path);
    }
    let mut entries = Lock::read(path)?.unwrap_or_default().entries;
    if entries.len() == 1
        && let Some((_, entry)) = entries.pop_first()
    {
        return Ok(entry);
    }
    if let Some(manifest) = other.and_then(Recording::manifest) {
        let by_digest = entries.iter().find(|(_, entry)| entry.scenario == manifest.scenario_digest);
        let file = format!("{}.yaml", manifest.name);
        let found = by_digest.or_else(|| entries.get_key_value(&file)).map(|(_, entry)| entry.clone());
        if let Some(entry) = found {
            return Ok(entry);
        }
    }
    if entries.is_empty() {
        let message = format!("`{}` has no entry", path.display());
        return Err(Failure::input(message, "lock a scenario with `reenact lock FILE`"));
    }
    let names: Vec<String> = entries.keys().map(|name| format!("`{name}`")).collect();
    let message =
        format!("`{}` has entries for {}, and which one is meant?", path.display(), names.join(", "));
    let example = path.with_file_name(entries.keys().next().map_or("SCENARIO.yaml", String::as_str));
    Err(Failure::input(message, format!("name the scenario file, such as `{}`", example.display())))
}
