//! Where a run ends in its topic: what `--resume` goes on from.
//!
//! A run is deterministic, its keys go to computed partitions and an idempotent producer appends in order: so
//! after any crash each partition holds a prefix of its own sequence, and its last record tells how long it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rdkafka::consumer::Consumer as _;

use super::admin::DEADLINE;
use super::client::failure;
use super::look::{BACK, LOOK, PATIENCE, Reader, Runs};
use super::partition::partition_of;
use super::stamp::{Index, RunId, Sequence, Stamp};
use super::target::KafkaTarget;
use super::words::why;
use crate::output::OutputError;
use crate::time::SimTime;

/// How far a run came, partition by partition.
#[derive(Clone, Debug, PartialEq)]
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

    /// The same where every partition counts, of a topic that need not have any record of the run.
    ///
    /// # Errors
    /// If it can't be read, or is written to.
    pub fn tail_if_any(&self, sequence: Sequence, id: RunId) -> Result<Option<Tail>, OutputError> {
        match self.tail_in(sequence, Some(id), |partitions| (0..partitions).collect())? {
            Found::Run(tail) => Ok(Some(tail)),
            Found::Empty | Found::Others => Ok(None),
        }
    }

    /// The newest run of a sequence that is newer than this one and lies behind it in the topic: somebody resumed the
    /// older one later.
    ///
    /// # Errors
    /// If the topic can't be read.
    pub fn newer_than(&self, sequence: Sequence, id: RunId) -> Result<Option<RunId>, OutputError> {
        let Some(partitions) = self.partitions()? else { return Ok(None) };
        let reader = self.reader()?;
        let mut ends = self.ends(&reader, &(0..partitions).collect(), DEADLINE)?;
        ends.retain(|_, end| end.low < end.high);
        let mut newest = None;
        self.read(&reader, &ends, BACK[BACK.len() - 1], DEADLINE, |message| {
            let newer = Stamp::of(message).filter(|stamp| stamp.sequence == sequence && stamp.id > id);
            newest = newest.max(newer.map(|stamp| stamp.id));
        })?;
        Ok(newest)
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
        let ends = self.ends(&reader, &mapped, DEADLINE)?;
        if let Some((partition, end)) = ends.iter().find(|(_, end)| end.low == end.high && end.high > 0) {
            return Err(self.refused(
                &format!("partition {partition} was emptied: its records up to {} are deleted", end.high),
                "what is missing there can't be told: send the run anew",
            ));
        }
        let is_wanted = |stamp: &Stamp| stamp.sequence == sequence && id.is_none_or(|id| stamp.id == id);
        let (mut found, mut unseen) = self.search(&reader, &ends, BACK, DEADLINE, is_wanted)?;
        let newest = found.values().flat_map(BTreeMap::keys).max().copied();
        if let Some(newest) = newest {
            // Where an older run was resumed later, the newest one lies before it.
            let is_hidden = |partition| found.get(partition).is_some_and(|runs| !runs.contains_key(&newest));
            let hidden = ends.iter().filter(|(partition, _)| is_hidden(partition));
            let hidden = hidden.map(|(partition, ends)| (*partition, *ends)).collect();
            let (more, unseen_there) =
                self.search(&reader, &hidden, BACK, DEADLINE, |stamp| stamp.id == newest)?;
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

    /// Where a run ends in these partitions while it is being sent, by a client that has given up its connections;
    /// its records were acknowledged up to these offsets.
    ///
    /// # Errors
    /// No broker answers.
    pub(super) fn standing(
        &self,
        reader: &Reader,
        stamp: Stamp,
        acknowledged: &BTreeMap<u32, Option<i64>>,
    ) -> Result<Standing, OutputError> {
        let partitions = acknowledged.keys().copied().collect();
        // First: who leads is remembered by the client, and an answer of nobody is asked for no second time.
        let copies = self.copies(reader, &partitions)?;
        let mut ends = self.ends(reader, &partitions, LOOK)?;
        let mut backs = BACK;
        for (partition, end) in &mut ends {
            match acknowledged[partition] {
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
        let (found, _) = self.search(reader, &ends, backs, PATIENCE, |other| *other == stamp)?;
        let position = |partition| {
            let runs: &Runs = found.get(&partition)?;
            runs.values().map(|(_, position)| *position).next()
        };
        let tail = Tail { stamp, positions: (0..stamp.partitions).map(position).collect() };
        Ok(Standing { tail, copies })
    }

    /// Who holds these partitions, all of which have a leader.
    fn copies(&self, reader: &Reader, partitions: &BTreeSet<u32>) -> Result<Vec<Copies>, OutputError> {
        let metadata = reader
            .fetch_metadata(Some(self.topic()), LOOK)
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

/// What a topic holds.
enum Found {
    /// Nothing; or it is not there.
    Empty,
    /// Only records that are not of the run.
    Others,
    Run(Tail),
}
