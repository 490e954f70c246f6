use super::encode::Message;
use super::proof::RecordDigest;
use super::stamp::Index;
use super::tail::{Records, Tail};

/// What a topic has already.
pub(super) enum There {
    Nothing,
    /// The first part of what is sent.
    Until(Tail),
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

    /// How many there are, where that is known. Only some of them come by again.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            There::Until(tail) => Some(tail.already),
            _ => None,
        }
    }
}
