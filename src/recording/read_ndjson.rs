use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::error::RecordingError;
use super::lines;
use super::merge::ROWS;
use super::record::{Fields, RecordReader};
use super::unique::Unique;
use crate::batch::Batch;
use crate::schema::Schema;
use crate::time::SimTime;

/// Lines of NDJSON → batches.
pub(super) struct NdjsonReader<R> {
    lines: R,
    path: PathBuf,
    line: u64,
    records: RecordReader,
    text: String,
    is_over: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    pub(super) fn new(lines: R, path: PathBuf, schema: &Arc<Schema>) -> NdjsonReader<R> {
        NdjsonReader {
            lines,
            path,
            line: 0,
            records: RecordReader::new(schema),
            text: String::new(),
            is_over: false,
        }
    }

    fn batch(&mut self) -> Result<Option<Batch>, RecordingError> {
        while self.records.num_rows() < ROWS {
            if !lines::next(&mut self.lines, &mut self.text, &self.path, self.line + 1)? {
                break;
            }
            self.line += 1;
            let text = std::mem::take(&mut self.text);
            let row = append(text.trim_end_matches(['\n', '\r']), &mut self.records);
            self.text = text;
            row.map_err(|reason| RecordingError::Damaged {
                path: self.path.clone(),
                reason: format!("line {}: {reason}", self.line),
            })?;
        }
        Ok(self.records.take())
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

/// The fields of a line, by name.
struct Line<'a>(BTreeMap<&'a str, &'a RawValue>);

impl<'a> Line<'a> {
    fn raw(&self, key: &str) -> Result<&'a str, String> {
        self.0.get(key).map(|raw| raw.get()).ok_or_else(|| format!("it has no `{key}`"))
    }

    fn plain_text(&self, key: &str) -> Result<&'a str, String> {
        let inner = self.raw(key)?.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        match inner {
            Some(text) if !text.is_empty() && !text.contains(['\\', '"']) => Ok(text),
            _ => Err(format!("its `{key}` is no plain text")),
        }
    }
}

impl Fields for Line<'_> {
    fn timestamp(&self) -> Result<SimTime, String> {
        lines::timestamp(self.plain_text("timestamp")?)
    }

    fn text(&self, _: usize, name: &str) -> Result<&str, String> {
        self.plain_text(name)
    }

    fn number(&self, _: usize, name: &str) -> Result<Option<&str>, String> {
        Ok(Some(self.raw(name)?).filter(|raw| *raw != "null"))
    }
}

/// Appends a line as a row.
fn append(line: &str, records: &mut RecordReader) -> Result<(), String> {
    let Unique(fields): Unique<&str, &RawValue> =
        serde_json::from_str(line).map_err(|error| lines::json_mistake(&error))?;
    let line = Line(fields);
    let record = line.plain_text("type")?;
    let id = records.schema().record_named(record).ok_or_else(|| {
        let names = records.schema().types().iter().map(|it| format!("`{}`", it.record()));
        format!("its `type` is none of {}", names.collect::<Vec<_>>().join(", "))
    })?;
    records.append(id, &line)?;
    let (found, expected) = (line.0.len(), records.schema()[id].columns().len());
    if found != expected {
        return Err(format!("it has {found} fields, and a `{record}` has {expected}"));
    }
    Ok(())
}
