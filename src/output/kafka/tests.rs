//! Against librdkafka's mock broker: mapping, back-pressure, failures. The real one is in tests/broker.rs.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::POLL;
use super::sink::producer_settings;
use super::stamp::Stamp;
use super::{KafkaEncode, KafkaPart, KafkaSink, KafkaTarget, Prepared, RunId, Sequence, Tail, Wanted};
use crate::batch::{Batch, Entities, RecordType, Row, ServerName, ServiceName};
use crate::output::{Delivery, Encode, NdjsonEncode, OutputError, Partitions, Receipt, Sink};
use crate::time::{SimTime, Span};

const PARTITIONS: i32 = 3;
const START: SimTime = SimTime(1_767_600_000_000);

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A broker with the topic `t`.
fn mock(partitions: i32) -> (Mock, KafkaTarget) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", partitions, 1).unwrap();
    let target = KafkaTarget::parse(&format!("{}/t", cluster.bootstrap_servers())).unwrap();
    (cluster, target)
}

/// A row of each of two servers and of one service a second.
fn batch(seconds: u32, start: SimTime) -> Batch {
    let server = |n| ServerName {
        server_id: format!("srv-00{n}"),
        rack_id: "R01".into(),
        datacenter_zone: "marseille-1".into(),
    };
    let service = ServiceName { service_name: "api-gateway-1".into(), server_id: "srv-001".into() };
    let entities = Entities { servers: vec![server(1), server(2)], services: vec![service] };
    let mut batch = Batch::with_capacity(Arc::new(entities), 2 * seconds as usize, seconds as usize);
    for second in 0..seconds {
        for (record, entity) in
            [(RecordType::ServerMetric, 0), (RecordType::ServerMetric, 1), (RecordType::ApplicationMetric, 0)]
        {
            let table = batch.table_mut(record);
            table.timestamp.push(SimTime(start.0 + i64::from(second) * 1_000));
            table.entity.push(entity);
            table.columns.iter_mut().for_each(|column| column.push(i64::from(second)));
            if record == RecordType::ApplicationMetric {
                table.endpoint.push(0);
            }
            batch.append_run(record, 1);
        }
    }
    batch
}

fn part(seconds: u32) -> KafkaPart {
    KafkaEncode::default().encode(&batch(seconds, START))
}

/// Key, timestamp and value of each message, as the batch has them.
fn expected(batch: &Batch) -> Vec<(String, i64, String)> {
    let part = NdjsonEncode::default().encode(batch);
    let lines = std::str::from_utf8(part.bytes()).unwrap().lines();
    let pair =
        |(row, line): (Row<'_>, &str)| (batch.entity_name(&row).into(), row.timestamp().0, line.into());
    batch.rows().zip(lines).map(pair).collect()
}

/// What the topic holds, partition after partition.
fn stored(target: &KafkaTarget, count: usize) -> Vec<(String, i64, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", target.brokers())
        .set("group.id", "tests")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(target.topic(), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().into()).unwrap();
    let next = || {
        let message = consumer.poll(Duration::from_secs(5)).expect("a message within 5 s").unwrap();
        let timestamp = message.timestamp().to_millis().unwrap();
        (message.partition(), message.offset(), (text(message.key()), timestamp, text(message.payload())))
    };
    let mut messages: Vec<_> = (0..count).map(|_| next()).collect();
    messages.sort();
    messages.into_iter().map(|(_, _, message)| message).collect()
}

fn of_key(messages: &[(String, i64, String)], key: &str) -> Vec<(String, i64, String)> {
    messages.iter().filter(|message| message.0 == key).cloned().collect()
}

fn sequence() -> Sequence {
    Sequence::new("run", "t")
}

fn stamp(partitions: i32) -> Stamp {
    Stamp { id: RunId::new(START), sequence: sequence(), partitions: partitions as u32 }
}

fn connect(target: &KafkaTarget) -> KafkaSink {
    with_stamp(target, stamp(PARTITIONS))
}

fn with_stamp(target: &KafkaTarget, stamp: Stamp) -> KafkaSink {
    KafkaSink::with_settings(target, &producer_settings(target), stamp, 0).unwrap()
}

fn sent(mut sink: KafkaSink, part: KafkaPart) -> Result<Receipt, OutputError> {
    sink.write(part)?;
    sink.finish()
}

/// The message of a failure, after the target's name.
fn error_of(result: Result<Receipt, OutputError>, target: &KafkaTarget) -> String {
    let message = result.expect_err("something fails").to_string();
    message.strip_prefix(&format!("`{target}` did not take every record: ")).unwrap_or(&message).into()
}

#[test]
fn each_row_is_a_message_with_its_entity_and_event_time() {
    let (_cluster, target) = mock(PARTITIONS);
    let batch = batch(100, START);
    let receipt = sent(connect(&target), KafkaEncode::default().encode(&batch)).unwrap();
    let expected = expected(&batch);
    let bytes = expected.iter().map(|(key, _, value)| (key.len() + value.len()) as u64).sum();
    assert_eq!((receipt.target, receipt.rows, receipt.bytes), (target.to_string(), 300, bytes));
    let delivery = Delivery { sent: 300, acknowledged: 300, ..Delivery::default() };
    assert_eq!(receipt.delivery, Some(delivery));
    let stored = stored(&target, 300);
    for key in ["srv-001", "srv-002", "api-gateway-1"] {
        assert_eq!(of_key(&stored, key).len(), 100);
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
}

/// The names of the batch's entities in the order of its rows.
const KEYS: [&str; 3] = ["srv-001", "srv-002", "api-gateway-1"];

/// Where the run ends, as `--resume` would look for it.
fn tail(target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, String> {
    target.tail(sequence(), id, KEYS.into_iter()).map_err(|error| error.to_string())
}

#[test]
fn what_a_topic_has_is_sent_no_second_time() {
    let (_cluster, target) = mock(PARTITIONS);
    assert!(tail(&target, None).unwrap().is_none(), "an empty topic holds nothing of a run");
    let batch = batch(100, START);
    let stamp = stamp(PARTITIONS);
    // Cut off in the middle of a tick.
    let mut begun = Batch::with_capacity(batch.entities.clone(), 100, 100);
    batch.rows().take(100).for_each(|row| begun.append_row(&row));
    sent(with_stamp(&target, stamp), KafkaEncode::default().encode(&begun)).unwrap();
    let last_rows = || KEYS.into_iter().zip(297..);
    for id in [None, Some(stamp.id)] {
        let tail = tail(&target, id).unwrap().expect("the run is there");
        // Row 98 is the last one of its partition; 99, the next, has a partition of its own and is there.
        assert_eq!((tail.id(), tail.first_missing(last_rows())), (stamp.id, Some(99)));
    }
    let resumed = KafkaSink::resume(&target, tail(&target, None).unwrap().unwrap(), 0).unwrap();
    let receipt = sent(resumed, KafkaEncode::default().encode(&batch)).unwrap();
    assert_eq!(receipt.delivery.unwrap().words(), "200 acknowledged, 100 were there already");
    let (stored, expected) = (stored(&target, 300), expected(&batch));
    for key in KEYS {
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
    let tail = tail(&target, None).unwrap().expect("the run is there");
    assert_eq!(tail.first_missing(last_rows()), None, "everything is there");
}

#[test]
fn the_newest_run_is_resumed_and_an_older_one_by_its_id() {
    let (_cluster, target) = mock(PARTITIONS);
    let (old, new) = (stamp(PARTITIONS), Stamp { id: RunId::new(SimTime(START.0 + 1)), ..stamp(PARTITIONS) });
    for (stamp, seconds) in [(old, 100), (new, 5)] {
        sent(with_stamp(&target, stamp), part(seconds)).unwrap();
    }
    let found = |id| tail(&target, id).unwrap().expect("the run is there");
    let last_rows = |tail: &Tail| tail.first_missing(KEYS.into_iter().zip(297..));
    let (newest, older) = (found(None), found(Some(old.id)));
    assert_eq!((newest.id(), last_rows(&newest)), (new.id, Some(13)));
    assert_eq!((older.id(), last_rows(&older)), (old.id, None));
}

#[test]
fn a_topic_that_can_t_be_gone_on_in_is_refused_with_the_reason() {
    let refused = |target: &KafkaTarget, id| tail(target, id).map(|_| ()).unwrap_err();
    let begins = "can't resume in topic `t`: ";
    let (_cluster, target) = mock(PARTITIONS);
    let other = Stamp { sequence: Sequence::new("another run", "t"), ..stamp(PARTITIONS) };
    sent(with_stamp(&target, other), part(1)).unwrap();
    assert_eq!(refused(&target, None), format!("{begins}it is not empty, and holds no record of this run"));
    assert_eq!(
        refused(&target, Some(other.id)),
        format!("{begins}it holds no record of run {} with these arguments", other.id)
    );
    let (_cluster, target) = mock(PARTITIONS);
    let fewer = Stamp { partitions: 2, ..stamp(PARTITIONS) };
    sent(with_stamp(&target, fewer), part(1)).unwrap();
    assert_eq!(
        refused(&target, None),
        format!("{begins}it has 3 partitions now, and had 2 when run {} began", fewer.id)
    );
}

#[test]
fn a_full_queue_is_waited_for() {
    let (cluster, target) = mock(PARTITIONS);
    cluster.broker_round_trip_time(-1, Duration::from_millis(50)).unwrap();
    let mut settings = producer_settings(&target);
    settings.set("queue.buffering.max.messages", "100");
    let receipt =
        sent(KafkaSink::with_settings(&target, &settings, stamp(PARTITIONS), 0).unwrap(), part(100)).unwrap();
    assert!(receipt.delivery.unwrap().waited > Duration::ZERO, "{receipt:?}");
}

#[test]
fn the_first_record_without_acknowledgement_is_named() {
    let (cluster, target) = mock(1);
    let sink = with_stamp(&target, stamp(1));
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let message = error_of(sent(sink, part(10)), &target);
    assert!(message.starts_with("Broker: Message size too large; 30 sent, "), "{message}");
    assert!(
        message.ends_with(
            " acknowledged, the first without acknowledgement is record 0 of the run (counted from 0)"
        ),
        "{message}"
    );
}

#[test]
fn a_broker_that_stays_away_ends_the_run() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = connect(&target).give_up_after(Duration::from_millis(200));
    cluster.broker_down(-1).unwrap();
    let message = error_of(sent(sink, part(10)), &target);
    assert!(message.starts_with("no acknowledgement for 200ms"), "{message}");
    let end = "; 30 sent, 0 acknowledged, the first without acknowledgement is record 0 of the run (counted from 0)";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn who_wants_to_stop_waits_ten_seconds_for_a_broker_and_no_longer() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = connect(&target).stop_when(Some(Arc::new(AtomicUsize::new(2))));
    cluster.broker_down(-1).unwrap();
    let message = error_of(sent(sink, part(10)), &target);
    assert!(message.starts_with("no acknowledgement for 10s"), "{message}");
}

/// How many records the topic holds.
fn held(target: &KafkaTarget) -> i64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", target.brokers()).create().unwrap();
    let end =
        |partition| consumer.fetch_watermarks(target.topic(), partition, Duration::from_secs(5)).unwrap().1;
    (0..PARTITIONS).map(end).sum()
}

#[test]
fn what_was_written_and_not_acknowledged_is_not_written_again_after_a_connection_is_lost() {
    let (cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    let [batch, later] = [START, START + Span::hours(1)].map(|start| batch(100, start));
    sink.write(KafkaEncode::default().encode(&batch)).unwrap();
    while sink.listener().acknowledged() < 300 {
        sink.client.poll(POLL);
    }
    // From now on requests are written at once, and not answered before the connection is lost.
    cluster.broker_round_trip_time(-1, Duration::from_secs(100)).unwrap();
    sink.write(KafkaEncode::default().encode(&later)).unwrap();
    for _ in 0..10 {
        sink.client.poll(POLL);
    }
    cluster.broker_down(-1).unwrap();
    cluster.broker_up(-1).unwrap();
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    let receipt = sink.finish().unwrap();
    let delivery = receipt.delivery.unwrap();
    assert_eq!((delivery.sent, delivery.acknowledged), (600, 600));
    assert!(delivery.retried < 300, "one request was written: {delivery:?}");
    let (stored, expected) = (stored(&target, 600), [expected(&batch), expected(&later)].concat());
    for key in KEYS {
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
    assert_eq!(held(&target), 600);
}

#[test]
fn event_time_zero_is_refused() {
    let (_cluster, target) = mock(PARTITIONS);
    let zero = "no Kafka record can have event time 1970-01-01T00:00:00.000Z: \
                the client takes timestamp 0 for 'unset' and writes wall time";
    let result = sent(connect(&target), KafkaEncode::default().encode(&batch(1, SimTime(0))));
    assert_eq!(error_of(result, &target), zero);
    assert_eq!(
        target.prepare(&Wanted::new(SimTime(0), START)).map_err(|error| error.to_string()),
        Err(zero.into())
    );
}

/// The error of looking at a topic of the mock broker, with its help.
fn prepared(topic: &str, create: Option<u32>) -> Result<Prepared, Vec<String>> {
    let (cluster, _) = mock(PARTITIONS);
    let brokers = cluster.bootstrap_servers();
    let target = KafkaTarget::parse(&format!("{brokers}/{topic}")).unwrap();
    let lines = |error: OutputError| {
        let message = error.to_string().replace(&brokers, "BROKERS");
        std::iter::once(message).chain(error.help().iter().cloned()).collect()
    };
    let create = create.map(Partitions::Count);
    target.prepare(&Wanted { create, ..Wanted::new(START, START) }).map_err(lines)
}

#[test]
fn a_missing_topic_is_not_made_unasked() {
    assert_eq!(
        prepared("tt", None).unwrap_err(),
        [
            "there is no topic `tt` at `BROKERS`",
            "`--create-topic 6` makes it, with 6 partitions",
            "did you mean `t`?"
        ]
    );
}

#[test]
fn a_topic_of_another_size_is_refused() {
    assert_eq!(
        prepared("t", Some(6)).unwrap_err(),
        [
            "topic `t` is there with another number of partitions: 3, not 6",
            "leave `--create-topic 6` out to use it as it is",
            "or name a topic that does not exist yet"
        ]
    );
}

#[test]
fn no_topic_has_no_partitions() {
    assert_eq!(
        prepared("new", Some(0)).unwrap_err(),
        ["no topic can have 0 partitions", "write `--create-topic 6`"]
    );
}
