//! Exports recordings in the formats of other tools. Each format has one source file.
//!
//! In: a recording with its labels. Out: a complete directory, or none at all. Memory must not grow with the length of
//! the recording, except for its labels.

mod files;
mod nab;
mod openmetrics;
mod timeeval;
mod truth;
mod tsb_ad;

use std::collections::BTreeMap;
use std::path::Path;

pub use files::ExportError;

use files::Files;
use truth::Truth;

use crate::batch::{NULL, Row, decimal_text};
use crate::recording::{Partial, Recording, publish_together};
use crate::time::SimTime;

/// A row, with the ground truth about its entity.
struct Sample<'a> {
    row: Row<'a>,
    truth: &'a Truth,
}

impl Sample<'_> {
    fn entity(&self) -> &str {
        self.row.name()
    }

    fn is_anomaly(&self) -> bool {
        self.truth.is_anomaly(self.entity(), self.row.timestamp())
    }
}

/// A format that other tools read.
trait Form {
    /// Writes the next row.
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError>;

    /// Completes all files.
    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError>;
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Numenta Anomaly Benchmark.
    Nab,
    /// TSB-AD, the benchmark of Liu and Paparrizos.
    TsbAd,
    /// TimeEval, and tools that read its files, such as aeon.
    TimeEval,
    /// OpenMetrics text, which `promtool` converts to Prometheus blocks.
    OpenMetrics,
}

impl Format {
    /// All formats, the most requested first: the benchmarks come before the others.
    pub const ALL: [Format; 4] = [Format::Nab, Format::TsbAd, Format::TimeEval, Format::OpenMetrics];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Nab => "nab",
            Format::TsbAd => "tsb-ad",
            Format::TimeEval => "timeeval",
            Format::OpenMetrics => "openmetrics",
        }
    }

    /// The format with this name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    fn begin(self) -> Box<dyn Form> {
        match self {
            Format::Nab => Box::new(nab::Nab::default()),
            Format::TsbAd => Box::new(tsb_ad::TsbAd::default()),
            Format::TimeEval => Box::new(timeeval::TimeEval),
            Format::OpenMetrics => Box::new(openmetrics::OpenMetrics::default()),
        }
    }
}

/// Exports a recording to a new or empty directory and returns the number of its rows. Stops early when `is_stopped`
/// returns `true`.
///
/// # Errors
/// If the recording can't be read, is damaged, has no labels or has rows out of order, if the directory can't be
/// written, or if the export is stopped. Nothing is written then.
pub fn export(
    recording: &Recording,
    format: Format,
    place: &Path,
    is_stopped: impl Fn() -> bool,
) -> Result<u64, ExportError> {
    let labels = recording.labels()?.ok_or(ExportError::NoLabels)?;
    let truth = Truth::new(&labels);
    let mut rows = 0;
    let partial = Partial::directory(place, false)?;
    let mut write = || {
        let mut files = Files::new(partial.path());
        let mut form = format.begin();
        let mut last: BTreeMap<String, SimTime> = BTreeMap::new();
        for batch in recording.batches()? {
            let batch = batch?;
            if is_stopped() {
                return Err(ExportError::Stopped);
            }
            for row in batch.rows() {
                let sample = Sample { row, truth: &truth };
                let (entity, moment) = (sample.entity(), row.timestamp());
                match last.get_mut(entity) {
                    Some(last) if *last >= moment => {
                        return Err(ExportError::Disorder(entity.into(), moment));
                    }
                    Some(last) => *last = moment,
                    None => drop(last.insert(entity.into(), moment)),
                }
                form.row(&mut files, &sample)?;
                rows += 1;
            }
        }
        form.finish(files)?;
        if is_stopped() { Err(ExportError::Stopped) } else { Ok(()) }
    };
    match write() {
        Ok(()) => publish_together(vec![partial], &[])?,
        Err(error) => {
            partial.discard();
            return Err(error);
        }
    }
    Ok(rows)
}

/// Returns a value with its decimals; an empty text if the value is missing.
fn text_of(row: &Row<'_>, column: usize) -> String {
    match row.value(column) {
        NULL => String::new(),
        value => decimal_text(value, row.entity_type().metrics()[column].decimals()),
    }
}

/// Returns all numbers of a row, each followed by a comma.
fn texts_of(row: &Row<'_>) -> String {
    (0..row.entity_type().metrics().len()).map(|column| text_of(row, column) + ",").collect()
}

/// Returns the names of a row's metrics, each followed by a comma.
fn names_of(row: &Row<'_>) -> String {
    row.entity_type().metrics().iter().map(|metric| format!("{},", metric.name())).collect()
}

/// Formats a time like `2026-01-05 08:00:00.000`. All times have the same form, because readers guess the form from the
/// first one.
fn plain_time(moment: SimTime) -> String {
    moment.to_string().replace('T', " ").trim_end_matches('Z').to_string()
}
