//! The NDJSON format: `records.ndjson` and `labels.ndjson`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{DatasetFormat, LabelFile, LabelRow};
use crate::batch::Batch;
use crate::label::COLUMNS;
use crate::output::{NdjsonEncode, NdjsonSink, OutputError, TableOptions, Tee};
use crate::recording::dataset::add;
use crate::recording::error::RecordingError;
use crate::recording::labels::LabelLines;
use crate::recording::lines;
use crate::recording::manifest::Manifest;
use crate::recording::merge::ROWS;
use crate::recording::read::{Batches, lines_of};
use crate::recording::record::{Fields, RecordReader};
use crate::recording::select::Filter;
use crate::recording::unique::Unique;
use crate::schema::Schema;
use crate::time::SimTime;

/// The name of the records file.
const RECORDS: &str = "records.ndjson";

#[derive(Debug)]
pub(super) struct Ndjson;

impl DatasetFormat for Ndjson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn title(&self) -> &'static str {
        "NDJSON"
    }

    fn add(
        &self,
        tee: &mut Tee,
        directory: &Path,
        target: String,
        _: &Schema,
        _: &TableOptions,
    ) -> Result<(), OutputError> {
        let path = directory.join(RECORDS);
        let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
        add(tee, NdjsonEncode::default(), NdjsonSink::file(file, path, target)?, RECORDS.into());
        Ok(())
    }

    fn create_labels(&self, path: PathBuf, _: &TableOptions) -> Result<Box<dyn LabelFile>, OutputError> {
        let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
        Ok(Box::new(LabelLines::new(file, path)))
    }

    fn holds(&self, manifest: &Manifest, _: &Schema) -> bool {
        manifest.has_part(RECORDS)
    }

    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        _: &Manifest,
        _: &Filter,
    ) -> Result<Batches, RecordingError> {
        Ok(Box::new(lines_of(&path.join(RECORDS), schema)?))
    }

    fn label_rows(&self, path: &Path, _: Option<&str>) -> Result<Vec<LabelRow>, RecordingError> {
        label_lines(path)
    }
}

/// Reads lines of NDJSON as batches.
pub(in crate::recording) struct NdjsonReader<R> {
    lines: R,
    path: PathBuf,
    line: u64,
    records: RecordReader,
    text: String,
    is_over: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    pub(in crate::recording) fn new(lines: R, path: PathBuf, schema: &Arc<Schema>) -> NdjsonReader<R> {
        NdjsonReader {
            lines,
            path,
            line: 0,
            records: RecordReader::new(schema, None),
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
            _ => Err(format!("its `{key}` is not plain text")),
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
        format!("its `type` must be one of {}", names.collect::<Vec<_>>().join(", "))
    })?;
    records.append(id, &line)?;
    let (found, expected) = (line.0.len(), records.schema()[id].columns().len());
    if found != expected {
        return Err(format!("it has {found} fields, but a `{record}` has {expected}"));
    }
    Ok(())
}

/// Reads the rows of an NDJSON labels file.
pub(in crate::recording) fn label_lines(path: &Path) -> Result<Vec<LabelRow>, RecordingError> {
    let mut rows = Vec::new();
    let (mut lines_left, mut line) = (lines::open(path)?, String::new());
    for number in 1.. {
        if !lines::next(&mut lines_left, &mut line, path, number)? {
            break;
        }
        rows.push((format!("line {number}"), from_line(&line)));
    }
    Ok(rows)
}

fn from_line(line: &str) -> Result<Vec<String>, String> {
    let Unique(row): Unique<String, Value> =
        serde_json::from_str(line).map_err(|error| lines::json_mistake(&error))?;
    let field = |(column, _): &(&str, &str)| match row.get(*column) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) => Ok(String::new()),
        Some(Value::Array(_) | Value::Object(_)) => Err(format!("its `{column}` must be text or a number")),
        Some(other) => Ok(other.to_string()),
        None => Err(format!("it has no `{column}`")),
    };
    COLUMNS.iter().map(field).collect()
}
