//! `reenact plan`: collects the incidents of a plan and what they change. `plan_report` prints them.

use super::Words;
use super::overrides::Overrides;
use super::scenario;
use super::status::{Failure, Outcome};
use super::plan_report;
use super::window::moment;
use crate::plan::{Incident, Plan};
use crate::recording::Manifest;
use crate::scenario::count;
use crate::time::SimTime;
use crate::truth;

/// Show what will happen: placement, calls, and the incidents with their times and visibility
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A scenario file, `-`, a dataset directory, or a preset by name
    scenario: String,

    /// Also list the background incidents
    #[arg(long)]
    background: bool,

    /// List only background incidents that have not ended by this event time
    #[arg(long, value_name = "T")]
    from: Option<String>,

    /// List only background incidents that begin before this event time
    #[arg(long, value_name = "T")]
    to: Option<String>,

    #[command(flatten)]
    overrides: Overrides,
}

const EXAMPLES: &str = "\
Examples:
  reenact plan scenarios/examples/hot-rack.yaml
  reenact plan chaos --background --from 0s --to 2m         list the background incidents of two minutes
  reenact plan dev --set fleet.servers=6 --json";

/// The maximum number of background incidents that are listed.
const MOST_LISTED: u64 = 100_000;

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let named = scenario::read(&args.scenario)?;
    if named.manifest.as_ref().is_some_and(Manifest::is_of_a_part) {
        words.say("the dataset contains only a part of this run; `reenact run` on it renders the same part");
    }
    let scenario = args.overrides.apply(named.scenario)?;
    let plan = scenario.plan()?;
    match words.json {
        true => plan.warnings().iter().for_each(|warning| words.warn(&warning.message)),
        false if words.quiet => {}
        false => super::show(plan.warnings()),
    }
    let timeline = timeline(&plan);
    let is_wanted = args.background || args.from.is_some() || args.to.is_some();
    let drawn = if is_wanted { Some(drawn(&plan, args)?) } else { None };
    match words.json {
        true => super::json_to_stdout(&plan_report::json(&plan, &timeline, drawn.as_deref()))?,
        false => super::to_stdout(&plan_report::text(&plan, &timeline, drawn.as_deref()))?,
    }
    Ok(Outcome::Done)
}

/// An incident of the timeline.
pub(super) struct TimelineEntry {
    pub incident: Incident,
    /// How the run differs from the baseline without it. `None` if this would take long to compute.
    pub seen: Option<Seen>,
}

/// What an incident changes.
pub(super) struct Seen {
    /// The entities that differ on the grid, servers first.
    pub entities: Vec<String>,
    /// The number of their cells of 10 s that differ, in total.
    pub cells: u64,
    /// The carrier's deviation, in units of its scale, on the target where it is largest.
    pub snr: f64,
    /// The pairs (entity, metric) that differ by a quarter of the scale or more.
    pub visible: Vec<(String, String)>,
}

/// The maximum number of incidents that the timeline describes one by one.
const MAX_ENTRIES: usize = 100;

/// The maximum number of blocks of single entities that are filled to see what incidents change. This takes some
/// seconds.
const MOST_FILLED: u64 = 20_000;

/// Returns the first incidents of the schedule, and what they change if that takes only seconds to compute.
fn timeline(plan: &Plan) -> Vec<TimelineEntry> {
    let mut filled: u64 = 0;
    let entities = plan.fleet().num_entities() as u64;
    let entry = |incident: Incident| {
        let blocks = truth::num_blocks(plan, &incident).saturating_mul(entities);
        let fits = filled + blocks <= MOST_FILLED;
        filled += if fits { blocks } else { 0 };
        let seen = fits.then(|| seen(plan, &incident));
        TimelineEntry { incident, seen }
    };
    plan.first_scheduled(MAX_ENTRIES).into_iter().map(entry).collect()
}

fn seen(plan: &Plan, incident: &Incident) -> Seen {
    let followed = truth::follow_whole(plan, incident);
    let labels = followed.labels(plan);
    let of_carrier = labels.iter().filter(|label| label.role == crate::label::Role::Cause);
    let mut visible: Vec<(String, String)> = labels
        .iter()
        .filter(|label| label.is_visible())
        .map(|label| (label.entity.clone(), label.metric.name().to_string()))
        .collect();
    visible.sort_unstable();
    visible.dedup();
    Seen {
        entities: followed.cells().keys().map(|entity| plan.fleet().name(*entity).to_string()).collect(),
        cells: followed.cells().values().sum(),
        snr: of_carrier.map(|label| label.snr()).fold(0.0, f64::max),
        visible,
    }
}

/// Returns the background incidents between two moments.
fn drawn(plan: &Plan, args: &Args) -> Result<Vec<Incident>, Failure> {
    let clock = plan.clock();
    let bound = |flag: &str, text: &Option<String>, default: SimTime| {
        text.as_ref().map_or(Ok(default), |text| moment(flag, text, clock.start()))
    };
    let from = bound("--from", &args.from, clock.start())?;
    let to = bound("--to", &args.to, clock.end())?;
    if from >= to || from >= clock.end() || to <= clock.start() {
        let message = format!("no part of the run is between {from} and {to}");
        return Err(Failure::input(
            message,
            format!("the run lasts from {} to {}", clock.start(), clock.end()),
        ));
    }
    let number: u64 = plan.num_background(from, to).iter().sum();
    if number > MOST_LISTED {
        let message = format!("cannot list {} in this time range", count(number, "background incident"));
        let help = format!("narrow it with `--from` and `--to` to at most {MOST_LISTED} incidents");
        return Err(Failure::input(message, help));
    }
    Ok(plan.background_between(from, to))
}
