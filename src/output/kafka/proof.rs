//! Determines which records of a topic are proved to be of a run.
//!
//! Each partition contains the first part of what a run sends to it, in order. But every user with Write on the topic
//! can send a copy of a record, or forge one. So the last record proves nothing. The run ends at the greatest row that
//! has a record with the key and value from the plan, and that follows the row before it.
//!
//! A *claim* is a record with headers that name the run. A claim that passes is *proved*.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::{BorrowedMessage, Message as _};

use super::headers::{Index, RunId};
use crate::output::OutputError;
use crate::time::SimTime;

/// The records that a run sends. Claims are checked against them.
pub trait Sent {
    /// The error of a run that cannot be planned or read.
    type Error: From<OutputError>;

    /// Switches to the run with this id. Returns false if no run can have this id.
    ///
    /// # Errors
    /// If the run cannot be planned for another reason.
    fn becomes(&mut self, run: RunId) -> Result<bool, Self::Error>;

    /// Returns the partitions that the run has rows for, in a topic with `count` partitions.
    ///
    /// # Errors
    /// If the run cannot be read.
    fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, Self::Error>;

    /// Returns where rows go. Leaves out rows that the run does not have.
    ///
    /// # Errors
    /// If the run cannot be read.
    fn places(&mut self, rows: &BTreeSet<u64>, partitions: u32) -> Result<BTreeMap<u64, Place>, Self::Error>;

    /// Returns the digests of the records of rows. Leaves out rows that the run does not have.
    ///
    /// # Errors
    /// If the run cannot be read.
    fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, Self::Error>;
}

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition of the row's key.
    pub partition: u32,
    /// How many rows of the run go to that partition before this one.
    pub rank: u64,
    /// The moment at which the row is due.
    pub due: SimTime,
}

/// A digest of a record's key and value. It does not cover the timestamp, since the broker can replace that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordDigest([u8; 16]);

impl RecordDigest {
    /// Returns the digest of a record.
    pub fn new(key: &[u8], value: &[u8]) -> RecordDigest {
        let mut hasher = blake3::Hasher::new();
        let digest = hasher.update(&(key.len() as u64).to_be_bytes()).update(key).update(value).finalize();
        RecordDigest(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }

    pub(super) fn of(message: &BorrowedMessage<'_>) -> RecordDigest {
        RecordDigest::new(message.key().unwrap_or_default(), message.payload().unwrap_or_default())
    }
}

/// A record with headers that name a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) offset: i64,
    pub(super) index: Index,
    pub(super) digest: RecordDigest,
}

/// The last records of a partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// The offset of its first record.
    pub(super) from: i64,
    /// The number of its records, of any writer.
    pub(super) count: i64,
    /// The offset after its last record.
    pub(super) high: i64,
    /// The claims of each run, in the order of their offsets.
    pub(super) claims: BTreeMap<RunId, Vec<Claim>>,
    /// The run of the last claim.
    pub(super) last: Option<RunId>,
}

impl Window {
    /// Whether the window has every record that was ever in the partition.
    fn is_complete(&self) -> bool {
        self.from == 0 && self.count == self.high
    }
}

/// A claim for a row that the run sends to this partition.
#[derive(Clone, Copy, Debug)]
struct Placed {
    claim: Claim,
    rank: u64,
}

/// Where a run ends in one partition, as far as its claims prove it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// The index and rank of the last proved row; none if no claim is proved.
    pub(super) end: Option<(Index, u64)>,
    /// Whether records further back could prove a later end.
    pub(super) is_open: bool,
    /// The number of claims that are forged or copies.
    pub(super) ignored: u64,
}

/// Checks the claims of one run in some partitions of a topic. `partitions` is the partition count of the topic.
///
/// # Errors
/// If the run cannot be read.
pub(super) fn prove<S: Sent>(
    sent: &mut S,
    windows: &BTreeMap<u32, Window>,
    run: RunId,
    partitions: u32,
) -> Result<BTreeMap<u32, Proof>, S::Error> {
    let claims = windows.values().filter_map(|window| window.claims.get(&run)).flatten();
    let rows: BTreeSet<u64> = claims.map(|claim| claim.index.row).collect();
    let places = if rows.is_empty() { BTreeMap::new() } else { sent.places(&rows, partitions)? };
    let mut trials: BTreeMap<u32, Trial<'_>> = windows
        .iter()
        .map(|(partition, window)| (*partition, Trial::new(window, run, *partition, &places)))
        .collect();
    let mut known: BTreeMap<u64, Option<RecordDigest>> = BTreeMap::new();
    let mut more = FIRST_BATCH;
    loop {
        // One call for all partitions: each call reads a recording from its start.
        let wanted: BTreeSet<u64> = trials.values().flat_map(|trial| trial.wanted(&known, more)).collect();
        if wanted.is_empty() {
            return Ok(trials.into_iter().map(|(partition, trial)| (partition, trial.proof())).collect());
        }
        let digests = sent.digests(&wanted)?;
        known.extend(wanted.into_iter().map(|row| (row, digests.get(&row).copied())));
        trials.values_mut().for_each(|trial| trial.keep_true(&known));
        more = more.saturating_mul(8);
    }
}

/// The claims of one run in one partition.
struct Trial<'a> {
    window: &'a Window,
    /// The number of claims before any was refuted.
    claims: usize,
    /// The claims that are not refuted yet.
    placed: Vec<Placed>,
    /// The chain of these claims that ends with the greatest row. It is proved if its last rows have the right values.
    chain: Vec<Placed>,
}

impl<'a> Trial<'a> {
    fn new(window: &'a Window, run: RunId, partition: u32, places: &BTreeMap<u64, Place>) -> Trial<'a> {
        let claims = window.claims.get(&run).map(Vec::as_slice).unwrap_or_default();
        let placed = |claim: &Claim| {
            let place = places.get(&claim.index.row)?;
            let fits = place.partition == partition && place.due == claim.index.due && claim.index.copy == 0;
            fits.then_some(Placed { claim: *claim, rank: place.rank })
        };
        let placed: Vec<Placed> = claims.iter().filter_map(placed).collect();
        let chain = longest(&placed, window);
        Trial { window, claims: claims.len(), placed, chain }
    }

    /// Returns the rows to compute: unknown ones at the end of the chain, and in that case up to `more` others.
    fn wanted(&self, known: &BTreeMap<u64, Option<RecordDigest>>, more: usize) -> BTreeSet<u64> {
        let is_unknown = |row: &u64| !known.contains_key(row);
        let matter = self.chain.iter().rev().take(VERIFIED).map(|it| it.claim.index.row);
        let mut wanted: BTreeSet<u64> = matter.filter(is_unknown).collect();
        if !wanted.is_empty() {
            let all: BTreeSet<u64> = self.placed.iter().map(|it| it.claim.index.row).collect();
            wanted.extend(all.into_iter().rev().filter(is_unknown).take(more));
        }
        wanted
    }

    /// Drops claims with another key or value than the run's, and determines the chain again.
    fn keep_true(&mut self, known: &BTreeMap<u64, Option<RecordDigest>>) {
        let before = self.placed.len();
        let is_true = |it: &Placed| {
            known.get(&it.claim.index.row).is_none_or(|digest| *digest == Some(it.claim.digest))
        };
        self.placed.retain(is_true);
        if self.placed.len() < before {
            self.chain = longest(&self.placed, self.window);
        }
    }

    fn proof(&self) -> Proof {
        let end = self.chain.last();
        // If the offset is equal to the rank, only rows of the run are before it.
        let is_alone = end.is_some_and(|end| u64::try_from(end.claim.offset) == Ok(end.rank));
        Proof {
            end: end.map(|end| (end.claim.index, end.rank)),
            is_open: !is_alone && !self.window.is_complete(),
            ignored: (self.claims - self.chain.len()) as u64,
        }
    }
}

/// How many rows at the end of a chain must have the right values.
const VERIFIED: usize = 2;

/// How many additional rows the first call computes. Each later call computes eight times as many, so that even a large
/// number of forged records costs few calls.
const FIRST_BATCH: usize = 8;

/// Returns the chain of claims that ends with the greatest row. In a chain, each row follows the one before it.
///
/// A chain counts if it starts with the run's first row in the partition, has at least two rows, or is the first
/// record of the window. In a window with all records of the partition, it must start with the run's first row.
fn longest(placed: &[Placed], window: &Window) -> Vec<Placed> {
    // By rank: the best claim, the claim before it (both as indices of `placed`), and the length of the chain.
    let mut chains: BTreeMap<u64, (usize, Option<usize>, u64)> = BTreeMap::new();
    let mut before: Vec<Option<usize>> = vec![None; placed.len()];
    let mut is_rooted: Vec<bool> = vec![false; placed.len()];
    for (i, it) in placed.iter().enumerate() {
        let previous = it.rank.checked_sub(1).and_then(|rank| chains.get(&rank)).copied();
        let (last, length) = previous.map_or((None, 0), |(last, _, length)| (Some(last), length));
        before[i] = last;
        is_rooted[i] = last.map_or(it.rank == 0, |last| is_rooted[last]);
        let is_better = chains
            .get(&it.rank)
            .is_none_or(|(other, _, longest)| (is_rooted[i], length + 1) > (is_rooted[*other], *longest));
        if is_better {
            chains.insert(it.rank, (i, last, length + 1));
        }
    }
    let is_believed = |(last, _, length): &(usize, Option<usize>, u64)| match window.is_complete() {
        true => is_rooted[*last],
        false => is_rooted[*last] || *length > 1 || placed[*last].claim.offset == window.from,
    };
    let Some((mut at, ..)) = chains.values().rev().find(|chain| is_believed(chain)).copied() else {
        return Vec::new();
    };
    let mut chain = vec![placed[at]];
    while let Some(previous) = before[at] {
        at = previous;
        chain.push(placed[at]);
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::output::kafka::headers::Sequence;

    /// A run with this number of rows, all in the only partition 0.
    struct Rows(u64);

    fn digest(row: u64) -> RecordDigest {
        RecordDigest::new(b"key", &row.to_be_bytes())
    }

    fn due(row: u64) -> SimTime {
        SimTime(1_000 * row as i64)
    }

    impl Sent for Rows {
        type Error = OutputError;

        fn becomes(&mut self, _: RunId) -> Result<bool, OutputError> {
            Ok(true)
        }

        fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, OutputError> {
            Ok(BTreeSet::from([Sequence::partition_of("key", count)]))
        }

        fn places(&mut self, rows: &BTreeSet<u64>, _: u32) -> Result<BTreeMap<u64, Place>, OutputError> {
            let rows = rows.iter().filter(|row| **row < self.0);
            Ok(rows.map(|row| (*row, Place { partition: 0, rank: *row, due: due(*row) })).collect())
        }

        fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, OutputError> {
            Ok(rows.iter().filter(|row| **row < self.0).map(|row| (*row, digest(*row))).collect())
        }
    }

    /// The record at an offset of a partition.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        /// The record that the run sends for this row.
        Row(u64),
        /// A record for this row with another value.
        Altered(u64),
        /// A record for this row with another moment or another copy number.
        Misplaced(u64),
        /// A record from another writer.
        Stranger,
    }

    fn run() -> RunId {
        "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
    }

    /// The window with the last `back` of these records.
    fn window(records: &[Kind], back: usize) -> BTreeMap<u32, Window> {
        let from = records.len().saturating_sub(back);
        let mut window = Window {
            from: from as i64,
            count: (records.len() - from) as i64,
            high: records.len() as i64,
            ..Window::default()
        };
        for (offset, kind) in records.iter().enumerate().skip(from) {
            let (row, due, digest, copy) = match *kind {
                Kind::Row(row) => (row, due(row.min(1 << 40)), digest(row), 0),
                Kind::Altered(row) => (row, due(row.min(1 << 40)), digest(row + 1), 0),
                Kind::Misplaced(row) if row % 2 == 0 => (row, SimTime(due(row).0 + 1), digest(row), 0),
                Kind::Misplaced(row) => (row, due(row), digest(row), 1),
                Kind::Stranger => continue,
            };
            let index = Index { due, row, copy };
            let claim = Claim { offset: offset as i64, index, digest };
            window.claims.entry(run()).or_default().push(claim);
        }
        BTreeMap::from([(0, window)])
    }

    /// Returns the last proved row. Reads the last 1,000 records first, as the search for a tail does.
    fn end(rows: u64, records: &[Kind]) -> Option<u64> {
        let mut proof = Proof::default();
        for back in [1_000, 100_000] {
            proof = prove(&mut Rows(rows), &window(records, back), run(), 1).unwrap()[&0];
            if !proof.is_open {
                break;
            }
        }
        proof.end.map(|(index, _)| index.row)
    }

    #[test]
    fn a_record_that_is_sent_again_hides_nothing() {
        let prefix: Vec<Kind> = (0..3_000).map(Kind::Row).collect();
        let after = |more: &[Kind]| end(9_000, &[&prefix, more].concat());
        assert_eq!(after(&[]), Some(2_999));
        assert_eq!(after(&[Kind::Row(5)]), Some(2_999));
        let block: Vec<Kind> = (0..2_000).map(Kind::Row).collect();
        assert_eq!(after(&block), Some(2_999), "a block of them, longer than the first look and in order");
        assert_eq!(after(&[Kind::Row(5); 5_000]), Some(2_999));
    }

    #[test]
    fn a_record_that_is_made_up_proves_nothing() {
        let prefix: Vec<Kind> = (0..3_000).map(Kind::Row).collect();
        let after = |more: Kind| end(9_000, &[&prefix[..], &[more]].concat());
        for row in [3_000, 8_999, 9_000, u64::MAX - 1] {
            assert_eq!(after(Kind::Altered(row)), Some(2_999), "{row}");
        }
        assert_eq!(after(Kind::Row(u64::MAX)), Some(2_999));
        assert_eq!(after(Kind::Misplaced(3_000)), Some(2_999));
        assert_eq!(after(Kind::Row(3_001)), Some(2_999), "a true row that follows none");
        assert_eq!(after(Kind::Row(3_000)), Some(3_000), "what follows is the run's");
        // With a made-up id, a single true row proves nothing unless it is the first row of the run.
        assert_eq!(end(9_000, &[Kind::Stranger, Kind::Row(700)]), None);
        assert_eq!(end(9_000, &[Kind::Stranger, Kind::Row(0)]), Some(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn copies_and_forgeries_in_any_order_change_no_end(
            length in 1_u64..4_000,
            strangers in 0_usize..3,
            junk in vec((0_u8..5, any::<u64>()), 0..400),
        ) {
            let mut records = vec![Kind::Stranger; strangers];
            records.extend((0..length).map(Kind::Row));
            // The junk contains no true row that would follow the last one.
            records.extend(junk.into_iter().map(|(kind, row)| match kind {
                0 | 1 => Kind::Row(row % length),
                2 => Kind::Altered(row.min(u64::MAX - 1)),
                3 => Kind::Altered(row % 5_000),
                _ => Kind::Misplaced(row % 5_000),
            }));
            prop_assert_eq!(end(5_000, &records), Some(length - 1));
        }
    }
}
