//! `reenact lock --remove`: removes one entry with flags from lock files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::status::{Failure, Outcome};
use super::{Summary, Words, signals, variants};
use crate::golden::{Entry, Lock};
use crate::scenario::quoted;

/// Removes the entry with these flags from the locks of scenarios: from all of them, or from none.
pub(super) fn run(scenarios: &[PathBuf], flags: &[String], words: Words) -> Result<Outcome, Failure> {
    if flags.is_empty() {
        let help = "add the flags that the entry was locked with, such as `--remove --seed 8`";
        return Err(Failure::input("`--remove` requires the flags of an entry", help));
    }
    let name = Entry::name_of(flags);
    let mut locks = Vec::new();
    for scenario in scenarios {
        let lock = variants::lock_of(scenario)?;
        check_has(&lock, flags, &name)?;
        locks.push((scenario, lock));
    }
    let mut removed = Vec::new();
    for (scenario, lock) in locks {
        signals::whole(|| Lock::remove(&lock, flags))?;
        let title = variants::title(scenario, &name, flags);
        words.say(format_args!("{title}: removed from {}", lock.display()));
        removed.push(json!({
            "scenario": scenario.display().to_string(), "lock": lock.display().to_string(), "flags": flags,
        }));
    }
    words.json(Summary::Stdout, || removed.into())?;
    Ok(Outcome::Done)
}

fn check_has(lock: &Path, flags: &[String], name: &str) -> Result<(), Failure> {
    let shown = lock.display();
    if !lock.exists() {
        return Err(Failure::input(format!("`{shown}` does not exist"), "check the path"));
    }
    let all = Lock::flags(lock)?;
    if all.contains(flags) {
        return Ok(());
    }
    let names: Vec<String> =
        all.iter().filter(|flags| !flags.is_empty()).map(|flags| Entry::name_of(flags)).collect();
    let help = match names.is_empty() {
        true => "it has no entries with flags".into(),
        false => format!("its entries with flags are {}", quoted(names.iter().map(String::as_str))),
    };
    Err(Failure::input(format!("`{shown}` has no entry `{name}`"), help))
}
