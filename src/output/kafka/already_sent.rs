//! Determines which records a resumed run skips, because its topic already has them.

use super::encode::Message;
use super::headers::Index;
use super::proof::RecordDigest;
use super::resume_point::{Records, Tail};

/// The records of a run that its topic already has.
pub(super) enum There {
    Nothing,
    /// In each partition, all records up to this tail.
    Until(Tail),
    /// These single records.
    Each(Records),
}

impl There {
    pub(super) fn has(&self, partition: u32, index: Index, message: &Message<'_>) -> bool {
        match self {
            There::Nothing => false,
            There::Until(tail) => tail.has(partition, index),
            There::Each(records) => {
                let digest = RecordDigest::new(message.key.as_bytes(), message.value);
                records.has(partition, index, digest)
            }
        }
    }

    /// The number of records that the topic already has, if known. Only some of them are rendered again and skipped.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            There::Until(tail) => Some(tail.already),
            _ => None,
        }
    }
}
