//! Digests of rows, not of bytes: the same for every format, and BLAKE3 throughout.
//!
//! A series is (entity, column), strings included: the tick's time in ms, then the value as i64
//! fixed point, little-endian; strings length-prefixed, null as `i64::MIN`. A row is its time, its
//! identity's strings and its values, in the order of the schema.

use crate::batch::{Batch, RecordType, Row};

/// Appends a row in the form that digests are taken over.
pub fn row_bytes(batch: &Batch, row: &Row<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.timestamp().0.to_le_bytes());
    let mut text = |text: &str| {
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    text(row.record.name());
    match row.record {
        RecordType::ServerMetric => {
            let server = &batch.entities.servers[row.entity() as usize];
            for part in [&server.server_id, &server.rack_id, &server.datacenter_zone] {
                text(part);
            }
        }
        RecordType::ApplicationMetric => {
            let service = &batch.entities.services[row.entity() as usize];
            for part in [&service.service_name, &service.server_id] {
                text(part);
            }
        }
    }
    if let Some(endpoint) = row.endpoint() {
        text(endpoint);
    }
    for column in 0..row.record.metrics().len() {
        out.extend_from_slice(&row.value(column).to_le_bytes());
    }
}

/// All rows of a batch in stream order, in the form that digests are taken over.
pub fn batch_bytes(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.num_rows() * 192);
    for row in batch.rows() {
        row_bytes(batch, &row, &mut out);
    }
    out
}

/// The digest of a text, in hexadecimal.
pub fn of_text(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
