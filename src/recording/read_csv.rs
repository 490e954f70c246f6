use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use super::lines::{csv_mistake, timestamp};
use super::merge::ROWS;
use super::record::{Fields, RecordReader};
use crate::batch::Batch;
use crate::output::csv_header;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// A table of one entity type → rows in its order.
pub(super) struct CsvReader {
    path: PathBuf,
    id: TypeId,
    lines: csv::Reader<File>,
    line: csv::StringRecord,
    records: RecordReader,
}

impl CsvReader {
    pub(super) fn open(path: &Path, schema: &Arc<Schema>, id: TypeId) -> Result<CsvReader, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
        let mut lines = csv::Reader::from_reader(file);
        let damaged = |reason| RecordingError::Damaged { path: path.into(), reason };
        let header = lines.headers().map_err(|error| damaged(csv_mistake(&error)))?;
        if !header.iter().eq(csv_header(&schema[id]).split(',')) {
            return Err(damaged(format!(
                "its first line does not name the columns of a `{}`",
                schema[id].record()
            )));
        }
        Ok(CsvReader {
            path: path.into(),
            id,
            lines,
            line: csv::StringRecord::new(),
            records: RecordReader::new(schema),
        })
    }

    fn rows(&mut self) -> Result<Option<Batch>, String> {
        while self.records.num_rows() < ROWS
            && self.lines.read_record(&mut self.line).map_err(|error| csv_mistake(&error))?
        {
            let line = self.line.position().map_or(0, csv::Position::line);
            self.append().map_err(|reason| format!("line {line}: {reason}"))?;
        }
        Ok(self.records.take())
    }

    fn append(&mut self) -> Result<(), String> {
        let record = self.records.schema()[self.id].record();
        if &self.line[0] != record {
            return Err(format!("its `type` is not `{record}`"));
        }
        self.records.append(self.id, &self.line)
    }
}

/// The reader holds every line to as many fields as the first one has.
impl Fields for csv::StringRecord {
    fn timestamp(&self) -> Result<SimTime, String> {
        timestamp(&self[1])
    }

    fn text(&self, column: usize, name: &str) -> Result<&str, String> {
        let text = &self[column];
        if text.is_empty() { Err(format!("its `{name}` is empty")) } else { Ok(text) }
    }

    fn number(&self, column: usize, _: &str) -> Result<Option<&str>, String> {
        Ok(Some(&self[column]).filter(|text| !text.is_empty()))
    }
}

impl Iterator for CsvReader {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows().map_err(|reason| RecordingError::Damaged { path: self.path.clone(), reason });
        rows.transpose()
    }
}
