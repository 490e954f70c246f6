//! The CSV format: one table per entity type, and `labels.csv`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DatasetFormat, LabelFile, LabelRow, numbered};
use crate::batch::Batch;
use crate::label::{COLUMNS, Label};
use crate::output::{CsvEncode, CsvSink, OutputError, TableOptions, Tee, csv_header, csv_name};
use crate::recording::dataset::add;
use crate::recording::error::RecordingError;
use crate::recording::lines::{csv_mistake, timestamp};
use crate::recording::manifest::Manifest;
use crate::recording::merge::{Merge, ROWS, Sorted};
use crate::recording::read::{AHEAD, Batches};
use crate::recording::record::{Fields, RecordReader};
use crate::recording::select::Filter;
use crate::schema::{Schema, TypeId};
use crate::threads::ahead;
use crate::time::SimTime;

#[derive(Debug)]
pub(super) struct Csv;

impl DatasetFormat for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn title(&self) -> &'static str {
        "CSV"
    }

    fn add(
        &self,
        tee: &mut Tee,
        directory: &Path,
        target: String,
        schema: &Schema,
        _: &TableOptions,
    ) -> Result<(), OutputError> {
        add(tee, CsvEncode::default(), CsvSink::create(directory, target, schema)?, String::new());
        Ok(())
    }

    fn create_labels(&self, path: PathBuf, _: &TableOptions) -> Result<Box<dyn LabelFile>, OutputError> {
        let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
        let mut file = csv::Writer::from_writer(file);
        let header = file.write_record(COLUMNS.iter().map(|(column, _)| column));
        header.map_err(|error| OutputError::io(&path, error.into()))?;
        Ok(Box::new(CsvLabels { file, path }))
    }

    fn holds(&self, manifest: &Manifest, schema: &Schema) -> bool {
        schema.types().iter().any(|it| manifest.has_part(&csv_name(it)))
    }

    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        _: &Manifest,
        _: &Filter,
    ) -> Result<Batches, RecordingError> {
        let table = |id: TypeId| -> Result<Sorted, RecordingError> {
            let file = path.join(csv_name(&schema[id]));
            Ok(Box::new(ahead(CsvReader::open(&file, schema, id)?, AHEAD)))
        };
        Ok(Box::new(Merge::new(path, schema, table)?))
    }

    fn label_rows(&self, path: &Path, _: Option<&str>) -> Result<Vec<LabelRow>, RecordingError> {
        let damaged = |reason: String| RecordingError::Damaged { path: path.into(), reason };
        let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(|error| damaged(csv_mistake(&error)))?;
        if !header.iter().eq(COLUMNS.iter().map(|(column, _)| *column)) {
            return Err(damaged("its first line is not the header of a labels file".into()));
        }
        let row = |row: csv::Result<csv::StringRecord>| {
            row.map(|row| row.iter().map(String::from).collect())
                .map_err(|error| damaged(csv_mistake(&error)))
        };
        let rows: Result<Vec<Vec<String>>, RecordingError> = reader.records().map(row).collect();
        Ok(numbered(rows?))
    }
}

struct CsvLabels {
    file: csv::Writer<File>,
    path: PathBuf,
}

impl LabelFile for CsvLabels {
    fn write(&mut self, labels: &[Label], _: &[u8]) -> Result<(), OutputError> {
        let written = labels.iter().try_for_each(|label| self.file.write_record(label.fields()));
        written.map_err(|error| OutputError::io(&self.path, error.into()))
    }

    fn finish(&mut self) -> Result<Option<String>, OutputError> {
        let ended = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        ended.map(|()| None).map_err(|error| OutputError::io(&self.path, error))
    }
}

/// Reads the table of one entity type as batches, in the order of its rows.
struct CsvReader {
    path: PathBuf,
    id: TypeId,
    lines: csv::Reader<File>,
    line: csv::StringRecord,
    records: RecordReader,
}

impl CsvReader {
    fn open(path: &Path, schema: &Arc<Schema>, id: TypeId) -> Result<CsvReader, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
        let mut lines = csv::Reader::from_reader(file);
        let damaged = |reason| RecordingError::Damaged { path: path.into(), reason };
        let header = lines.headers().map_err(|error| damaged(csv_mistake(&error)))?;
        if !header.iter().eq(csv_header(&schema[id]).split(',')) {
            return Err(damaged(format!(
                "its first line is not the header of `{}` records",
                schema[id].record()
            )));
        }
        Ok(CsvReader {
            path: path.into(),
            id,
            lines,
            line: csv::StringRecord::new(),
            records: RecordReader::new(schema, Some(id)),
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

/// The CSV reader has already checked that each line has as many fields as the first line.
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
