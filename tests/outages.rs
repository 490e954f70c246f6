//! Brokers that fail and return while a run is sent: no record is missing and none is stored twice.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reenact::time::{SimTime, Span};

use crate::broker::Broker;
use crate::command_line::{Ended, stdout_of};
use crate::growth::Growth;
use crate::pace::interrupt;
use crate::resume::{TO, assert_labels, assert_whole, begin, number, recorded};

/// A run that is longer than every test and faster than most machines can send. The test interrupts it.
const RUN: [&str; 6] = ["run", "production", "--for", "1000h", "--speed", "5000"];

/// A small queue. A stopped run can send what is left in it within 10 s, even on a busy machine.
pub const SMALL_QUEUE: [&str; 2] = ["-X", "queue.buffering.max.messages=10000"];

/// The number of entities in `production`. Each has one record a second.
const ENTITIES: usize = 32;

/// The number of records that `production` sends in 3 s at speed 200.
const RECORDS: u64 = 3 * 200 * ENTITIES as u64;

/// A broker or a cluster that the test may kill. It stops when the test ends, also if the test fails. Only one exists
/// at a time.
pub struct OwnBroker {
    name: &'static str,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl OwnBroker {
    pub fn start(name: &'static str, options: &[&str]) -> OwnBroker {
        let own = OwnBroker { name, _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) };
        own.script(&[options, &["start"]].concat());
        own
    }

    /// Runs `scripts/kafka` and returns what it prints.
    pub fn script(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
        let output = command.args(["--as", self.name]).args(arguments).output().expect("the script runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns this broker for reading, with the jars of the broker that all tests share.
    pub fn broker(&self, shared: Broker) -> Broker {
        let environment = self.script(&["env"]);
        let bootstrap = environment.split("KAFKA_BOOTSTRAP=").nth(1).and_then(|rest| rest.lines().next());
        // The script escapes commas for a shell.
        Broker { bootstrap: bootstrap.unwrap().replace('\\', ""), libs: shared.libs }
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
        let _ = command.args(["--as", self.name, "stop"]).output();
    }
}

#[test]
fn a_broker_that_restarts_loses_no_record() {
    let Some(shared) = Broker::of_environment("a_broker_that_restarts_loses_no_record") else {
        return;
    };
    let own = OwnBroker::start("killed", &[]);
    let broker = own.broker(shared);
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("broker-killed");
    // Its events are old. When a broker starts, it forgets producers whose last event is older than a day
    // (`producer.id.expiration.ms`). Then it no longer knows which batches it already has.
    let out = target.to_string();
    broker.java(&["--create", target.topic(), "7", "retention.ms=-1"]);
    // Another run sends recent events to the same topic, and continues when the broker is back. The broker still knows
    // its batches.
    let other =
        ["run", "dev", "--start", "now", "--step", "100ms", "--for", "1000h", "--speed", "1", "--out"];
    let mut topic = Growth::of(&target);
    let mut other = begin(&[&other[..], &[&out]].concat());
    assert!(topic.reaches(1, &mut other), "the other run ended too soon");
    let labels = broker.target("broker-killed-labels");
    broker.java(&["--create", labels.topic(), "2", "retention.ms=-1"]);
    let mut child =
        begin(&[&RUN[..], &SMALL_QUEUE, &["--out", &out, "--labels-topic", labels.topic()]].concat());
    // This is far more than the other run sends meanwhile.
    assert!(topic.reaches(200_000, &mut child), "the run ended before its broker was killed");
    own.script(&["kill"]);
    std::thread::sleep(Duration::from_secs(number("AWAY_S", 3)));
    own.script(&["restart"]);
    let wanted = topic.records() + RECORDS;
    assert!(topic.reaches(wanted, &mut child), "the run ended when its broker was back");
    let [stopped, other] = [child, other].map(interrupt);
    assert_eq!((stopped.status, other.status), (130, 130), "{} {}", stopped.stderr, other.stderr);
    let words = &stopped.stderr;
    assert!(
        words.contains("broker not responding, waiting up to 5m: ")
            && words.contains("broker responding again"),
        "{words}"
    );
    let stored = broker.read(&target);
    let others = acknowledged(&other);
    let length = format!("{}s", (stored.len() - others) / ENTITIES);
    let shorter = ["run", "production", "--for", &*length];
    assert_eq!(assert_whole(stored, &recorded(folder.path(), &shorter)), others);
    stdout_of(
        folder.path(),
        &[&shorter[..], &["--labels", "l.ndjson", "--out", "ndjson:/dev/null"]].concat(),
    );
    let all = std::fs::read_to_string(folder.path().join("l.ndjson")).unwrap();
    assert_labels(broker.read(&labels), &over(&all, &length));
}

/// Returns the number of acknowledged records that a run reports.
fn acknowledged(ended: &Ended) -> usize {
    let before = ended.stderr.split(" acknowledged").next().unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no count: {}", ended.stderr))
}

/// Returns the labels of all incidents that have ended before the last record of a run of this length.
fn over(labels: &str, length: &str) -> String {
    let last =
        SimTime::parse("2026-01-05T08:00:00Z").unwrap() + Span::parse(length).unwrap() + Span::seconds(-1);
    let read = |line: &str| -> (String, SimTime) {
        let label: serde_json::Value = serde_json::from_str(line).unwrap();
        let [id, end] = ["incident_id", "effect_end"].map(|key| label[key].as_str().unwrap().to_string());
        (id, SimTime::parse(&end).unwrap())
    };
    let is_open = |line: &&str| read(line).1 > last;
    let open: BTreeSet<String> = labels.lines().filter(is_open).map(|line| read(line).0).collect();
    let closed = labels.lines().filter(|line| !open.contains(&read(line).0));
    closed.map(|line| format!("{line}\n")).collect()
}

#[test]
fn killing_the_leaders_of_a_cluster_loses_no_record() {
    let name = "killing_the_leaders_of_a_cluster_loses_no_record";
    let Some(shared) = Broker::of_environment(name) else { return };
    let own = OwnBroker::start("cluster", &["--brokers", "3"]);
    let broker = own.broker(shared);
    let target = broker.target("leaders");
    let kills = number("LEADER_KILLS", 2);
    // The runs are longer than the test. They are stopped when the last broker is back. A stop has 10 s to send the
    // queued records; a small queue makes that possible on a busy machine too. The records that are compared at the end
    // are as many as the test has seconds × 50 × 32: at a low speed, that is quick on a busy machine too.
    let run = [&["run", "production", "--speed", "50", "--for", "1000h"], &SMALL_QUEUE[..]].concat();
    let out = target.to_string();
    let mut child = begin(&[&run[..], TO, &[&*out]].concat());
    // With one partition, all brokers except one are followers. A follower that fails delays when readers see records.
    let followers = broker.target("followers");
    broker.java(&["--create", followers.topic(), "1", "retention.ms=-1"]);
    let mut other = begin(&[&run[..], &["--out", &followers.to_string()]].concat());
    // Partitions without replicas have no leader for a while.
    let alone = broker.target("alone");
    broker.java(&["--create", alone.topic(), "1,2,3", "retention.ms=-1"]);
    let mut third = begin(&[&run[..], &["--out", &alone.to_string()]].concat());
    let mut topics = [&target, &followers, &alone].map(Growth::of);
    // Waits until each topic has grown by `by` records.
    let mut grow = |by: u64| {
        for (topic, child) in topics.iter_mut().zip([&mut child, &mut other, &mut third]) {
            let wanted = topic.records() + by;
            assert!(topic.reaches(wanted, child), "a run ended before the last kill");
        }
    };
    grow(RECORDS / 4);
    for kill in 0..kills {
        let victim = (kill % 3 + 1).to_string();
        own.script(&["kill", &victim]);
        // The session timeout is 3 s, so the cluster notices that the broker is missing.
        std::thread::sleep(Duration::from_secs(5));
        own.script(&["restart", &victim]);
        grow(RECORDS / 4);
        // This changes leaders without a lost connection.
        broker.java(&["--elect", followers.topic()]);
    }
    grow(RECORDS / 4);
    let mut ended = Vec::new();
    for (child, target) in [(child, &target), (other, &followers), (third, &alone)] {
        let stopped = interrupt(child);
        assert_eq!(stopped.status, 130, "{}", stopped.stderr);
        let stored = broker.read(target);
        assert!(stopped.stderr.contains(&format!("{} acknowledged", stored.len())), "{}", stopped.stderr);
        ended.push((stopped.stderr, stored));
    }
    assert!(ended[0].0.contains("broker responding again"), "{}", ended[0].0);
    // A stopped run ends with a whole tick, so it equals a shorter run.
    for (_, stored) in ended {
        let folder = tempfile::tempdir().unwrap();
        let length = format!("{}s", stored.len() / ENTITIES);
        let shorter = ["run", "production", "--for", &*length];
        assert_eq!(assert_whole(stored, &recorded(folder.path(), &shorter)), 0);
    }
}

#[test]
fn an_outage_of_follower_and_controller_loses_no_record() {
    let Some(shared) = Broker::of_environment("an_outage_of_follower_and_controller_loses_no_record") else {
        return;
    };
    let own = OwnBroker::start("cluster", &["--brokers", "3"]);
    let broker = own.broker(shared);
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("no-controller");
    broker.java(&["--create", target.topic(), "1:2:3", "retention.ms=-1"]);
    // The leader answers that not all replicas have the records, long before it may continue without the third one.
    let run = ["run", "production", "--for", "1h"];
    let more = ["--speed", "80", "-X", "request.timeout.ms=3000", "--out", &target.to_string()];
    let mut child = begin(&[&run[..], &more].concat());
    assert!(Growth::of(&target).reaches(80 * ENTITIES as u64, &mut child), "the run ended before the kill");
    own.script(&["kill", "0"]);
    own.script(&["kill", "3"]);
    std::thread::sleep(Duration::from_secs(25));
    own.script(&["restart", "0"]);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert_eq!(assert_whole(broker.read(&target), &recorded(folder.path(), &run)), 0);
}
