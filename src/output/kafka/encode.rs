//! Turns a batch into Kafka messages, and computes the digest of each.

use std::sync::Arc;

use super::proof::RecordDigest;
use crate::batch::{Batch, Entities};
use crate::output::Encode;
use crate::output::line::{Bytes, Lines, Style};
use crate::schema::TypeId;
use crate::time::SimTime;

/// Encodes rows as messages in stream order. The key is the entity, the value is the NDJSON line without its newline,
/// and the timestamp is the event time.
#[derive(Clone, Debug)]
pub struct KafkaEncode {
    lines: Lines,
    only: Option<TypeId>,
}

impl Default for KafkaEncode {
    fn default() -> KafkaEncode {
        KafkaEncode { lines: Lines::new(Style::Json), only: None }
    }
}

impl KafkaEncode {
    /// Restricts the output to rows of one entity type.
    #[must_use]
    pub fn only(self, id: TypeId) -> KafkaEncode {
        KafkaEncode { only: Some(id), ..self }
    }
}

impl Encode for KafkaEncode {
    type Part = KafkaPart;

    fn encode(&self, batch: &Batch) -> KafkaPart {
        let some = self.only.map(|id| batch.filter(|row| row.type_id() == id));
        let batch = some.as_ref().unwrap_or(batch);
        let mut marks = Vec::with_capacity(batch.num_rows());
        let values = self.lines.of(batch, |bytes, row| {
            let (id, entity, timestamp) = (row.type_id(), row.entity(), row.timestamp());
            marks.push(Mark { id, entity, timestamp, end: bytes.len() });
        });
        KafkaPart { entities: Arc::clone(batch.entities()), values, marks }
    }
}

/// The messages of a batch.
// Invariant: the ends of the marks increase, and the last one is the length of `values`.
#[derive(Debug)]
pub struct KafkaPart {
    entities: Arc<Entities>,
    /// All values, without separators.
    values: Bytes,
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct Mark {
    id: TypeId,
    entity: u32,
    timestamp: SimTime,
    /// Where its value ends in `values`, and the next value begins.
    end: usize,
}

/// One message of a part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Message<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
    pub(super) timestamp: SimTime,
}

impl KafkaPart {
    /// The digest of each message, in stream order.
    pub fn digests(&self) -> impl Iterator<Item = RecordDigest> {
        self.messages().map(|message| RecordDigest::new(message.key.as_bytes(), message.value))
    }

    /// The messages in stream order.
    pub(super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let mut begin = 0;
        self.marks.iter().map(move |mark| {
            let value = &self.values[begin..mark.end];
            begin = mark.end;
            Message { key: self.entities.name(mark.id, mark.entity), value, timestamp: mark.timestamp }
        })
    }
}
