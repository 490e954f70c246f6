//! TimeEval: `ENTITY.csv`, one an entity, of `timestamp`, its metrics and `is_anomaly`.
//!
//! Wenig, Schmidl, Papenbrock, "TimeEval: a benchmarking toolkit for time series anomaly detection
//! algorithms", PVLDB 15 (2022); aeon's `load_from_timeeval_csv_file` reads the same.

use super::files::{ExportError, Files};
use super::truth::Truth;
use super::{Form, names_of, plain_time, texts_of};
use crate::batch::{Batch, Row};

pub(super) struct TimeEval;

impl Form for TimeEval {
    fn row(
        &mut self,
        files: &mut Files,
        batch: &Batch,
        row: &Row<'_>,
        truth: &Truth,
    ) -> Result<(), ExportError> {
        let is_anomaly = truth.is_anomaly(batch.entity_name(row), row.timestamp());
        let name = format!("{}.csv", batch.entity_name(row));
        let header = match files.is_new(&name) {
            true => format!("timestamp,{}is_anomaly\n", names_of(row)),
            false => String::new(),
        };
        let (time, values) = (plain_time(row.timestamp()), texts_of(row));
        files.append(&name, format!("{header}{time},{values}{}\n", u8::from(is_anomaly)).as_bytes())
    }

    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError> {
        files.finish(str::to_string)
    }
}
