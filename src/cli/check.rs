use super::Words;
use super::scenario;
use super::status::{Failure, Outcome};
use crate::scenario::{Level, Style, count};

/// Tell all errors and warnings of scenarios, with their places
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact check scenarios/*.yaml")]
pub(super) struct Args {
    /// Scenario files
    #[arg(required = true)]
    scenarios: Vec<String>,

    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    for name in &args.scenarios {
        let planned = scenario::read(name)?.scenario.plan();
        let diagnostics = planned.as_ref().map_or_else(Clone::clone, |plan| plan.warnings().clone());
        let (errors, warnings) =
            (diagnostics.count(Level::Error) as u64, diagnostics.count(Level::Warning) as u64);
        anstream::eprint!("{}", diagnostics.render(Style::Coloured));
        if errors > 0 || (args.strict && warnings > 0) {
            outcome = Outcome::Input;
        }
        if let Ok(plan) = &planned
            && plan.unmet().count(Level::Error) > 0
        {
            anstream::eprint!("{}", plan.unmet().render(Style::Coloured));
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
