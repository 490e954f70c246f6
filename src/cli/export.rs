//! `reenact export`: opens the dataset or shards and converts them, until the end or a signal.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::signals::Signals;
use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::export::{ExportError, Format, export};
use crate::recording::Recording;
use crate::scenario::count;

/// Convert a dataset to the format of another tool
///
/// nab: `data/reenact/ENTITY_METRIC.csv` and `labels/combined_windows.json`. tsb-ad and timeeval: one file per entity,
/// with metrics as columns; the last column marks anomalies. openmetrics: `metrics.om`, to backfill Prometheus with
/// `promtool tsdb create-blocks-from openmetrics`. A row is an anomaly while an incident that is not benign has an
/// effect on its entity, except during recovery.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reenact export out/ --as nab nab/
  reenact export out/ --as openmetrics prometheus/")]
pub(super) struct Args {
    /// A dataset directory, the shards of one run in any order, or a file with labels next to it; the last argument is the
    /// directory to write
    #[arg(required = true, value_name = "DATASET> <DIR")]
    paths: Vec<PathBuf>,

    /// The format to write
    #[arg(long = "as", value_name = "FORMAT", value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)))]
    format: String,
}

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let format = Format::named(&args.format).expect("it is one of the possible values");
    let (place, recordings) = match args.paths.split_last() {
        Some((place, recordings)) if !recordings.is_empty() => (place, recordings),
        _ => {
            let example = format!("reenact export out/ --as {} {}/", format.name(), format.name());
            return Err(Failure::input(
                "`reenact export` requires a dataset and a directory to write",
                format!("write `{example}`"),
            ));
        }
    };
    let recording = Recording::open_all(recordings)?;
    let signals = Signals::listen();
    let rows = match (export(&recording, format, place, || signals.asked().is_some()), signals.asked()) {
        (Err(error @ ExportError::Stopped), Some(signal)) => {
            return Err(Failure::from(error).with(Outcome::Stopped(signal)));
        }
        (rows, _) => rows?,
    };
    words.say(format_args!("{}: {} as {}", place.display(), count(rows, "row"), format.name()));
    words.json(
        Summary::Stdout,
        || json!({"directory": place.display().to_string(), "format": format.name(), "rows": rows}),
    )?;
    Ok(Outcome::Done)
}
