use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::{Encode, OutputError, Receipt, Sink};
use crate::batch::{Batch, NULL, RecordType, Row, write_decimal};
use crate::time::SimTime;

/// Rows → lines: keys in the order of the schema, no spaces, always the stated decimals.
#[derive(Clone, Copy, Debug, Default)]
pub struct NdjsonEncode;

/// About the longest line, for reserving room.
const LINE: usize = 448;

impl Encode for NdjsonEncode {
    type Part = NdjsonPart;

    fn encode(&self, batch: &Batch) -> NdjsonPart {
        let bytes = lines(batch, |bytes, _| bytes.push(b'\n'));
        NdjsonPart { rows: batch.num_rows() as u64, bytes }
    }
}

/// Lines with their number.
#[derive(Debug)]
pub struct NdjsonPart {
    rows: u64,
    bytes: Vec<u8>,
}

/// Writes one row as a line without its newline: the value of a Kafka record too.
pub fn write_row(out: &mut Vec<u8>, batch: &Batch, row: &Row<'_>) {
    write_line(out, batch, row, &mut Stamp::default());
}

/// The lines of a batch in stream order, one after the other; `end` adds what follows each of them.
pub(super) fn lines(batch: &Batch, mut end: impl FnMut(&mut Vec<u8>, &Row<'_>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(batch.num_rows() * LINE);
    let mut stamp = Stamp::default();
    for row in batch.rows() {
        write_line(&mut bytes, batch, &row, &mut stamp);
        end(&mut bytes, &row);
    }
    bytes
}

/// The text of a tick's time, made once for all its rows.
#[derive(Default)]
struct Stamp {
    moment: Option<SimTime>,
    text: String,
}

impl Stamp {
    fn of(&mut self, moment: SimTime) -> &str {
        if self.moment != Some(moment) {
            self.moment = Some(moment);
            self.text = moment.to_string();
        }
        &self.text
    }
}

fn write_line(out: &mut Vec<u8>, batch: &Batch, row: &Row<'_>, stamp: &mut Stamp) {
    let mut text = |key: &str, value: &str| {
        // Names are letters, digits, `-`, `_` and `.`: nothing to escape.
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    };
    match row.record {
        RecordType::ServerMetric => {
            let server = &batch.entities.servers[row.entity() as usize];
            text("{\"type\":\"server_metric\",\"timestamp\":\"", stamp.of(row.timestamp()));
            text(",\"server_id\":\"", &server.server_id);
            text(",\"rack_id\":\"", &server.rack_id);
            text(",\"datacenter_zone\":\"", &server.datacenter_zone);
        }
        RecordType::ApplicationMetric => {
            let service = &batch.entities.services[row.entity() as usize];
            text("{\"type\":\"application_metric\",\"timestamp\":\"", stamp.of(row.timestamp()));
            text(",\"service_name\":\"", &service.service_name);
            text(",\"server_id\":\"", &service.server_id);
        }
    }
    for (column, metric) in row.record.metrics().iter().enumerate() {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(metric.name().as_bytes());
        out.extend_from_slice(b"\":");
        match row.value(column) {
            NULL => out.extend_from_slice(b"null"),
            value => write_decimal(out, value, metric.decimals()),
        }
    }
    if let Some(endpoint) = row.endpoint() {
        out.extend_from_slice(b",\"endpoint\":\"");
        out.extend_from_slice(endpoint.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
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
