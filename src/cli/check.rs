//! `reenact check`: finds scenarios, and prints their errors and warnings as text, JSON or annotations.

use std::path::Path;

use serde_json::{Value, json};

use super::github::{self, Format, Located};
use super::overrides::Overrides;
use super::status::{Failure, Outcome};
use super::{Summary, Words, scenario, variants};
use crate::golden::Found;
use crate::output::ErrorEvent;
use crate::plan::Plan;
use crate::recording::MANIFEST;
use crate::scenario::{Diagnostics, Level, Scenario, count, is_yaml};

/// Report all errors and warnings in scenarios, with their positions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact check scenarios                                   check every scenario in this folder and below
  reenact check --strict --format github scenarios/examples/hot-rack.yaml")]
pub(super) struct Args {
    /// Scenario files, or folders to search recursively; scenarios that other scenarios use are skipped
    #[arg(required = true)]
    scenarios: Vec<String>,

    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,

    /// The format of errors and warnings
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    #[command(flatten)]
    overrides: Overrides,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    let mut results = Vec::new();
    for (name, closed) in named(&args.scenarios)? {
        let scenario = closed
            .map_or_else(|| scenario::read(&name), Err)
            .and_then(|named| args.overrides.apply(named.scenario));
        let (one, value) = match scenario {
            Ok(scenario) => args.planned(&name, scenario.plan(), words)?,
            // The other scenarios are checked anyway.
            Err(failure) => args.unread(&name, &failure, words)?,
        };
        outcome = outcome.max(one);
        results.push(value);
    }
    words.json(Summary::Stdout, || results.into())?;
    Ok(outcome)
}

/// Returns the scenarios to check: those in folders, and everything else under the name that the user gave. A part of a
/// folder that cannot be read comes with the reason.
fn named(names: &[String]) -> Result<Vec<(String, Option<Failure>)>, Failure> {
    let mut all = Vec::new();
    for name in names {
        let path = Path::new(name);
        let is_name = name.contains('/') || Scenario::preset(name).is_err();
        let is_folder = path.is_dir() && is_name && !is_yaml(path);
        // The directory of a dataset counts as one scenario.
        if !is_folder || path.join(MANIFEST).is_file() {
            all.push((name.clone(), None));
            continue;
        }
        let Found { scenarios, mut closed, .. } = variants::look(path)?;
        // Locks are not checked.
        closed.retain(|(path, _)| path.extension().is_none_or(|extension| extension != "lock"));
        if scenarios.is_empty() && closed.is_empty() {
            let message = format!("`{name}` and its subfolders contain no scenario");
            return Err(Failure::input(message, "name a scenario file"));
        }
        for path in scenarios {
            all.push((utf8(&path)?.to_string(), None));
        }
        for (path, error) in closed {
            all.push((path.display().to_string(), Some(variants::closed(&path, &error))));
        }
    }
    Ok(all)
}

fn utf8(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        let help = "rename the file, or name the other files instead";
        Failure::input(format!("the path {path:?} is not valid UTF-8"), help)
    })
}

impl Args {
    /// Reports a scenario that cannot be read.
    fn unread(&self, name: &str, failure: &Failure, words: Words) -> Result<(Outcome, Value), Failure> {
        match (words.json, self.format) {
            (true, _) => {}
            (false, Format::Text) => drop(failure.print()),
            (false, Format::Github) => super::to_stdout(&github::of_failure(name, failure))?,
        }
        let ErrorEvent { message, help, mut found, .. } = failure.to_event();
        if found.is_empty() {
            // The failure is not about a text, so it has no line.
            found.push(json!({
                "level": "error", "message": message, "label": "", "help": help,
                "file": name, "line": null, "column": null,
            }));
        }
        let number = |level: &str| found.iter().filter(|it| it["level"] == level).count();
        let (errors, warnings) = (number("error"), number("warning"));
        let value = json!({
            "scenario": name, "errors": errors, "warnings": warnings, "unmet": 0, "found": found,
        });
        Ok((failure.outcome(), value))
    }

    /// Reports what was found in a scenario.
    fn planned(
        &self,
        name: &str,
        planned: Result<Plan, Diagnostics>,
        words: Words,
    ) -> Result<(Outcome, Value), Failure> {
        let none = Diagnostics::default;
        let lists = match &planned {
            Ok(plan) => [plan.warnings().clone(), plan.unmet().clone(), plan.unseen().clone()],
            Err(mistakes) => [mistakes.clone(), none(), none()],
        };
        let number = |list: &Diagnostics, level| list.count(level) as u64;
        let [diagnostics, unmet, unseen] = &lists;
        let (errors, warnings) = (number(diagnostics, Level::Error), number(diagnostics, Level::Warning));
        let unmet = number(unmet, Level::Error) + number(unseen, Level::Error);
        // With `--quiet` only errors are shown.
        if !words.json && (!words.quiet || errors + unmet > 0) {
            lists.iter().try_for_each(|list| show(list, self.format))?;
        }
        match planned {
            Ok(plan) if warnings + unmet == 0 => {
                let incidents = count(plan.num_scheduled(), "scheduled incident");
                let background = if plan.has_background() { ", background incidents" } else { "" };
                let fleet = plan.fleet();
                let servers = count(fleet.servers.len() as u64, "server");
                let instances = count(fleet.instances.len() as u64, "service instance");
                words.say(format_args!("{name}: ok ({servers}, {instances}, {incidents}{background})"));
            }
            _ => {
                let mut found = vec![count(errors, "error"), count(warnings, "warning")];
                found.extend((unmet > 0).then(|| count(unmet, "unmet expectation")));
                words.say(format_args!("{name}: {}", found.join(", ")));
            }
        }
        let outcome = match () {
            () if errors > 0 || (self.strict && warnings > 0) => Outcome::Input,
            () if unmet > 0 => Outcome::No,
            () => Outcome::Done,
        };
        let found: Vec<Value> = lists.iter().flat_map(Diagnostics::located).map(json).collect();
        let value = json!({
            "scenario": name, "errors": errors, "warnings": warnings, "unmet": unmet, "found": found,
        });
        Ok((outcome, value))
    }
}

pub(super) fn json((diagnostic, place): Located<'_>) -> Value {
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    json!({
        "level": level,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "help": diagnostic.help,
        "file": place.map(|(file, ..)| file),
        "line": place.map(|(_, line, _)| line),
        "column": place.map(|(.., column)| column),
    })
}

fn show(diagnostics: &Diagnostics, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => super::show(diagnostics),
        Format::Github => {
            super::to_stdout(&diagnostics.located().map(github::annotation).collect::<String>())?;
        }
    }
    Ok(())
}
