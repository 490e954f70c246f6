use std::io::Write as _;

use super::Words;
use super::overrides::Overrides;
use super::scenario;
use super::status::{Failure, Outcome};
use crate::scenario::{Diagnostics, Level, Style, count};

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
    for name in &args.scenarios {
        let planned = args.overrides.apply(scenario::read(name)?.scenario)?.plan();
        let diagnostics = planned.as_ref().map_or_else(Clone::clone, |plan| plan.warnings().clone());
        let (errors, warnings) =
            (diagnostics.count(Level::Error) as u64, diagnostics.count(Level::Warning) as u64);
        show(&diagnostics, args.format);
        if errors > 0 || (args.strict && warnings > 0) {
            outcome = Outcome::Input;
        }
        if let Ok(plan) = &planned
            && plan.unmet().count(Level::Error) > 0
        {
            show(plan.unmet(), args.format);
            outcome = outcome.max(Outcome::No);
        }
        match planned {
            Ok(plan) if warnings == 0 && plan.unmet().count(Level::Error) == 0 => {
                let incidents = count(plan.num_scheduled(), "incident");
                let fleet = plan.fleet();
                let servers = count(fleet.servers.len() as u64, "server");
                let instances = count(fleet.instances.len() as u64, "service instance");
                words.say(format_args!("{name}: fine ({servers}, {instances}, {incidents})"));
            }
            _ => {
                words.say(format_args!("{name}: {}, {}", count(errors, "error"), count(warnings, "warning")))
            }
        }
    }
    Ok(outcome)
}

fn show(diagnostics: &Diagnostics, format: Format) {
    match format {
        Format::Text => anstream::eprint!("{}", diagnostics.render(Style::Coloured)),
        Format::Github => {
            // A closed pipe is success and silence.
            let _ = std::io::stdout().write_all(diagnostics.render_for_github().as_bytes());
        }
    }
}
