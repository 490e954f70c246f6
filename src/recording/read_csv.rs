use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::lines::{csv_mistake, timestamp};
use super::merge::{Names, ROWS, Rows, code};
use crate::batch::{NULL, RecordType, Table, read_decimal};
use crate::output::csv_header;

/// A table of one record type → rows in its order.
pub(super) struct CsvReader {
    path: PathBuf,
    record: RecordType,
    lines: csv::Reader<File>,
    line: csv::StringRecord,
    names: Names,
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
            names: Names::default(),
        })
    }

    fn rows(&mut self) -> Result<Option<Rows>, String> {
        let mut table = Table::with_capacity(self.record, ROWS);
        let mut guess = 0;
        while table.num_rows() < ROWS
            && self.lines.read_record(&mut self.line).map_err(|error| csv_mistake(&error))?
        {
            let line = self.line.position().map_or(0, csv::Position::line);
            self.row(&mut table, &mut guess).map_err(|reason| format!("line {line}: {reason}"))?;
        }
        Ok((table.num_rows() > 0).then(|| Rows { table, entities: self.names.entities() }))
    }

    fn row(&mut self, table: &mut Table, guess: &mut usize) -> Result<(), String> {
        // The reader holds every line to as many fields as the first one has.
        let fields: Vec<&str> = self.line.iter().collect();
        let (identity, metrics) = (self.record.identity().len(), self.record.metrics());
        if fields[0] != self.record.name() {
            return Err(format!("its `type` is not `{}`", self.record.name()));
        }
        table.timestamp.push(timestamp(fields[1])?);
        let tags = &fields[2..identity];
        if let Some(empty) = tags.iter().position(|tag| tag.is_empty()) {
            return Err(format!("its `{}` is empty", self.record.tags()[empty].0));
        }
        let entity = self.names.entity(self.record, tags, *guess)?;
        *guess = entity as usize + 1;
        table.entity.push(entity);
        for ((column, metric), field) in table.columns.iter_mut().zip(metrics).zip(&fields[identity..]) {
            let value = if field.is_empty() { Some(NULL) } else { read_decimal(field, metric.decimals()) };
            let wrong = || format!("its `{}` is no number of {} decimals", metric.name(), metric.decimals());
            column.push(value.ok_or_else(wrong)?);
        }
        let values = &fields[identity + metrics.len()..];
        for ((codes, column), value) in table.enums.iter_mut().zip(self.record.enums()).zip(values) {
            codes.push(code(column, value)?);
        }
        Ok(())
    }
}

impl Iterator for CsvReader {
    type Item = Result<Rows, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows().map_err(|reason| RecordingError::Damaged { path: self.path.clone(), reason });
        rows.transpose()
    }
}
