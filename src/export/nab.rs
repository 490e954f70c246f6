//! The format of the Numenta Anomaly Benchmark: one file `data/reenact/SERIES.csv` for each series, with the columns
//! `timestamp` and `value`, and `labels/combined_windows.json`. Each window begins and ends with the timestamp of a
//! row.
//!
//! Lavin, Ahmad, "Evaluating real-time anomaly detection algorithms", ICMLA 2015. The format is that of the benchmark's
//! own `data` and `labels` folders.

use std::collections::BTreeMap;

use serde_json::json;

use super::files::{ExportError, Files};
use super::{Form, Sample, plain_time, text_of};
use crate::time::SimTime;

#[derive(Default)]
pub(super) struct Nab {
    /// For each file: the times of the first and the last row in each interval of the ground truth.
    windows: BTreeMap<String, BTreeMap<usize, (SimTime, SimTime)>>,
}

fn file_name(entity: &str, metric: &str) -> String {
    format!("reenact/{entity}_{metric}.csv")
}

impl Form for Nab {
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError> {
        let entity = sample.entity();
        let moment = sample.row.timestamp();
        let time = plain_time(moment);
        for (column, metric) in sample.row.entity_type().metrics().iter().enumerate() {
            let metric = metric.name();
            let name = format!("data/{}", file_name(entity, metric));
            let mut header = "";
            if files.is_new(&name) {
                self.windows.insert(file_name(entity, metric), BTreeMap::new());
                header = "timestamp,value\n";
            }
            files.append(&name, format!("{header}{time},{}\n", text_of(&sample.row, column)).as_bytes())?;
            if let Some(interval) = sample.truth.of_series(entity, metric, moment) {
                let windows = self.windows.entry(file_name(entity, metric)).or_default();
                windows.entry(interval).or_insert((moment, moment)).1 = moment;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, mut files: Files) -> Result<(), ExportError> {
        let windows = |windows: BTreeMap<usize, (SimTime, SimTime)>| {
            windows.into_values().map(|(first, last)| json!([written(first), written(last)])).collect()
        };
        let windows = self.windows.into_iter().map(|(file, of_file)| (file, windows(of_file))).collect();
        let text = format!("{:#}\n", serde_json::Value::Object(windows));
        files.append("labels/combined_windows.json", text.as_bytes())?;
        files.finish(str::to_string)
    }
}

/// Formats a time like `2026-01-05 08:00:00.000000`.
fn written(moment: SimTime) -> String {
    plain_time(moment) + "000"
}
