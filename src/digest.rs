//! The bytes that digests are taken over. They represent rows, not files, so that every format has the same digest.
//! All digests are BLAKE3.
//!
//! A series is (entity, column), text columns included. Its bytes are, for each tick, the time in ms and then the
//! value, both as little-endian `i64`. Values are in fixed point, and null is `i64::MIN`. Texts are prefixed with
//! their length. The bytes of a row are its time, the texts of its identity, the values of its text columns, and
//! its numbers in the order of the schema.

use crate::batch::{Batch, Row};

/// Appends a row in the form that digests are taken over.
pub fn row_bytes(row: &Row<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.timestamp().0.to_le_bytes());
    identity_bytes(row, out);
    value_bytes(row, out);
}

/// Appends the identity of a row: its record type and its tags.
fn identity_bytes(row: &Row<'_>, out: &mut Vec<u8>) {
    text_bytes(row.entity_type().record(), out);
    row.tags().for_each(|tag| text_bytes(tag, out));
}

fn value_bytes(row: &Row<'_>, out: &mut Vec<u8>) {
    row.enums().for_each(|value| text_bytes(value, out));
    let values = row.values();
    let begin = out.len();
    // One resize for all values: a check for each number would cost more than the number.
    out.resize(begin + 8 * values.len(), 0);
    for (bytes, value) in out[begin..].chunks_exact_mut(8).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

/// Appends a text in the form that digests are taken over.
pub fn text_bytes(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Returns all rows of a batch in stream order, in the form that digests are taken over.
pub fn batch_bytes(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.num_rows() * 192);
    // For each entity, the range of `out` that already contains its identity.
    let mut seen: Vec<_> = batch.entities().types().map(|(_, tags)| vec![0..0; tags.len()]).collect();
    for row in batch.rows() {
        out.extend_from_slice(&row.timestamp().0.to_le_bytes());
        let known = &mut seen[row.type_id().index()][row.entity() as usize];
        if known.start == known.end {
            let begin = out.len();
            identity_bytes(&row, &mut out);
            *known = begin..out.len();
        } else {
            out.extend_from_within(known.clone());
        }
        value_bytes(&row, &mut out);
    }
    out
}

/// The digest of a text, in hexadecimal.
pub fn of_text(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_the_bytes_of_its_rows() {
        let run = crate::preset("dev").unwrap().plan().unwrap().run();
        let batch = run.batches().next().unwrap();
        let mut rows = Vec::new();
        batch.rows().for_each(|row| row_bytes(&row, &mut rows));
        assert_eq!(batch_bytes(&batch), rows);
    }
}
