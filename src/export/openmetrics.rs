//! OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`: one file `metrics.om` with a gauge for each
//! metric and a gauge `is_anomaly`. The tags of an entity are its labels. The samples of a series follow each other.
//!
//! OpenMetrics 1.0, <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::BTreeMap;

use super::files::{ExportError, Files};
use super::{Form, Sample, text_of};
use crate::schema::Metric;

/// The positions of an entity type and of its metric. `is_anomaly` comes after all others.
type Family = (usize, usize);

const IS_ANOMALY: Family = (usize::MAX, 0);

#[derive(Default)]
pub(super) struct OpenMetrics {
    /// For each family, in the order of the schema with `is_anomaly` last: the files of its series, in the order in
    /// which they appeared.
    series: BTreeMap<Family, Vec<String>>,
}

impl OpenMetrics {
    fn sample(
        &mut self,
        files: &mut Files,
        (family, metric): (Family, Option<&Metric>),
        labels: &str,
        sample: &str,
    ) -> Result<(), ExportError> {
        let name = metric.map_or("is_anomaly", Metric::name);
        // Each series has its own file until the export finishes.
        let file = format!("{}.{}.{}", family.0, family.1, labels.replace(['"', ',', '='], "_"));
        let mut lines = String::new();
        if files.is_new(&file) {
            let series = self.series.entry(family).or_default();
            if series.is_empty() {
                let about = metric.map_or("while an incident has an effect", Metric::about);
                lines = format!("# HELP {name} {about}\n# TYPE {name} gauge\n");
            }
            series.push(file.clone());
        }
        files.append(&file, format!("{lines}{name}{{{labels}}} {sample}").as_bytes())
    }
}

impl Form for OpenMetrics {
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError> {
        let (id, entity_type) = (sample.row.type_id(), sample.row.entity_type());
        let tags = entity_type.tags().iter().zip(sample.row.tags());
        let labels =
            tags.map(|(tag, value)| format!("{}=\"{value}\"", tag.name())).collect::<Vec<_>>().join(",");
        let ms = sample.row.timestamp().0;
        let time = format!("{}.{:03}\n", ms / 1_000, ms % 1_000);
        for (column, metric) in entity_type.metrics().iter().enumerate() {
            let value = text_of(&sample.row, column);
            if !value.is_empty() {
                let family = ((id.index(), column), Some(&**metric));
                self.sample(files, family, &labels, &format!("{value} {time}"))?;
            }
        }
        self.sample(files, (IS_ANOMALY, None), &labels, &format!("{} {time}", u8::from(sample.is_anomaly())))
    }

    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError> {
        let order: Vec<String> = self.series.into_values().flatten().collect();
        files.finish_as_one("metrics.om", &order, b"# EOF\n")
    }
}
