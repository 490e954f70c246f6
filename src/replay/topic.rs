//! What topics need from a replay: how to resume it, and the places and digests of its records.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::extent::Extent;
use super::{Replay, ReplayError, later};
use crate::output::{
    Encode as _, KafkaEncode, KafkaTarget, Place, RecordDigest, RunId, Sent, Sequence, Tail,
};
use crate::time::{SimTime, Span};

impl Replay {
    /// Returns the sequence of the replay's records in a topic.
    pub fn sequence_in(&self, target: &KafkaTarget) -> Sequence {
        Sequence::new(&self.sequence, target.topic())
    }

    /// Continues after the records that are in the topic, with the times of the first attempt. Returns whether anything
    /// is left to send. With labels this is always `true`, because labels may be left even if no record is.
    ///
    /// # Errors
    /// If the recording can't be read.
    pub fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, ReplayError> {
        self.begins(tail.id().moment())?;
        let rows_of = self.rows_of()?;
        let all = rows_of.values().map(|rows| rows.end() + 1).max().unwrap_or(0);
        let missing = tail.first_missing(rows_of.iter().map(|(key, rows)| (key.as_str(), rows.clone())));
        self.there = Some(missing.unwrap_or(all));
        Ok(missing.is_some() || has_labels)
    }

    /// Returns the time from one tick to the next: the time between the last two event times if the whole recording was
    /// read, otherwise the recording's step, or 1 s.
    pub fn tick(&self) -> Span {
        self.extent
            .as_ref()
            .map(|(extent, _)| extent.step)
            .or(self.recording.step())
            .unwrap_or(Span::seconds(1))
    }

    /// Returns the first and the last row of each key, counted over all loops.
    fn rows_of(&mut self) -> Result<&BTreeMap<String, RangeInclusive<u64>>, ReplayError> {
        if self.rows_of.is_empty() {
            let (mut rows_of, mut row) = (BTreeMap::<String, RangeInclusive<u64>>::new(), 0);
            for batch in self.recording.select(&self.options.selection)? {
                let batch = batch?;
                for record in batch.rows() {
                    let name = record.name();
                    match rows_of.get_mut(name) {
                        Some(rows) => *rows = *rows.start()..=row,
                        None => drop(rows_of.insert(name.into(), row..=row)),
                    }
                    row += 1;
                }
            }
            let before = row.saturating_mul(self.options.loops.get() - 1);
            rows_of.values_mut().for_each(|rows| *rows = *rows.start()..=rows.end().saturating_add(before));
            self.rows_of = rows_of;
        }
        Ok(&self.rows_of)
    }
}

/// The position of a row of the first loop.
struct InLoop {
    partition: u32,
    rank: u64,
    /// The latest event time up to this row, as recorded.
    latest: SimTime,
}

impl Sent for Replay {
    type Error = ReplayError;

    fn becomes(&mut self, run: RunId) -> Result<bool, ReplayError> {
        match self.begins(run.moment()) {
            Err(ReplayError::Beyond) => Ok(false),
            begun => begun.map(|()| true),
        }
    }

    fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, ReplayError> {
        Ok(self.rows_of()?.keys().map(|key| Sequence::partition_of(key, count)).collect())
    }

    /// Reads the whole recording.
    fn places(&mut self, rows: &BTreeSet<u64>, partitions: u32) -> Result<BTreeMap<u64, Place>, ReplayError> {
        let Extent { rows: in_loop, last, .. } = self.measure()?;
        let wanted: BTreeSet<u64> = rows.iter().map(|row| row % in_loop.max(1)).collect();
        let mut found: BTreeMap<u64, InLoop> = BTreeMap::new();
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut row, mut latest) = (0, SimTime(i64::MIN));
        for batch in self.recording.select(&self.options.selection)? {
            let batch = batch?;
            for record in batch.rows() {
                let partition = Sequence::partition_of(record.name(), partitions);
                let rank = counts.entry(partition).or_insert(0);
                latest = record.timestamp().max(latest);
                if wanted.contains(&row) {
                    found.insert(row, InLoop { partition, rank: *rank, latest });
                }
                *rank += 1;
                row += 1;
            }
        }
        let place = |row: &u64| {
            let number = row / in_loop.max(1);
            let it = found.get(&(row % in_loop.max(1))).filter(|_| number < self.options.loops.get())?;
            let rank = number * counts[&it.partition] + it.rank;
            let before = number.checked_sub(1).map(|before| later(last, self.shift_of(before)));
            let due = before.unwrap_or(SimTime(i64::MIN)).max(later(it.latest, self.shift_of(number)));
            Some((*row, Place { partition: it.partition, rank, due }))
        };
        Ok(rows.iter().filter_map(place).collect())
    }

    /// Reads the whole recording.
    fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, ReplayError> {
        let in_loop = self.measure()?.rows.max(1);
        // For each row of the first loop: the rows of all loops that are requested.
        let mut wanted: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| **row / in_loop < self.options.loops.get()) {
            wanted.entry(row % in_loop).or_default().push(*row);
        }
        let mut digests = BTreeMap::new();
        let mut first = 0;
        for batch in self.recording.select(&self.options.selection)? {
            let batch = batch?;
            let next = first + batch.num_rows() as u64;
            let here: Vec<u64> = wanted.range(first..next).flat_map(|(_, rows)| rows.clone()).collect();
            let loops: BTreeSet<u64> = here.iter().map(|row| row / in_loop).collect();
            for number in loops {
                let mut moved = batch.clone();
                if !moved.move_by(self.shift_of(number)) {
                    continue;
                }
                let said: Vec<RecordDigest> = KafkaEncode::default().encode(&moved).digests().collect();
                for row in here.iter().filter(|row| **row / in_loop == number) {
                    digests.insert(*row, said[(row % in_loop - first) as usize]);
                }
            }
            first = next;
        }
        Ok(digests)
    }
}

impl Replay {
    /// Returns how much event times move in loop `number`, counted from 0.
    fn shift_of(&self, number: u64) -> Span {
        Span(self.shift.0.saturating_add(self.before_loop(number).0))
    }
}
