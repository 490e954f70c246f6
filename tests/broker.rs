//! Tests against a real broker. Kafka's own Java client reads the topics, independently of reenact.
//!
//! `scripts/kafka run cargo test broker` sets up the environment that these tests need. Without it, each test reports
//! that it was left out.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use reenact::output::{
    Encode, KafkaEncode, KafkaSink, KafkaTarget, NdjsonEncode, OutputError, Partitions, Receipt, RunId,
    Sequence, Sink, Wanted,
};
use reenact::pace;
use reenact::pipeline;
use reenact::plan::Plan;
use reenact::scenario::Scenario;
use reenact::threads::Threads;
use reenact::time::{SimTime, Span, Tick, Window};

use crate::command_line::{reenact, stdout_of};
use crate::common::lines;

/// The broker that `scripts/kafka` runs.
pub struct Broker {
    pub bootstrap: String,
    pub libs: PathBuf,
}

impl Broker {
    /// Returns the broker of the environment. If there is none, prints that `test` is left out.
    #[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
    pub fn of_environment(test: &str) -> Option<Broker> {
        let (Ok(bootstrap), Some(libs)) = (std::env::var("KAFKA_BOOTSTRAP"), std::env::var_os("KAFKA_LIBS"))
        else {
            eprintln!("left out: `{test}` needs a broker, see `scripts/kafka run cargo test broker`");
            return None;
        };
        Some(Broker { bootstrap, libs: libs.into() })
    }

    /// A topic that no earlier run of the tests has used.
    pub fn target(&self, topic: &str) -> KafkaTarget {
        KafkaTarget::parse(&format!("{}/{topic}-{}", self.bootstrap, std::process::id())).unwrap()
    }

    /// Runs the Java program and returns what it prints.
    pub fn java(&self, arguments: &[&str]) -> String {
        // `scripts/kafka` compiles tests/java/ReadTopic.java next to the jars.
        let classes = format!("{}:{}/*", self.libs.with_file_name("reader").display(), self.libs.display());
        // The program runs for about a second, which is too short for the second compiler to pay off.
        let run = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", &*classes, "ReadTopic"])
            .arg(&self.bootstrap)
            .args(arguments)
            .output();
        let output = run.expect("`java` runs, since the broker does");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ReadTopic.java {arguments:?}: {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Creates a topic with one partition and one setting.
    pub fn create(&self, target: &KafkaTarget, setting: &str) {
        self.java(&["--create", target.topic(), "1", setting]);
    }

    /// Reads all records of a topic, in order within each partition.
    pub fn read(&self, target: &KafkaTarget) -> Vec<Stored> {
        self.java(&[target.topic()]).lines().map(Stored::read).collect()
    }
}

/// A record as the Java program prints it.
pub struct Stored {
    pub partition: String,
    pub timestamp_type: String,
    pub expected_partition: String,
    /// The header `reenact-run` in hexadecimal.
    pub run: String,
    /// The header `reenact-index` in hexadecimal.
    pub index: String,
    pub key: String,
    pub record: Record,
}

/// The event time in ms, and the line.
pub type Record = (i64, String);

impl Stored {
    fn read(line: &str) -> Stored {
        let columns: Vec<&str> = line.splitn(9, '\t').collect();
        let [partition, _offset, timestamp, timestamp_type, expected, run, index, key, value] = columns[..]
        else {
            panic!("not a line of ReadTopic.java: {line}");
        };
        Stored {
            partition: partition.into(),
            timestamp_type: timestamp_type.into(),
            expected_partition: expected.into(),
            run: run.into(),
            index: index.into(),
            key: key.into(),
            record: (timestamp.parse().unwrap(), value.into()),
        }
    }
}

/// A plan with enough entities that every partition has some.
fn plan() -> Plan {
    let scenario = Scenario::preset("dev").expect("a preset of the program");
    let scenario = scenario.set("fleet.servers", "40").unwrap().set("fleet.services", "12").unwrap();
    scenario.plan().expect("a sound scenario")
}

/// The first ten minutes.
fn window() -> Window {
    Window::new(Tick(0), Tick(300)).expect("not empty")
}

/// Returns the records of each entity, in order, as lines of NDJSON.
fn expected(plan: &Plan) -> BTreeMap<String, Vec<Record>> {
    let mut of_entity: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for batch in pipeline::batches(plan, window()) {
        let part = NdjsonEncode::default().encode(&batch);
        let lines = std::str::from_utf8(part.bytes()).unwrap().lines();
        for (row, line) in batch.rows().zip(lines) {
            let record = (row.timestamp().0, line.to_string());
            of_entity.entry(row.name().into()).or_default().push(record);
        }
    }
    of_entity
}

/// Sends the window of a plan, as the program does.
fn send(plan: &Plan, target: &KafkaTarget) -> Result<Receipt, OutputError> {
    let prepared = target.prepare(&Wanted::new(plan.clock().start(), SimTime(1))).unwrap();
    let named = (RunId::new(pace::now()), Sequence::new("a test", target.topic()));
    let mut sink = KafkaSink::connect(target, &prepared, named, 0, pace::now() - plan.clock().start())?;
    let threads = Threads::new(NonZeroUsize::new(2).expect("not zero"));
    let encode = KafkaEncode::default();
    pipeline::records(plan, window(), &threads, |batch| encode.encode(batch), |part| sink.write(part))?;
    sink.finish()
}

/// Prepares a topic for records from `earliest` on. Returns the warnings, or the message and the help of the error.
fn prepared(
    target: &KafkaTarget,
    create: Option<u32>,
    earliest: SimTime,
) -> Result<Vec<String>, Vec<String>> {
    let lines =
        |error: OutputError| std::iter::once(error.to_string()).chain(error.help().iter().cloned()).collect();
    let create = create.map(Partitions::Count);
    target
        .prepare(&Wanted { create, ..Wanted::new(earliest, pace::now()) })
        .map(|prepared| prepared.warnings)
        .map_err(lines)
}

#[test]
fn rows_arrive_as_ndjson_in_the_partitions_that_java_chooses() {
    let Some(broker) = Broker::of_environment("rows_arrive_as_ndjson_in_the_partitions_that_java_chooses")
    else {
        return;
    };
    let (plan, target) = (plan(), broker.target("rows"));
    assert_eq!(prepared(&target, Some(6), plan.clock().start()), Ok(vec![]));
    // The second time, the topic exists and has the requested number of partitions.
    assert_eq!(prepared(&target, Some(6), plan.clock().start()), Ok(vec![]));

    let receipt = send(&plan, &target).unwrap();
    let expected = expected(&plan);
    assert_eq!((receipt.target.as_str(), receipt.rows), (target.to_string().as_str(), 52 * 300));
    assert_eq!(receipt.delivery.unwrap().words(), "15600 acknowledged");

    let stored = broker.read(&target);
    assert_eq!(stored.len(), 15_600);
    let mut of_entity: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut in_partition: BTreeMap<String, usize> = BTreeMap::new();
    for Stored { partition, timestamp_type, expected_partition, key, record, .. } in stored {
        assert_eq!((timestamp_type.as_str(), &partition), ("CreateTime", &expected_partition), "{key}");
        of_entity.entry(key).or_default().push(record);
        *in_partition.entry(partition).or_default() += 1;
    }
    assert_eq!(of_entity.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, records) in &of_entity {
        let first = std::iter::zip(records, &expected[key]).position(|(stored, sent)| stored != sent);
        assert_eq!((first, records.len()), (None, expected[key].len()), "the first difference of {key}");
    }
    assert_eq!(
        in_partition.len(),
        6,
        "this test of the partitioner needs keys in every partition: {in_partition:?}"
    );
}

#[test]
fn a_topic_that_would_delete_the_records_is_refused() {
    let Some(broker) = Broker::of_environment("a_topic_that_would_delete_the_records_is_refused") else {
        return;
    };
    let target = broker.target("short");
    broker.create(&target, "retention.ms=3600000");
    let old = SimTime(pace::now().0 - 7_200_000);
    for create in [None, Some(1)] {
        let lines = prepared(&target, create, old).unwrap_err();
        assert!(lines[0].contains("keeps records for 1h (`retention.ms=3600000`)"), "{lines:?}");
        assert!(lines[2].contains("--create-topic"), "{lines:?}");
    }
    assert_eq!(prepared(&target, None, pace::now()), Ok(vec![]));
}

#[test]
fn a_topic_that_overwrites_event_times_causes_a_warning() {
    let Some(broker) = Broker::of_environment("a_topic_that_overwrites_event_times_causes_a_warning") else {
        return;
    };
    let target = broker.target("append");
    broker.create(&target, "message.timestamp.type=LogAppendTime");
    let warnings = prepared(&target, None, pace::now()).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("message.timestamp.type=LogAppendTime"), "{warnings:?}");
}

#[test]
fn a_missing_topic_is_refused_and_not_created() {
    let Some(broker) = Broker::of_environment("a_missing_topic_is_refused_and_not_created") else {
        return;
    };
    let target = broker.target("misspelt");
    let lines = prepared(&target, None, pace::now()).unwrap_err();
    assert_eq!(lines[0], format!("topic `{}` does not exist at `{}`", target.topic(), broker.bootstrap));
    assert!(lines[1].contains("`--create-topic 6`"), "{lines:?}");
    let topics = broker.java(&["--topics"]);
    assert!(topics.lines().all(|topic| topic != target.topic()), "{topics}");
}

#[test]
fn a_refused_record_fails_the_run_with_the_brokers_reason() {
    let Some(broker) = Broker::of_environment("a_refused_record_fails_the_run_with_the_brokers_reason")
    else {
        return;
    };
    let target = broker.target("small");
    broker.create(&target, "max.message.bytes=100");
    let message = send(&plan(), &target).unwrap_err().to_string();
    assert!(message.contains("Broker: Message size too large"), "{message}");
    assert!(
        message.ends_with(", 0 acknowledged, the first missing one is record 0 of the run (counted from 0)"),
        "{message}"
    );
    assert_eq!(broker.read(&target).len(), 0);
}

#[test]
fn event_times_that_a_broker_refuses_are_named() {
    let Some(broker) = Broker::of_environment("event_times_that_a_broker_refuses_are_named") else { return };
    let target = broker.target("too-far-ahead");
    broker.create(&target, "retention.ms=-1");
    // `prepare` would refuse these event times, but `send` gives it 1 ms after 1970 as the latest one.
    let start = (pace::now() + Span::hours(3)).to_string();
    let scenario = Scenario::preset("dev").unwrap().set("clock.start", &start).unwrap();
    let error = send(&scenario.plan().unwrap(), &target).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("the broker rejected records as invalid, most likely because event times are 3h"),
        "{message}"
    );
    assert!(message.contains("`message.timestamp.after.max.ms`"), "{message}");
    assert!(message.ends_with("is record 0 of the run (counted from 0)"), "{message}");
    assert!(
        error.help()[0].contains("raise `message.timestamp.after.max.ms` of the topic"),
        "{:?}",
        error.help()
    );
    assert_eq!(broker.read(&target).len(), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a real connection is tried is wall time")]
fn an_unreachable_broker_is_reported_with_the_reason() {
    // This test needs no broker. It runs only with one because it waits for ten seconds.
    let Some(_broker) = Broker::of_environment("an_unreachable_broker_is_reported_with_the_reason") else {
        return;
    };
    let target = KafkaTarget::parse("127.0.0.1:1/t").unwrap();
    let begin = Instant::now();
    let lines = prepared(&target, None, pace::now()).unwrap_err();
    assert_eq!(lines[0], "no broker answers at `127.0.0.1:1`: connection refused");
    let time = begin.elapsed();
    // It takes 10 s, not the 5 min of `--give-up-after`.
    assert!(time < Duration::from_secs(120), "{time:?}");
}

#[test]
fn the_program_runs_and_replays_into_a_topic() {
    let Some(broker) = Broker::of_environment("the_program_runs_and_replays_into_a_topic") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| broker.target(name).to_string();
    let sent = ["run", "dev", "--for", "5m", "--out", "ndjson:nd/", "--create-topic", "3", "--out"];
    stdout_of(dir.path(), &[&sent[..], &[&out("program")]].concat());
    stdout_of(dir.path(), &["replay", "nd", "--max-speed", "--create-topic", "3", "--out", &out("replayed")]);
    let recorded = std::fs::read(dir.path().join("nd/records.ndjson")).unwrap();
    let mut expected: Vec<&str> = lines(&recorded);
    expected.sort_unstable();
    for name in ["program", "replayed"] {
        let stored = broker.read(&broker.target(name));
        let mut values: Vec<&str> = stored.iter().map(|stored| stored.record.1.as_str()).collect();
        values.sort_unstable();
        assert_eq!(values, expected, "{name}");
    }
    // A topic with a retention of one hour refuses the records with their own times, and accepts them rebased to now.
    broker.create(&broker.target("hour"), "retention.ms=3600000");
    let refused = reenact(dir.path(), &["run", "dev", "--out", "ndjson:never/", "--out", &out("hour")]);
    assert_eq!(refused.status, 3, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("retention.ms") && !dir.path().join("never").exists(),
        "{}",
        refused.stderr
    );
    let rebased = ["replay", "nd", "--max-speed", "--rebase", "now", "--out", &out("hour")];
    stdout_of(dir.path(), &rebased);
    assert_eq!(broker.read(&broker.target("hour")).len(), expected.len());
    let unwritable = ["run", "dev", "--create-topic", "2", "--out", &out("unmade"), "--out", "ndjson:none/x"];
    assert_eq!(reenact(dir.path(), &unwritable).status, 2);
    assert!(
        !broker.java(&["--topics"]).contains(broker.target("unmade").topic()),
        "a failed run created its topic"
    );
    let missing = reenact(dir.path(), &["run", "dev", "--out", &out("misspelled")]);
    assert_eq!(missing.status, 3, "{}", missing.stderr);
}

#[test]
fn command_lines_of_the_predecessor_still_reach_its_consumers() {
    let name = "command_lines_of_the_predecessor_still_reach_its_consumers";
    let Some(broker) = Broker::of_environment(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    // The predecessor's default topic does not exist yet.
    let old = ["run", "--config", "dev", "--interval", "0.5", "--kafka-servers", &*broker.bootstrap];
    let ended = reenact(dir.path(), &[&old[..], &["--duration", "3"]].concat());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let words = "created topic `datacenter-metrics` with ";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    let arguments = [&*broker.bootstrap, "datacenter-metrics", "30"];
    let Some(read) = crate::formats::judged(dir.path(), "consume.py", &arguments) else { return };
    let mut read: Vec<&str> = read.lines().collect();
    let start = ended.stderr.split("live from ").nth(1).and_then(|rest| rest.split("; ").next()).unwrap();
    let again = ["run", "dev", "--step", "500ms", "--for", "3s", "--start", start];
    let sent = stdout_of(dir.path(), &again);
    let mut sent: Vec<&str> = sent.lines().collect();
    read.sort_unstable();
    sent.sort_unstable();
    assert_eq!(read, sent);

    // Without a duration, the run lasts until it is stopped.
    let target = broker.target("endless");
    let mut child = crate::pace::begin(dir.path(), &[&old[..], &["--topic", target.topic()]].concat());
    assert!(crate::growth::Growth::of(&target).reaches(10, &mut child), "the run ended by itself");
    let ended = crate::pace::interrupt(child);
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    let rows = broker.read(&target).len();
    assert!(rows >= 10 && ended.stderr.contains(&format!("{rows} acknowledged")), "{rows}: {}", ended.stderr);
    let target = broker.target("backfilled");
    let backfill = ["run", "--config", "dev", "--backfill", "--backfill-days", "1", "--kafka-servers"];
    stdout_of(dir.path(), &[&backfill[..], &[&broker.bootstrap, "--topic", target.topic()]].concat());
    assert_eq!(broker.read(&target).len(), 5 * 288);
}
