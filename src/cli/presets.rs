//! `reenact presets`: prints the description, fleet size, step and duration of each preset.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::scenario::{PRESETS, Scenario, count};

/// List the presets, the scenarios that are built into the program
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact presets")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, words: Words) -> Result<Outcome, Failure> {
    let mut out = String::new();
    let mut list: Vec<Value> = Vec::new();
    for (name, _) in PRESETS {
        let plan = Scenario::preset(name)?.plan()?;
        let (fleet, clock) = (plan.fleet(), plan.clock());
        let about = plan.about().split_whitespace().collect::<Vec<_>>().join(" ");
        let (servers, instances) = (fleet.servers.len() as u64, fleet.instances.len() as u64);
        let lines = [
            name.to_string(),
            format!("  {about}"),
            format!(
                "  {}, {}; a tick every {} for {}",
                count(servers, "server"),
                count(instances, "service instance"),
                clock.step(),
                clock.run(),
            ),
        ];
        writeln!(out, "{}", lines.join("\n")).expect("a string takes all");
        list.push(json!({
            "name": name, "about": about, "servers": servers, "instances": instances,
            "step_ms": clock.step().0, "run_ms": clock.run().0,
        }));
    }
    words.json(Summary::Stdout, || list.into())?;
    if !words.json {
        super::to_stdout(&out)?;
    }
    Ok(Outcome::Done)
}
