//! Reads the last records of a topic that name a run in their headers, and determines where the run ends.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::Message as _;

use super::admin::DEADLINE;
use super::headers::{RunId, Sequence, Stamp};
use super::proof::{Claim, Proof, RecordDigest, Sent, Window, prove};
use super::resume_point::Tail;
use super::scan::{BACK, Ends, Reader, stamped};
use super::target::KafkaTarget;
use crate::output::OutputError;

/// The most runs with the same arguments that are examined.
const MOST_RUNS: usize = 16;

/// How many records are read first from the end of each partition. One is not enough, since the last record can be a
/// copy.
pub(super) const SECOND: i64 = BACK[1];

/// The most records that are read from the end of a partition. `--resume` refuses a run that ends further back.
pub(super) const FARTHEST: i64 = BACK[2];

/// How many records are read over all partitions to confirm where a run ends, if the topic contains other records too.
const MORE: i64 = 200_000;

/// The most claims that one look keeps in memory, over all partitions. A million claims take about 64 MB.
const MOST_CLAIMS: i64 = 4_000_000;

/// Returns how many records to read in each partition: `back`, or fewer if the topic has many partitions.
fn share(back: i64, partitions: usize) -> i64 {
    back.min((MOST_CLAIMS / partitions.max(1) as i64).max(1))
}

/// Returns the runs that claims name, in the order in which to examine them. First come the runs that the last claim of
/// a partition names, then all others; in both groups, newer runs come first. With an `id`, returns only that run.
pub(super) fn candidates(windows: &BTreeMap<u32, Window>, id: Option<RunId>) -> Vec<RunId> {
    if let Some(id) = id {
        return vec![id];
    }
    let last: BTreeSet<RunId> = windows.values().filter_map(|window| window.last).collect();
    let all: BTreeSet<RunId> = windows.values().flat_map(|window| window.claims.keys().copied()).collect();
    let further = all.iter().rev().filter(|run| !last.contains(run));
    last.iter().rev().chain(further).copied().take(MOST_RUNS).collect()
}

/// Reads the end of a topic with `count` partitions.
pub(super) struct Look<'a> {
    pub(super) target: &'a KafkaTarget,
    pub(super) reader: &'a Reader,
    pub(super) sequence: Sequence,
    pub(super) count: u32,
}

impl Look<'_> {
    /// Reads the last records of partitions, up to `back` in each. If a claim names another partition count, also
    /// returns its stamp.
    pub(super) fn windows(
        &self,
        ends: &BTreeMap<u32, Ends>,
        back: i64,
    ) -> Result<(BTreeMap<u32, Window>, Option<Stamp>), OutputError> {
        let mut windows: BTreeMap<u32, Window> = BTreeMap::new();
        let mut other = None;
        let mut filled = ends.clone();
        filled.retain(|_, end| end.low < end.high);
        let back = share(back, filled.len());
        self.target.read(self.reader, &filled, back, DEADLINE, |message| {
            let partition = message.partition() as u32;
            let high = filled[&partition].high;
            if message.offset() >= high {
                return;
            }
            let window = windows.entry(partition).or_insert_with(|| Window {
                from: message.offset(),
                high,
                ..Window::default()
            });
            window.count += 1;
            let Some((stamp, index)) = stamped(message).filter(|(stamp, _)| stamp.sequence == self.sequence)
            else {
                return;
            };
            if stamp.partitions != self.count {
                other = Some(stamp);
                return;
            }
            let claim = Claim { offset: message.offset(), index, digest: RecordDigest::of(message) };
            window.claims.entry(stamp.id).or_default().push(claim);
            window.last = Some(stamp.id);
        })?;
        Ok((windows, other))
    }

    /// Returns where a run ends; none if no claim of it is proved.
    pub(super) fn tail_of<S: Sent>(
        &self,
        run: RunId,
        sent: &mut S,
        ends: &BTreeMap<u32, Ends>,
        windows: &mut BTreeMap<u32, Window>,
    ) -> Result<Option<Tail>, S::Error> {
        let mut proofs = prove(sent, windows, run, self.count)?;
        let open = |proofs: &BTreeMap<u32, Proof>, has_end: bool| -> BTreeMap<u32, Ends> {
            let is_open = |partition: &u32| {
                proofs.get(partition).is_some_and(|proof| proof.is_open && proof.end.is_some() == has_end)
            };
            ends.iter().filter(|(partition, _)| is_open(partition)).map(|(p, ends)| (*p, *ends)).collect()
        };
        let (unseen, seen) = (open(&proofs, false), open(&proofs, true));
        let further = (MORE / seen.len().max(1) as i64).clamp(SECOND, FARTHEST);
        for (partitions, back) in [(unseen, FARTHEST), (seen, further)] {
            let deeper = self.windows(&partitions, back)?.0;
            proofs.extend(prove(sent, &deeper, run, self.count)?);
            windows.extend(deeper);
        }
        if proofs.values().all(|proof| proof.end.is_none()) {
            return Ok(None);
        }
        let reaches_low = |partition: &u32| windows[partition].from <= ends[partition].low;
        if let Some(partition) =
            open(&proofs, false).keys().find(|partition| !reaches_low(partition)).copied()
        {
            return Err(self.target.of_others(partition, run).into());
        }
        let mut positions = vec![None; self.count as usize];
        for (partition, proof) in &proofs {
            positions[*partition as usize] = proof.end.map(|(index, _)| index);
        }
        let ranks = proofs.values().filter_map(|proof| proof.end).map(|(_, rank)| rank + 1);
        Ok(Some(Tail {
            stamp: Stamp { id: run, sequence: self.sequence, partitions: self.count },
            positions,
            already: ranks.sum(),
            ignored: proofs.values().map(|proof| proof.ignored).sum(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_all_partitions_together_are_limited() {
        assert_eq!(share(FARTHEST, 0), FARTHEST);
        assert_eq!(share(FARTHEST, 40), FARTHEST);
        for partitions in [41, 1_000, 10_000] {
            assert!(share(FARTHEST, partitions) * partitions as i64 <= MOST_CLAIMS, "{partitions}");
            assert!(share(SECOND, partitions) > 0);
        }
    }
}
