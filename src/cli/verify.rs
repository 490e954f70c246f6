use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::scenario;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::golden::{Case, Entry, LOCK, Lock, Trust, Verdict, junit, verify};
use crate::recording::Partial;
use crate::scenario::count;

/// Render locked scenarios again and tell what differs
///
/// Answers in one line where nothing changed. Exit status 1 if anything differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact verify                                            every lock in this folder and below
  reenact verify scenarios/examples/hot-rack.yaml
  reenact verify --quick --junit verify.xml")]
pub(super) struct Args {
    /// Folders to look for `reenact.lock` in with all below them, or single scenario files; this folder
    /// where none is named
    paths: Vec<PathBuf>,

    /// Trust that a scenario that was not changed still gives the same rows under the same epoch
    #[arg(long)]
    quick: bool,

    /// Write a report for continuous integration
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Incidents, series and hours that are told one by one
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// A scenario file and its entry, or a lock that can't be read.
type Locked = (PathBuf, Result<Entry, Failure>);

/// A locked scenario, and what became of it.
struct Judged {
    file: PathBuf,
    verdict: Result<Verdict, Failure>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    if let Some(path) = args.junit.as_ref().filter(|path| is_no_report(path)) {
        let message = format!("`{}` is there, and is no report", path.display());
        return Err(Failure::input(message, "choose another path for `--junit`"));
    }
    let locked = locked(&args.paths)?;
    let trust = if args.quick { Trust::Inputs } else { Trust::Nothing };
    let mut all = Vec::new();
    for (file, entry) in locked {
        let verdict = entry.and_then(|entry| {
            if !file.exists() {
                let message = format!("`{}` is locked, and is not there", file.display());
                return Err(Failure::input(
                    message,
                    format!("bring it back, or take its entry out of `{LOCK}`"),
                ));
            }
            let plan = scenario::read(&file.to_string_lossy())?.scenario.plan()?;
            Ok(verify(&entry, &plan.run(), trust))
        });
        let judged = Judged { file, verdict };
        if !words.json {
            judged.tell(args.limit);
        }
        all.push(judged);
    }
    if let Some(path) = &args.junit {
        let cases: Vec<Case> = all.iter().map(|judged| judged.case(args.limit)).collect();
        write_report(path, &junit("reenact verify", &cases))?;
    }
    let is = |wanted: fn(&Judged) -> bool| all.iter().filter(|judged| wanted(judged)).count();
    let same = is(|judged| matches!(judged.verdict, Ok(Verdict::Same)));
    let unreadable = is(|judged| judged.verdict.is_err());
    let different = all.len() - same - unreadable;
    words.tell(Summary::Stdout, || {
        let scenarios: Vec<Value> = all.iter().map(|judged| judged.json(args.limit)).collect();
        json!({"same": same, "different": different, "unreadable": unreadable, "scenarios": scenarios})
    })?;
    if unreadable > 0 {
        let unreadable = count(unreadable as u64, "scenario");
        words
            .say(format_args!("{unreadable} could not be rendered; different from their locks: {different}"));
        return Ok(Outcome::Input);
    }
    if different > 0 {
        let all = count(all.len() as u64, "scenario");
        words.say(format_args!(
            "different from their locks: {different} of {all}; if that is meant, `reenact lock FILE` renews them"
        ));
        return Ok(Outcome::No);
    }
    words.say(format_args!("{} unchanged", count(same as u64, "scenario")));
    Ok(Outcome::Done)
}

impl Judged {
    fn tell(&self, limit: usize) {
        match &self.verdict {
            Ok(Verdict::Same) => {}
            Ok(_) => super::to_stderr(&format!("{}: {}", self.file.display(), self.words(limit))),
            // The others are compared all the same.
            Err(failure) => drop(failure.print()),
        }
    }

    /// What is wrong, with what to do next.
    fn words(&self, limit: usize) -> String {
        let file = self.file.display();
        match &self.verdict {
            Ok(Verdict::Same) => String::new(),
            Ok(Verdict::OtherEpoch { locked, now }) => format!(
                "another epoch: locked under {locked}, and this program makes the values of {now}\n  = help: \
                 take the program that locked it, or `reenact lock {file}` and read the difference\n"
            ),
            Ok(Verdict::Differs(difference)) => format!(
                "{}  = help: for each tick and value, `reenact run {file} --out parquet:now/` and then `reenact \
                 diff BEFORE/ now/` against a dataset from before\n",
                difference.to_text(limit)
            ),
            Err(failure) => failure.to_text(),
        }
    }

    fn case(&self, limit: usize) -> Case {
        let words = self.words(limit);
        let failure = (!words.is_empty()).then(|| (words.lines().next().unwrap_or_default().into(), words));
        Case { name: self.file.display().to_string(), failure }
    }

    fn json(&self, limit: usize) -> Value {
        let mut told = json!({"scenario": self.file.display().to_string()});
        let (verdict, more) = match &self.verdict {
            Ok(Verdict::Same) => ("same", None),
            Ok(Verdict::OtherEpoch { locked, now }) => {
                ("other_epoch", Some(("epoch", json!({"locked": locked, "now": now}))))
            }
            Ok(Verdict::Differs(difference)) => ("differs", Some(("difference", difference.to_json(limit)))),
            Err(failure) => ("unreadable", Some(("error", json!(failure.to_text())))),
        };
        told["verdict"] = json!(verdict);
        if let Some((key, value)) = more {
            told[key] = value;
        }
        told
    }
}

/// Whether something else than a report stands where one would go.
fn is_no_report(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| !bytes.is_empty() && !bytes.starts_with(b"<?xml"))
}

/// Writes a report whole or not at all; `-` is standard output.
fn write_report(path: &Path, report: &str) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return super::to_stdout(report);
    }
    let wrong = |error: String| {
        Failure::output(format!("cannot write `{}`: {error}", path.display()), "choose another path")
    };
    let (partial, mut file) = Partial::file(path, true).map_err(|problem| wrong(problem.to_string()))?;
    if let Err(error) = file.write_all(report.as_bytes()) {
        partial.discard();
        return Err(wrong(error.to_string()));
    }
    partial.publish().map_err(|error| wrong(error.to_string()))
}

/// The scenarios of all locks that are asked for, each with its entry; a lock that can't be read stands for
/// its scenarios.
fn locked(paths: &[PathBuf]) -> Result<Vec<Locked>, Failure> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here[..] } else { paths };
    let mut found = Vec::new();
    for path in paths {
        if path.is_file() && path.file_name().is_none_or(|name| name != LOCK) {
            found.push((path.clone(), Ok(entry_of(path)?)));
            continue;
        }
        let mut locks = Vec::new();
        if path.is_file() {
            locks.push(path.clone());
        } else {
            find_locks(path, true, &mut locks).map_err(|error| {
                Failure::input(format!("cannot look into `{}`: {error}", path.display()), "check the path")
            })?;
        }
        for lock in locks {
            let folder = lock.parent().unwrap_or(Path::new("."));
            match Lock::read(&lock) {
                Ok(read) => {
                    let entries = read.unwrap_or_default().entries.into_iter();
                    found.extend(entries.map(|(name, entry)| (folder.join(name), Ok(entry))));
                }
                Err(error) => found.push((lock, Err(error.into()))),
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::input(
            format!("there is no `{LOCK}` here"),
            "make one with `reenact lock FILE`",
        ));
    }
    Ok(found)
}

/// The entry of a scenario file in the lock beside it.
pub(super) fn entry_of(file: &Path) -> Result<Entry, Failure> {
    let lock = file.with_file_name(LOCK);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let entry = Lock::read(&lock)?.and_then(|mut lock| lock.entries.remove(&*name));
    entry.ok_or_else(|| {
        let message = format!("`{}` is not locked: `{}` has no entry for it", file.display(), lock.display());
        Failure::input(message, format!("lock it with `reenact lock {}`", file.display()))
    })
}

/// All locks below a folder, sorted; not in hidden folders, nor in `target`.
fn find_locks(folder: &Path, is_first: bool, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    // Where nobody may look, nothing is to be verified.
    let folder_entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !is_first => return Ok(()),
        read => read?,
    };
    let mut entries: Vec<PathBuf> =
        folder_entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == LOCK {
            found.push(path);
        } else if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && name != "target" {
            find_locks(&path, false, found)?;
        }
    }
    Ok(())
}
