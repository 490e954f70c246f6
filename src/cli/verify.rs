//! `reenact verify`: judges each locked entry, prints a summary, writes the JUnit report.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::github::Format;
use super::judged::{Answer, Judged};
use super::status::{Failure, Outcome};
use super::{Summary, Words, locked, signals, variants};
use crate::golden::{self, Case, Difference, Entry, Lock, Trust, Verdict, is_junit, junit};
use crate::recording::{Destination, FileOutput};
use crate::run::Run;
use crate::scenario::count;

/// Render locked scenarios again, and report what differs
///
/// Prints one line if nothing changed. The exit status is 1 if anything differs, if a lock file was edited, if a
/// scenario has no lock file, or if a lock file has no scenario.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact verify scenarios                                  verify all scenarios in this folder and below
  reenact verify scenarios/examples/hot-rack.yaml
  reenact verify --quick --junit verify.xml scenarios/examples
  reenact verify --update scenarios/examples                renew the entries that differ")]
pub(super) struct Args {
    /// Scenario files, lock files, or folders to search recursively; the current folder by default
    paths: Vec<PathBuf>,

    /// Render only scenarios with a changed text; the others are assumed to produce the same rows in the same epoch
    #[arg(long, conflicts_with = "full")]
    quick: bool,

    /// Compute every line of the lock files again, not only the totals; also finds edits with a forged checksum
    #[arg(long)]
    full: bool,

    /// Renew the entries that differ, and report what changed
    #[arg(long)]
    update: bool,

    /// Accept scenarios without a lock file
    #[arg(long)]
    allow_unlocked: bool,

    /// The format of differences
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Write a JUnit report to this file (`-` for standard output); replaces only an earlier report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// How many incidents, series and hours to list at most
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// The name of the suite in reports.
const SUITE: &str = "reenact verify";

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    args.junit.iter().try_for_each(|path| check_report(path))?;
    let mut all = Vec::new();
    for item in locked::items(&args.paths)? {
        let judged = args.judge(item);
        match (words.json, args.format) {
            (true, _) => {}
            // A scenario that is accepted without a lock is only counted.
            _ if judged.outcome(args.allow_unlocked) == Outcome::Done && judged.word() == "unlocked" => {}
            (false, Format::Text) => judged.print(args.limit),
            (false, Format::Github) => super::to_stdout(&judged.annotations(args.limit))?,
        }
        all.push(judged);
    }
    if let Some(path) = &args.junit {
        let cases: Vec<Case> =
            all.iter().map(|judged| judged.case(args.limit, args.allow_unlocked)).collect();
        write_report(path, &junit(SUITE, &cases))?;
    }
    words.json(Summary::Stdout, || summary(&all, args.limit))?;
    let outcome = all.iter().map(|judged| judged.outcome(args.allow_unlocked)).max().unwrap_or(Outcome::Done);
    words.say(in_sum(&all));
    if outcome != Outcome::Done && all.iter().any(|judged| judged.word() == "differs") {
        words.say("if the difference is intended, renew the lock file with `reenact verify --update`");
    }
    Ok(outcome)
}

impl Args {
    fn judge(&self, item: locked::Item) -> Judged {
        let (scenario, lock, entry) = match item {
            locked::Item::Entry { scenario, lock, entry } => (scenario, lock, entry),
            locked::Item::Judged(judged) => return judged,
        };
        let answer = self.answer(&scenario, &lock, &entry).unwrap_or_else(Answer::Failed);
        let is_edited = matches!(answer, Answer::Verdict(Verdict::Edited(_)));
        Judged {
            title: variants::title(&scenario, &entry.name(), &entry.flags),
            scenario: scenario.display().to_string(),
            flags: entry.flags,
            file: if is_edited { lock } else { scenario },
            answer,
        }
    }

    fn answer(&self, scenario: &Path, lock: &Path, entry: &Entry) -> Result<Answer, Failure> {
        let trust = match (self.full, self.quick) {
            (true, _) => Trust::Nothing,
            (_, true) => Trust::Inputs,
            _ => Trust::Checksum,
        };
        // An edited entry is reported even if its scenario can no longer be planned.
        if !trust.accepts(entry) && !self.update {
            return Ok(Answer::Verdict(Verdict::Edited(None)));
        }
        let run = variants::plan_entry(scenario, lock, &entry.flags)?.run();
        match golden::verify(entry, &run, trust) {
            Verdict::Same => Ok(Answer::Verdict(Verdict::Same)),
            _ if self.update => Ok(Answer::Updated(update(lock, entry, &run)?)),
            verdict => Ok(Answer::Verdict(verdict)),
        }
    }
}

/// Renews an entry. Returns the differences.
fn update(lock: &Path, entry: &Entry, run: &Run) -> Result<Option<Difference>, Failure> {
    let now = Entry { flags: entry.flags.clone(), ..golden::take(run) };
    let difference = golden::every_line(entry, &now);
    signals::whole(|| Lock::renew(lock, vec![now]))?;
    Ok(difference)
}

/// The kinds of answers that JSON and the last line count.
const KINDS: [(&str, &[&str], &str); 9] = [
    ("same", &["same"], "unchanged"),
    ("different", &["differs", "other_epoch"], "different"),
    ("edited", &["edited"], "with an edited lock file"),
    ("updated", &["updated"], "updated"),
    ("unlocked", &["unlocked", "foreign"], "without a lock file"),
    ("no_scenario", &["no_scenario"], "with a missing scenario"),
    ("renamed", &["renamed"], "renamed"),
    ("old_lock", &["old_lock"], "in an old lock file"),
    ("unreadable", &["unreadable"], "unreadable"),
];

fn numbers(all: &[Judged]) -> impl Iterator<Item = (&'static str, usize, &'static str)> {
    KINDS
        .map(|(key, verdicts, text)| {
            (key, all.iter().filter(|judged| verdicts.contains(&judged.word())).count(), text)
        })
        .into_iter()
}

fn summary(all: &[Judged], limit: usize) -> Value {
    let mut summary: serde_json::Map<String, Value> =
        numbers(all).map(|(key, number, _)| (key.to_string(), json!(number))).collect();
    summary.insert("scenarios".into(), all.iter().map(|judged| judged.json(limit)).collect());
    summary.into()
}

/// Returns the last line: `3 scenarios unchanged`, `2 scenarios unchanged, 1 different`.
fn in_sum(all: &[Judged]) -> String {
    let mut parts: Vec<(usize, &str)> =
        numbers(all).map(|(_, number, text)| (number, text)).filter(|(number, _)| *number > 0).collect();
    let Some((number, text)) = (!parts.is_empty()).then(|| parts.remove(0)) else {
        return "nothing to verify".into();
    };
    let variants = all.iter().filter(|judged| !judged.flags.is_empty()).count();
    let of = if variants > 0 { format!(" ({variants} with flags)") } else { String::new() };
    let more: String = parts.iter().map(|(number, text)| format!(", {number} {text}")).collect();
    format!("{} {text}{more}{of}", count(number as u64, "scenario"))
}

/// Refuses to replace a file that is not a report of this verb. It reads only a regular file: reading a FIFO would
/// block.
fn check_report(path: &Path) -> Result<(), Failure> {
    let is_file = matches!(Destination::of(path), Ok(Destination::File(_)));
    if path.as_os_str() == "-" || !is_file {
        return Ok(());
    }
    let is_ours = match std::fs::read_to_string(path) {
        Ok(text) => text.is_empty() || is_junit(SUITE, &text),
        Err(_) => false,
    };
    if is_ours {
        return Ok(());
    }
    let message = format!("`{}` exists, but is not a report of `reenact verify`", path.display());
    Err(Failure::input(message, "choose another path for `--junit`"))
}

/// Writes a report completely or not at all; `-` is standard output.
fn write_report(path: &Path, report: &str) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return super::to_stdout(report);
    }
    // A file may have appeared while scenarios were rendered.
    check_report(path)?;
    let written = signals::whole(|| FileOutput::write(path, true, report.as_bytes()));
    written.map_err(|problem| Failure::output(problem.to_string(), problem.help()))
}
