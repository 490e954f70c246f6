use std::path::{Path, PathBuf};

use serde_json::json;

use super::scenario;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::golden::{self, LOCK, Lock};
use crate::scenario::count;

/// Write what scenarios give into the `reenact.lock` beside them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact lock scenarios/examples/*.yaml")]
pub(super) struct Args {
    /// Scenario files; other entries of a lock stay as they are
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    // All are planned before the first lock is written.
    let mut runs = Vec::new();
    for path in &args.scenarios {
        let (folder, name) = split(path)?;
        let plan = scenario::read(&folder.join(&name).to_string_lossy())?.scenario.plan()?;
        runs.push((folder, name, plan.run()));
    }
    let mut locked = Vec::new();
    for (folder, name, run) in runs {
        let path = folder.join(LOCK);
        // Before anything is rendered for a lock that can't be read.
        Lock::read(&path)?;
        let entry = golden::take(&run);
        let rows = entry.rows;
        Lock::renew(&path, &name, entry)?;
        words.say(format_args!("{name}: locked {} in {}", count(rows, "row"), path.display()));
        locked.push(json!({"scenario": name, "lock": path.display().to_string(), "rows": rows}));
    }
    words.tell(Summary::Stdout, || locked.into())?;
    Ok(Outcome::Done)
}

/// The folder (never empty) and the file's name.
fn split(path: &Path) -> Result<(PathBuf, String), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if !path.is_dir() => Ok((folder.into(), name.into())),
        _ => Err(Failure::input(format!("`{}` is no scenario file", path.display()), "name scenario files")),
    }
}
