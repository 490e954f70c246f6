//! `reenact run`: plans the scenario, opens the outputs, renders into them and reports the result.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::json;

use super::outputs::{Ids, outputs, print_outputs};
use super::overrides::Overrides;
use super::playing::{self, Bounds, Desk};
use super::progress::Bar;
use super::resume::{self, Planned};
use super::scenario::{self, Named};
use super::signals::{self, Signals};
use super::status::{Failure, Outcome};
use super::plan_report::bytes;
use super::topic::TopicArgs;
use super::window::{WindowArgs, rebase};
use super::{Summary, Words};
use crate::digest;
use crate::pipeline;
use crate::output::Compression;
use crate::pace;
use crate::player::{Pace, Player};
use crate::recording::Format;
use crate::run::{OpenOptions, Opened, Run, RunError, Target, Written};
use crate::scenario::{Level, Scenario, count};
use crate::time::{SimTime, Span};

/// Render a scenario: records, and labels with the ground truth
///
/// By default, it prints records as NDJSON. With `--out`, it writes files, dataset directories or Kafka topics. All
/// outputs have the same rows.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A scenario file, `-` for standard input, a dataset directory, or the name of a preset (default: `normal`)
    scenario: Option<String>,

    /// The name of a preset to use as the scenario
    #[arg(long, value_name = "NAME", conflicts_with = "scenario", help_heading = "Older names")]
    config: Option<String>,

    #[arg(long, value_name = "FORMAT:WHERE", help_heading = "Outputs", help = out_help())]
    out: Vec<String>,

    /// Same as `--out kafka:BROKERS/TOPIC --live`, with gzip; runs until you stop it, unless `--duration` is set
    #[arg(long, value_name = "BROKERS", conflicts_with_all = ["speed", "start"], help_heading = "Older names")]
    kafka_servers: Option<String>,

    /// The topic of `--kafka-servers`
    #[arg(
        long = "topic",
        value_name = "TOPIC",
        requires = "kafka_servers",
        default_value = "datacenter-metrics",
        help_heading = "Older names"
    )]
    old_topic: String,

    /// Leave out an incident; repeatable
    #[arg(long, value_name = "ID", help_heading = "Scenario overrides")]
    without: Vec<String>,

    /// Write the labels to this file as NDJSON, independent of the outputs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_labels", "resume"], help_heading = "Outputs")]
    labels: Option<PathBuf>,

    /// Do not write labels next to files or into datasets; with `--force`, remove old labels next to files
    #[arg(long, help_heading = "Outputs")]
    no_labels: bool,

    /// The compression of Parquet files
    #[arg(long, value_name = "HOW", help_heading = "Outputs")]
    compression: Option<CompressionArg>,

    /// Replace existing files and datasets; a directory that contains anything else is never replaced
    #[arg(long, help_heading = "Outputs")]
    force: bool,

    /// The number of threads; it does not change the rows
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    topic: TopicArgs,

    /// Same as `--start now`, and send each record at its event time
    #[arg(long, conflicts_with_all = ["speed", "start", "backfill"], help_heading = "Pace")]
    live: bool,

    /// Shift all timestamps: with `now`, the first record gets the time at which the run begins; with `end`, the last
    /// record gets the time at which it is sent; with an RFC 3339 time, the first record gets this time
    #[arg(long, value_name = "now|end|T", conflicts_with_all = ["live", "kafka_servers"], help_heading = "Pace")]
    rebase: Option<String>,

    /// The speed in event seconds per second; by default as fast as possible
    #[arg(long, value_name = "X", allow_hyphen_values = true, help_heading = "Pace")]
    speed: Option<f64>,

    /// Exit with status 1 if the lag of a record exceeds this duration
    #[arg(long, value_name = "D", help_heading = "Pace")]
    max_lag: Option<String>,

    #[command(flatten)]
    window: WindowArgs,

    #[command(flatten)]
    overrides: Overrides,
}

/// Zstandard makes the smallest files, all readers read Snappy quickly, and `none` leaves the data uncompressed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CompressionArg {
    Zstd,
    Snappy,
    None,
}

/// The memory in bytes above which reenact warns how much the run takes.
const MUCH_MEMORY: u64 = 1_000_000_000;

/// If the first record leaves later than this, a message says when.
const SOON: Span = Span::seconds(5);

/// The maximum number of incidents without a visible effect that are reported one by one.
const MOST_UNSEEN: usize = 5;

/// The scenario of `run` if none is named.
const DEFAULT: &str = "normal";

const EXAMPLES: &str = "\
Examples:
  reenact run dev | head                                    print the first records of a preset
  reenact run scenarios/examples/hot-rack.yaml --out parquet:tables/
                                                            write a labelled dataset
  reenact run hot-rack.yaml --from 30m --to 1h              render a window of the run
  reenact run hot-rack.yaml --without hot                   render the run without the incident `hot`
  reenact run dev --out kafka:localhost:9092/datacenter-metrics --create-topic 6
  reenact run dev --out kafka:localhost:9092/datacenter-metrics --resume
                                                            continue after a crash";

impl Args {
    /// Returns the output that `--kafka-servers` means.
    fn old_target(&self) -> Option<String> {
        self.kafka_servers.as_ref().map(|brokers| format!("kafka:{brokers}/{}", self.old_topic))
    }

    fn is_live(&self) -> bool {
        self.live || self.kafka_servers.is_some() && !self.overrides.is_backfill()
    }

    /// Whether the run lasts until the user stops it.
    fn is_endless(&self) -> bool {
        self.kafka_servers.is_some() && !self.overrides.is_backfill()
    }
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let pace = pace(args)?;
    let max_lag = playing::max_lag(args.max_lag.as_ref())?;
    if max_lag.is_some() && pace == Pace::AsFastAsPossible {
        return Err(Failure::input("`--max-lag` requires `--live` or `--speed`", "add one of them"));
    }
    let named = named(args)?;
    let (run, has_labels) = planned(args, &named, pace::now(), words)?;
    let targets = args.topic.targets(&args.out, args.old_target().as_deref())?;
    let to_stdout = targets.iter().any(Target::is_stdout);
    // If nothing needs to end cleanly, signals keep their default effect. If there is a file, they ask the run to stop.
    let is_paced = pace != Pace::AsFastAsPossible;
    let is_kept = is_paced || args.labels.is_some() || !targets.iter().all(Target::is_streamed);
    let signals = is_kept.then(Signals::listen);
    let again = |now| planned(args, &named, now, Words { quiet: true, ..words }).map(|(run, _)| run);
    let Some((run, opened, ids)) =
        opened((run, has_labels), again, args, &targets, (pace, signals.as_ref()), words)?
    else {
        return Ok(Outcome::Done);
    };
    if args.is_live() {
        let start = run.plan().clock().start();
        words.say(format_args!(
            "live from {start}; to render the same rows again, use `--start {start}` instead"
        ));
        let first = run.first_event();
        let wait = Span((first - pace::now()).0 / 1_000 * 1_000);
        if wait > SOON {
            words.say(format_args!("the first record leaves at {first}, in {wait}"));
        }
    }
    let holds_labels = opened.wants_labels();
    let from_stdin = args.scenario.as_deref() == Some("-");
    let rows = run.plan().rows().within(run.window());
    let bar = if is_paced { Bar::none() } else { Bar::new(rows, to_stdout, from_stdin, words) };
    let mut desk = Desk::new(signals.as_ref(), words).within(Bounds {
        is_fixed: args.rebase.as_deref() == Some("end"),
        last: run.about().last_event,
        ahead: opened.ahead,
        leaves_out: false,
    });
    if is_paced {
        let plan = run.plan().clone();
        let active: playing::Active =
            Box::new(move |moment| plan.times_between(moment, moment + Span(1)).count());
        desk = desk.shown(to_stdout, from_stdin).with_active(Some(active));
    }
    let written =
        run.write_played(opened, &mut Player::new(pace, &mut desk), |progress| bar.advance(progress));
    desk.clear();
    bar.finish();
    let asked = signals.as_ref().and_then(Signals::asked);
    let written = written.map_err(|error| match error {
        RunError::Stopped => signals::stopped(error, signals.as_ref()),
        error => ids.failed(error),
    })?;
    print_outputs(&written.receipts, words);
    if holds_labels {
        let incidents = written.incidents.values().sum();
        words.say(format_args!("{} of {}", count(written.labels, "label"), count(incidents, "incident")));
    }
    let is_late = playing::print_pace(written.kept.as_ref(), max_lag, words);
    let summary = if to_stdout { Summary::Stderr } else { Summary::Stdout };
    let outcome = judge(&run, &written, &ids, summary, words)?;
    if let Some(moment) = written.stopped_at {
        ids.print_stop(moment, written.is_stalled, words);
        if let Some(signal) = asked {
            return Ok(Outcome::Stopped(signal));
        }
    }
    Ok(if is_late && outcome == Outcome::Done { Outcome::No } else { outcome })
}

fn pace(args: &Args) -> Result<Pace, Failure> {
    match args.speed {
        None if args.is_live() => Ok(Pace::Live),
        None => Ok(Pace::AsFastAsPossible),
        Some(speed) => playing::at(speed),
    }
}

/// Reads the scenario that the arguments name. It is read only once, because standard input can be read only once.
fn named(args: &Args) -> Result<Named, Failure> {
    match &args.config {
        Some(preset) => Ok(Named { scenario: Scenario::preset(preset)?, manifest: None }),
        None => scenario::read(args.scenario.as_deref().unwrap_or(DEFAULT)),
    }
}

/// Returns the run to render: the scenario with its flags, and the requested part of it. Also returns whether labels
/// are written. They are not with `--no-labels`, or if the scenario is that of a dataset without labels.
fn planned(args: &Args, named: &Named, now: SimTime, words: Words) -> Result<(Run, bool), Failure> {
    let Named { scenario, manifest } = named;
    if let Some(manifest) = manifest
        && digest::of_text(&scenario.canonical_json()) != manifest.scenario_digest
    {
        words.warn("the scenario.yaml of the dataset does not match its manifest");
    }
    let scenario = args.overrides.apply_at(scenario.clone(), now, args.is_live())?;
    let plan = args.window.lengthened(scenario, args.is_endless())?.plan()?;
    match words.json {
        true => plan.warnings().iter().for_each(|warning| words.warn(&warning.message)),
        false if words.quiet || plan.warnings().count(Level::Warning) == 0 => {}
        false => super::show(plan.warnings()),
    }
    let mut run = args.window.of(plan, manifest.as_ref())?;
    for id in &args.without {
        run = run.without(id)?;
    }
    run = run
        .rebased(rebase(args.rebase.as_deref(), pace(args)?)?)
        .begun(now, args.is_live() || args.overrides.starts_now() || args.overrides.is_backfill());
    if let Some(threads) = args.threads {
        run = run.threads(threads);
    }
    let memory = pipeline::memory(run.plan(), run.on_threads());
    if memory > MUCH_MEMORY {
        words.warn(format_args!("rendering this fleet takes about {} of memory", bytes(memory)));
    }
    if args.overrides.is_backfill() {
        let (clock, window) = (run.plan().clock(), run.window());
        words.say(format_args!("rendering from {} to {}", clock.at(window.from()), clock.at(window.to())));
    }
    let has_labels = manifest.as_ref().is_none_or(|manifest| manifest.labels.is_some());
    Ok((run, has_labels && !args.no_labels))
}

/// Opens the outputs, and returns them with the run, or with what is left of a run that is resumed. Returns `None` if
/// nothing is left. `again` plans the run for another moment.
fn opened(
    (run, has_labels): (Run, bool),
    again: impl Fn(SimTime) -> Result<Run, Failure>,
    args: &Args,
    targets: &[Target],
    (pace, signals): (Pace, Option<&Signals>),
    words: Words,
) -> Result<Option<(Run, Opened, Ids)>, Failure> {
    if args.labels.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Failure::input("`--labels -` would mix labels with records", "write `--labels FILE`"));
    }
    let mut options = OpenOptions {
        force: args.force,
        inputs: args.scenario.iter().map(PathBuf::from).collect(),
        no_labels: !has_labels,
        labels: args.labels.clone(),
        stop: signals.map(Signals::flag),
        compression: compression(args, targets)?,
        ..args.topic.options(pace, args.kafka_servers.is_some(), words)?
    };
    let mut planned = Planned { run, again };
    if let Some(id) = &args.topic.resume
        && let Some(whole) = resume::rest(&mut planned, id, targets, &mut options)?
    {
        resume::nothing_left(&whole, words)?;
        return Ok(None);
    }
    let run = planned.run;
    let opened =
        Opened::open(targets, &options, &run.about()).map_err(|error| signals::stopped(error, signals))?;
    opened.warnings.iter().for_each(|warning| words.warn(warning));
    let ids = Ids::of(&opened, args.labels.is_none() && resume::is_possible(targets));
    let first = run.first_event() + run.shift();
    words.emit(&ids.start(&opened.topics, Some(first), run.is_resumed()));
    Ok(Some((run, opened, ids)))
}

/// Returns the help of `--out`, which lists the forms of outputs.
fn out_help() -> String {
    let forms: Vec<String> = Target::forms().map(|form| format!("`{form}`")).collect();
    format!("Where to write: {}; repeatable", forms.join(", "))
}

fn compression(args: &Args, targets: &[Target]) -> Result<Compression, Failure> {
    let Some(asked) = args.compression else { return Ok(Compression::default()) };
    if !targets.iter().any(|target| target.dataset().is_some_and(Format::is_compressible)) {
        return Err(Failure::input(
            "`--compression` requires a Parquet output",
            "write `--out parquet:DIR/`",
        ));
    }
    Ok(match asked {
        CompressionArg::Zstd => Compression::Zstd,
        CompressionArg::Snappy => Compression::Snappy,
        CompressionArg::None => Compression::None,
    })
}

/// Reports whether the result is what the scenario expects, as text or for scripts.
fn judge(
    run: &Run,
    written: &Written,
    ids: &Ids,
    summary: Summary,
    words: Words,
) -> Result<Outcome, Failure> {
    let unmet = run.plan().unmet();
    let unseen = written.unseen.len();
    let is_unseen = run.plan().expects_visible() && unseen > 0;
    for id in written.unseen.iter().take(MOST_UNSEEN) {
        words.warn(format_args!("`{id}` is not visible: the `snr` of its labels is below 0.25"));
    }
    if unseen > MOST_UNSEEN {
        let more = count((unseen - MOST_UNSEEN) as u64, "more incident");
        words.warn(format_args!("not visible either: {more}"));
    }
    match words.json {
        true => {
            unmet.iter().filter(|it| it.level == Level::Error).for_each(|it| words.no(it.message.clone()))
        }
        false => super::show(unmet),
    }
    if is_unseen {
        let verb = if unseen == 1 { "is" } else { "are" };
        let unseen = count(unseen as u64, "incident");
        words.no(format!("every incident is expected to be visible, but {unseen} {verb} not"));
    }
    words.end(summary, || {
        json!({
            "run": ids.in_topic,
            "outputs": outputs(&written.receipts),
            "pace": playing::json(written.kept.as_ref()),
            "stopped_at": written.stopped_at.map(|moment| moment.to_string()),
            "labels": written.labels,
            "incidents": written.incidents,
            "unseen": written.unseen,
            "unmet": unmet.iter().map(|it| &it.message).collect::<Vec<_>>(),
            "warnings": run.plan().warnings().iter().map(|it| &it.message).collect::<Vec<_>>(),
        })
    })?;
    Ok(if is_unseen || unmet.count(Level::Error) > 0 { Outcome::No } else { Outcome::Done })
}
