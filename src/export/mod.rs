//! Recordings as other tools of the field read them: one file a format.
//!
//! In: a recording with its labels. Out: a directory that is whole or not there at all. What may never
//! happen here: memory that grows with the recording's length, its labels apart.

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

/// A row with the truth about its entity.
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

/// A form that other tools read.
trait Form {
    /// Takes the next row.
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError>;

    /// Ends all files.
    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError>;
}

/// How a recording is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Numenta's anomaly benchmark.
    Nab,
    /// TSB-AD, the benchmark of Liu and Paparrizos.
    TsbAd,
    /// TimeEval, and what reads its files, such as aeon.
    TimeEval,
    /// Text that `promtool` makes blocks of Prometheus from.
    OpenMetrics,
}

impl Format {
    /// In the order of what is asked for most, first the benchmarks.
    pub const ALL: [Format; 4] = [Format::Nab, Format::TsbAd, Format::TimeEval, Format::OpenMetrics];

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Nab => "nab",
            Format::TsbAd => "tsb-ad",
            Format::TimeEval => "timeeval",
            Format::OpenMetrics => "openmetrics",
        }
    }

    /// The format of this name.
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

/// Writes a recording as other tools read it into a new or empty directory; how many rows it has. It ends early
/// when `is_stopped` says so.
///
/// # Errors
/// If the recording can't be read, is damaged or has no labels, or the directory can't be written, or it is
/// stopped: nothing is written then.
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

/// A value with its decimals; nothing where it is missing.
fn text_of(row: &Row<'_>, column: usize) -> String {
    match row.value(column) {
        NULL => String::new(),
        value => decimal_text(value, row.entity_type().metrics()[column].decimals()),
    }
}

/// All numbers of a row, each with a comma behind it.
fn texts_of(row: &Row<'_>) -> String {
    (0..row.entity_type().metrics().len()).map(|column| text_of(row, column) + ",").collect()
}

/// The names of a row's metrics, each with a comma behind it.
fn names_of(row: &Row<'_>) -> String {
    row.entity_type().metrics().iter().map(|metric| format!("{},", metric.name())).collect()
}

/// `2026-01-05 08:00:00.000`: all alike, or readers guess another form from the first one.
fn plain_time(moment: SimTime) -> String {
    moment.to_string().replace('T', " ").trim_end_matches('Z').to_string()
}
