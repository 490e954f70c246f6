//! The results of `verify` for a scenario or a lock: as text, as JSON and in reports.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::github;
use super::status::{Failure, Outcome};
use crate::golden::{Case, Difference, Verdict};
use crate::printable::shell_path;

/// A scenario, or a lock without one, and its result.
pub(super) struct Judged {
    /// The scenario, with the flags of the entry.
    pub title: String,
    /// The file that the result is about.
    pub file: PathBuf,
    /// The scenario, or the lock that has no scenario.
    pub scenario: String,
    pub flags: Vec<String>,
    pub answer: Answer,
}

pub(super) enum Answer {
    Verdict(Verdict),
    /// The entry was renewed. Contains the differences, if more than its checksum was different.
    Updated(Option<Difference>),
    /// There is nothing to compare.
    No(Lack, Failure),
    Failed(Failure),
}

/// Why there is nothing to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// A scenario has no lock.
    Unlocked,
    /// The file with the lock's name is not a lock.
    Foreign,
    /// A lock has no scenario.
    NoScenario,
    /// A scenario was renamed, and its lock was not.
    Renamed,
    /// A lock was written by an earlier version.
    OldLock,
}

impl Judged {
    /// Returns the word for the result in JSON.
    pub(super) fn word(&self) -> &'static str {
        match &self.answer {
            Answer::Verdict(Verdict::Same) => "same",
            Answer::Verdict(Verdict::OtherEpoch { .. }) => "other_epoch",
            Answer::Verdict(Verdict::Differs(_)) => "differs",
            Answer::Verdict(Verdict::Edited(_)) => "edited",
            Answer::Updated(_) => "updated",
            Answer::No(Lack::Unlocked, _) => "unlocked",
            Answer::No(Lack::Foreign, _) => "foreign",
            Answer::No(Lack::NoScenario, _) => "no_scenario",
            Answer::No(Lack::Renamed, _) => "renamed",
            Answer::No(Lack::OldLock, _) => "old_lock",
            Answer::Failed(_) => "unreadable",
        }
    }

    pub(super) fn outcome(&self, allow_unlocked: bool) -> Outcome {
        match &self.answer {
            Answer::Verdict(Verdict::Same) | Answer::Updated(_) => Outcome::Done,
            Answer::No(Lack::Unlocked, _) if allow_unlocked => Outcome::Done,
            Answer::Verdict(_) | Answer::No(..) => Outcome::No,
            Answer::Failed(failure) => failure.outcome(),
        }
    }

    /// Prints what is wrong, if anything is.
    pub(super) fn print(&self, limit: usize) {
        match &self.answer {
            Answer::No(_, failure) | Answer::Failed(failure) => drop(failure.print()),
            _ => {
                let words = self.words(limit);
                if !words.is_empty() {
                    super::to_stderr(&format!("{}: {words}", self.title));
                }
            }
        }
    }

    /// Returns what is wrong and what to do next; empty if nothing is wrong.
    fn words(&self, limit: usize) -> String {
        let scenario = shell_path(Path::new(&self.scenario));
        match &self.answer {
            Answer::Verdict(Verdict::Same) => String::new(),
            Answer::Verdict(Verdict::OtherEpoch { locked, now }) => format!(
                "different epoch: locked under epoch {locked}, but this version of reenact generates the values of \
                 epoch {now}\n  = help: use the version that locked it, or renew the entry with `reenact lock \
                 {scenario}` and review the differences\n"
            ),
            Answer::Verdict(Verdict::Differs(difference)) => format!(
                "{}  = help: to compare each tick and value with an earlier dataset, run `reenact run {scenario} \
                 --out parquet:now/`, and then `reenact diff BEFORE/ now/`\n",
                difference.to_text(limit)
            ),
            Answer::Verdict(Verdict::Edited(difference)) => {
                let lines = difference.as_ref().map_or_else(String::new, |it| it.to_text(limit));
                format!(
                    "the lock file was edited or merged by hand: the checksum of its entry does not match\n{lines}  \
                     = help: run `reenact verify --full {file}` to see which lines differ, or `reenact lock \
                     {scenario}` to renew them\n",
                    file = shell_path(&self.file),
                )
            }
            Answer::Updated(None) => "updated: only the checksum was different\n".into(),
            Answer::Updated(Some(difference)) => format!("updated\n{}", difference.to_text(limit)),
            Answer::No(_, failure) | Answer::Failed(failure) => failure.to_text(),
        }
    }

    /// Returns the case for a JUnit report.
    pub(super) fn case(&self, limit: usize, allow_unlocked: bool) -> Case {
        let is_fine = self.outcome(allow_unlocked) == Outcome::Done;
        let words = if is_fine { String::new() } else { self.words(limit) };
        let failure = (!words.is_empty()).then(|| (words.lines().next().unwrap_or_default().into(), words));
        Case { name: self.title.clone(), failure }
    }

    /// Returns the annotations for a GitHub workflow.
    pub(super) fn annotations(&self, limit: usize) -> String {
        let file = self.file.display().to_string();
        match &self.answer {
            Answer::Verdict(Verdict::Same) | Answer::Updated(_) => String::new(),
            Answer::No(_, failure) | Answer::Failed(failure) => github::of_failure(&file, failure),
            Answer::Verdict(_) => {
                github::error(&file, &format!("{}: {}", self.title, self.words(limit).trim_end()))
            }
        }
    }

    pub(super) fn json(&self, limit: usize) -> Value {
        let mut results = json!({"scenario": self.scenario, "flags": self.flags, "verdict": self.word()});
        let more = match &self.answer {
            Answer::Verdict(Verdict::OtherEpoch { locked, now }) => {
                Some(("epoch", json!({"locked": locked, "now": now})))
            }
            Answer::Verdict(Verdict::Differs(difference) | Verdict::Edited(Some(difference))) => {
                Some(("difference", difference.to_json(limit)))
            }
            Answer::Updated(Some(difference)) => Some(("difference", difference.to_json(limit))),
            Answer::No(_, failure) | Answer::Failed(failure) => Some(("error", json!(failure.to_text()))),
            _ => None,
        };
        if let Some((key, value)) = more {
            results[key] = value;
        }
        results
    }
}
