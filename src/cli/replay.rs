use std::path::{Path, PathBuf};

use serde_json::json;

use super::outputs::{outputs, targets, tell};
use super::signals::Signals;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::recording::Recording;
use crate::replay::{Pace, Rebase, Replay};
use crate::run::{OpenOptions, Opened, Target};

/// Send a recorded run again, at any speed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact replay out/ --speed 60                            an hour in a minute, to the terminal
  reenact replay out/ --max-speed --out ndjson:again.ndjson
  reenact replay out/ --rebase now --out kafka:localhost:9092/datacenter-metrics --create-topic 6")]
pub(super) struct Args {
    /// A dataset directory or its shards in any order, an NDJSON file (`.gz` and `.zst` too, `-` for standard
    /// input), or a Parquet file of a dataset
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,

    /// Where to: `ndjson:-`, `ndjson:FILE`, `kafka:BROKERS/TOPIC`; repeatable
    #[arg(long, value_name = "FORMAT:WHERE")]
    out: Vec<String>,

    /// Event seconds a second
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_hyphen_values = true)]
    speed: f64,

    /// As fast as possible
    #[arg(long, conflicts_with = "speed")]
    max_speed: bool,

    /// Move event times, distances kept: with `now` the first record's is the moment of its sending
    #[arg(long, value_name = "now")]
    rebase: Option<String>,

    /// Replace outputs that exist
    #[arg(long)]
    force: bool,

    /// Make the Kafka topic with so many partitions if it is missing, keeping old events for ever
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(u32).range(1..))]
    create_topic: Option<u32>,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let recording = Recording::open_all(&args.recordings)?;
    let pace = match args.max_speed {
        true => Pace::AsFastAsPossible,
        false => Pace::at(args.speed).ok_or_else(|| {
            Failure::input(
                format!("`--speed {}` is no speed", args.speed),
                "write a number above 0, such as `--speed 60`",
            )
        })?,
    };
    let rebase = match args.rebase.as_deref() {
        None => Rebase::Keep,
        Some("now") => Rebase::Now,
        Some(other) => {
            return Err(Failure::input(
                format!("`--rebase {other}` is not there yet"),
                "this version has `--rebase now`",
            ));
        }
    };
    let targets = targets(&args.out)?;
    if let Some(directory) = targets.iter().find(|target| matches!(target, Target::Directory(..))) {
        let place = directory.path().unwrap_or(Path::new("")).display();
        return Err(Failure::input(
            format!("replaying into a dataset directory (`{place}/`) is not there yet"),
            "write `ndjson:FILE`, `ndjson:-` or `kafka:BROKERS/TOPIC`",
        ));
    }
    let mut replay = Replay::open(&recording, pace, rebase)?;
    if targets.iter().any(|target| target.path().is_none()) {
        replay.identify(&recording)?;
    }
    let options = OpenOptions {
        force: args.force,
        no_labels: true,
        create_topic: args.create_topic,
        tell: words.teller(),
        ..OpenOptions::default()
    };
    // Where nothing has to be ended well, signals do what they always do.
    let signals = (!targets.iter().all(Target::is_streamed)).then(Signals::listen);
    let opened = Opened::open(&targets, &options, &replay.about())?;
    for warning in &opened.warnings {
        words.say(format_args!("warning: {warning}"));
    }
    let asked = || signals.as_ref().and_then(Signals::asked);
    let summary = replay.send_until(opened, || asked().is_some())?;
    tell(&summary.receipts, words);
    let to_stdout = targets.iter().any(|target| matches!(target, Target::Stdout));
    words.tell(if to_stdout { Summary::Stderr } else { Summary::Stdout }, || {
        json!({
            "outputs": outputs(&summary.receipts),
            "speed": summary.speed,
            "lag_ms_max": summary.lag_max.as_millis() as u64,
        })
    })?;
    if let Some(speed) = summary.speed {
        words.say(format_args!("speed reached {speed:.2}, at most {} ms late", summary.lag_max.as_millis()));
    }
    match asked() {
        Some(signal) => {
            words.say("stopped before the end; what was sent is whole");
            Ok(Outcome::Stopped(signal))
        }
        None => Ok(Outcome::Done),
    }
}
