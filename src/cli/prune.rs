//! `reenact lock --prune`: removes the lock files that no longer belong to a scenario.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::status::{Failure, Outcome};
use super::{Summary, Words, variants};
use crate::golden::{Lock, is_left_over, lost_link, scenario_of};
use crate::scenario::count;

/// Removes the locks in folders and below whose scenario no longer exists. Keeps a lock if its scenario was only
/// renamed, or is a link to a file that is missing.
pub(super) fn run(folders: &[PathBuf], words: Words) -> Result<Outcome, Failure> {
    let here = [PathBuf::from(".")];
    let (mut removed, mut kept) = (Vec::new(), 0);
    for folder in if folders.is_empty() { &here[..] } else { folders } {
        let found = variants::look(folder)?;
        variants::warn_closed(&found, words);
        let (unlocked, mut digests) = (found.unlocked(), variants::ScenarioDigests::default());
        for lock in found.locks.iter().filter(|lock| scenario_of(lock).is_none()) {
            if let Some(scenario) = digests.renamed(lock, &unlocked) {
                let (lock_name, new_name) = (lock.display(), scenario.display());
                let help = variants::rename(lock, scenario);
                words
                    .say(format_args!("{lock_name}: kept, because its scenario is now `{new_name}`; {help}"));
                kept += 1;
                continue;
            }
            if let Some((link, target)) = lost_link(lock) {
                let why = variants::lost(&link, &target);
                words.say(format_args!("{}: kept, because {why}", lock.display()));
                kept += 1;
                continue;
            }
            let flags = Lock::flags(lock).unwrap_or_default();
            remove(lock)?;
            removed
                .push((lock.display().to_string(), flags.iter().filter(|flags| !flags.is_empty()).count()));
        }
        for old in &found.old_locks {
            // Keep it if an entry still has a scenario: `reenact lock` moves such entries.
            if is_left_over(old)? {
                remove(old)?;
                removed.push((old.display().to_string(), 0));
            }
        }
    }
    for (lock, under_flags) in &removed {
        let and = match under_flags {
            0 => String::new(),
            1 => ", including 1 entry with flags".into(),
            number => format!(", including {number} entries with flags"),
        };
        words.say(format_args!("{lock}: removed{and}"));
    }
    words.say(format_args!("{} removed", count(removed.len() as u64, "lock file")));
    words.json(
        Summary::Stdout,
        || json!({"removed": removed.iter().map(|(lock, _)| lock).collect::<Vec<_>>(), "kept": kept}),
    )?;
    Ok(Outcome::Done)
}

fn remove(lock: &Path) -> Result<(), Failure> {
    std::fs::remove_file(lock).map_err(|error| {
        Failure::output(format!("cannot remove `{}`: {error}", lock.display()), "check its permissions")
    })
}
