use std::fmt::Write as _;
use std::io::Write as _;

use super::status::{Failure, Outcome};
use crate::scenario::{PRESETS, Scenario, count};

/// List the scenarios shipped inside the program, with what each is for
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact presets")]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<Outcome, Failure> {
    let mut out = String::new();
    for (name, _) in PRESETS {
        let plan = Scenario::preset(name).expect("it is in the list").plan()?;
        let fleet = plan.fleet();
        let about: Vec<&str> = plan.about().split_whitespace().collect();
        let lines = [
            name.to_string(),
            format!("  {}", about.join(" ")),
            format!(
                "  {}, {}; a tick every {} for {}",
                count(fleet.servers.len() as u64, "server"),
                count(fleet.instances.len() as u64, "service instance"),
                plan.clock().step(),
                plan.clock().run(),
            ),
        ];
        writeln!(out, "{}", lines.join("\n")).expect("a string takes all");
    }
    // A closed pipe is success and silence.
    let _ = std::io::stdout().write_all(out.as_bytes());
    Ok(Outcome::Done)
}
