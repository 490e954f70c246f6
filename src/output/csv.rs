//! Writes rows as CSV: the encoder and the sink.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::line::{Bytes, Lines, Style};
use super::stream::Stream;
use super::{Encode, OutputError, Receipt, Sink, WrittenPart};
use crate::batch::Batch;
use crate::schema::{EntityType, Schema};

/// Encodes rows as lines of a table for each entity type. Values have the order of the schema, numbers have the
/// decimals of their metric, and a missing value is empty.
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
        let table = |id| (batch.table(id).num_rows() as u64, self.lines.of_type(batch, id));
        CsvPart(batch.schema().ids().map(table).collect())
    }
}

/// The lines of each entity type and their number.
#[derive(Debug)]
pub struct CsvPart(Vec<(u64, Bytes)>);

/// Returns the name of the file for the rows of an entity type.
pub fn csv_name(entity_type: &EntityType) -> String {
    format!("{}.csv", entity_type.record())
}

/// Returns the first line of the file of an entity type, without its newline.
pub fn csv_header(entity_type: &EntityType) -> String {
    entity_type.columns().join(",")
}

/// Writes a file for each entity type, such as `server_metric.csv`. Its first line contains the column names.
pub struct CsvSink {
    target: String,
    /// For each entity type: the name of its file, the open stream, and the number of rows.
    files: Vec<(String, Stream, u64)>,
}

impl CsvSink {
    /// Creates all files in an existing directory.
    ///
    /// # Errors
    /// If a file can't be created.
    pub fn create(directory: &Path, target: String, schema: &Schema) -> Result<CsvSink, OutputError> {
        let make = |entity_type: &EntityType| {
            let name = csv_name(entity_type);
            let path: PathBuf = directory.join(&name);
            let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
            let mut stream = Stream::file(file, path)?;
            stream.write(format!("{}\n", csv_header(entity_type)).as_bytes())?;
            Ok((name, stream, 0))
        };
        let files: Result<_, OutputError> = schema.types().iter().map(make).collect();
        Ok(CsvSink { target, files: files? })
    }
}

impl Sink for CsvSink {
    type Part = CsvPart;

    fn write(&mut self, part: CsvPart) -> Result<(), OutputError> {
        for ((_, file, written), (rows, lines)) in self.files.iter_mut().zip(&part.0) {
            file.write(lines)?;
            *written += rows;
        }
        Ok(())
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let mut receipt = Receipt { target: self.target, ..Receipt::default() };
        for (path, file, rows) in self.files {
            let bytes = file.finish()?;
            receipt.parts.push(WrittenPart { path, rows, bytes, file_digest: None });
            receipt.rows += rows;
            receipt.bytes += bytes;
        }
        Ok(receipt)
    }
}
