use std::path::{Path, PathBuf};

use serde_json::json;

use super::scenario;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::golden::{self, LOCK, Lock};
use crate::scenario::count;

/// Render locked scenarios again and tell what differs
///
/// Exit status 1 if anything does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact verify scenarios/")]
pub(super) struct Args {
    /// Folders to look for `reenact.lock` in, with all below them; the current one where none is named
    folders: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let here = [PathBuf::from(".")];
    let folders = if args.folders.is_empty() { &here[..] } else { &args.folders };
    let mut locks = Vec::new();
    for folder in folders {
        find_locks(folder, &mut locks).map_err(|error| {
            Failure::input(format!("cannot look into `{}`: {error}", folder.display()), "check the path")
        })?;
    }
    if locks.is_empty() {
        return Err(Failure::input(
            format!("there is no `{LOCK}` here"),
            "make one with `reenact lock FILE`",
        ));
    }
    let (mut same, mut different, mut unreadable) = (0, 0, 0);
    for path in locks {
        let lock = Lock::read(&path)?.unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        for (name, locked) in &lock.entries {
            let file = folder.join(name);
            let planned =
                scenario::read(&file.to_string_lossy()).and_then(|named| Ok(named.scenario.plan()?));
            let plan = match planned {
                Ok(plan) => plan,
                Err(failure) => {
                    // The others are compared all the same.
                    failure.print();
                    unreadable += 1;
                    continue;
                }
            };
            match golden::compare(locked, &golden::take(&plan.run())) {
                None => same += 1,
                Some(difference) => {
                    different += 1;
                    super::to_stderr(&format!("{}: {difference}", file.display()));
                }
            }
        }
    }
    words
        .tell(Summary::Stdout, || json!({"same": same, "different": different, "unreadable": unreadable}))?;
    if unreadable > 0 {
        words
            .say(format_args!("{} could not be rendered, {different} differ", count(unreadable, "scenario")));
        return Ok(Outcome::Input);
    }
    if different > 0 {
        words.say(format_args!(
            "{} of {} differ; if that is meant, `reenact lock FILE` renews the lock",
            different,
            count(same + different, "scenario")
        ));
        return Ok(Outcome::No);
    }
    words.say(format_args!("{} unchanged", count(same, "scenario")));
    Ok(Outcome::Done)
}

/// All locks below a folder, sorted; not in hidden folders, nor in `target`.
fn find_locks(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == LOCK {
            found.push(path);
        } else if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && name != "target" {
            find_locks(&path, found)?;
        }
    }
    Ok(())
}
