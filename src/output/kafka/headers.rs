//! The headers of each record: which run the record belongs to, and which of the run's records it is.

use std::fmt;
use std::str::FromStr;

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use uuid::{NoContext, Timestamp, Uuid};

use super::partition::partition_of;
use crate::time::SimTime;

/// The header that names the run: 16 bytes of its id, 8 of its sequence, 4 of the partition count.
pub(super) const RUN: &str = "reenact-run";

/// The header that names the record: 8 bytes of the moment at which it was due in ms, 8 of its row, 2 of its copy. All
/// are big-endian, so that the order of the bytes is the order of sending.
pub(super) const INDEX: &str = "reenact-index";

/// The id of a run that is sent. Each new start creates one, and a resumed run keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(Uuid);

impl RunId {
    /// Creates the id of a run that begins at `now`. It is greater than ids for earlier milliseconds.
    pub fn new(now: SimTime) -> RunId {
        let (seconds, nanos) = (now.0.div_euclid(1_000) as u64, now.0.rem_euclid(1_000) as u32 * 1_000_000);
        RunId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)))
    }
}

impl RunId {
    /// The moment at which the run began, as the id contains it.
    pub fn moment(self) -> SimTime {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
        SimTime(seconds as i64 * 1_000 + i64::from(nanos / 1_000_000))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<RunId, String> {
        Uuid::try_parse(text).map(RunId).map_err(|_| format!("`{text}` is not the id of a run"))
    }
}

/// A digest of everything that decides which records a run sends. Two runs with the same digest send the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence([u8; 8]);

impl Sequence {
    /// Returns the partition of a key, in a topic with this number of partitions.
    pub fn partition_of(key: &str, partitions: u32) -> u32 {
        partition_of(key.as_bytes(), partitions)
    }

    /// Creates the sequence for a topic. `text` contains everything that decides which records are sent.
    pub fn new(text: &str, topic: &str) -> Sequence {
        let digest = blake3::Hasher::new()
            .update(text.as_bytes())
            .update(b"\ntopic=")
            .update(topic.as_bytes())
            .finalize();
        let (first, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        Sequence(*first)
    }
}

/// The run that a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: RunId,
    pub(super) sequence: Sequence,
    pub(super) partitions: u32,
}

impl Stamp {
    /// Reads the stamp of a record; none if the record has no valid header for it.
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Option<Stamp> {
        Stamp::read(header(message, RUN)?)
    }

    pub(super) fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..16].copy_from_slice(self.id.0.as_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.0);
        bytes[24..].copy_from_slice(&self.partitions.to_be_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Stamp> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let partitions = u32::from_be_bytes(rest.try_into().ok()?);
        Some(Stamp { id: RunId(Uuid::from_bytes(*id)), sequence: Sequence(*sequence), partitions })
    }
}

/// The index of a record in its run. Records are sent in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Index {
    /// The moment at which the record is due: the greatest event time up to it.
    pub(super) due: SimTime,
    /// The number of the record, counted from 0 in stream order. In a run this is tick × entities + the entity's
    /// place. A topic for one entity type has its own numbers from 0. Among labels, rows with the same moment are
    /// counted from 0.
    pub(super) row: u64,
    /// 0. A greater number would mark a record that is sent several times on purpose.
    pub(super) copy: u16,
}

/// Returns the value of a header.
fn header<'a>(message: &'a BorrowedMessage<'_>, key: &str) -> Option<&'a [u8]> {
    message.headers()?.iter().find(|header| header.key == key)?.value
}

impl Index {
    /// Reads the index of a record; none if the record has no valid header for it.
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Option<Index> {
        Index::read(header(message, INDEX)?)
    }

    pub(super) fn to_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[..8].copy_from_slice(&self.due.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.row.to_be_bytes());
        bytes[16..].copy_from_slice(&self.copy.to_be_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Index> {
        let (due, rest) = bytes.split_first_chunk::<8>()?;
        let (row, rest) = rest.split_first_chunk::<8>()?;
        let copy = u16::from_be_bytes(rest.try_into().ok()?);
        Some(Index { due: SimTime(i64::from_be_bytes(*due)), row: u64::from_be_bytes(*row), copy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime(1_767_600_000_123);

    #[test]
    fn headers_are_read_as_they_were_written() {
        let stamp = Stamp { id: RunId::new(NOW), sequence: Sequence::new("run", "t"), partitions: 6 };
        assert_eq!(Stamp::read(&stamp.to_bytes()), Some(stamp));
        let index = Index { due: NOW, row: 1 << 40, copy: 3 };
        assert_eq!(Index::read(&index.to_bytes()), Some(index));
        assert_eq!((Stamp::read(&[0; 27]), Stamp::read(&[0; 29])), (None, None));
        assert_eq!((Index::read(&[0; 17]), Index::read(&[0; 19])), (None, None));
    }

    #[test]
    fn the_bytes_of_indices_are_in_the_order_of_sending() {
        let index = |due, row, copy| Index { due: SimTime(due), row, copy };
        let sent =
            [index(1, 300, 0), index(256, 0, 0), index(256, 0, 1), index(256, 255, 0), index(256, 256, 0)];
        assert!(sent.is_sorted() && sent.map(Index::to_bytes).is_sorted());
    }

    #[test]
    fn a_later_id_is_greater_and_is_read_as_it_is_written() {
        let (first, second) = (RunId::new(NOW), RunId::new(SimTime(NOW.0 + 1)));
        assert!(first < second);
        assert_eq!((first.moment(), second.moment()), (NOW, SimTime(NOW.0 + 1)));
        assert_ne!(RunId::new(NOW), first);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("last".parse::<RunId>().is_err());
    }

    #[test]
    fn another_topic_is_another_sequence() {
        assert_ne!(Sequence::new("a", "t"), Sequence::new("a", "u"));
        assert_ne!(Sequence::new("a", "t"), Sequence::new("b", "t"));
    }
}
