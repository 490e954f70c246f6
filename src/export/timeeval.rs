//! The format of TimeEval: one file `ENTITY.csv` for each entity, with the columns `timestamp`, its metrics and
//! `is_anomaly`.
//!
//! Wenig, Schmidl, Papenbrock, "TimeEval: a benchmarking toolkit for time series anomaly detection algorithms",
//! PVLDB 15 (2022). aeon's `load_from_timeeval_csv_file` reads the same format.

use super::files::{ExportError, Files};
use super::{Form, Sample, names_of, plain_time, texts_of};

pub(super) struct TimeEval;

impl Form for TimeEval {
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError> {
        let name = format!("{}.csv", sample.entity());
        let header = match files.is_new(&name) {
            true => format!("timestamp,{}is_anomaly\n", names_of(&sample.row)),
            false => String::new(),
        };
        let (time, values) = (plain_time(sample.row.timestamp()), texts_of(&sample.row));
        files.append(&name, format!("{header}{time},{values}{}\n", u8::from(sample.is_anomaly())).as_bytes())
    }

    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError> {
        files.finish(str::to_string)
    }
}
