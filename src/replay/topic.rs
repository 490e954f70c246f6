//! Replays in their topics.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Replay, ReplayError};
use crate::output::{KafkaTarget, RunId, Sequence, Tail};

impl Replay {
    /// Where it ends in a topic to which it was sent with the same arguments: the newest such replay, or `id`; none
    /// if the topic is empty. All of the recording is read, to know its keys.
    ///
    /// # Errors
    /// If the recording or the topic can't be read; if the topic has no record of it though it has others, or is
    /// written to.
    pub fn tail(&mut self, target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, ReplayError> {
        let sequence = Sequence::new(&self.sequence, target.topic());
        Ok(target.tail(sequence, id, self.rows_of()?.keys().map(String::as_str))?)
    }

    /// A newer one of the same arguments that lies behind that one in its topic.
    ///
    /// # Errors
    /// If the topic can't be read.
    pub fn newer_than(&self, target: &KafkaTarget, id: RunId) -> Result<Option<RunId>, ReplayError> {
        Ok(target.newer_than(Sequence::new(&self.sequence, target.topic()), id)?)
    }

    /// Goes on after that, with the times that it had; whether anything is left. Where labels are sent too, some of
    /// them may be left when no record is.
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

    /// By key, the first and the last row of it that are sent, all loops counted.
    fn rows_of(&mut self) -> Result<&BTreeMap<String, RangeInclusive<u64>>, ReplayError> {
        if self.rows_of.is_empty() {
            let (mut rows_of, mut row) = (BTreeMap::<String, RangeInclusive<u64>>::new(), 0);
            for batch in self.recording.select(&self.options.selection)? {
                let batch = batch?;
                for record in batch.rows() {
                    let name = batch.entity_name(&record);
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
