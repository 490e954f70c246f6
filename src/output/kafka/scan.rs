//! Reads from a topic: where its partitions end, and what their last records are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::admin::DEADLINE;
use super::client::{Listener, POLL, does_not_start, failure, is_final, polls};
use super::error_text::{is_forbidden, why};
use super::headers::{Index, Stamp};
use super::settings::settings;
use super::target::KafkaTarget;
use crate::output::{OutputError, Stop, is_asked};
use crate::pace;

/// How many records are read from the end of a partition: in the first, the second, and the last search.
pub(super) const BACK: [i64; 3] = [1, 1_000, 100_000];

/// The time between two looks at the ends of a topic. A process that sends to the topic changes the ends meanwhile.
pub(super) const APART: Duration = Duration::from_secs(1);

/// The time limit for one request while a run waits for its broker. It is short so that the run notices a stop.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// The same limit for requests with a large answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A consumer that reads a topic.
pub(super) type Reader = BaseConsumer<Listener>;

/// The first offset of a partition, and the one after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl ConsumerContext for Listener {}

impl KafkaTarget {
    /// Creates a consumer for this target, without any partition.
    pub(super) fn reader(&self) -> Result<Reader, OutputError> {
        let mut settings = settings(self);
        settings
            .set("group.id", "reenact")
            .set("enable.auto.commit", "false")
            // An open transaction of another producer must not hide the records of a run.
            .set("isolation.level", "read_uncommitted")
            .set("enable.partition.eof", "true");
        Reader::from_config_and_context(&settings, Listener::default())
            .map_err(|error| does_not_start(&error))
    }

    /// Reads the ends of partitions again after `quiet`, or as soon as `stop` is not 0. Does nothing if `quiet` is
    /// zero.
    ///
    /// # Errors
    /// If the ends have changed: another process then still writes to the topic. Or if no broker answers.
    pub(super) fn settle(
        &self,
        reader: &Reader,
        ends: &BTreeMap<u32, Ends>,
        (quiet, stop): (Duration, Option<&Stop>),
    ) -> Result<(), OutputError> {
        if quiet.is_zero() {
            return Ok(());
        }
        for _ in 0..polls(quiet) {
            if is_asked(stop) {
                break;
            }
            // The reader has no partitions now, so this only waits.
            let _ = reader.poll(POLL);
        }
        if self.ends(reader, &ends.keys().copied().collect(), DEADLINE)? == *ends {
            return Ok(());
        }
        Err(self.refused("another process is still writing to it", "stop the other run first"))
    }

    /// Returns the ends of partitions. Retries failed requests until `limit` has passed.
    pub(super) fn ends(
        &self,
        reader: &Reader,
        partitions: &BTreeSet<u32>,
        limit: Duration,
    ) -> Result<BTreeMap<u32, Ends>, OutputError> {
        let begun = pace::wall();
        let of = |partition: &u32| loop {
            match reader.fetch_watermarks(self.topic(), *partition as i32, limit) {
                Ok((low, high)) => return Ok((*partition, Ends { low, high })),
                Err(error) if is_forbidden(&why(&error)) || pace::wall() - begun >= limit => {
                    return Err(self.unreadable(reader, &why(&error)));
                }
                // A broker that starts does not lead partitions at once. The reader has no partitions, so this only
                // waits.
                Err(_) => reader.poll(POLL).map(drop).unwrap_or_default(),
            }
        };
        partitions.iter().map(of).collect()
    }

    /// Returns, by partition, the greatest index of a record that `is_wanted` accepts.
    ///
    /// Reads the last `backs[0]` records first. In partitions where these contain no such record, it reads the last
    /// `backs[1]`, and then the last `backs[2]`.
    pub(super) fn search(
        &self,
        reader: &Reader,
        ends: &BTreeMap<u32, Ends>,
        backs: [i64; 3],
        patience: Duration,
        is_wanted: impl Fn(&BorrowedMessage<'_>, &Stamp, Index) -> bool,
    ) -> Result<BTreeMap<u32, Index>, OutputError> {
        let mut found: BTreeMap<u32, Index> = BTreeMap::new();
        let mut open: BTreeMap<u32, Ends> = ends.clone();
        open.retain(|_, end| end.low < end.high);
        for back in backs {
            self.read(reader, &open, back, patience, |message| {
                let wanted = stamped(message).filter(|(stamp, index)| is_wanted(message, stamp, *index));
                let Some((_, index)) = wanted else { return };
                let greatest = found.entry(message.partition() as u32).or_insert(index);
                *greatest = index.max(*greatest);
            })?;
            open.retain(|partition, end| !found.contains_key(partition) && end.high - back > end.low);
        }
        Ok(found)
    }

    /// Calls `take` with the last `back` records of partitions. The records of each partition come in order.
    ///
    /// # Errors
    /// If no record and no end of a partition arrives for as long as `patience`, or if the client fails.
    pub(super) fn read(
        &self,
        reader: &Reader,
        partitions: &BTreeMap<u32, Ends>,
        back: i64,
        patience: Duration,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), OutputError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let mut from = TopicPartitionList::new();
        for (partition, end) in partitions {
            let offset = Offset::Offset(end.low.max(end.high - back));
            from.add_partition_offset(self.topic(), *partition as i32, offset)
                .map_err(|e| self.unreadable(reader, &why(&e)))?;
        }
        reader.assign(&from).map_err(|error| self.unreadable(reader, &why(&error)))?;
        let mut open: BTreeSet<u32> = partitions.keys().copied().collect();
        let mut heard = pace::wall();
        while !open.is_empty() {
            // Errors do not count as an answer, since they can go on without end.
            if pace::wall() - heard > patience {
                return Err(self.unreadable(reader, &format!("no answer for {} s", patience.as_secs())));
            }
            let Some(event) = reader.poll(POLL) else { continue };
            match event {
                Ok(message) => {
                    heard = pace::wall();
                    let partition = message.partition() as u32;
                    take(&message);
                    if message.offset() + 1 >= partitions[&partition].high {
                        open.remove(&partition);
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    heard = pace::wall();
                    open.remove(&(partition as u32));
                }
                Err(error) if error.rdkafka_error_code().is_some_and(|code| is_final(code, "")) => {
                    return Err(self.unreadable(reader, &why(&error)));
                }
                // The client retries by itself. If that does not help, the silence ends the read with this error as its
                // reason.
                Err(_) => {}
            }
        }
        reader.unassign().map_err(|error| self.unreadable(reader, &why(&error)))
    }

    pub(super) fn unreadable(&self, reader: &Reader, reason: &str) -> OutputError {
        let reason = reader.client().context().last_error().unwrap_or_else(|| reason.into());
        failure(format!("cannot read topic `{}` to resume the run: {reason}", self.topic()), [])
    }
}

/// Reads the stamp and index of a record; none if it does not have valid headers for both.
pub(super) fn stamped(message: &BorrowedMessage<'_>) -> Option<(Stamp, Index)> {
    Some((Stamp::of(message)?, Index::of(message)?))
}
