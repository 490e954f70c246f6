//! Where a run ends in its topic: what `--resume` goes on from.
//!
//! A run is deterministic, its keys go to computed partitions and an idempotent producer appends in order: so
//! after any crash each partition holds a prefix of its own sequence. Which records prove how long it is: see `proof`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::admin::DEADLINE;
use super::claims::{FARTHEST, Look, SECOND, candidates};
use super::client::failure;
use super::look::{APART, BACK, Ends, LOOK, PATIENCE, Reader};
use super::partition::partition_of;
use super::proof::{RecordDigest, Sent};
use super::recover::Unsure;
use super::stamp::{Index, RunId, Sequence, Stamp};
use super::target::KafkaTarget;
use super::words::why;
use crate::output::{OutputError, Stop};
use crate::time::SimTime;

/// How far a run came, partition by partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    pub(super) stamp: Stamp,
    /// By partition: the last record of the run, none where it has none there.
    pub(super) positions: Vec<Option<Index>>,
    /// Records of the run that the topic has.
    pub(super) already: u64,
    /// Records that claim to be of the run, and are not believed: copies, and such as the run does not send.
    pub ignored: u64,
}

/// Records of a run that a topic has, one by one.
#[derive(Clone, Debug, Default)]
pub struct Records {
    each: BTreeSet<(u32, Index, RecordDigest)>,
    /// By partition that was not read from its beginning: all before this one are there.
    before: BTreeMap<u32, Index>,
}

impl Records {
    pub(super) fn has(&self, partition: u32, index: Index, digest: RecordDigest) -> bool {
        self.before.get(&partition).is_some_and(|first| index < *first)
            || self.each.contains(&(partition, index, digest))
    }
}

impl Tail {
    /// The run that it is the tail of.
    pub fn id(&self) -> RunId {
        self.stamp.id
    }

    /// The row after the shortest of the partitions of these keys, each of which stands with its first and last row:
    /// none is missing before it. None if nothing is missing at all.
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

    /// Whether the topic has a record already.
    pub(super) fn has(&self, partition: u32, index: Index) -> bool {
        self.positions.get(partition as usize).is_some_and(|last| last.is_some_and(|last| last >= index))
    }
}

/// Where a run ends, and who says so.
#[derive(Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) tail: Tail,
    /// Of the partitions that were asked for.
    pub(super) copies: Vec<Copies>,
}

/// The brokers that hold a partition.
#[derive(Debug, PartialEq)]
pub(super) struct Copies {
    pub(super) leader: i32,
    /// Those that have all that may be shown.
    pub(super) in_sync: BTreeSet<i32>,
    /// How many there are.
    pub(super) count: usize,
}

impl KafkaTarget {
    /// Where the newest run of a sequence ends in the topic, or the run `id`; none if the topic is empty
    /// or not there. Records count that say what `sent` sends.
    ///
    /// A second look shows another process that still writes: after the time in `quiet`, or at once when its flag is
    /// not 0. There is none where that time is 0.
    ///
    /// # Errors
    /// No broker answers; the topic has no record of the run though it has others, or another
    /// number of partitions than the run began with; or another process still writes to it.
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

    /// Where the newest run of a sequence ends that is newer than this one and lies behind it in the topic: the older
    /// one was resumed later.
    ///
    /// # Errors
    /// If the topic can't be read.
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

    /// Which records of the run `id` are in a topic, one by one; none where it is not there.
    ///
    /// # Errors
    /// If it can't be read, or is written to.
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

    /// What it means that a topic is empty, or not there: a run can begin, and none can go on.
    fn empty_for(&self, id: Option<RunId>) -> Result<Option<Tail>, OutputError> {
        if id.is_some() { Err(self.lacks(id)) } else { Ok(None) }
    }

    /// What it means that a topic has no record of the run.
    fn lacks(&self, id: Option<RunId>) -> OutputError {
        match id {
            None => self.refused(
                "it is not empty, and holds no record of this run",
                "write the arguments that the run began with, or leave `--resume` out",
            ),
            Some(id) => self.refused(
                &format!("it holds no record of run {id} with these arguments"),
                "`--resume` without an id takes the newest run that began with these arguments",
            ),
        }
    }

    pub(super) fn check_not_emptied(&self, ends: &BTreeMap<u32, Ends>) -> Result<(), OutputError> {
        let Some((partition, end)) = ends.iter().find(|(_, end)| end.low == end.high && end.high > 0) else {
            return Ok(());
        };
        Err(self.refused(
            &format!("the records of partition {partition} up to {} are deleted", end.high),
            "what is missing there cannot be determined: start a new run",
        ))
    }

    /// What it means that records of others hide where a run ends.
    pub(super) fn of_others(&self, partition: u32, run: RunId) -> OutputError {
        self.refused(
            &format!("the records at the end of partition {partition} do not show where run {run} ends"),
            "what is missing there cannot be determined: start a new run in a topic of its own",
        )
    }

    pub(super) fn of_another_count(&self, stamp: Stamp, count: u32) -> OutputError {
        let (id, had) = (stamp.id, stamp.partitions);
        self.refused(
            &format!("it has {count} partitions now, and had {had} when run {id} began"),
            "its keys go to other partitions now: start a new run in another topic",
        )
    }

    /// Where a run ends in these partitions while it is being sent, by a client that has given up its connections;
    /// its records were acknowledged up to these offsets. `within` shortens a wait to what a stop allows.
    ///
    /// # Errors
    /// No broker answers.
    pub(super) fn standing(
        &self,
        reader: &Reader,
        stamp: Stamp,
        unsure: &Unsure,
        within: impl Fn(Duration) -> Duration,
    ) -> Result<Standing, OutputError> {
        let partitions = unsure.acknowledged.keys().copied().collect();
        // First: who leads is remembered by the client, and an answer of nobody is asked for no second time.
        let copies = self.copies(reader, &partitions, within(LOOK))?;
        let mut ends = self.ends(reader, &partitions, within(LOOK))?;
        let mut backs = BACK;
        for (partition, end) in &mut ends {
            match unsure.acknowledged[partition] {
                Some(offset) if end.high <= offset => {
                    let topic = self.topic();
                    let message = format!(
                        "what was acknowledged in partition {partition} of topic `{topic}` is not there"
                    );
                    return Err(failure(message, []));
                }
                Some(offset) => end.low = end.low.max(offset + 1),
                // Where nothing was acknowledged, the one request that was on its way is not far from the end.
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

    /// Who holds these partitions, all of which have a leader.
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
        // A broker that has just started may not know all of it yet.
        if copies.len() != partitions.len() {
            return Err(self.unreadable(reader, "not all of its partitions have a leader"));
        }
        Ok(copies)
    }

    pub(super) fn refused(&self, reason: &str, help: &str) -> OutputError {
        failure(format!("can't resume in topic `{}`: {reason}", self.topic()), [help.into()])
    }
}
