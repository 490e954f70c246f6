//! Where a run ends in its topic: what `--resume` goes on from.
//!
//! A run is deterministic, its keys go to computed partitions and an idempotent producer appends in order: so
//! after any crash each partition holds a prefix of its own sequence, and its last record tells how long it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::admin::DEADLINE;
use super::client::{Listener, POLL, does_not_start, failure, polls, settings, why};
use super::partition::partition_of;
use super::stamp::{Index, RunId, Sequence, Stamp};
use super::target::KafkaTarget;
use crate::output::OutputError;

/// How far a run came, partition by partition.
#[derive(Clone, Debug)]
pub struct Tail {
    pub(super) stamp: Stamp,
    /// By partition: the last record of the run, none where it has none there.
    positions: Vec<Option<Index>>,
}

impl Tail {
    /// The run that it is the tail of.
    pub fn id(&self) -> RunId {
        self.stamp.id
    }

    /// The row after the shortest of the partitions of these keys, each of which stands with its last row: none
    /// is missing before it. None if nothing is missing at all.
    pub fn first_missing<'a>(&self, last_rows: impl Iterator<Item = (&'a str, u64)>) -> Option<u64> {
        let mut last_of: BTreeMap<u32, u64> = BTreeMap::new();
        for (key, row) in last_rows {
            let last = last_of.entry(partition_of(key.as_bytes(), self.stamp.partitions)).or_default();
            *last = row.max(*last);
        }
        let missing = last_of.into_iter().filter_map(|(partition, last)| {
            match self.positions[partition as usize].map(|last| last.row) {
                Some(row) if row >= last => None,
                Some(row) => Some(row + 1),
                None => Some(0),
            }
        });
        missing.min()
    }

    /// The row after the shortest of the partitions that have one: what comes before it was sent.
    pub fn first_row(&self) -> u64 {
        self.positions.iter().flatten().map(|last| last.row + 1).min().unwrap_or(0)
    }

    /// Whether the topic has a record already.
    pub(super) fn has(&self, partition: u32, index: Index) -> bool {
        self.positions[partition as usize].is_some_and(|last| last >= index)
    }
}

/// Records that are looked at in a partition, from its end, before its tail counts as lost among those of other
/// writers; first the very last one.
const BACK: [i64; 3] = [1, 1_000, 100_000];

/// Between two looks at a topic's ends: who sends to it would be seen.
const APART: Duration = Duration::from_secs(1);

type Reader = BaseConsumer<Listener>;

impl ConsumerContext for Listener {}

impl KafkaTarget {
    /// Where the newest run of a sequence ends in the topic, or the run `id`; none if the topic is empty
    /// or not there.
    ///
    /// `keys` are those of the run: only partitions that one of them maps to count.
    ///
    /// # Errors
    /// No broker answers; the topic has no record of the run though it has others, or another
    /// number of partitions than the run began with; or somebody still writes to it.
    pub fn tail<'a>(
        &self,
        sequence: Sequence,
        id: Option<RunId>,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Tail>, OutputError> {
        let found = self.tail_in(sequence, id, |partitions| {
            keys.map(|key| partition_of(key.as_bytes(), partitions)).collect()
        })?;
        self.must_hold(found, id)
    }

    /// The same where every partition counts.
    ///
    /// # Errors
    /// As `tail`.
    pub fn tail_of_all(&self, sequence: Sequence, id: Option<RunId>) -> Result<Option<Tail>, OutputError> {
        let found = self.tail_in(sequence, id, |partitions| (0..partitions).collect())?;
        self.must_hold(found, id)
    }

    /// The same of a topic that need not have any record of the run.
    ///
    /// # Errors
    /// If it can't be read, or is written to.
    pub fn tail_if_any(&self, sequence: Sequence, id: RunId) -> Result<Option<Tail>, OutputError> {
        match self.tail_in(sequence, Some(id), |partitions| (0..partitions).collect())? {
            Found::Run(tail) => Ok(Some(tail)),
            Found::Empty | Found::Others => Ok(None),
        }
    }

    fn must_hold(&self, found: Found, id: Option<RunId>) -> Result<Option<Tail>, OutputError> {
        match (found, id) {
            (Found::Run(tail), _) => Ok(Some(tail)),
            (Found::Empty, None) => Ok(None),
            (_, None) => Err(self.refused(
                "it is not empty, and holds no record of this run",
                "write the arguments that the run began with, or leave `--resume` out",
            )),
            (_, Some(id)) => Err(self.refused(
                &format!("it holds no record of run {id} with these arguments"),
                "`--resume` without an id takes the newest run that began with these arguments",
            )),
        }
    }

    fn tail_in(
        &self,
        sequence: Sequence,
        id: Option<RunId>,
        mapped: impl FnOnce(u32) -> BTreeSet<u32>,
    ) -> Result<Found, OutputError> {
        let Some(partitions) = self.partitions()? else { return Ok(Found::Empty) };
        let mapped = mapped(partitions);
        let reader = self.reader()?;
        let ends = self.ends(&reader, &mapped)?;
        if let Some((partition, end)) = ends.iter().find(|(_, end)| end.low == end.high && end.high > 0) {
            return Err(self.refused(
                &format!("partition {partition} was emptied: its records up to {} are deleted", end.high),
                "what is missing there can't be told: send the run anew",
            ));
        }
        let is_wanted = |stamp: &Stamp| stamp.sequence == sequence && id.is_none_or(|id| stamp.id == id);
        let (mut found, mut unseen) = self.search(&reader, &ends, is_wanted)?;
        let newest = found.values().flat_map(BTreeMap::keys).max().copied();
        if let Some(newest) = newest {
            // Where an older run was resumed later, the newest one lies before it.
            let is_hidden = |partition| found.get(partition).is_some_and(|runs| !runs.contains_key(&newest));
            let hidden = ends.iter().filter(|(partition, _)| is_hidden(partition));
            let hidden = hidden.map(|(partition, ends)| (*partition, *ends)).collect();
            let (more, unseen_there) = self.search(&reader, &hidden, |stamp| stamp.id == newest)?;
            found.extend(more);
            unseen = unseen.or(unseen_there);
        }
        if let Some(partition) = unseen {
            let most = BACK[BACK.len() - 1];
            return Err(self.refused(
                &format!("the last {most} records of partition {partition} are of others"),
                "what is missing there can't be told: send the run anew to a topic of its own",
            ));
        }
        let Some(id) = newest else {
            let is_empty = ends.values().all(|end| end.high == 0);
            return Ok(if is_empty { Found::Empty } else { Found::Others });
        };
        let mut positions = vec![None; partitions as usize];
        let mut stamp = None;
        for (partition, runs) in found {
            if let Some((its_stamp, position)) = runs.get(&id) {
                positions[partition as usize] = Some(*position);
                stamp = Some(*its_stamp);
            }
        }
        let stamp = stamp.expect("its id was found in one of the partitions");
        if stamp.partitions != partitions {
            return Err(self.refused(
                &format!(
                    "it has {partitions} partitions now, and had {} when run {id} began",
                    stamp.partitions
                ),
                "its keys go elsewhere now: send the run anew to another topic",
            ));
        }
        self.settle(&reader, &ends)?;
        Ok(Found::Run(Tail { stamp, positions }))
    }

    /// Where a run ends in these partitions while it is being sent, by a client that has given up its connections.
    ///
    /// # Errors
    /// No broker answers, or somebody still writes to them.
    pub(super) fn ends_of(&self, stamp: Stamp, partitions: &BTreeSet<u32>) -> Result<Tail, OutputError> {
        let reader = self.reader()?;
        let ends = self.ends(&reader, partitions)?;
        // Where the last records are all of others, the request that was lost did not write any.
        let (found, _) = self.search(&reader, &ends, |other| *other == stamp)?;
        // What was on its way when the connection was lost may still arrive; others may write as they like.
        self.let_pass(&reader);
        let (later, _) = self.search(&reader, &self.ends(&reader, partitions)?, |other| *other == stamp)?;
        if later != found {
            return Err(self.refused("what was on its way still arrives", "wait"));
        }
        let position = |partition| {
            let runs: &Runs = found.get(&partition)?;
            runs.values().map(|(_, position)| *position).next()
        };
        Ok(Tail { stamp, positions: (0..stamp.partitions).map(position).collect() })
    }

    fn reader(&self) -> Result<Reader, OutputError> {
        let mut settings = settings(self);
        settings
            .set("group.id", "reenact")
            .set("enable.auto.commit", "false")
            // Somebody's open transaction must not hide our records.
            .set("isolation.level", "read_uncommitted")
            .set("enable.partition.eof", "true");
        Reader::from_config_and_context(&settings, Listener::default())
            .map_err(|error| does_not_start(&error))
    }

    fn let_pass(&self, reader: &Reader) {
        for _ in 0..polls(APART) {
            // Nothing is assigned any more: this only lets time pass.
            let _ = reader.poll(POLL);
        }
    }

    /// Whoever still writes to the partitions is seen by a second look.
    fn settle(&self, reader: &Reader, ends: &BTreeMap<u32, Ends>) -> Result<(), OutputError> {
        self.let_pass(reader);
        if self.ends(reader, &ends.keys().copied().collect())? == *ends {
            return Ok(());
        }
        Err(self.refused("somebody is still writing to it", "stop the other run first"))
    }

    /// Of each partition that counts.
    fn ends(&self, reader: &Reader, partitions: &BTreeSet<u32>) -> Result<BTreeMap<u32, Ends>, OutputError> {
        let of = |partition: &u32| match reader.fetch_watermarks(self.topic(), *partition as i32, DEADLINE) {
            Ok((low, high)) => Ok((*partition, Ends { low, high })),
            Err(error) => Err(self.unreadable(reader, &why(&error))),
        };
        partitions.iter().map(of).collect()
    }

    /// By partition, the last record there of the last run that is wanted; and one of the partitions that were not
    /// searched to their beginning, though nothing was found there.
    fn search(
        &self,
        reader: &Reader,
        ends: &BTreeMap<u32, Ends>,
        is_wanted: impl Fn(&Stamp) -> bool,
    ) -> Result<(BTreeMap<u32, Runs>, Option<u32>), OutputError> {
        let mut found: BTreeMap<u32, Runs> = BTreeMap::new();
        let mut open: BTreeMap<u32, Ends> = ends.clone();
        open.retain(|_, end| end.low < end.high);
        for back in BACK {
            self.read(reader, &open, back, |message| {
                let Some((stamp, position)) = stamped(message).filter(|(stamp, _)| is_wanted(stamp)) else {
                    return;
                };
                found.entry(message.partition() as u32).or_default().insert(stamp.id, (stamp, position));
            })?;
            open.retain(|partition, end| !found.contains_key(partition) && end.high - back > end.low);
        }
        Ok((found, open.keys().next().copied()))
    }

    /// The last so many records of partitions, each in order.
    fn read(
        &self,
        reader: &Reader,
        partitions: &BTreeMap<u32, Ends>,
        back: i64,
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
        let mut silence = 0;
        while !open.is_empty() {
            let Some(event) = reader.poll(POLL) else {
                silence += 1;
                if silence > polls(DEADLINE) {
                    return Err(self.unreadable(reader, &format!("silence for {} s", DEADLINE.as_secs())));
                }
                continue;
            };
            silence = 0;
            match event {
                Ok(message) => {
                    let partition = message.partition() as u32;
                    take(&message);
                    if message.offset() + 1 >= partitions[&partition].high {
                        open.remove(&partition);
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    open.remove(&(partition as u32));
                }
                // The client goes on by itself; what it can't do ends in silence, with this as its reason.
                Err(_) => {}
            }
        }
        reader.unassign().map_err(|error| self.unreadable(reader, &why(&error)))
    }

    fn unreadable(&self, reader: &Reader, reason: &str) -> OutputError {
        let reason = reader.client().context().last_error().unwrap_or_else(|| reason.into());
        failure(format!("can't read topic `{}`, to resume there: {reason}", self.topic()), [])
    }

    fn refused(&self, reason: &str, help: &str) -> OutputError {
        failure(format!("can't resume in topic `{}`: {reason}", self.topic()), [help.into()])
    }
}

/// The last record of each run.
type Runs = BTreeMap<RunId, (Stamp, Index)>;

/// What a topic holds.
enum Found {
    /// Nothing; or it is not there.
    Empty,
    /// Only records that are not of the run.
    Others,
    Run(Tail),
}

/// The first offset of a partition, and the one after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    low: i64,
    high: i64,
}

/// What a record of ours says of itself.
fn stamped(message: &BorrowedMessage<'_>) -> Option<(Stamp, Index)> {
    Some((Stamp::of(message)?, Index::of(message)?))
}
