//! Tests against librdkafka's mock broker: the mapping to messages, backpressure and failures. `tests/broker.rs` uses a
//! real broker.

mod outages;
mod tail;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::{IN_FLIGHT, POLL};
use super::headers::Stamp;
use super::lease::Lease;
use super::partition::partition_of;
use super::reconnect::Recovery;
use super::settings::producer_settings;
use super::{KafkaEncode, KafkaPart, KafkaSink, KafkaTarget, Prepared, RunId, Sequence, Wanted};
use crate::batch::{Batch, BatchBuilder, Entities, Row};
use crate::engine::models::builtin;
use crate::fleet::{INSTANCE, SERVER};
use crate::output::{
    Acknowledgements as _, Delivery, Encode, NdjsonEncode, OutputError, Partitions, Receipt, Sink,
};
use crate::pace;
use crate::time::{SimTime, Span};

const PARTITIONS: i32 = 3;
const START: SimTime = SimTime(1_767_600_000_000);

type Mock = MockCluster<'static, DefaultProducerContext>;

/// Starts a mock broker with the topic `t`.
fn mock(partitions: i32) -> (Mock, KafkaTarget) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", partitions, 1).unwrap();
    let target = KafkaTarget::parse(&format!("{}/t", cluster.bootstrap_servers())).unwrap();
    (cluster, target)
}

/// Returns a batch in which two servers and one service have a row each second.
fn batch(seconds: u32, start: SimTime) -> Batch {
    let mut entities = Entities::new(Arc::clone(builtin()));
    for name in ["srv-001", "srv-002"] {
        entities.of_mut(SERVER).push([name, "R01", "marseille-1"]);
    }
    entities.of_mut(INSTANCE).push(["api-gateway-1", "srv-001"]);
    let mut rows = BatchBuilder::new(builtin());
    for second in 0..seconds {
        let moment = SimTime(start.0 + i64::from(second) * 1_000);
        for (id, entities) in [(SERVER, 0..2), (INSTANCE, 0..1)] {
            let mut columns = rows.begin(id, moment, entities);
            columns.all().0.for_each(|column| column.fill(i64::from(second)));
        }
    }
    rows.build(Arc::new(entities))
}

fn part(seconds: u32) -> KafkaPart {
    KafkaEncode::default().encode(&batch(seconds, START))
}

/// Returns the expected key, timestamp and value of each message of a batch.
fn expected(batch: &Batch) -> Vec<(String, i64, String)> {
    let part = NdjsonEncode::default().encode(batch);
    let lines = std::str::from_utf8(part.bytes()).unwrap().lines();
    let pair = |(row, line): (Row<'_>, &str)| (row.name().into(), row.timestamp().0, line.into());
    batch.rows().zip(lines).map(pair).collect()
}

/// Returns the messages of the topic, partition after partition.
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
    with_settings(target, stamp, &[])
}

/// Creates a sink as for a run with old events, with `over` overriding its settings.
fn with_settings(target: &KafkaTarget, stamp: Stamp, over: &[(&str, &str)]) -> KafkaSink {
    let mut settings = producer_settings(target, true);
    for (key, value) in over {
        settings.set(*key, *value);
    }
    KafkaSink::with_settings(target, &settings, stamp, 0, Some(Recovery::default())).unwrap()
}

fn sent(mut sink: KafkaSink, part: KafkaPart) -> Result<Receipt, OutputError> {
    sink.write(part)?;
    sink.finish()
}

/// Returns the message of a failure without its first part, which names the target.
fn error_of(result: Result<Receipt, OutputError>, target: &KafkaTarget) -> String {
    let message = result.expect_err("something fails").to_string();
    message.strip_prefix(&format!("`{target}` did not acknowledge every record: ")).unwrap_or(&message).into()
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

#[test]
fn a_full_queue_is_waited_for() {
    let (cluster, target) = mock(PARTITIONS);
    cluster.broker_round_trip_time(-1, Duration::from_millis(50)).unwrap();
    let sink = with_settings(&target, stamp(PARTITIONS), &[("queue.buffering.max.messages", "100")]);
    let receipt = sent(sink, part(100)).unwrap();
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
        message.ends_with(" acknowledged, the first missing one is record 0 of the run (counted from 0)"),
        "{message}"
    );
}

#[test]
fn the_first_missing_record_is_the_next_one_where_all_that_were_sent_arrived() {
    let (_cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    sink.write(part(2)).unwrap();
    sink.drain(Duration::from_secs(60));
    let error = sink.stop(Duration::ZERO, "another process sends it");
    assert_eq!(error.first_missing(), Some(6), "{error}");
    sink.is_whole = true;
    assert_eq!(sink.stop(Duration::ZERO, "another process sends it").first_missing(), None);
}

#[test]
fn nothing_follows_a_record_that_was_refused() {
    let (cluster, target) = mock(1);
    let sink = with_settings(&target, stamp(1), &[("batch.num.messages", "10")]);
    // A later batch would hide the gap, since a run continues after the last record in the topic.
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let message = error_of(sent(sink, part(100)), &target);
    assert!(message.contains("Broker: Message size too large; 300 sent, 0 acknowledged"), "{message}");
    assert_eq!(held(&target, 1), 0);
}

/// Returns the number of records in the topic.
fn held(target: &KafkaTarget, partitions: i32) -> i64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", target.brokers()).create().unwrap();
    let end =
        |partition| consumer.fetch_watermarks(target.topic(), partition, Duration::from_secs(5)).unwrap().1;
    (0..partitions).map(end).sum()
}

#[test]
fn event_time_zero_is_refused() {
    let (_cluster, target) = mock(PARTITIONS);
    let zero = "a Kafka record cannot have event time 1970-01-01T00:00:00.000Z: \
                the client treats timestamp 0 as unset and writes wall-clock time";
    let result = sent(connect(&target), KafkaEncode::default().encode(&batch(1, SimTime(0))));
    assert_eq!(error_of(result, &target), zero);
    assert_eq!(
        target.prepare(&Wanted::new(SimTime(0), START)).map_err(|error| error.to_string()),
        Err(zero.into())
    );
}

/// Prepares a topic of the mock broker. If that fails, returns the lines of the message and the help.
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
            "topic `tt` does not exist at `BROKERS`",
            "add `--create-topic 6` to create it with 6 partitions",
            "did you mean `t`?"
        ]
    );
}

#[test]
fn a_topic_of_another_size_is_refused() {
    assert_eq!(
        prepared("t", Some(6)).unwrap_err(),
        [
            "topic `t` exists with a different number of partitions: 3, not 6",
            "omit `--create-topic 6` to use the existing topic",
            "or choose the name of a topic that does not exist yet"
        ]
    );
}

#[test]
fn no_topic_has_no_partitions() {
    assert_eq!(
        prepared("new", Some(0)).unwrap_err(),
        ["a topic cannot have 0 partitions", "write `--create-topic 6`"]
    );
}
