//! Which of the records that claim to be of a run are believed.
//!
//! Each partition of a topic holds the first part of what a run sends to it, in order. But anyone who may write can
//! send a record again with its headers, or make one up. So the last record proves nothing: what counts is the greatest
//! row whose record says what the plan gives for it, and which follows the row before it.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::message::{BorrowedMessage, Message as _};

use super::stamp::{Index, RunId};
use crate::output::OutputError;
use crate::time::SimTime;

/// What a run sends: what records that claim to be of it are checked against.
pub trait Sent {
    /// What can go wrong.
    type Error: From<OutputError>;

    /// From now on it is the run with this id; false where no run can have it.
    ///
    /// # Errors
    /// If it cannot be planned for another reason.
    fn becomes(&mut self, run: RunId) -> Result<bool, Self::Error>;

    /// Which of so many partitions it has rows for.
    ///
    /// # Errors
    /// If it cannot be read.
    fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, Self::Error>;

    /// Where these rows go; those that it does not have are left out.
    ///
    /// # Errors
    /// If it cannot be read.
    fn places(&mut self, rows: &BTreeSet<u64>, partitions: u32) -> Result<BTreeMap<u64, Place>, Self::Error>;

    /// What the records of these rows say.
    ///
    /// # Errors
    /// If they cannot be read.
    fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, Self::Error>;
}

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition of its key.
    pub partition: u32,
    /// How many rows of the run go to that partition before it.
    pub rank: u64,
    /// When it is due.
    pub due: SimTime,
}

/// Of a record's key and value. Its timestamp can be the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordDigest([u8; 16]);

impl RecordDigest {
    /// That of a record.
    pub fn new(key: &[u8], value: &[u8]) -> RecordDigest {
        let mut hasher = blake3::Hasher::new();
        let digest = hasher.update(&(key.len() as u64).to_be_bytes()).update(key).update(value).finalize();
        RecordDigest(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }

    pub(super) fn of(message: &BorrowedMessage<'_>) -> RecordDigest {
        RecordDigest::new(message.key().unwrap_or_default(), message.payload().unwrap_or_default())
    }
}

/// A record that claims to be of a run.
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
    /// Records in it, of any writer.
    pub(super) count: i64,
    /// The offset after its last one.
    pub(super) high: i64,
    /// By run, in order.
    pub(super) claims: BTreeMap<RunId, Vec<Claim>>,
    /// The run that the last claim is of.
    pub(super) last: Option<RunId>,
}

impl Window {
    /// Whether it has every record that the partition ever had.
    fn is_complete(&self) -> bool {
        self.from == 0 && self.count == self.high
    }
}

/// A claim in its place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    claim: Claim,
    rank: u64,
}

/// What the claims of one run in one partition prove.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// The last row, with its rank; none where no record is believed.
    pub(super) end: Option<(Index, u64)>,
    /// Records further back could prove more.
    pub(super) is_open: bool,
    /// Claims that are not of the run, or a second copy.
    pub(super) ignored: u64,
}

/// Judges the claims of one run in some partitions, of so many that the topic has.
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
        // All partitions at once: a recording is read for each time that is asked.
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
    /// How many there were.
    claims: usize,
    /// Those that may be true.
    placed: Vec<Placed>,
    /// Those of them that are believed if they are.
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

    /// Rows whose values are to be looked at: those that matter, and then so many more.
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

    /// Drops claims that say something else than the run does.
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
        // Where as many records are before it as rows, there is no room for a copy, or for more of the run.
        let is_alone = end.is_some_and(|end| u64::try_from(end.claim.offset) == Ok(end.rank));
        Proof {
            end: end.map(|end| (end.claim.index, end.rank)),
            is_open: !is_alone && !self.window.is_complete(),
            ignored: (self.claims - self.chain.len()) as u64,
        }
    }
}

/// Rows whose values are looked at, from the end of a run on back.
const VERIFIED: usize = 2;

/// More rows are asked for in the same go, so that many made-up records cost few.
const FIRST_BATCH: usize = 8;

/// Claims that follow each other, up to the greatest row that others lead up to.
///
/// A record that is not the first of its partition follows the one before it: either that is in the window, or the
/// window begins with this one.
fn longest(placed: &[Placed], window: &Window) -> Vec<Placed> {
    // By rank: the index of the claim before it in `placed`, and how many lead up to it.
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
    use crate::output::kafka::stamp::Sequence;

    /// A run with so many rows, all in partition 0 of one.
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

    /// What is in a partition at an offset.
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        /// What the run sends for this row.
        Row(u64),
        /// A row with another value.
        Altered(u64),
        /// A row with another moment, or another copy number.
        Misplaced(u64),
        /// A record of another writer.
        Stranger,
    }

    fn run() -> RunId {
        "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
    }

    /// The last `back` of these records.
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

    /// The last row that is believed, as a tail is looked for: first in the last 1,000 records.
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
        // Under an id that no run has.
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
            // No true row that would follow the last one.
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
