use std::fmt::Write as _;
use std::io::Write as _;

use super::Words;
use super::scenario;
use super::status::{Failure, Outcome};
use crate::plan::{Incident, Plan};
use crate::scenario::{Style, count};

/// Tell what will happen: who runs where, who calls whom, and when what goes wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact plan scenarios/examples/hot-rack.yaml")]
pub(super) struct Args {
    /// A scenario file, `-`, a dataset directory, or a preset by name
    scenario: String,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let plan = scenario::read(&args.scenario)?.scenario.plan()?;
    if !words.quiet {
        anstream::eprint!("{}", plan.warnings().render(Style::Coloured));
    }
    // A closed pipe is success and silence.
    let _ = std::io::stdout().write_all(story(&plan).as_bytes());
    Ok(Outcome::Done)
}

/// Incidents of the timeline that are told one by one.
const MOST_TOLD: usize = 100;

/// The plan as text to read.
fn story(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a string takes all");
    let (clock, fleet) = (plan.clock(), plan.fleet());
    line(format_args!("{}", plan.name()));
    if !plan.about().is_empty() {
        line(format_args!("  {}", plan.about().trim()));
    }
    line(format_args!(""));
    line(format_args!("clock   {} for {}, a tick every {}", clock.start(), clock.run(), clock.step()));
    let entities = fleet.num_entities() as u64;
    let records = clock.num_ticks().saturating_mul(entities);
    line(format_args!(
        "stream  {} and {}: {}",
        count(fleet.servers.len() as u64, "server"),
        count(fleet.instances.len() as u64, "service instance"),
        count(records, "record"),
    ));
    line(format_args!("\nplacement"));
    for server in &fleet.servers {
        let zone = &fleet.zones[server.zone as usize].name;
        let guests: Vec<&str> =
            server.guests.iter().map(|g| fleet.instances[*g as usize].name.as_str()).collect();
        let guests = if guests.is_empty() { "(no guests)".to_string() } else { guests.join(", ") };
        line(format_args!("  {}  {} {zone}  {guests}", server.name, server.rack));
    }
    let calling = fleet.instances.iter().filter(|instance| !instance.callees.is_empty());
    for (i, instance) in calling.enumerate() {
        if i == 0 {
            line(format_args!("\ncalls"));
        }
        let callee = |(index, calls): &(u32, f64)| {
            format!("{} × {}", fleet.instances[*index as usize].name, rounded(*calls))
        };
        let callees: Vec<String> = instance.callees.iter().map(callee).collect();
        line(format_args!("  {} → {}", instance.name, callees.join(", ")));
    }
    line(format_args!("\ntimeline"));
    let told_here = plan.first_scheduled(MOST_TOLD);
    if told_here.is_empty() {
        line(format_args!("  nothing is scheduled"));
    }
    for incident in &told_here {
        line(format_args!("  {}", told(plan, incident)));
    }
    let more = plan.num_scheduled() - told_here.len() as u64;
    if more > 0 {
        line(format_args!("  … {more} more"));
    }
    if plan.has_background() {
        let [servers, services] = plan.background_time(clock.start(), clock.end()).map(|(_, number)| number);
        let servers = count(servers, "incident");
        line(format_args!("  and in the background {servers} on servers, {services} on services"));
    }
    out
}

/// To three decimals, without trailing zeros.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn told(plan: &Plan, incident: &Incident) -> String {
    let fleet = plan.fleet();
    let after = incident.start() - plan.clock().start();
    let targets: Vec<&str> = incident.changes.iter().map(|(entity, _)| fleet.name(*entity)).collect();
    let reach = incident.reach(fleet);
    let others =
        reach.entities().filter(|entity| !incident.acts_on(*entity)).map(|entity| fleet.name(entity));
    let others: Vec<&str> = others.collect();
    let reach = match others.len() {
        0 => "and reaches nobody else".to_string(),
        1..=5 => format!("and reaches {}", others.join(", ")),
        n => format!("and reaches {}, … ({n} in all)", others[..5].join(", ")),
    };
    format!(
        "{after:>8}  `{}`: {} on {} for {}, severity {}, {reach}",
        incident.id,
        incident.kind.name(),
        targets.join(", "),
        incident.end() - incident.start(),
        incident.severity.as_ref().map_or("as given", |severity| severity.text.as_str()),
    )
}
