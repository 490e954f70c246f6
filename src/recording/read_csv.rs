use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::lines::{csv_mistake, timestamp};
use super::merge::{ROWS, Rows};
use super::record::{Fields, RecordReader};
use crate::batch::{Metric, NULL, RecordType, Table, read_decimal};
use crate::output::csv_header;
use crate::time::SimTime;

/// A table of one record type → rows in its order.
pub(super) struct CsvReader {
    path: PathBuf,
    record: RecordType,
    lines: csv::Reader<File>,
    line: csv::StringRecord,
    records: RecordReader,
}

impl CsvReader {
    pub(super) fn open(path: &Path, record: RecordType) -> Result<CsvReader, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
        let mut lines = csv::Reader::from_reader(file);
        let damaged = |reason| RecordingError::Damaged { path: path.into(), reason };
        let header = lines.headers().map_err(|error| damaged(csv_mistake(&error)))?;
        if !header.iter().eq(csv_header(record).split(',')) {
            return Err(damaged(format!(
                "its first line does not name the columns of a `{}`",
                record.name()
            )));
        }
        Ok(CsvReader {
            path: path.into(),
            record,
            lines,
            line: csv::StringRecord::new(),
            records: RecordReader::new(),
        })
    }

    fn rows(&mut self) -> Result<Option<Rows>, String> {
        let mut table = Table::with_capacity(self.record, ROWS);
        while table.num_rows() < ROWS
            && self.lines.read_record(&mut self.line).map_err(|error| csv_mistake(&error))?
        {
            let line = self.line.position().map_or(0, csv::Position::line);
            self.append(&mut table).map_err(|reason| format!("line {line}: {reason}"))?;
        }
        Ok((table.num_rows() > 0).then(|| Rows { table, entities: self.records.names.entities() }))
    }

    fn append(&mut self, table: &mut Table) -> Result<(), String> {
        if &self.line[0] != self.record.name() {
            return Err(format!("its `type` is not `{}`", self.record.name()));
        }
        self.records.append(self.record, &self.line, table)
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

    fn number(&self, column: usize, metric: Metric) -> Result<i64, String> {
        let text = &self[column];
        let value = if text.is_empty() { Some(NULL) } else { read_decimal(text, metric.decimals()) };
        value.ok_or_else(|| format!("its `{}` is no number of {} decimals", metric.name(), metric.decimals()))
    }
}

impl Iterator for CsvReader {
    type Item = Result<Rows, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows().map_err(|reason| RecordingError::Damaged { path: self.path.clone(), reason });
        rows.transpose()
    }
}
