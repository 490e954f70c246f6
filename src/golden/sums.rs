//! Accumulates the digests and summaries of an entry from batches and labels.

use std::collections::BTreeMap;

use super::entry::{Entry, IncidentLine, KindLine, SeriesLine};
use crate::batch::{Batch, NULL, Row, decimal_text};
use crate::digest;
use crate::label::{self, Label, Role};
use crate::schema::EntityType;
use crate::time::SimTime;

/// With more series than this, an entry has one line per entity instead of one per series.
const MAX_SERIES: usize = 2_000;

/// With more incidents than this, an entry has one line per kind instead of one per incident.
const MAX_INCIDENTS: usize = 2_000;

/// The number of digits of a short digest.
const SHORT: usize = 16;

/// Digests and summaries of a stream, updated as it passes.
pub(super) struct Sums {
    rows: u64,
    stream: blake3::Hasher,
    hours: BTreeMap<i64, blake3::Hasher>,
    /// By entity type, then by name.
    entities: Vec<BTreeMap<String, EntitySums>>,
    /// The number of series. If it is larger than `MAX_SERIES`, the summaries of series are not updated.
    series: usize,
    labels: blake3::Hasher,
    incidents: BTreeMap<String, IncidentSums>,
    bytes: Vec<u8>,
}

struct EntitySums {
    whole: blake3::Hasher,
    rows: u64,
    /// In the order of `columns`.
    columns: Vec<ColumnSums>,
}

struct ColumnSums {
    name: String,
    /// The decimals of a metric; `None` for a text column.
    decimals: Option<u32>,
    hasher: blake3::Hasher,
    range: Option<(i64, i64)>,
    sum: i128,
    present: u64,
}

struct IncidentSums {
    /// The `cause` row with the largest SNR, or the row with the largest SNR if there is no `cause` row.
    clearest: Label,
    digest: blake3::Hasher,
}

impl Sums {
    pub(super) fn new() -> Sums {
        Sums {
            rows: 0,
            stream: blake3::Hasher::new(),
            hours: BTreeMap::new(),
            entities: Vec::new(),
            series: 0,
            labels: blake3::Hasher::new(),
            incidents: BTreeMap::new(),
            bytes: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, batch: &Batch) {
        for row in batch.rows() {
            self.bytes.clear();
            digest::row_bytes(&row, &mut self.bytes);
            self.rows += 1;
            self.stream.update(&self.bytes);
            self.hours.entry(row.timestamp().hour()).or_default().update(&self.bytes);
            let place = row.type_id().index();
            if self.entities.len() <= place {
                self.entities.resize_with(place + 1, BTreeMap::new);
            }
            let entities = &mut self.entities[place];
            if !entities.contains_key(row.name()) {
                let sums = EntitySums::new(row.entity_type());
                self.series += sums.columns.len();
                entities.insert(row.name().to_string(), sums);
            }
            let sums = entities.get_mut(row.name()).expect("inserted just now if it was missing");
            sums.rows += 1;
            sums.whole.update(&self.bytes);
            if self.series <= MAX_SERIES {
                sums.feed(&row);
            }
        }
    }

    pub(super) fn feed_labels(&mut self, labels: &[Label]) {
        for label in labels {
            let line = label::lines(std::slice::from_ref(label));
            self.labels.update(&line);
            let new = || IncidentSums { clearest: label.clone(), digest: blake3::Hasher::new() };
            let sums = self.incidents.entry(label.incident_id.clone()).or_insert_with(new);
            sums.digest.update(&line);
            if clearness(label) > clearness(&sums.clearest) {
                sums.clearest = label.clone();
            }
        }
    }

    /// Returns the entry for the stream.
    pub(super) fn entry(&self, scenario: String, epoch: u32) -> Entry {
        let few = self.incidents.len() <= MAX_INCIDENTS;
        Entry {
            scenario,
            epoch,
            rows: self.rows,
            stream: self.stream.finalize().to_hex().to_string(),
            labels: self.labels.finalize().to_hex().to_string(),
            incidents: if few { self.incident_lines() } else { BTreeMap::new() },
            kinds: if few { BTreeMap::new() } else { self.kind_lines() },
            series: if self.series <= MAX_SERIES { self.series_lines() } else { self.entity_lines() },
            hours: self.hours.iter().map(|(hour, hasher)| (hour_name(*hour), short(hasher))).collect(),
            ..Entry::default()
        }
    }

    fn entities(&self) -> impl Iterator<Item = (&String, &EntitySums)> {
        self.entities.iter().flatten()
    }

    fn incident_lines(&self) -> BTreeMap<String, IncidentLine> {
        let line = |sums: &IncidentSums| IncidentLine {
            digest: short(&sums.digest),
            ..IncidentLine::of(&sums.clearest)
        };
        self.incidents.iter().map(|(id, sums)| (id.clone(), line(sums))).collect()
    }

    fn kind_lines(&self) -> BTreeMap<String, KindLine> {
        let mut kinds: BTreeMap<&str, (u64, blake3::Hasher)> = BTreeMap::new();
        for sums in self.incidents.values() {
            let (incidents, digest) = kinds.entry(&sums.clearest.kind).or_default();
            *incidents += 1;
            digest.update(sums.digest.finalize().as_bytes());
        }
        let line =
            |(incidents, digest): (u64, blake3::Hasher)| KindLine { incidents, digest: short(&digest) };
        kinds.into_iter().map(|(kind, sums)| (kind.to_string(), line(sums))).collect()
    }

    fn entity_lines(&self) -> BTreeMap<String, SeriesLine> {
        let line = |sums: &EntitySums| SeriesLine {
            rows: sums.rows,
            digest: short(&sums.whole),
            ..SeriesLine::default()
        };
        self.entities().map(|(name, sums)| (name.clone(), line(sums))).collect()
    }

    fn series_lines(&self) -> BTreeMap<String, SeriesLine> {
        let mut lines = BTreeMap::new();
        for (name, sums) in self.entities() {
            for sum in &sums.columns {
                let mut line =
                    SeriesLine { rows: sums.rows, digest: short(&sum.hasher), ..SeriesLine::default() };
                if let (Some((min, max)), Some(decimals)) = (sum.range, sum.decimals) {
                    let half = i128::from(sum.present) / 2;
                    let mean = (sum.sum + half).div_euclid(i128::from(sum.present)) as i64;
                    [line.min, line.mean, line.max] =
                        [min, mean, max].map(|value| decimal_text(value, decimals));
                }
                lines.insert(format!("{name}/{}", sum.name), line);
            }
        }
        lines
    }
}

impl ColumnSums {
    fn new(name: &str, decimals: Option<u32>) -> ColumnSums {
        ColumnSums {
            name: name.into(),
            decimals,
            hasher: blake3::Hasher::new(),
            range: None,
            sum: 0,
            present: 0,
        }
    }
}

impl EntitySums {
    fn new(entity_type: &EntityType) -> EntitySums {
        let decimals = |name: &str| {
            let metric = entity_type.metrics().iter().find(|metric| metric.name() == name);
            metric.map(|metric| metric.decimals())
        };
        let columns = columns(entity_type).into_iter().map(|name| ColumnSums::new(name, decimals(name)));
        EntitySums { whole: blake3::Hasher::new(), rows: 0, columns: columns.collect() }
    }

    fn feed(&mut self, row: &Row<'_>) {
        let time = row.timestamp().0.to_le_bytes();
        let mut sums = self.columns.iter_mut();
        let mut next = || sums.next().expect("a sum for each column");
        let mut bytes = Vec::new();
        let mut feed_text = |sum: &mut ColumnSums, text: &str| {
            bytes.clear();
            bytes.extend_from_slice(&time);
            digest::text_bytes(text, &mut bytes);
            sum.hasher.update(&bytes);
        };
        for text in texts(row) {
            feed_text(next(), text);
        }
        for value in row.values() {
            let sum = next();
            sum.hasher.update(&time);
            sum.hasher.update(&value.to_le_bytes());
            if value != NULL {
                let (min, max) = sum.range.unwrap_or((value, value));
                sum.range = Some((min.min(value), max.max(value)));
                sum.sum += i128::from(value);
                sum.present += 1;
            }
        }
        row.enums().for_each(|value| feed_text(next(), value));
    }
}

/// Returns a sort key: the clearest label of an incident has the largest key. A `cause` row is clearer than any other
/// row; of two others, the one with the larger SNR.
pub(super) fn clearness(label: &Label) -> (bool, i64) {
    (label.role == Role::Cause, label.snr_thousandths)
}

impl IncidentLine {
    /// Creates the line from an incident's clearest row, without a digest.
    pub(super) fn of(label: &Label) -> IncidentLine {
        IncidentLine {
            kind: label.kind.clone(),
            entity: label.root_entity.clone(),
            cause_start: label.cause_start.to_string(),
            cause_end: label.cause_end.to_string(),
            snr: decimal_text(label.snr_thousandths, 3),
            digest: String::new(),
        }
    }
}

/// The index of the first column that is a series. The columns before it are the record type, the time and the entity's
/// name.
const FIRST_TEXT: usize = 3;

/// Returns the columns that are series: tags, numbers, then text columns.
pub(super) fn columns(entity_type: &EntityType) -> Vec<&str> {
    entity_type.columns().split_off(FIRST_TEXT)
}

/// Returns a row's tags in the order of `columns`.
pub(super) fn texts<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a str> {
    row.tags().skip(1)
}

/// Returns a stored value as text; `null` for a missing value.
pub(super) fn value_text(value: i64, decimals: u32) -> String {
    if value == NULL { "null".into() } else { decimal_text(value, decimals) }
}

fn short(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..SHORT].to_string()
}

/// Returns the name of an hour, such as `2026-01-05T08`.
pub(super) fn hour_name(hour: i64) -> String {
    SimTime(hour * 3_600_000).to_string()[..13].to_string()
}
