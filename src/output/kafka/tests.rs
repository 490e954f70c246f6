//! Against librdkafka's mock broker: mapping, back-pressure, failures. The real one is in tests/broker.rs.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::sink::producer_settings;
use super::{KafkaEncode, KafkaPart, KafkaSink, KafkaTarget};
use crate::batch::{Batch, Entities, RecordType, Row, ServerName, ServiceName};
use crate::output::{Encode, NdjsonEncode, OutputError, Receipt, Sink};
use crate::time::SimTime;

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
    let receipt = sent(KafkaSink::connect(&target).unwrap(), KafkaEncode::default().encode(&batch)).unwrap();
    let expected = expected(&batch);
    let bytes = expected.iter().map(|(key, _, value)| (key.len() + value.len()) as u64).sum();
    assert_eq!((receipt.target, receipt.rows, receipt.bytes), (target.to_string(), 300, bytes));
    assert_eq!(receipt.notes, ["300 acknowledged"]);
    let stored = stored(&target, 300);
    for key in ["srv-001", "srv-002", "api-gateway-1"] {
        assert_eq!(of_key(&stored, key).len(), 100);
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
}

#[test]
fn a_full_queue_is_waited_for() {
    let (cluster, target) = mock(PARTITIONS);
    cluster.broker_round_trip_time(-1, Duration::from_millis(50)).unwrap();
    let mut settings = producer_settings(&target);
    settings.set("queue.buffering.max.messages", "100");
    let receipt = sent(KafkaSink::with_settings(&target, &settings).unwrap(), part(100)).unwrap();
    assert_eq!((receipt.rows, receipt.notes.len()), (300, 2));
    assert!(receipt.notes[1].starts_with("waited "), "{receipt:?}");
}

#[test]
fn the_first_record_without_acknowledgement_is_named() {
    let (cluster, target) = mock(1);
    let sink = KafkaSink::connect(&target).unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let message = error_of(sent(sink, part(10)), &target);
    assert!(message.starts_with("Broker: Message size too large; 30 sent, "), "{message}");
    assert!(
        message.ends_with(" acknowledged, the first without acknowledgement is record 0 (counted from 0)"),
        "{message}"
    );
}

#[test]
fn a_broker_that_stays_away_ends_the_run() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = KafkaSink::connect(&target).unwrap().give_up_after(Duration::from_millis(200));
    cluster.broker_down(-1).unwrap();
    let message = error_of(sent(sink, part(10)), &target);
    assert!(message.starts_with("no acknowledgement for 200ms"), "{message}");
    let end = "; 30 sent, 0 acknowledged, the first without acknowledgement is record 0 (counted from 0)";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn event_time_zero_is_refused() {
    let (_cluster, target) = mock(PARTITIONS);
    let zero = "no Kafka record can have event time 1970-01-01T00:00:00.000Z: \
                the client takes timestamp 0 for 'unset' and writes wall time";
    let result =
        sent(KafkaSink::connect(&target).unwrap(), KafkaEncode::default().encode(&batch(1, SimTime(0))));
    assert_eq!(error_of(result, &target), zero);
    assert_eq!(target.prepare(None, SimTime(0), START).map_err(|error| error.to_string()), Err(zero.into()));
}

/// The error of looking at a topic of the mock broker, with its help.
fn prepared(topic: &str, create: Option<u32>) -> Result<Vec<String>, Vec<String>> {
    let (cluster, _) = mock(PARTITIONS);
    let brokers = cluster.bootstrap_servers();
    let target = KafkaTarget::parse(&format!("{brokers}/{topic}")).unwrap();
    let lines = |error: OutputError| {
        let message = error.to_string().replace(&brokers, "BROKERS");
        std::iter::once(message).chain(error.help().iter().cloned()).collect()
    };
    target.prepare(create, START, START).map_err(lines)
}

#[test]
fn a_missing_topic_is_not_made_unasked() {
    assert_eq!(
        prepared("tt", None).unwrap_err(),
        [
            "there is no topic `tt` at `BROKERS`",
            "`--create-topic 6` makes it, with 6 partitions and without an end to what it keeps",
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
