//! `reenact replay`: checks the flags, opens recording and outputs, sends the records, reports the result.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::dry_run::{dry_run, going_back};
use super::outputs::{Ids, outputs, print_outputs};
use super::playing::{self, Bounds, Desk};
use super::signals::{self, Signals};
use super::status::{Failure, Outcome};
use super::topic::TopicArgs;
use super::window::{duration, moment, rebase};
use super::{Summary, Words, resume};
use crate::label::Label;
use crate::player::{Pace, Player};
use crate::recording::{Field, Only, Recording, Selection, labels_path, manifest_path};
use crate::replay::{Options, Replay, ReplayError, Summary as Sent};
use crate::run::{OpenOptions, Opened, Rebase, RunError, Target};
use crate::scenario::count;
use crate::schema::Schema;
use crate::time::SimTime;

/// Replay a recording, at any speed
///
/// On a terminal, the space key pauses, `+` and `-` change the speed, and `q` stops the replay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact replay out/ --speed 60                            print an hour in a minute
  reenact replay out/ --max-speed --out ndjson:again.ndjson
  reenact replay out/ --only type=server_metric --max-speed
                                                            replay only the records of servers
  reenact replay out/ --rebase now --out kafka:localhost:9092/datacenter-metrics --create-topic 6
  reenact replay out/ --speed 60 --rebase end --loop 3 --dry-run
                                                            show what would be sent")]
pub(super) struct Args {
    /// A dataset directory, the shards of one run in any order, an NDJSON file (also `.gz` or `.zst`; `-` is standard input), or
    /// a Parquet file of a dataset
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,

    /// Where to write: `ndjson:-`, `ndjson:FILE`, `kafka:BROKERS/TOPIC`; repeatable
    #[arg(long, value_name = "FORMAT:WHERE", help_heading = "Outputs")]
    out: Vec<String>,

    /// The speed in event seconds per second
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_hyphen_values = true, help_heading = "Pace")]
    speed: f64,

    /// Send records as fast as possible
    #[arg(long, conflicts_with = "speed", help_heading = "Pace")]
    max_speed: bool,

    /// Wait at most this long (in event time) at a gap in the recording; timestamps do not change
    #[arg(long, value_name = "D", conflicts_with = "max_speed", help_heading = "Pace")]
    max_gap: Option<String>,

    /// Exit with status 1 if the lag of a record exceeds this duration
    #[arg(long, value_name = "D", conflicts_with = "max_speed", help_heading = "Pace")]
    max_lag: Option<String>,

    /// Wait for the space key before sending the first record
    #[arg(long, help_heading = "Pace")]
    start_paused: bool,

    /// Shift all timestamps: with `now`, the first record gets the time at which the replay begins; with `end`, the last
    /// record gets the time at which it is sent; with an RFC 3339 time, the first record gets this time
    #[arg(long, value_name = "now|end|T", help_heading = "Timestamps")]
    rebase: Option<String>,

    /// Send the recording this many times; timestamps keep increasing, and from the second time on, ids of incidents get
    /// the suffixes `~2`, `~3`, …
    #[arg(long = "loop", value_name = "N", default_value = "1", value_parser = times, help_heading = "Timestamps")]
    loops: NonZeroU64,

    /// Begin at this event time: a duration after the start of the recorded run, or an RFC 3339 time
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "Selection")]
    from: Option<String>,

    /// End before this event time
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "Selection")]
    to: Option<String>,

    /// Send only records with one of these values in a field, such as `type=server_metric` or `server_id=srv-1*`, or
    /// records that an incident changed, such as `incident=leak`; a comma means OR, a repeated flag means AND
    #[arg(long, value_name = "FIELD=VALUE,…", help_heading = "Selection")]
    only: Vec<String>,

    /// Write the labels to this file as NDJSON, independent of the outputs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_labels", "resume"], help_heading = "Outputs")]
    labels: Option<PathBuf>,

    /// Do not write labels next to files; with `--force`, remove old labels
    #[arg(long, help_heading = "Outputs")]
    no_labels: bool,

    /// Replace existing files
    #[arg(long, help_heading = "Outputs")]
    force: bool,

    /// Check everything, including topics, and print what would be sent, without sending or creating anything
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,

    #[command(flatten)]
    topic: TopicArgs,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let recording = Recording::open_all(&args.recordings)?;
    let pace = if args.max_speed { Pace::AsFastAsPossible } else { playing::at(args.speed)? };
    let max_lag = playing::max_lag(args.max_lag.as_ref())?;
    let options = Options { on_event: words.event_listener(), ..options(args, &recording, pace)? };
    let targets = args.topic.targets(&args.out, None)?;
    check(args, &recording)?;
    let mut replay = Replay::open(recording.clone(), options.clone())?;
    let to_stdout = targets.iter().any(Target::is_stdout);
    let from_stdin = args.recordings.iter().any(|path| path.as_os_str() == "-");
    if args.dry_run {
        let has_labels = replay.with_labels()?;
        let open = open_options(args, has_labels, pace, None, words)?;
        return dry_run(&mut replay, (pace, options.loops), (&targets, &open), words);
    }
    // If nothing needs to end cleanly, signals keep their default effect.
    let is_streamed = targets.iter().all(Target::is_streamed) && args.labels.is_none();
    let is_watched = pace != Pace::AsFastAsPossible || args.start_paused;
    let signals = (is_watched || !is_streamed).then(Signals::listen);
    let bounds = Bounds {
        is_fixed: matches!(options.rebase, Rebase::End(_)),
        leaves_out: options.max_gap.is_some(),
        ..Bounds::default()
    };
    let mut desk = Desk::new(signals.as_ref(), words).within(bounds);
    if is_watched {
        desk = desk.shown(to_stdout, from_stdin);
    }
    if args.start_paused && !desk.has_keys() {
        let message = "`--start-paused` requires a terminal, because it waits for the space key";
        return Err(Failure::input(message, "omit `--start-paused`"));
    }
    let wants_labels = !args.no_labels && targets.iter().any(Target::is_file);
    let mut has_labels = false;
    if wants_labels || args.labels.is_some() || args.topic.labels_topic.is_some() || desk.is_shown() {
        has_labels = replay.with_labels()?;
    }
    let mut open = open_options(args, has_labels, pace, signals.as_ref(), words)?;
    if targets.iter().any(|target| target.path().is_none()) {
        replay.identify()?;
    }
    replay.begins(crate::pace::now())?;
    if let Some(id) = &args.topic.resume
        && let Some(whole) = resume::rest(&mut replay, id, &targets, &mut open)?
    {
        resume::nothing_left(&whole, words)?;
        return Ok(Outcome::Done);
    }
    let opened = Opened::open(&targets, &open, &replay.about())
        .map_err(|error| signals::stopped(error, signals.as_ref()))?;
    let bounds = Bounds { last: replay.last_event(), ahead: opened.ahead, ..bounds };
    desk = desk.with_active(replay.labels().map(active)).within(bounds);
    opened.warnings.iter().for_each(|warning| words.warn(warning));
    let can_resume = args.labels.is_none() && resume::is_possible(&targets) && !recording.is_read_once();
    let ids = Ids::of(&opened, can_resume);
    // The first record of a resumed replay is known only when it is sent.
    let first = (!replay.is_resumed()).then(|| replay.first_event());
    words.emit(&ids.start(&opened.topics, first, replay.is_resumed()));
    let holds_labels = opened.wants_labels();
    let mut player = Player::new(pace, &mut desk).max_gap(options.max_gap).paused(args.start_paused);
    let sent = replay.send(opened, &mut player);
    drop(player);
    desk.clear();
    let asked = signals.as_ref().and_then(Signals::asked);
    let sent = match sent {
        // The user ended the replay by a key before anything was sent or created.
        Err(ReplayError::Run(RunError::Stopped)) if asked.is_none() => return Ok(Outcome::Done),
        Err(ReplayError::Run(error @ RunError::Stopped)) => {
            return Err(signals::stopped(error, signals.as_ref()));
        }
        Err(ReplayError::Run(error)) => return Err(ids.failed(error)),
        sent => sent?,
    };
    print_outputs(&sent.receipts, words);
    if holds_labels {
        words.say(count(sent.labels, "label"));
    }
    let is_late = playing::print_pace(sent.kept.as_ref(), max_lag, words);
    report(&sent, &ids, if to_stdout { Summary::Stderr } else { Summary::Stdout }, words)?;
    match (sent.stopped_at.and(asked), is_late) {
        (Some(signal), _) => Ok(Outcome::Stopped(signal)),
        (None, true) => Ok(Outcome::No),
        (None, false) => Ok(Outcome::Done),
    }
}

/// Finishes the report of what was sent.
fn report(sent: &Sent, ids: &Ids, place: Summary, words: Words) -> Result<(), Failure> {
    if let Some(found) = sent.goes_back.as_ref().filter(|found| found.times > 1) {
        words.warn(found);
    }
    words.end(place, || {
        json!({
            "run": ids.in_topic,
            "outputs": outputs(&sent.receipts),
            "labels": sent.labels,
            "pace": playing::json(sent.kept.as_ref()),
            "stopped_at": sent.stopped_at.map(|moment| moment.to_string()),
            "times_go_back": sent.goes_back.as_ref().map(going_back),
        })
    })?;
    if let Some(moment) = sent.stopped_at {
        ids.print_stop(moment, sent.is_stalled, words);
    }
    Ok(())
}

/// Returns the options for opening outputs. `has_labels` says whether the recording has labels.
fn open_options(
    args: &Args,
    has_labels: bool,
    pace: Pace,
    signals: Option<&Signals>,
    words: Words,
) -> Result<OpenOptions, Failure> {
    if (args.labels.is_some() || args.topic.labels_topic.is_some()) && !has_labels {
        let help = "omit `--labels` and `--labels-topic`, or name a dataset that was written with labels";
        return Err(Failure::input("the recording has no labels", help));
    }
    Ok(OpenOptions {
        force: args.force,
        inputs: args.recordings.iter().flat_map(|path| files_of(path)).collect(),
        no_labels: args.no_labels || !has_labels,
        labels: args.labels.clone(),
        stop: signals.map(Signals::flag),
        ..args.topic.options(pace, false, words)?
    })
}

/// Returns the path of a recording, and the paths of the labels and the manifest next to it.
fn files_of(path: &Path) -> [PathBuf; 3] {
    [path.into(), labels_path(path), manifest_path(path)]
}

/// Returns a function that counts the active incidents of a recording at a moment.
fn active(labels: &[Label]) -> playing::Active {
    let mut spans: Vec<_> =
        labels.iter().map(|label| (&label.incident_id, label.cause_start, label.cause_end)).collect();
    spans.sort();
    spans.dedup();
    playing::active_of(spans.into_iter().map(|(_, start, end)| (start, end)))
}

/// Parses how often to send a recording.
fn times(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "write a number of times that is 1 or more".into())
}

/// Refuses flags that exclude each other.
fn check(args: &Args, recording: &Recording) -> Result<(), Failure> {
    if args.topic.resume.is_some() && recording.is_read_once() {
        return Err(Failure::input(
            "`--resume` reads the recording again, but a pipe can be read only once",
            "write the recording to a file first",
        ));
    }
    if args.start_paused && args.rebase.as_deref() == Some("end") {
        return Err(Failure::input(
            "`--rebase end` cannot be combined with `--start-paused`: it requires a replay that begins immediately",
            "omit one of them",
        ));
    }
    if args.labels.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Failure::input("`--labels -` would mix labels with records", "write `--labels FILE`"));
    }
    Ok(())
}

fn options(args: &Args, recording: &Recording, pace: Pace) -> Result<Options, Failure> {
    let place = |flag: &str, text: &Option<String>| -> Result<Option<SimTime>, Failure> {
        let Some(text) = text else { return Ok(None) };
        // Only a duration needs the start of the run.
        match SimTime::parse(text) {
            Some(moment) => Ok(Some(moment)),
            None if recording.is_read_once() => Err(Failure::input(
                format!("`{flag} {text}` is relative to the start of the run, which is unknown for a pipe"),
                "write an RFC 3339 time",
            )),
            None => moment(flag, text, recording.start()?).map(Some),
        }
    };
    let mut selection = Selection {
        from: place("--from", &args.from)?,
        to: place("--to", &args.to)?,
        ..Selection::default()
    };
    if let (Some(from), Some(to)) = (selection.from, selection.to)
        && from >= to
    {
        return Err(Failure::input(
            format!("`--from` {from} is not before `--to` {to}"),
            "choose a later `--to`",
        ));
    }
    for text in &args.only {
        only(text, recording.schema(), &mut selection)?;
    }
    let rebase = rebase(args.rebase.as_deref(), pace)?;
    let max_gap = args.max_gap.as_ref().map(|text| duration("--max-gap", text)).transpose()?;
    Ok(Options { selection, rebase, loops: args.loops, max_gap, ..Options::new(crate::pace::now()) })
}

/// Parses one `--only` and adds it to the selection.
fn only(text: &str, schema: &Schema, selection: &mut Selection) -> Result<(), Failure> {
    const INCIDENT: &str = "incident";
    let names = || Field::names(schema).join("`, `");
    let Some((name, values)) = text.split_once('=').filter(|(_, values)| !values.is_empty()) else {
        let help = "write a field, `=` and values: `--only type=server_metric`";
        return Err(Failure::input(format!("`--only {text}` is not a valid selection"), help));
    };
    let values: Vec<String> = values.split(',').map(str::to_string).collect();
    if name == INCIDENT {
        selection.incidents.push(values);
        return Ok(());
    }
    match Field::named(schema, name) {
        Some(field) => selection.only.push(Only { field, values }),
        None => {
            let help = format!("the fields are `{}` and `{INCIDENT}`", names());
            return Err(Failure::input(format!("`{name}` is not a field for `--only`"), help));
        }
    }
    Ok(())
}
