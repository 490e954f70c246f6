use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::line::{Bytes, Lines};
use super::{Encode, OutputError, Receipt, Sink};
use crate::batch::Batch;

/// Rows → lines: keys in the order of the schema, no spaces, always the stated decimals.
#[derive(Clone, Debug, Default)]
pub struct NdjsonEncode {
    lines: Lines,
}

impl Encode for NdjsonEncode {
    type Part = NdjsonPart;

    fn encode(&self, batch: &Batch) -> NdjsonPart {
        let bytes = self.lines.of(batch, |bytes, _| bytes.push(b'\n'));
        NdjsonPart { rows: batch.num_rows() as u64, bytes }
    }
}

/// Lines with their number.
#[derive(Debug)]
pub struct NdjsonPart {
    rows: u64,
    bytes: Bytes,
}

impl NdjsonPart {
    /// The lines, each with its newline.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes lines to a file, a pipe or standard output.
#[derive(Debug)]
pub struct NdjsonSink {
    /// As messages call it; `-` is standard output.
    path: PathBuf,
    target: String,
    file: Destination,
    rows: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Destination {
    File(File),
    Stdout(std::io::Stdout),
}

impl NdjsonSink {
    /// Lines to standard output.
    pub fn stdout() -> NdjsonSink {
        let file = Destination::Stdout(std::io::stdout());
        NdjsonSink { path: "-".into(), target: "ndjson:-".into(), file, rows: 0, bytes: 0 }
    }

    /// Lines to an open file; `path` and `target` are how messages and the receipt call it.
    pub fn file(file: File, path: PathBuf, target: String) -> NdjsonSink {
        NdjsonSink { path, target, file: Destination::File(file), rows: 0, bytes: 0 }
    }
}

impl Sink for NdjsonSink {
    type Part = NdjsonPart;

    fn write(&mut self, part: NdjsonPart) -> Result<(), OutputError> {
        let written = match &mut self.file {
            Destination::File(file) => file.write_all(&part.bytes),
            Destination::Stdout(stdout) => stdout.write_all(&part.bytes),
        };
        written.map_err(|error| OutputError::io(&self.path, error))?;
        self.rows += part.rows;
        self.bytes += part.bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<Receipt, OutputError> {
        let ended = match &mut self.file {
            Destination::File(file) if file.metadata().is_ok_and(|meta| meta.is_file()) => file.sync_all(),
            Destination::File(file) => file.flush(),
            Destination::Stdout(stdout) => stdout.flush(),
        };
        ended.map_err(|error| OutputError::io(&self.path, error))?;
        Ok(Receipt { target: self.target, rows: self.rows, bytes: self.bytes, ..Receipt::default() })
    }
}
