//! OpenMetrics text, `metrics.om`, for `promtool tsdb create-blocks-from openmetrics`: a gauge for each
//! metric, and `is_anomaly`, with the names of the entity as labels; a series' samples one after the other.
//!
//! OpenMetrics 1.0, <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::BTreeMap;

use super::files::{ExportError, Files};
use super::{Form, Sample, text_of};
use crate::batch::Metric;

#[derive(Default)]
pub(super) struct OpenMetrics {
    /// By family, in the order of the schema and `is_anomaly` last: its series as they came.
    series: BTreeMap<usize, Vec<String>>,
}

impl OpenMetrics {
    fn sample(
        &mut self,
        files: &mut Files,
        family: usize,
        labels: &str,
        sample: &str,
    ) -> Result<(), ExportError> {
        let metric = Metric::ALL.get(family);
        let name = metric.map_or("is_anomaly", |metric| metric.name());
        // While it is written, a series has a file of its own.
        let file = format!("{family}.{}", labels.replace(['"', ',', '='], "_"));
        let mut lines = String::new();
        if files.is_new(&file) {
            let series = self.series.entry(family).or_default();
            if series.is_empty() {
                let about = metric.map_or("while an incident has an effect", |metric| metric.about());
                lines = format!("# HELP {name} {about}\n# TYPE {name} gauge\n");
            }
            series.push(file.clone());
        }
        files.append(&file, format!("{lines}{name}{{{labels}}} {sample}").as_bytes())
    }
}

impl Form for OpenMetrics {
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError> {
        let record = sample.row.record;
        let tags = record.tags().iter().zip(sample.batch.entities.of(record).tags(sample.row.entity()));
        let labels = tags.map(|((key, _), value)| format!("{key}=\"{value}\"")).collect::<Vec<_>>().join(",");
        let ms = sample.row.timestamp().0;
        let time = format!("{}.{:03}\n", ms / 1_000, ms % 1_000);
        for (column, metric) in sample.row.record.metrics().iter().enumerate() {
            let value = text_of(&sample.row, column);
            if !value.is_empty() {
                self.sample(files, *metric as usize, &labels, &format!("{value} {time}"))?;
            }
        }
        self.sample(files, Metric::ALL.len(), &labels, &format!("{} {time}", u8::from(sample.is_anomaly())))
    }

    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError> {
        let order: Vec<String> = self.series.into_values().flatten().collect();
        files.finish_as_one("metrics.om", &order, b"# EOF\n")
    }
}
