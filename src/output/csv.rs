use std::fs::File;
use std::path::{Path, PathBuf};

use super::line::{Bytes, Lines, Style};
use super::stream::Stream;
use super::{Encode, OutputError, Receipt, Sink, WrittenPart};
use crate::batch::{Batch, RecordType};

/// Rows → lines of two tables: values in the order of the schema, always the stated decimals, nothing
/// where a value is missing.
#[derive(Clone, Debug)]
pub struct CsvEncode {
    lines: Lines,
}

impl Default for CsvEncode {
    fn default() -> CsvEncode {
        CsvEncode { lines: Lines::new(Style::Csv) }
    }
}

impl Encode for CsvEncode {
    type Part = CsvPart;

    fn encode(&self, batch: &Batch) -> CsvPart {
        let table = |record| (batch.table(record).num_rows() as u64, self.lines.of_type(batch, record));
        CsvPart(RecordType::ALL.map(table).into())
    }
}

/// Lines of each record type, with their number.
#[derive(Debug)]
pub struct CsvPart(Vec<(u64, Bytes)>);

/// The file of a record type's rows.
pub fn csv_name(record: RecordType) -> String {
    format!("{}.csv", record.name())
}

/// The first line of a record type's file, without its newline.
pub fn csv_header(record: RecordType) -> String {
    record.columns().join(",")
}

/// Writes a file for each record type, such as `server_metric.csv`, with a first line of names.
pub struct CsvSink {
    target: String,
    /// By record type, with the rows that were written.
    files: Vec<(Stream, u64)>,
}

impl CsvSink {
    /// Makes all files inside a directory that exists.
    ///
    /// # Errors
    /// If a file can't be made.
    pub fn create(directory: &Path, target: String) -> Result<CsvSink, OutputError> {
        let make = |record| {
            let path: PathBuf = directory.join(csv_name(record));
            let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
            let mut stream = Stream::file(file, path)?;
            stream.write(format!("{}\n", csv_header(record)).as_bytes())?;
            Ok((stream, 0))
        };
        let files: Result<Vec<(Stream, u64)>, OutputError> = RecordType::ALL.into_iter().map(make).collect();
        Ok(CsvSink { target, files: files? })
    }
}

impl Sink for CsvSink {
    type Part = CsvPart;

    fn write(&mut self, part: CsvPart) -> Result<(), OutputError> {
        for ((file, written), (rows, lines)) in self.files.iter_mut().zip(&part.0) {
            file.write(lines)?;
            *written += rows;
        }
        Ok(())
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let mut receipt = Receipt { target: self.target, ..Receipt::default() };
        for (record, (file, rows)) in RecordType::ALL.into_iter().zip(self.files) {
            let bytes = file.finish()?;
            receipt.parts.push(WrittenPart { path: csv_name(record), rows, bytes, file_digest: None });
            receipt.rows += rows;
            receipt.bytes += bytes;
        }
        Ok(receipt)
    }
}
