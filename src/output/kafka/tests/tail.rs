//! Tests of where a run ends in its topic.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::*;
use crate::output::Tail;
use crate::output::kafka::encode::Message;
use crate::output::kafka::{Place, RecordDigest, Sent};

/// The records of a run as a list: key, moment and digest.
struct Listed(Vec<(String, SimTime, RecordDigest)>);

impl Listed {
    fn of(encode: &KafkaEncode, batch: &Batch) -> Listed {
        let part = encode.encode(batch);
        let one = |message: Message<'_>| {
            let digest = RecordDigest::new(message.key.as_bytes(), message.value);
            (message.key.into(), message.timestamp, digest)
        };
        Listed(part.messages().map(one).collect())
    }
}

impl Sent for Listed {
    type Error = OutputError;

    fn becomes(&mut self, _: RunId) -> Result<bool, OutputError> {
        Ok(true)
    }

    fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, OutputError> {
        Ok(KEYS.into_iter().map(|key| partition_of(key.as_bytes(), count)).collect())
    }

    fn places(&mut self, rows: &BTreeSet<u64>, partitions: u32) -> Result<BTreeMap<u64, Place>, OutputError> {
        let of = |key: &str| partition_of(key.as_bytes(), partitions);
        let place = |row: &u64| {
            let (key, due, _) = self.0.get(*row as usize)?;
            let partition = of(key);
            let before = self.0[..*row as usize].iter().filter(|(key, ..)| of(key) == partition);
            Some((*row, Place { partition, rank: before.count() as u64, due: *due }))
        };
        Ok(rows.iter().filter_map(place).collect())
    }

    fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, OutputError> {
        Ok(rows.iter().filter_map(|row| Some((*row, self.0.get(*row as usize)?.2))).collect())
    }
}

/// Returns where the run of all rows ends, determined as for `--resume`.
fn tail(target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, String> {
    tail_of(Listed::of(&KafkaEncode::default(), &batch(100, START)), target, id)
}

fn tail_of(mut sent: Listed, target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, String> {
    let quiet = Duration::from_millis(100);
    target.tail(sequence(), id, &mut sent, (quiet, None)).map_err(|error| error.to_string())
}

/// Returns the first and last row of each key, in 100 ticks.
fn rows_of() -> impl Iterator<Item = (&'static str, RangeInclusive<u64>)> {
    KEYS.into_iter().zip((0..).map(|entity| entity..=297 + entity))
}

#[test]
fn what_a_topic_has_is_sent_no_second_time() {
    let (_cluster, target) = mock(PARTITIONS);
    assert!(tail(&target, None).unwrap().is_none(), "an empty topic holds nothing of a run");
    let batch = batch(100, START);
    let stamp = stamp(PARTITIONS);
    // The run is cut off in the middle of a tick.
    let mut rows = 0..100;
    let begun = batch.filter(|_| rows.next().is_some());
    sent(with_stamp(&target, stamp), KafkaEncode::default().encode(&begun)).unwrap();
    for id in [None, Some(stamp.id)] {
        let tail = tail(&target, id).unwrap().expect("the run is there");
        // Row 98 is the last record of its partition, so 99 may be missing. It goes to another partition and is there.
        assert_eq!((tail.id(), tail.first_missing(rows_of())), (stamp.id, Some(99)));
    }
    let resumed = with_stamp(&target, stamp).after(tail(&target, None).unwrap());
    let receipt = sent(resumed, KafkaEncode::default().encode(&batch)).unwrap();
    assert_eq!(receipt.delivery.unwrap().words(), "200 acknowledged, 100 already present");
    let (stored, expected) = (stored(&target, 300), expected(&batch));
    for key in KEYS {
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
    let tail = tail(&target, None).unwrap().expect("the run is there");
    assert_eq!(tail.first_missing(rows_of()), None, "everything is there");
}

#[test]
fn the_newest_run_is_resumed_and_an_older_one_by_its_id() {
    let (_cluster, target) = mock(PARTITIONS);
    let (old, new) = (stamp(PARTITIONS), Stamp { id: RunId::new(SimTime(START.0 + 1)), ..stamp(PARTITIONS) });
    for (stamp, seconds) in [(old, 100), (new, 5)] {
        sent(with_stamp(&target, stamp), part(seconds)).unwrap();
    }
    let found = |id| tail(&target, id).unwrap().expect("the run is there");
    let missing = |tail: &Tail| tail.first_missing(rows_of());
    let (newest, older) = (found(None), found(Some(old.id)));
    assert_eq!((newest.id(), missing(&newest)), (new.id, Some(13)));
    assert_eq!((older.id(), missing(&older)), (old.id, None));
}

#[test]
fn the_newest_run_is_found_where_an_older_one_was_resumed_later() {
    let (_cluster, target) = mock(PARTITIONS);
    let (old, new) = (stamp(PARTITIONS), Stamp { id: RunId::new(SimTime(START.0 + 1)), ..stamp(PARTITIONS) });
    for (stamp, seconds) in [(old, 2), (new, 5)] {
        sent(with_stamp(&target, stamp), part(seconds)).unwrap();
    }
    // The older run sends more, but only to the service's partition. There the newest run is further back than the
    // second search reads.
    let service = KafkaEncode::default().only(INSTANCE);
    sent(with_stamp(&target, old), service.encode(&batch(2_000, START + Span::seconds(2)))).unwrap();
    let newest = tail(&target, None).unwrap().expect("the run is there");
    assert_eq!((newest.id(), newest.first_missing(rows_of())), (new.id, Some(13)));
}

#[test]
fn a_partition_that_has_nothing_of_a_run_starts_at_its_first_record() {
    let (_cluster, target) = mock(PARTITIONS);
    let service = KafkaEncode::default().only(INSTANCE);
    sent(connect(&target), service.encode(&batch(100, START))).unwrap();
    let listed = Listed::of(&service, &batch(100, START));
    let tail = tail_of(listed, &target, None).unwrap().expect("the run is there");
    // The service shares its partition with one of the servers.
    let shared =
        KEYS[..2].iter().find(|key| partition_of(key.as_bytes(), 3) == partition_of(KEYS[2].as_bytes(), 3));
    let rows_of = [(KEYS[2], 0..=99), (*shared.unwrap(), 0..=99), (KEYS[0], 30..=300)];
    assert_eq!(tail.first_missing(rows_of.clone().into_iter()), Some(30));
    assert_eq!(tail.first_missing(rows_of.into_iter().take(2)), None);
}

#[test]
fn a_topic_that_can_t_be_gone_on_in_is_refused_with_the_reason() {
    let refused = |target: &KafkaTarget, id| tail(target, id).map(|_| ()).unwrap_err();
    let begins = "cannot resume in topic `t`: ";
    let (_cluster, target) = mock(PARTITIONS);
    let other = Stamp { sequence: Sequence::new("another run", "t"), ..stamp(PARTITIONS) };
    sent(with_stamp(&target, other), part(1)).unwrap();
    assert_eq!(
        refused(&target, None),
        format!("{begins}it is not empty, but it contains no record of this run")
    );
    assert_eq!(
        refused(&target, Some(other.id)),
        format!("{begins}it contains no record of run {} with these arguments", other.id)
    );
    let (_cluster, target) = mock(PARTITIONS);
    let fewer = Stamp { partitions: 2, ..stamp(PARTITIONS) };
    sent(with_stamp(&target, fewer), part(1)).unwrap();
    assert_eq!(
        refused(&target, None),
        format!("{begins}it has 3 partitions now, but it had 2 when run {} began", fewer.id)
    );
}
