use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::json;

use super::outputs::{outputs, targets, tell};
use super::overrides::{Overrides, seconds_of, yaml_scalar};
use super::progress::Bar;
use super::scenario::{self, Named};
use super::signals::Signals;
use super::status::{Failure, Outcome};
use super::story::bytes;
use super::{Summary, Words};
use crate::digest;
use crate::drive;
use crate::output::Compression;
use crate::plan::Plan;
use crate::run::{OpenOptions, Opened, Run, RunError, Target, Written};
use crate::scenario::{Level, Scenario, Style, count};
use crate::time::{SimTime, Span};

/// Render a scenario: records, and the truth beside them
///
/// Alone it prints NDJSON. With `--out` it writes files, dataset directories and Kafka topics,
/// several at once if asked, all with the same rows.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A scenario file, `-`, a dataset directory, or a preset by name (`normal` if none is given)
    scenario: Option<String>,

    /// A preset by name, as the scenario
    #[arg(long, value_name = "NAME", conflicts_with = "scenario", help_heading = "Older names")]
    config: Option<String>,

    /// Where to: `ndjson:-`, `ndjson:FILE[.gz|.zst]`, `ndjson:DIR/`, `parquet:DIR/`, `csv:DIR/`,
    /// `kafka:BROKERS/TOPIC`; repeatable
    #[arg(long, value_name = "FORMAT:WHERE", help_heading = "Outputs")]
    out: Vec<String>,

    /// Begin at this event time: a duration from the run's start, or RFC 3339
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "Which part of the run")]
    from: Option<String>,

    /// End before this event time
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "Which part of the run")]
    to: Option<String>,

    /// So long from `--from` or the start; where that is longer than the run, the run is made longer
    #[arg(long = "for", value_name = "D", conflicts_with = "to", help_heading = "Which part of the run")]
    length: Option<String>,

    /// `--for` in seconds
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, conflicts_with_all = ["length", "to"], help_heading = "Older names")]
    duration: Option<String>,

    /// The I-th of N contiguous parts of the window: `cat` of all is the run
    #[arg(long, value_name = "I/N", help_heading = "Which part of the run")]
    shard: Option<String>,

    /// Leave an incident out; repeatable
    #[arg(long, value_name = "ID", help_heading = "Changes of the scenario")]
    without: Vec<String>,

    /// Write the labels to this file as NDJSON, whatever the outputs are
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_labels", "resume"], help_heading = "Outputs")]
    labels: Option<PathBuf>,

    /// Write no labels beside files and into datasets
    #[arg(long, help_heading = "Outputs")]
    no_labels: bool,

    /// How Parquet is compressed
    #[arg(long, value_name = "HOW", help_heading = "Outputs")]
    compression: Option<CompressionArg>,

    /// Replace outputs that exist
    #[arg(long, help_heading = "Outputs")]
    force: bool,

    /// Make the Kafka topic with so many partitions if it is missing, keeping old events for ever
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Outputs")]
    create_topic: Option<u32>,

    /// Go on where a run with the same arguments ends in its topic: the newest one, or `ID`
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Outputs")]
    resume: Option<String>,

    /// Threads; the rows are the same on any number
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    overrides: Overrides,
}

/// In the order of what most people want: small, read at once everywhere, untouched.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CompressionArg {
    Zstd,
    Snappy,
    None,
}

/// Memory that the user hears of in advance, in bytes.
const MUCH_MEMORY: u64 = 1_000_000_000;

/// Incidents that show nowhere, told one by one.
const MOST_UNSEEN: usize = 5;

/// What `run` means where no scenario is named.
const DEFAULT: &str = "normal";

const EXAMPLES: &str = "\
Examples:
  reenact run dev | head                                    a look at the preset `dev`
  reenact run scenarios/examples/hot-rack.yaml --out parquet:tables/
                                                            a labelled dataset
  reenact run hot-rack.yaml --from 30m --to 1h              a window of the run
  reenact run hot-rack.yaml --without hot                   its counterfactual twin
  reenact run dev --out kafka:localhost:9092/datacenter-metrics --create-topic 6
  reenact run dev --out kafka:localhost:9092/datacenter-metrics --resume
                                                            goes on after a crash";

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let (run, has_labels) = planned(args, words)?;
    let targets = targets(&args.out)?;
    let to_stdout = targets.iter().any(|target| matches!(target, Target::Stdout));
    // Where nothing is to be taken away, signals do what they always do. From the first file on they ask.
    let is_kept = args.labels.is_some() || !targets.iter().all(Target::is_streamed);
    let signals = is_kept.then(Signals::listen);
    let Some((run, opened)) = opened(run, args, has_labels, &targets, words)? else {
        return Ok(Outcome::Done);
    };
    let holds_labels = opened.wants_labels();
    let rows = run.window().num_ticks().saturating_mul(run.plan().fleet().num_entities() as u64);
    let bar = Bar::new(rows, to_stdout, args.scenario.as_deref() == Some("-"), words);
    let written = write(&run, opened, &bar, signals.as_ref());
    bar.finish();
    let written = written?;
    tell(&written.receipts, words);
    if holds_labels {
        let incidents = written.incidents.values().sum();
        words.say(format_args!("{} of {}", count(written.labels, "label"), count(incidents, "incident")));
    }
    let summary = if to_stdout { Summary::Stderr } else { Summary::Stdout };
    judge(&run, &written, summary, words)
}

/// What to render: the scenario with its flags, and the part of it that is asked for; and whether labels go
/// with it, which they don't where a dataset without labels is rendered again.
fn planned(args: &Args, words: Words) -> Result<(Run, bool), Failure> {
    let Named { scenario, manifest } = match &args.config {
        Some(preset) => Named { scenario: Scenario::preset(preset)?, manifest: None },
        None => scenario::read(args.scenario.as_deref().unwrap_or(DEFAULT))?,
    };
    if let Some(manifest) = &manifest
        && digest::of_text(&scenario.canonical_json()) != manifest.scenario_digest
    {
        words.say("warning: the dataset's scenario.yaml is not the one that its manifest was written for");
    }
    let plan = with_flags(scenario, args)?.plan()?;
    if plan.warnings().count(Level::Warning) > 0 && !words.quiet && !words.json {
        super::to_stderr(&plan.warnings().render(Style::Coloured));
    }
    let mut run = select(plan, args, manifest.as_ref())?;
    if let Some(threads) = args.threads {
        run = run.threads(threads);
    }
    let memory = drive::memory(run.plan(), run.on_threads());
    if memory > MUCH_MEMORY {
        words.say(format_args!("warning: rendering such a fleet takes some {}", bytes(memory)));
    }
    if args.overrides.is_backfill() {
        let (clock, window) = (run.plan().clock(), run.window());
        words.say(format_args!("from {} until {}", clock.at(window.from()), clock.at(window.to())));
    }
    let has_labels = manifest.is_none_or(|manifest| manifest.labels.is_some());
    Ok((run, has_labels && !args.no_labels))
}

/// The run, or what is left of one that is resumed, and its outputs; none if nothing is left.
fn opened(
    run: Run,
    args: &Args,
    has_labels: bool,
    targets: &[Target],
    words: Words,
) -> Result<Option<(Run, Opened)>, Failure> {
    if args.labels.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Failure::input("`--labels -` would mix labels with records", "write `--labels FILE`"));
    }
    let mut options = OpenOptions {
        force: args.force,
        no_labels: !has_labels,
        labels: args.labels.clone(),
        create_topic: args.create_topic,
        tell: words.teller(),
        compression: compression(args, targets)?,
        ..OpenOptions::default()
    };
    let left = match &args.resume {
        Some(id) => super::resume::rest(run, id, targets, &mut options, words)?,
        None => Some(run),
    };
    let Some(run) = left else { return Ok(None) };
    let opened = Opened::open(targets, &options, &run.about())?;
    for warning in &opened.warnings {
        words.say(format_args!("warning: {warning}"));
    }
    #[cfg(feature = "kafka")]
    if let Some(id) = opened.run_id {
        let from = run.first_event();
        words.say(match options.resume.is_some() {
            true => format!("run {id} goes on at {from}"),
            false => format!("run {id}: if it is cut off, the same command with `--resume` goes on"),
        });
    }
    Ok(Some((run, opened)))
}

fn compression(args: &Args, targets: &[Target]) -> Result<Compression, Failure> {
    let Some(asked) = args.compression else { return Ok(Compression::default()) };
    if !targets
        .iter()
        .any(|target| matches!(target, Target::Directory(format, _) if format.is_compressible()))
    {
        return Err(Failure::input(
            "`--compression` is for Parquet, and no output is",
            "write `--out parquet:DIR/`",
        ));
    }
    Ok(match asked {
        CompressionArg::Zstd => Compression::Zstd,
        CompressionArg::Snappy => Compression::Snappy,
        CompressionArg::None => Compression::None,
    })
}

/// Renders until the end or until a signal asks to stop.
fn write(run: &Run, opened: Opened, bar: &Bar, signals: Option<&Signals>) -> Result<Written, Failure> {
    let asked = || signals.and_then(Signals::asked);
    let written = run.write_watched(opened, |progress| {
        bar.advance(progress);
        if asked().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match (written, asked()) {
        (Err(RunError::Stopped), Some(signal)) => {
            Err(Failure::from(RunError::Stopped).with(Outcome::Stopped(signal)))
        }
        (written, _) => Ok(written?),
    }
}

/// Whether what came of it is what the scenario expects, told in words or for scripts.
fn judge(run: &Run, written: &Written, summary: Summary, words: Words) -> Result<Outcome, Failure> {
    let unmet = run.plan().unmet();
    let unseen = written.unseen.len();
    let is_unseen = run.plan().expects_visible() && unseen > 0;
    for id in written.unseen.iter().take(MOST_UNSEEN) {
        words.say(format_args!("warning: `{id}` shows nowhere: its labels' `snr` stays below .25"));
    }
    if unseen > MOST_UNSEEN {
        let more = count((unseen - MOST_UNSEEN) as u64, "more incident");
        words.say(format_args!("warning: {more} show nowhere"));
    }
    words.tell(summary, || {
        json!({
            "outputs": outputs(&written.receipts),
            "labels": written.labels,
            "incidents": written.incidents,
            "unseen": written.unseen,
            "unmet": unmet.iter().map(|it| &it.message).collect::<Vec<_>>(),
            "warnings": run.plan().warnings().iter().map(|it| &it.message).collect::<Vec<_>>(),
        })
    })?;
    if !words.json {
        super::to_stderr(&unmet.render(Style::Coloured));
    }
    if is_unseen && !words.json {
        let verb = if unseen == 1 { "shows" } else { "show" };
        let unseen = count(unseen as u64, "incident");
        let message = format!("every incident is expected to be visible, and {unseen} {verb} nowhere");
        super::to_stderr(&format!("error: {message}\n"));
    }
    Ok(if is_unseen || unmet.count(Level::Error) > 0 { Outcome::No } else { Outcome::Done })
}

/// The scenario with all that flags change, and made longer where `--for` reaches beyond its end.
fn with_flags(scenario: Scenario, args: &Args) -> Result<Scenario, Failure> {
    let scenario = args.overrides.apply(scenario)?;
    let Some(length) = length(args)? else { return Ok(scenario) };
    let clock = scenario.clock.as_ref().map(|clock| &clock.value);
    let (run, start) =
        (clock.and_then(|clock| clock.run.as_ref()), clock.and_then(|clock| clock.start.as_ref()));
    let (Some(run), Some(start)) = (run, start) else { return Ok(scenario) };
    let start = start.value;
    let from = args.from.as_ref().map_or(Ok(start), |text| moment("--from", text, start))?;
    let needed = Span((from - start).0.saturating_add(length.0));
    if needed <= run.value {
        return Ok(scenario);
    }
    let words = if args.duration.is_some() { "--duration " } else { "--for " };
    Ok(scenario.overridden("the command line", words, "clock.run", &yaml_scalar(&needed.to_string())))
}

/// How long a window `--for` or `--duration` asks for.
fn length(args: &Args) -> Result<Option<Span>, Failure> {
    if let Some(seconds) = &args.duration {
        let text = seconds_of("--duration", seconds)?;
        return Ok(Span::parse(text.trim_matches('"')));
    }
    args.length.as_ref().map(|text| duration("--for", text)).transpose()
}

fn select(plan: Plan, args: &Args, manifest: Option<&crate::recording::Manifest>) -> Result<Run, Failure> {
    let start = plan.clock().start();
    let mut run = plan.run();
    let given =
        |flag: &str, text: &Option<String>| text.as_ref().map(|text| moment(flag, text, start)).transpose();
    let (mut from, mut to) = (given("--from", &args.from)?, given("--to", &args.to)?);
    if let Some(length) = length(args)? {
        to = Some(SimTime(from.unwrap_or(start).0.saturating_add(length.0)));
    }
    let mut part = args.shard.as_ref();
    if let Some(manifest) = manifest {
        for id in &manifest.without {
            run = run.without(id)?;
        }
        // Another window has no shard of the old one.
        if from.is_none() && to.is_none() {
            part = part.or(manifest.shard.as_ref());
        }
        // A bound that is not asked for is the dataset's. What was the whole of the run is the whole of it
        // now, whatever its clock.
        if !manifest.covers_the_run() {
            let end = run.plan().clock().end();
            from = from.or_else(|| SimTime::parse(&manifest.window.from));
            to = to.or_else(|| SimTime::parse(&manifest.window.to).map(|to| to.min(end)));
        }
    }
    if from.is_some() || to.is_some() {
        run = run.between(from, to)?;
    }
    if let Some(text) = part {
        let (i, n) = shard(text)?;
        run = run.shard(i, n)?;
    }
    for id in &args.without {
        run = run.without(id)?;
    }
    Ok(run)
}

fn shard(text: &str) -> Result<(u64, u64), Failure> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n > 0);
    let parts = text.split_once('/').and_then(|(i, n)| Some((number(i)?, number(n)?)));
    parts.ok_or_else(|| {
        Failure::input(format!("`--shard {text}` is no shard"), "write `--shard 1/4` for the first of four")
    })
}

pub(super) fn duration(flag: &str, text: &str) -> Result<Span, Failure> {
    let span = Span::parse(text).filter(|span| span.0 > 0);
    span.ok_or_else(|| {
        let help = match text.parse::<f64>() {
            Ok(_) => format!("a duration needs a unit: write `{flag} {text}s` for seconds"),
            Err(_) => format!("write a duration such as `{flag} 90s` or `{flag} 1h30m`"),
        };
        Failure::input(format!("`{flag} {text}` is no duration"), help)
    })
}

pub(super) fn moment(flag: &str, text: &str, start: SimTime) -> Result<SimTime, Failure> {
    let after = Span::parse(text).and_then(|span| start.0.checked_add(span.0)).map(SimTime);
    after.or_else(|| SimTime::parse(text)).ok_or_else(|| {
        let help = format!(
            "write a duration from the run's start, `{flag} 90s`, or RFC 3339, `{flag} 2026-01-05T08:00:00Z`"
        );
        Failure::input(format!("`{flag} {text}` is no moment"), help)
    })
}
