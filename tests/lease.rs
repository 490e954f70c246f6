//! Two processes never send one run at the same time. Kafka's own Java client reads the topics.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::groups::GroupInfo;

use crate::broker::{Broker, Stored};
use crate::command_line::{Ended, reenact};
use crate::events::{EventStream, events};
use crate::growth::Growth;
use crate::pace::interrupt;
use crate::resume::{assert_whole, begin, number, recorded};

/// A run with a tick every 2 s, at real-time speed.
const DEV: [&str; 4] = ["run", "dev", "--speed", "1"];

/// A duration that exceeds every test. Such a run is interrupted.
const LONG: [&str; 2] = ["--for", "1000h"];

/// The error of a process that finds records of another process in the topic.
const SENT_MORE: &str = "another process has meanwhile sent more of run ";

fn run_of(stored: &[Stored]) -> String {
    let id = &stored[0].run[..32];
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}

fn ended(child: Child) -> Ended {
    Ended::of(child.wait_with_output().unwrap())
}

/// Sends a signal to a process: `STOP`, `CONT`.
fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until a run holds its lease: its process is then the only member of the group, and the group is stable. A run
/// already sends records before that.
fn wait_for_lease(broker: &Broker, run: &str, child: &mut Child) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.bootstrap)
        .set("log_level", "0")
        .create()
        .unwrap();
    let group = format!("reenact-{run}");
    while child.try_wait().unwrap().is_none() {
        let groups = client.fetch_group_list(Some(&group), Duration::from_secs(5));
        let is_held = |group: &GroupInfo| group.state() == "Stable" && group.members().len() == 1;
        if groups.is_ok_and(|groups| groups.groups().iter().any(is_held)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the run ended before it held its lease");
}

/// Checks that an interrupted run ended with a whole tick, so that it equals a shorter run.
fn assert_shorter(folder: &Path, stopped: &Ended, stored: Vec<Stored>) {
    assert_eq!(stopped.status, 130, "{}", stopped.stderr);
    // Five entities, each with a record every 2 s.
    let length = format!("{}s", stored.len() / 5 * 2);
    assert_eq!(assert_whole(stored, &recorded(folder, &["run", "dev", "--for", &length])), 0);
}

/// Returns the number of records that are stored more than once.
fn doubled(stored: &[Stored]) -> usize {
    let all: BTreeSet<(&str, &str)> = stored.iter().map(|it| (&*it.run, &*it.index)).collect();
    stored.len() - all.len()
}

#[test]
fn a_run_that_is_being_sent_is_not_resumed() {
    let Some(broker) = Broker::of_environment("a_run_that_is_being_sent_is_not_resumed") else { return };
    let run = [&DEV[..], &LONG].concat();
    for number in 0..number("TRIES", 1) {
        let folder = tempfile::tempdir().unwrap();
        let target = broker.target(&format!("alive-{number}"));
        broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
        let out = target.to_string();
        let command = [&run[..], &["--out", &*out]].concat();
        let mut first = begin(&command);
        assert!(Growth::of(&target).reaches(5, &mut first));
        let id = run_of(&broker.read(&target));
        let second = reenact(folder.path(), &[&command[..], &["--resume"]].concat());
        assert_eq!(second.status, 3, "{}", second.stderr);
        let words = format!("cannot resume run {id}: it is being sent by process {} on host ", first.id());
        assert!(second.stderr.contains(&words), "{}", second.stderr);
        assert_shorter(folder.path(), &interrupt(first), broker.read(&target));
    }
}

#[test]
fn only_one_of_two_concurrent_resumes_continues() {
    let Some(broker) = Broker::of_environment("only_one_of_two_concurrent_resumes_continues") else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--speed", "100", "--for", "50m"];
    let recorded = recorded(folder.path(), &["run", "dev", "--for", "50m"]);
    for number in 0..number("TRIES", 1) {
        let target = broker.target(&format!("two-{number}"));
        broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
        let out = target.to_string();
        let command = [&run[..], &["--out", &*out]].concat();
        let mut first = begin(&command);
        assert!(Growth::of(&target).reaches(100, &mut first), "the run ended before it was killed");
        first.kill().unwrap();
        first.wait().unwrap();
        let resumed = [&command[..], &["--resume"]].concat();
        let both = [begin(&resumed), begin(&resumed)].map(ended);
        let mut statuses = both.each_ref().map(|it| it.status);
        statuses.sort_unstable();
        let words = both.map(|it| it.stderr).join("\nand\n");
        assert_eq!(statuses, [0, 3], "{words}");
        assert!(words.contains("is being sent by process "), "{words}");
        assert_eq!(assert_whole(broker.read(&target), &recorded), 0);
    }
}

#[test]
fn a_suspended_process_exits_if_another_one_took_over() {
    let Some(broker) = Broker::of_environment("a_suspended_process_exits_if_another_one_took_over") else {
        return;
    };
    for number in 0..number("TRIES", 1) {
        // When the stopped process continues, the other one is still running, or has ended.
        for (is_slow, speed, words) in [(true, "1", "is being sent by process "), (false, "1000", SENT_MORE)]
        {
            let length = "3m";
            let target = broker.target(&format!("stopped-{is_slow}-{number}"));
            broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
            let out = target.to_string();
            let mut first = begin(&[&DEV[..], &["--for", length, "--json", "--out", &*out]].concat());
            let mut topic = Growth::of(&target);
            assert!(topic.reaches(5, &mut first));
            wait_for_lease(&broker, &run_of(&broker.read(&target)), &mut first);
            signal("STOP", &first);
            let resumed = ["run", "dev", "--for", length, "--speed", speed, "--out", &*out, "--resume"];
            let mut second = begin(&resumed);
            if is_slow {
                let sent = topic.records();
                assert!(topic.reaches(sent + 10, &mut second));
            } else {
                let status = second.wait().unwrap();
                assert!(status.success());
            }
            signal("CONT", &first);
            let first = ended(first);
            assert_eq!(first.status, 3, "{}", first.stderr);
            // If the group could not be listed in time, the process finds the other one's records in the topic.
            let is_reported = first.stderr.contains(words) || first.stderr.contains(SENT_MORE);
            assert!(is_reported, "{}", first.stderr);
            assert_next_is_missing(&first.stderr);
            if is_slow {
                second.kill().unwrap();
            }
            let second = ended(second);
            let start = &events(&first.stderr)[0];
            let continued = format!("run {} resumes", start["run_id"].as_str().unwrap());
            assert!(second.stderr.contains(&continued), "{continued}: {}", second.stderr);
            // One tick may have been in flight when the process was stopped.
            let doubled = doubled(&broker.read(&target));
            assert!(doubled <= 5, "{doubled} records are stored twice");
        }
    }
}

/// Checks that the first missing record follows the acknowledged ones, provided that all sent records were
/// acknowledged.
fn assert_next_is_missing(stderr: &str) {
    let error = events(stderr).pop().unwrap();
    let message = error["message"].as_str().unwrap();
    let count = |unit: &str| -> u64 {
        let before = message.split(unit).next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no count: {message}"))
    };
    let (sent, acknowledged) = (count(" sent,"), count(" acknowledged"));
    assert!(acknowledged < sent || error["first_missing"] == sent, "{error}");
}

#[test]
fn a_resume_that_waits_for_a_lease_can_be_stopped() {
    let name = "a_resume_that_waits_for_a_lease_can_be_stopped";
    let Some(broker) = Broker::of_environment(name) else { return };
    let target = broker.target("stop-waiting");
    broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
    let out = target.to_string();
    let command = [&DEV[..], &LONG, &["--json", "--out", &*out]].concat();
    let mut growth = Growth::of(&target);
    let mut first = begin(&command);
    assert!(growth.reaches(5, &mut first));
    // On a busy machine, the session may expire before the next process checks it. Then that process starts to send,
    // and the test kills it too.
    let (mut second, mut stream) = loop {
        first.kill().unwrap();
        first.wait().unwrap();
        let mut second = begin(&[&command[..], &["--resume"]].concat());
        let mut stream = EventStream::of(&mut second);
        let event = stream.any();
        if event["message"].as_str().is_some_and(|words| words.contains(" may still be sent by process ")) {
            break (second, stream);
        }
        first = second;
    };
    signal("INT", &second);
    let before = growth.records();
    // No other event precedes it, not even `start`.
    let error = stream.only("error");
    assert_eq!(error["exit_status"], 130, "{error}");
    assert_eq!(second.wait().unwrap().code(), Some(130));
    assert_eq!(growth.records(), before);
}

#[test]
fn a_resume_does_not_wait_for_a_run_that_ended() {
    let Some(broker) = Broker::of_environment("a_resume_does_not_wait_for_a_run_that_ended") else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("left");
    broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
    let out = target.to_string();
    let command = [&DEV[..], &["--for", "1h", "--out", &*out]].concat();
    // The first run is interrupted, so it ends in an orderly way before its last record.
    let mut first = begin(&command);
    // The topic has three ticks; only the last one is rendered again.
    assert!(Growth::of(&target).reaches(15, &mut first));
    signal("INT", &first);
    let first = ended(first);
    assert_eq!(first.status, 130, "{}", first.stderr);
    let stored = broker.read(&target).len();
    let resumed = ["run", "dev", "--for", "1h", "--out", &*out, "--resume"];
    let second = reenact(Path::new("."), &resumed);
    assert_eq!(second.status, 0, "{}", second.stderr);
    assert!(!second.stderr.contains("may still be sent"), "{}", second.stderr);
    // Stored records that are not rendered again are counted too.
    let words = format!("{} acknowledged, {stored} already present", 9_000 - stored);
    assert!(second.stderr.contains(&words), "{words}: {}", second.stderr);
    let recorded = recorded(folder.path(), &["run", "dev", "--for", "1h"]);
    assert_eq!(assert_whole(broker.read(&target), &recorded), 0);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn resume_without_access_to_the_group_watches_the_topic() {
    let name = "resume_without_access_to_the_group_watches_the_topic";
    let Some(broker) = Broker::of_environment(name) else { return };
    let of = |name: &str| std::env::var(name).ok();
    let (Some(sasl), Some(authority)) = (of("KAFKA_SASL"), of("KAFKA_CA")) else {
        eprintln!("left out: `{name}` needs TLS, see `scripts/kafka --secure run cargo test broker`");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("no-group");
    let topic = target.topic();
    broker.java(&["--create", topic, "3", "retention.ms=-1"]);
    for operation in ["DESCRIBE", "DESCRIBE_CONFIGS", "WRITE", "READ"] {
        broker.java(&["--allow", "stranger", topic, operation]);
    }
    let settings = folder.path().join("stranger");
    let text = format!(
        "security.protocol=sasl_ssl\nsasl.mechanism=SCRAM-SHA-256\nssl.ca.location={authority}\nsasl.username=stranger\nsasl.password=stranger-secret\n"
    );
    std::fs::write(&settings, text).unwrap();
    let out = format!("kafka:{sasl}/{topic}");
    let command = [&DEV[..], &LONG, &["--out", &out, "--kafka-config", settings.to_str().unwrap()]].concat();
    let mut first = begin(&command);
    assert!(Growth::of(&target).reaches(5, &mut first));
    let second = reenact(folder.path(), &[&command[..], &["--resume"]].concat());
    assert_eq!(second.status, 3, "{}", second.stderr);
    assert!(
        second.stderr.contains("warning: cannot determine whether another process sends run "),
        "{}",
        second.stderr
    );
    assert!(second.stderr.contains("watches its topic for 5 s"), "{}", second.stderr);
    assert!(second.stderr.contains("another process is still writing to it"), "{}", second.stderr);
    let first = interrupt(first);
    assert!(
        first.stderr.contains("other processes cannot detect that this process sends the run"),
        "{}",
        first.stderr
    );
    assert_shorter(folder.path(), &first, broker.read(&target));
}
