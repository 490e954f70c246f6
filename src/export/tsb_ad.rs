//! The format of TSB-AD: one file for each entity, with its metrics as columns, `Label` as the last column, and no
//! times. The name of a file contains the number of rows to train on and the index of the first anomaly, which counts
//! from 0. Readers take both from the name.
//!
//! Liu, Paparrizos, "The elephant in the room: towards a reliable time-series anomaly detection benchmark",
//! NeurIPS 2024. Names and columns follow the benchmark's `Datasets/README.md` and TSB-AD-M.

use std::collections::BTreeMap;

use super::files::{ExportError, Files};
use super::{Form, Sample, names_of, texts_of};

#[derive(Default)]
pub(super) struct TsbAd {
    entities: BTreeMap<String, Entity>,
}

struct Entity {
    /// Counted from 1, in the order in which entities appear.
    number: usize,
    domain: &'static str,
    rows: u64,
    first: Option<u64>,
}

/// The benchmark's name for the domain of an entity type.
fn domain(entity_type: &str) -> &'static str {
    match entity_type {
        "service" => "WebService",
        "server" => "Facility",
        _ => "Sensor",
    }
}

impl Form for TsbAd {
    fn row(&mut self, files: &mut Files, sample: &Sample<'_>) -> Result<(), ExportError> {
        let (name, is_anomaly) = (sample.entity(), sample.is_anomaly());
        let mut header = String::new();
        if files.is_new(name) {
            let number = self.entities.len() + 1;
            let entity =
                Entity { number, domain: domain(sample.row.entity_type().name()), rows: 0, first: None };
            self.entities.insert(name.to_string(), entity);
            header = format!("{}Label\n", names_of(&sample.row));
        }
        if let Some(entity) = self.entities.get_mut(name) {
            entity.first = entity.first.or(is_anomaly.then_some(entity.rows));
            entity.rows += 1;
        }
        files.append(name, format!("{header}{}{}\n", texts_of(&sample.row), u8::from(is_anomaly)).as_bytes())
    }

    fn finish(self: Box<Self>, files: Files) -> Result<(), ExportError> {
        files.finish(|name| {
            let Some(Entity { number, domain, rows, first }) = self.entities.get(name) else {
                return name.into();
            };
            // The benchmark trains on half of the rows before the first anomaly.
            let first = first.unwrap_or(*rows);
            format!("{number:03}_reenact-{name}_id_{number}_{domain}_tr_{}_1st_{first}.csv", first / 2)
        })
    }
}
