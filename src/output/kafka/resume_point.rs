//! Where a run ends in its topic. `--resume` continues from there.
//!
//! A run is deterministic, its keys go to computed partitions, and an idempotent producer appends in order. So after
//! any crash, each partition contains a prefix of its own sequence. `proof` decides which records prove how long that
//! prefix is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::admin::DEADLINE;
use super::claims::{FARTHEST, Look, SECOND, candidates};
use super::client::failure;
use super::error_text::why;
use super::headers::{Index, RunId, Sequence, Stamp};
use super::partition::partition_of;
use super::proof::{RecordDigest, Sent};
use super::reconnect::Unsure;
use super::scan::{APART, BACK, Ends, LOOK, PATIENCE, Reader};
use super::target::KafkaTarget;
use crate::output::{OutputError, Stop};
use crate::time::SimTime;

/// How far a run got in each partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    pub(super) stamp: Stamp,
    /// By partition, the last record of the run; none if the partition has no record of it.
    pub(super) positions: Vec<Option<Index>>,
    /// The number of records of the run in the topic.
    pub(super) already: u64,
    /// The number of records that claim to be of the run but are ignored. They are copies, or records that the run does
    /// not send.
    pub ignored: u64,
}

/// The records of a run in a topic, one by one.
#[derive(Clone, Debug, Default)]
pub struct Records {
    each: BTreeSet<(u32, Index, RecordDigest)>,
    /// For partitions that were not read from their beginning: the topic has all records before this one.
    before: BTreeMap<u32, Index>,
}

impl Records {
    pub(super) fn has(&self, partition: u32, index: Index, digest: RecordDigest) -> bool {
        self.before.get(&partition).is_some_and(|first| index < *first)
            || self.each.contains(&(partition, index, digest))
    }
}

impl Tail {
    /// The id of the run.
    pub fn id(&self) -> RunId {
        self.stamp.id
    }

    /// Returns the first row that may be missing; none if no row is missing. The topic has all rows before it.
    ///
    /// `rows_of` has the first and last row of each key. Each incomplete partition has a candidate: the row after its
    /// last record, or its first row if it has no record. The smallest candidate is the result. If that row goes to
    /// another partition, the topic may already have it.
    pub fn first_missing<'a>(
        &self,
        rows_of: impl Iterator<Item = (&'a str, RangeInclusive<u64>)>,
    ) -> Option<u64> {
        let mut rows_in: BTreeMap<u32, RangeInclusive<u64>> = BTreeMap::new();
        for (key, rows) in rows_of {
            let partition = partition_of(key.as_bytes(), self.stamp.partitions);
            let all = rows_in.entry(partition).or_insert_with(|| rows.clone());
            *all = *rows.start().min(all.start())..=*rows.end().max(all.end());
        }
        let missing = rows_in.into_iter().filter_map(|(partition, rows)| {
            match self.positions[partition as usize].map(|last| last.row) {
                Some(row) if row >= *rows.end() => None,
                Some(row) => Some(row + 1),
                None => Some(*rows.start()),
            }
        });
        missing.min()
    }

    /// The event time up to which the run was sent to all partitions that have a record of it.
    pub fn first_event(&self) -> Option<SimTime> {
        self.positions.iter().flatten().map(|last| last.due).min()
    }

    /// Whether the topic already has a record.
    pub(super) fn has(&self, partition: u32, index: Index) -> bool {
        self.positions.get(partition as usize).is_some_and(|last| last.is_some_and(|last| last >= index))
    }
}

/// Where a run ends, and which brokers hold the partitions that show it.
#[derive(Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) tail: Tail,
    /// The replicas of the requested partitions.
    pub(super) copies: Vec<Copies>,
}

/// The replicas of a partition.
#[derive(Debug, PartialEq)]
pub(super) struct Copies {
    /// The id of the broker that leads the partition.
    pub(super) leader: i32,
    /// The ids of the brokers whose replica is in sync. They have all records that consumers can see.
    pub(super) in_sync: BTreeSet<i32>,
    /// The number of replicas.
    pub(super) count: usize,
}

impl KafkaTarget {
    /// Returns where the newest run of a sequence ends in the topic, or where the run `id` ends. Without an `id`,
    /// returns none if the topic is empty or does not exist. Only records that match what `sent` sends count.
    ///
    /// A second look shows whether another process still writes. It comes after the time in `quiet`, or as soon as the
    /// flag in `quiet` is not 0. If the time is zero, there is no second look.
    ///
    /// # Errors
    /// - No broker answers.
    /// - The topic has no record of the run, although it has others or an `id` is given.
    /// - The records at the end of the topic do not show where the run ends, or a partition has lost all its records.
    /// - The topic has another number of partitions than when the run began.
    /// - Another process still writes to the topic.
    pub fn tail<S: Sent>(
        &self,
        sequence: Sequence,
        id: Option<RunId>,
        sent: &mut S,
        quiet: (Duration, Option<&Stop>),
    ) -> Result<Option<Tail>, S::Error> {
        let Some(count) = self.partitions()? else { return Ok(self.empty_for(id)?) };
        let reader = self.reader()?;
        let ends = self.ends(&reader, &sent.partitions(count)?, DEADLINE)?;
        self.check_not_emptied(&ends)?;
        if ends.values().all(|end| end.high == 0) {
            return Ok(self.empty_for(id)?);
        }
        let look = Look { target: self, reader: &reader, sequence, count };
        let (mut windows, mut other) = look.windows(&ends, SECOND)?;
        if windows.values().all(|window| window.claims.is_empty()) {
            (windows, other) = look.windows(&ends, FARTHEST)?;
        }
        for run in candidates(&windows, id) {
            if !sent.becomes(run)? {
                continue;
            }
            if let Some(tail) = look.tail_of(run, sent, &ends, &mut windows)? {
                self.settle(&reader, &ends, quiet)?;
                return Ok(Some(tail));
            }
        }
        match other.filter(|other| id.is_none_or(|id| other.id == id)) {
            Some(other) => Err(self.of_another_count(other, count).into()),
            None => Err(self.lacks(id).into()),
        }
    }

    /// Returns where the newest run of a sequence ends that is newer than `id`; none if there is no such run.
    ///
    /// The last records of a newer run can be further back in the topic than those of an older run that was resumed
    /// later.
    ///
    /// # Errors
    /// If the topic can't be read, or does not show where the newer run ends.
    pub fn newer_than<S: Sent>(
        &self,
        sequence: Sequence,
        id: RunId,
        sent: &mut S,
    ) -> Result<Option<Tail>, S::Error> {
        let Some(count) = self.partitions()? else { return Ok(None) };
        let reader = self.reader()?;
        let ends = self.ends(&reader, &sent.partitions(count)?, DEADLINE)?;
        let look = Look { target: self, reader: &reader, sequence, count };
        let (mut windows, _) = look.windows(&ends, FARTHEST)?;
        for run in candidates(&windows, None).into_iter().filter(|run| *run > id) {
            if sent.becomes(run)?
                && let Some(tail) = look.tail_of(run, sent, &ends, &mut windows)?
            {
                return Ok(Some(tail));
            }
        }
        Ok(None)
    }

    /// Returns which records of the run `id` are in the topic, one by one; none if the topic does not exist.
    ///
    /// # Errors
    /// - The topic can't be read, or its last records do not show where the run ends.
    /// - A partition has lost all its records.
    /// - The topic has another number of partitions than when the run began.
    /// - Another process still writes to the topic.
    pub fn records_of(&self, sequence: Sequence, id: RunId) -> Result<Option<Records>, OutputError> {
        let Some(count) = self.partitions()? else { return Ok(None) };
        let reader = self.reader()?;
        let ends = self.ends(&reader, &(0..count).collect(), DEADLINE)?;
        self.check_not_emptied(&ends)?;
        let look = Look { target: self, reader: &reader, sequence, count };
        let (windows, other) = look.windows(&ends, FARTHEST)?;
        let mut records = Records::default();
        for (partition, window) in &windows {
            let claims = window.claims.get(&id).map(Vec::as_slice).unwrap_or_default();
            let is_whole = window.from <= ends[partition].low;
            match claims.first() {
                None if !is_whole => return Err(self.of_others(*partition, id)),
                Some(first) if !is_whole => drop(records.before.insert(*partition, first.index)),
                _ => {}
            }
            records.each.extend(claims.iter().map(|claim| (*partition, claim.index, claim.digest)));
        }
        if let (true, Some(other)) = (records.each.is_empty(), other.filter(|other| other.id == id)) {
            return Err(self.of_another_count(other, count));
        }
        self.settle(&reader, &ends, (APART, None))?;
        Ok(Some(records))
    }

    /// Returns the result for a topic that is empty or does not exist: none, or an error if an `id` is given.
    fn empty_for(&self, id: Option<RunId>) -> Result<Option<Tail>, OutputError> {
        if id.is_some() { Err(self.lacks(id)) } else { Ok(None) }
    }

    /// Returns the error of a topic that has no record of the run.
    fn lacks(&self, id: Option<RunId>) -> OutputError {
        match id {
            None => self.refused(
                "it is not empty, but it contains no record of this run",
                "use the arguments that the run was started with, or omit `--resume`",
            ),
            Some(id) => self.refused(
                &format!("it contains no record of run {id} with these arguments"),
                "use `--resume` without an id to resume the newest run that was started with these arguments",
            ),
        }
    }

    /// Fails if a partition once had records and has none now.
    pub(super) fn check_not_emptied(&self, ends: &BTreeMap<u32, Ends>) -> Result<(), OutputError> {
        let Some((partition, end)) = ends.iter().find(|(_, end)| end.low == end.high && end.high > 0) else {
            return Ok(());
        };
        Err(self.refused(
            &format!("the records of partition {partition} up to offset {} were deleted", end.high),
            "reenact cannot determine which records are missing: start a new run",
        ))
    }

    /// Returns the error of a partition in which records of other writers hide where a run ends.
    pub(super) fn of_others(&self, partition: u32, run: RunId) -> OutputError {
        self.refused(
            &format!("the records at the end of partition {partition} do not show where run {run} ends"),
            "reenact cannot determine which records are missing: start a new run in a separate topic",
        )
    }

    /// Returns the error of a topic whose partition count has changed since the run began.
    pub(super) fn of_another_count(&self, stamp: Stamp, count: u32) -> OutputError {
        let (id, had) = (stamp.id, stamp.partitions);
        self.refused(
            &format!("it has {count} partitions now, but it had {had} when run {id} began"),
            "its keys now map to other partitions: start a new run in another topic",
        )
    }

    /// Returns where a run that is being sent ends in the partitions of `unsure`. The client that sent it must have
    /// closed its connections. `within` shortens a wait to what a stop allows.
    ///
    /// # Errors
    /// If no broker answers, or if acknowledged records are missing.
    pub(super) fn standing(
        &self,
        reader: &Reader,
        stamp: Stamp,
        unsure: &Unsure,
        within: impl Fn(Duration) -> Duration,
    ) -> Result<Standing, OutputError> {
        let partitions = unsure.acknowledged.keys().copied().collect();
        // This comes first because it fetches the metadata. `ends` uses the leaders that the client remembers. If the
        // client remembers that a partition has no leader, `ends` does not ask again.
        let copies = self.copies(reader, &partitions, within(LOOK))?;
        let mut ends = self.ends(reader, &partitions, within(LOOK))?;
        let mut backs = BACK;
        for (partition, end) in &mut ends {
            match unsure.acknowledged[partition] {
                Some(offset) if end.high <= offset => {
                    let topic = self.topic();
                    let message = format!(
                        "acknowledged records are missing from partition {partition} of topic `{topic}`"
                    );
                    return Err(failure(message, []));
                }
                Some(offset) => end.low = end.low.max(offset + 1),
                // If nothing was acknowledged, the single request in flight is near the end of the partition.
                None => end.low = end.low.max(end.high - backs[2]),
            }
        }
        backs[2] = ends.values().map(|end| end.high - end.low).max().unwrap_or_default();
        let found = self.search(reader, &ends, backs, within(PATIENCE), |message, other, index| {
            *other == stamp && unsure.was_given(message, index)
        })?;
        let positions = (0..stamp.partitions).map(|partition| found.get(&partition).copied()).collect();
        let tail = Tail { stamp, positions, already: 0, ignored: 0 };
        Ok(Standing { tail, copies })
    }

    /// Returns the replicas of partitions. Fails unless all of them have a leader.
    fn copies(
        &self,
        reader: &Reader,
        partitions: &BTreeSet<u32>,
        limit: Duration,
    ) -> Result<Vec<Copies>, OutputError> {
        let metadata = reader
            .fetch_metadata(Some(self.topic()), limit)
            .map_err(|error| self.unreadable(reader, &why(&error)))?;
        let of_topic = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let known = of_topic.filter(|known| partitions.contains(&(known.id() as u32)) && known.leader() >= 0);
        let copies: Vec<Copies> = known
            .map(|known| Copies {
                leader: known.leader(),
                in_sync: known.isr().iter().copied().collect(),
                count: known.replicas().len(),
            })
            .collect();
        // A broker that has just started may not know all partitions yet.
        if copies.len() != partitions.len() {
            return Err(self.unreadable(reader, "not all of its partitions have a leader"));
        }
        Ok(copies)
    }

    /// Returns the error that a run can't be resumed in this topic.
    pub(super) fn refused(&self, reason: &str, help: &str) -> OutputError {
        failure(format!("cannot resume in topic `{}`: {reason}", self.topic()), [help.into()])
    }
}
