use serde_json::{Value, json};

use super::overrides::Overrides;
use super::scenario;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::scenario::{Diagnostic, Diagnostics, Level, count};

/// Tell all errors and warnings of scenarios, with their places
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact check scenarios/examples/*.yaml
  reenact check --strict --format github scenarios/examples/hot-rack.yaml")]
pub(super) struct Args {
    /// Scenario files
    #[arg(required = true)]
    scenarios: Vec<String>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,

    /// How mistakes are shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the lines that they are in
    Text,
    /// Annotations of a GitHub workflow, on standard output
    Github,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    let mut told = Vec::new();
    for name in &args.scenarios {
        let planned = scenario::read(name).and_then(|named| args.overrides.apply(named.scenario));
        let planned = match planned {
            Ok(scenario) => scenario.plan(),
            Err(failure) => {
                // The others are checked all the same.
                outcome = outcome.max(failure.outcome());
                let message = failure.to_string();
                match (words.json, args.format) {
                    (true, _) => told.push(json!({
                        "scenario": name, "errors": 1, "warnings": 0, "unmet": 0,
                        "found": [{"level": "error", "message": message, "file": name}],
                    })),
                    (false, Format::Text) => {
                        failure.print();
                    }
                    (false, Format::Github) => {
                        super::to_stdout(&format!(
                            "::error file={}::{}\n",
                            property(name),
                            escaped(&message)
                        ))?;
                    }
                }
                continue;
            }
        };
        let diagnostics = planned.as_ref().map_or_else(Clone::clone, |plan| plan.warnings().clone());
        let unmet = planned.as_ref().map_or_else(|_| Diagnostics::default(), |plan| plan.unmet().clone());
        let unseen = planned.as_ref().map_or_else(|_| Diagnostics::default(), |plan| plan.unseen().clone());
        let number = |list: &Diagnostics, level| list.count(level) as u64;
        let (errors, warnings) = (number(&diagnostics, Level::Error), number(&diagnostics, Level::Warning));
        let unmet_here = number(&unmet, Level::Error) + number(&unseen, Level::Error);
        if words.json {
            let list: Vec<Value> = [&diagnostics, &unmet, &unseen]
                .into_iter()
                .flat_map(Diagnostics::located)
                .map(json)
                .collect();
            told.push(json!({
                "scenario": name, "errors": errors, "warnings": warnings, "unmet": unmet_here, "found": list,
            }));
        } else {
            // Whoever wants no words wants to hear of errors only.
            let is_heard = !words.quiet || errors + unmet_here > 0;
            [&diagnostics, &unmet, &unseen]
                .into_iter()
                .filter(|_| is_heard)
                .try_for_each(|list| show(list, args.format))?;
        }
        if errors > 0 || (args.strict && warnings > 0) {
            outcome = outcome.max(Outcome::Input);
        } else if unmet_here > 0 {
            outcome = outcome.max(Outcome::No);
        }
        match planned {
            Ok(plan) if warnings + unmet_here == 0 => {
                let incidents = count(plan.num_scheduled(), "scheduled incident");
                let background = if plan.has_background() { ", and a background" } else { "" };
                let fleet = plan.fleet();
                let servers = count(fleet.servers.len() as u64, "server");
                let instances = count(fleet.instances.len() as u64, "service instance");
                words.say(format_args!("{name}: fine ({servers}, {instances}, {incidents}{background})"));
            }
            _ => {
                let mut found = vec![count(errors, "error"), count(warnings, "warning")];
                found.extend((unmet_here > 0).then(|| format!("{} unmet", count(unmet_here, "expectation"))));
                words.say(format_args!("{name}: {}", found.join(", ")));
            }
        }
    }
    words.tell(Summary::Stdout, || told.into())?;
    Ok(outcome)
}

/// What was found, with its place, both numbers from 1.
type Located<'a> = (&'a Diagnostic, Option<(&'a str, usize, usize)>);

fn level(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn json((diagnostic, place): Located<'_>) -> Value {
    json!({
        "level": level(diagnostic),
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
        Format::Github => super::to_stdout(&diagnostics.located().map(annotation).collect::<String>())?,
    }
    Ok(())
}

/// A line that GitHub shows beside the file's.
fn annotation((diagnostic, place): Located<'_>) -> String {
    let place = place.map_or_else(String::new, |(file, line, column)| {
        format!(" file={},line={line},col={column}", property(file))
    });
    let more = [&diagnostic.label].into_iter().chain(&diagnostic.help).filter(|more| !more.is_empty());
    let words: Vec<&str> = [&diagnostic.message].into_iter().chain(more).map(String::as_str).collect();
    format!("::{}{place}::{}\n", level(diagnostic), escaped(&words.join("; ")))
}

/// What GitHub's runner reads as more than text.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
