use std::collections::BTreeMap;

use super::lock::{Entry, IncidentLine, SeriesLine};
use crate::batch::{Batch, RecordType, write_decimal};
use crate::digest;
use crate::drive;
use crate::label::{self, Label, Role};
use crate::plan::VALUES_EPOCH;
use crate::run::Run;

/// Above so many series an entry has a line for each entity.
const MAX_SERIES: usize = 2_000;

/// Digits of a digest that is kept in short.
const SHORT: usize = 16;

/// Renders a run and sums it up.
pub fn take(run: &Run) -> Entry {
    let mut sums = Sums::new(run);
    let feed = |batch: Batch| {
        sums.feed(&batch);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = drive::records(run.plan(), run.window(), run.on_threads(), Batch::clone, feed);
    let labels: Vec<Label> = run.labels().collect();
    Entry {
        scenario: digest::of_text(run.plan().scenario_json()),
        epoch: VALUES_EPOCH,
        rows: sums.rows,
        stream: sums.stream.finalize().to_hex().to_string(),
        labels: blake3::hash(&label::lines(&labels)).to_hex().to_string(),
        incidents: incidents(&labels),
        series: sums.series(),
        hours: sums.hours.iter().map(|(hour, hasher)| (hour_name(*hour), short(hasher))).collect(),
    }
}

fn incidents(labels: &[Label]) -> BTreeMap<String, IncidentLine> {
    let mut largest: BTreeMap<&str, &Label> = BTreeMap::new();
    for label in labels.iter().filter(|label| label.role == Role::Cause) {
        let best = largest.entry(&label.incident_id).or_insert(label);
        if label.snr_thousandths > best.snr_thousandths {
            *best = label;
        }
    }
    let line = |label: &Label| IncidentLine {
        kind: label.kind.clone(),
        entity: label.root_entity.clone(),
        cause_start: label.cause_start.to_string(),
        cause_end: label.cause_end.to_string(),
        snr: decimal(label.snr_thousandths, 3),
    };
    largest.into_iter().map(|(id, label)| (id.to_string(), line(label))).collect()
}

fn decimal(value: i64, decimals: u32) -> String {
    let mut text = Vec::new();
    write_decimal(&mut text, value, decimals);
    String::from_utf8(text).expect("digits are ASCII")
}

fn short(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..SHORT].to_string()
}

fn hour_name(hour: i64) -> String {
    crate::time::SimTime(hour * 3_600_000).to_string()[..13].to_string()
}

/// Digests and sums of a stream as it passes.
struct Sums {
    rows: u64,
    stream: blake3::Hasher,
    hours: BTreeMap<i64, blake3::Hasher>,
    by_entity: bool,
    /// By name of entity, by column: numbers first, then texts.
    entities: BTreeMap<String, EntitySums>,
    bytes: Vec<u8>,
}

struct EntitySums {
    record: RecordType,
    whole: blake3::Hasher,
    rows: u64,
    columns: Vec<ColumnSums>,
}

#[derive(Clone, Default)]
struct ColumnSums {
    hasher: blake3::Hasher,
    range: Option<(i64, i64)>,
    sum: i128,
}

impl Sums {
    fn new(run: &Run) -> Sums {
        let series: usize = run.plan().fleet().all().map(|entity| columns(entity.record()).len()).sum();
        Sums {
            rows: 0,
            stream: blake3::Hasher::new(),
            hours: BTreeMap::new(),
            by_entity: series > MAX_SERIES,
            entities: BTreeMap::new(),
            bytes: Vec::new(),
        }
    }

    fn feed(&mut self, batch: &Batch) {
        for row in batch.rows() {
            self.bytes.clear();
            digest::row_bytes(batch, &row, &mut self.bytes);
            self.rows += 1;
            self.stream.update(&self.bytes);
            self.hours.entry(row.timestamp().hour()).or_default().update(&self.bytes);
            let name = batch.entity_name(&row);
            if !self.entities.contains_key(name) {
                let columns = if self.by_entity {
                    Vec::new()
                } else {
                    vec![ColumnSums::default(); columns(row.record).len()]
                };
                let sums = EntitySums { record: row.record, whole: blake3::Hasher::new(), rows: 0, columns };
                self.entities.insert(name.to_string(), sums);
            }
            let sums = self.entities.get_mut(name).expect("inserted just now if it was missing");
            sums.rows += 1;
            if self.by_entity {
                sums.whole.update(&self.bytes);
                continue;
            }
            for (column, sum) in sums.columns.iter_mut().enumerate() {
                sum.hasher.update(&row.timestamp().0.to_le_bytes());
                if column < row.record.metrics().len() {
                    let value = row.value(column);
                    sum.hasher.update(&value.to_le_bytes());
                    let (min, max) = sum.range.unwrap_or((value, value));
                    sum.range = Some((min.min(value), max.max(value)));
                    sum.sum += i128::from(value);
                } else {
                    let text = row.endpoint().unwrap_or_default();
                    sum.hasher.update(&(text.len() as u64).to_le_bytes());
                    sum.hasher.update(text.as_bytes());
                }
            }
        }
    }

    fn series(&self) -> BTreeMap<String, SeriesLine> {
        let mut lines = BTreeMap::new();
        for (name, sums) in &self.entities {
            if self.by_entity {
                let line =
                    SeriesLine { rows: sums.rows, digest: short(&sums.whole), ..SeriesLine::default() };
                lines.insert(name.clone(), line);
                continue;
            }
            let names = columns(sums.record);
            for (column, sum) in sums.columns.iter().enumerate() {
                let mut line =
                    SeriesLine { rows: sums.rows, digest: short(&sum.hasher), ..SeriesLine::default() };
                if let (Some((min, max)), Some(metric)) = (sum.range, sums.record.metrics().get(column)) {
                    let half = i128::from(sums.rows) / 2;
                    let mean = (sum.sum + half).div_euclid(i128::from(sums.rows)) as i64;
                    [line.min, line.mean, line.max] =
                        [min, mean, max].map(|value| decimal(value, metric.decimals()));
                }
                lines.insert(format!("{name}/{}", names[column]), line);
            }
        }
        lines
    }
}

/// The columns that make series: numbers, then the endpoint. (Names are in each series' own.)
fn columns(record: RecordType) -> Vec<&'static str> {
    let numbers = record.metrics().iter().map(|metric| metric.name());
    let texts = (record == RecordType::ApplicationMetric).then_some("endpoint");
    numbers.chain(texts).collect()
}
