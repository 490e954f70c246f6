use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;

use serde_json::value::RawValue;

use super::error::RecordingError;
use super::lines;
use super::merge::{Names, ROWS, code};
use super::unique::Unique;
use crate::batch::{Batch, Metric, NULL, RecordType, read_decimal};

/// Lines of NDJSON → batches.
pub(super) struct NdjsonReader<R> {
    lines: R,
    path: PathBuf,
    line: u64,
    names: Names,
    text: String,
    is_over: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    pub(super) fn new(lines: R, path: PathBuf) -> NdjsonReader<R> {
        NdjsonReader { lines, path, line: 0, names: Names::default(), text: String::new(), is_over: false }
    }

    fn batch(&mut self) -> Result<Option<Batch>, RecordingError> {
        let mut batch = Batch::with_capacity(self.names.entities(), |_| ROWS);
        // Where the last row of each record type stood among the names.
        let mut guess = [0; 2];
        while batch.num_rows() < ROWS {
            if !lines::next(&mut self.lines, &mut self.text, &self.path, self.line + 1)? {
                break;
            }
            self.line += 1;
            let text = std::mem::take(&mut self.text);
            let row = row(text.trim_end_matches(['\n', '\r']), &mut batch, &mut self.names, &mut guess);
            self.text = text;
            row.map_err(|reason| RecordingError::Damaged {
                path: self.path.clone(),
                reason: format!("line {}: {reason}", self.line),
            })?;
        }
        batch.entities = self.names.entities();
        Ok((batch.num_rows() > 0).then_some(batch))
    }
}

impl<R: BufRead> Iterator for NdjsonReader<R> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.batch().transpose();
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }
}

type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;

/// Appends a line to a batch.
fn row(line: &str, batch: &mut Batch, names: &mut Names, guess: &mut [usize; 2]) -> Result<(), String> {
    let Unique(fields): Unique<&str, &RawValue> =
        serde_json::from_str(line).map_err(|error| lines::json_mistake(&error))?;
    let record = text(&fields, "type")?;
    let record = RecordType::ALL.into_iter().find(|known| known.name() == record);
    let record = record.ok_or("its `type` is neither `server_metric` nor `application_metric`")?;
    let timestamp = lines::timestamp(text(&fields, "timestamp")?)?;
    let slot = &mut guess[record as usize];
    let tags: Result<Vec<&str>, String> = record.tags().iter().map(|(key, _)| text(&fields, key)).collect();
    let entity = names.entity(record, &tags?, *slot)?;
    *slot = entity as usize + 1;
    let values: Result<Vec<i64>, String> =
        record.metrics().iter().map(|metric| number(&fields, *metric)).collect();
    let values = values?;
    let codes: Result<Vec<u8>, String> =
        record.enums().iter().map(|column| code(column, text(&fields, column.name)?)).collect();
    let codes = codes?;
    let expected = record.columns().len();
    if fields.len() != expected {
        return Err(format!("it has {} fields, and a `{}` has {expected}", fields.len(), record.name()));
    }
    let table = batch.table_mut(record);
    table.timestamp.push(timestamp);
    table.entity.push(entity);
    for (column, code) in table.enums.iter_mut().zip(codes) {
        column.push(code);
    }
    for (column, value) in table.columns.iter_mut().zip(values) {
        column.push(value);
    }
    batch.append(record, 1);
    Ok(())
}

fn text<'a>(fields: &Fields<'a>, key: &str) -> Result<&'a str, String> {
    let raw = fields.get(key).ok_or_else(|| format!("it has no `{key}`"))?.get();
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    match inner {
        Some(text) if !text.is_empty() && !text.contains(['\\', '"']) => Ok(text),
        _ => Err(format!("its `{key}` is no plain text")),
    }
}

fn number(fields: &Fields<'_>, metric: Metric) -> Result<i64, String> {
    let raw = fields.get(metric.name()).ok_or_else(|| format!("it has no `{}`", metric.name()))?.get();
    if raw == "null" {
        return Ok(NULL);
    }
    read_decimal(raw, metric.decimals())
        .ok_or_else(|| format!("its `{}` is no number of {} decimals", metric.name(), metric.decimals()))
}
