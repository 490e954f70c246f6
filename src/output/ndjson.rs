//! The NDJSON output: encodes batches as lines, and writes them to a file, a pipe or standard output.

use std::path::PathBuf;

use super::direct::{Direct, Stop};
use super::line::{Bytes, Lines, Style};
use super::stream::Stream;
use super::{Encode, OutputError, Receipt, Sink};
use crate::batch::Batch;

/// Encodes rows as lines of JSON. Keys have the order of the schema, numbers have the decimals of their metric, and
/// there are no spaces.
#[derive(Clone, Debug)]
pub struct NdjsonEncode {
    lines: Lines,
}

impl Default for NdjsonEncode {
    fn default() -> NdjsonEncode {
        NdjsonEncode { lines: Lines::new(Style::Json) }
    }
}

impl Encode for NdjsonEncode {
    type Part = NdjsonPart;

    fn encode(&self, batch: &Batch) -> NdjsonPart {
        let bytes = self.lines.of(batch, |bytes, _| bytes.push(b'\n'));
        NdjsonPart { rows: batch.num_rows() as u64, bytes }
    }
}

/// The lines of a batch and their number.
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
pub struct NdjsonSink {
    target: String,
    stream: Stream,
    rows: u64,
}

impl NdjsonSink {
    /// Writes lines to standard output. A requested `stop` ends a write that waits for its reader.
    pub fn stdout(stop: Option<Stop>) -> NdjsonSink {
        NdjsonSink { target: "ndjson:-".into(), stream: Stream::stdout(stop), rows: 0 }
    }

    /// Writes lines to an open file. Compresses them if `path` ends in `.gz` or `.zst`. Messages contain `path`, and
    /// the receipt contains `target`.
    ///
    /// # Errors
    /// If compression can't start.
    pub fn file(file: impl Into<Direct>, path: PathBuf, target: String) -> Result<NdjsonSink, OutputError> {
        Ok(NdjsonSink { target, stream: Stream::file(file, path)?, rows: 0 })
    }
}

impl Sink for NdjsonSink {
    type Part = NdjsonPart;

    fn write(&mut self, part: NdjsonPart) -> Result<(), OutputError> {
        self.rows += part.rows;
        self.stream.write(&part.bytes)
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let bytes = self.stream.finish()?;
        Ok(Receipt { target: self.target, rows: self.rows, bytes, ..Receipt::default() })
    }
}
