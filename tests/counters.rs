//! The events and counters of a run into a topic, tested with a real broker that is killed.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::Broker;
use crate::command_line::{reenact, stdout_of};
use crate::events::{EventStream, documented, events};
use crate::outages::{OwnBroker, SMALL_QUEUE};
use crate::pace::interrupt;
use crate::resume::{assert_whole, begin, recorded};

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn a_killed_run_can_be_resumed_by_its_reported_id() {
    let Some(broker) = Broker::of_environment("a_killed_run_can_be_resumed_by_its_reported_id") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (target, labels) = (broker.target("killed-id"), broker.target("killed-id-labels"));
    let run = ["run", "production", "--for", "30m"];
    let out = target.to_string();
    let to = ["--labels-topic", labels.topic(), "--create-topic", "3", "--json", "--out", &out];
    // The run would take 90 s; it is killed after its first acknowledged records.
    let mut child = begin(&[&run[..], &["--speed", "20"], &to].concat());
    let mut stream = EventStream::of(&mut child);
    let start = stream.next("start");
    let topics = [(target.topic(), "records"), (labels.topic(), "labels")]
        .map(|(topic, holds)| serde_json::json!({"topic": topic, "partitions": 3, "holds": holds}));
    assert_eq!(start["topics"], serde_json::json!(topics));
    assert_eq!((&start["topic"], &start["partitions"]), (&target.topic().into(), &3.into()));
    assert_eq!((&start["resumable"], &start["resumed"]), (&true.into(), &false.into()));
    while stream.next("progress")["acknowledged"].as_u64().unwrap() == 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = format!("--resume={}", start["run_id"].as_str().unwrap());
    let ended = reenact(dir.path(), &[&run[..], &to, &[&resume]].concat());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let events = events(&ended.stderr);
    let again = events.iter().find(|event| event["event"] == "start").unwrap();
    assert_eq!((&again["run_id"], &again["resumed"]), (&start["run_id"], &true.into()));
    assert_whole(broker.read(&target), &recorded(dir.path(), &run));
    let end = &events[events.len() - 1];
    assert_eq!(end["run"], start["run_id"]);
    let delivery = documented("And `delivery`");
    assert!(keys(&end["outputs"][0]["delivery"]).into_iter().eq(&delivery));
    assert_eq!(end["labels"], end["outputs"][1]["rows"]);
}

#[test]
fn labels_in_a_topic_are_counted() {
    let Some(broker) = Broker::of_environment("labels_in_a_topic_are_counted") else { return };
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--out", "ndjson:nd/"]);
    let recorded = std::fs::read_to_string(dir.path().join("nd/labels.ndjson")).unwrap().lines().count();
    for (name, run) in [("counted", &["run", "dev"][..]), ("counted-again", &["replay", "nd", "--max-speed"])]
    {
        let (target, labels) = (broker.target(name), broker.target(&format!("{name}-labels")));
        let out = target.to_string();
        let to = ["--create-topic", "2", "--labels-topic", labels.topic(), "--json", "--out", &out];
        let end: Value = serde_json::from_str(&stdout_of(dir.path(), &[run, &to].concat())).unwrap();
        assert_eq!(end["labels"], recorded, "{end}");
        assert_eq!(broker.read(&labels).len(), recorded);
    }
}

#[test]
fn a_failed_run_names_its_first_missing_record() {
    let Some(broker) = Broker::of_environment("a_failed_run_names_its_first_missing_record") else { return };
    let dir = tempfile::tempdir().unwrap();
    let target = broker.target("refused-json");
    broker.java(&["--create", target.topic(), "1", "retention.ms=-1", "max.message.bytes=100"]);
    let ended = reenact(dir.path(), &["run", "dev", "--for", "1m", "--json", "--out", &target.to_string()]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let events = events(&ended.stderr);
    let (start, error) = (&events[0], &events[events.len() - 1]);
    assert_eq!((&error["event"], &error["exit_status"]), (&"error".into(), &3.into()));
    assert_eq!(error["first_missing"], 0);
    let id = start["run_id"].as_str().unwrap();
    assert!(error["help"][0].as_str().unwrap().contains(id), "{error}");
}

/// Kills the broker after the first acknowledged record, and restarts it after at least `least`, once the run has
/// noticed. Returns the duration of the outage.
#[expect(clippy::disallowed_methods, reason = "an outage is wall time")]
fn outage(own: &OwnBroker, stream: &mut EventStream, least: Duration) -> Duration {
    while stream.next("progress")["acknowledged"].as_u64().unwrap() == 0 {}
    own.script(&["kill"]);
    let begun = Instant::now();
    let away = stream.next("away");
    assert!(!away["reason"].as_str().unwrap().is_empty() && away["waiting_ms"] == 300_000, "{away}");
    std::thread::sleep(least.saturating_sub(begun.elapsed()));
    let took = begun.elapsed();
    own.script(&["restart"]);
    took
}

#[test]
fn outages_and_retried_records_are_counted() {
    let Some(shared) = Broker::of_environment("outages_and_retried_records_are_counted") else {
        return;
    };
    let own = OwnBroker::start("counted", &[]);
    let broker = own.broker(shared);
    // Recent events are left to the client; for old events, reenact reads the topic.
    for start in ["now", "2026-01-05T08:00:00Z"] {
        let target = broker.target("outage-counted");
        // On a busy machine, no record may be in flight when the broker is killed. Then nothing is sent again.
        let is_retried = |attempt| {
            let out = format!("{target}-{}-{attempt}", start.len());
            retried_after_outage(&own, start, &out) > 0
        };
        assert!((0..5).any(is_retried), "{start}");
    }
}

/// Kills the broker during a run and restarts it. Returns the number of records that were sent again.
fn retried_after_outage(own: &OwnBroker, start: &str, out: &str) -> u64 {
    let run = ["run", "production", "--for", "1000h", "--speed", "5000", "--start", start];
    let to = ["--create-topic", "3", "--json", "--out", out];
    let mut child = begin(&[&run[..], &SMALL_QUEUE, &to].concat());
    let mut stream = EventStream::of(&mut child);
    let away = outage(own, &mut stream, Duration::from_secs(7)).as_millis() as u64;
    let back = stream.next("back");
    let ended = interrupt(child);
    let end = stream.next("end");
    assert_eq!(ended.status, 130, "{start}");
    let delivery = &end["outputs"][0]["delivery"];
    let [sent, acknowledged, retried, waited] =
        ["sent", "acknowledged", "retried", "waited_ms"].map(|key| delivery[key].as_u64().unwrap());
    // The client notices the outage late, and even later on a busy machine.
    assert!(waited * 2 >= away && back["away_ms"].as_u64().unwrap() * 2 >= away, "{away}: {end} {back}");
    assert_eq!((acknowledged, end["outputs"][0]["rows"].as_u64()), (sent, Some(sent)), "{end}");
    retried
}

#[test]
fn a_paced_run_keeps_its_pace_during_an_outage() {
    const NAME: &str = "a_paced_run_keeps_its_pace_during_an_outage";
    let Some(shared) = Broker::of_environment(NAME) else { return };
    let own = OwnBroker::start("paced", &[]);
    let target = own.broker(shared).target("paced-away").to_string();
    // Longer than the session timeout of the run's lease and several checks of its group's members.
    const AWAY: Duration = Duration::from_secs(20);
    let run = ["run", "dev", "--for", "1000h", "--step", "100ms", "--start", "now", "--speed", "1"];
    let lag = ["--json", "--max-lag", "4s", "--create-topic", "1", "--out", &target];
    let mut child = begin(&[run.as_slice(), &lag].concat());
    let mut stream = EventStream::of(&mut child);
    outage(&own, &mut stream, AWAY);
    stream.next("back");
    assert_eq!(interrupt(child).status, 130);
    // A record that leaves too late causes an error before the end.
    loop {
        let event = stream.any();
        assert_ne!(event["event"], "error", "{event}");
        if event["event"] == "end" {
            break;
        }
    }
}

/// Stops a run while its broker is away. Returns how long the run takes to end.
#[expect(clippy::disallowed_methods, reason = "what is tested is how long the user waits")]
fn stopped_while_away(own: &OwnBroker, start: &str, out: &str) -> Duration {
    let run = ["run", "dev", "--for", "1000h", "--step", "100ms", "--start", start, "--speed", "1", "--json"];
    let mut child = begin(&[&run[..], &["--create-topic", "1", "--out", out]].concat());
    let mut stream = EventStream::of(&mut child);
    while stream.next("progress")["acknowledged"].as_u64().unwrap() == 0 {}
    own.script(&["kill"]);
    stream.next("away");
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    // The event is reported while some of the 10 s are left.
    let within = stream.next("stopping")["within_ms"].as_u64().unwrap();
    assert!((1..=10_000).contains(&within), "{start}: {within}");
    let error = stream.next("error");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let took = asked.elapsed();
    assert!(error["message"].as_str().unwrap().contains("the run was stopped"), "{error}");
    own.script(&["restart"]);
    took
}

#[test]
fn a_stop_during_an_outage_takes_at_most_ten_seconds() {
    const NAME: &str = "a_stop_during_an_outage_takes_at_most_ten_seconds";
    let Some(shared) = Broker::of_environment(NAME) else { return };
    let own = OwnBroker::start("stopped", &[]);
    let target = own.broker(shared).target("stopped-away").to_string();
    for start in ["now", "2026-01-05T08:00:00Z"] {
        // A busy machine may delay a try, so there are three. Two seconds are for the end of the process.
        let mut tries =
            (0..3).map(|number| stopped_while_away(&own, start, &format!("{target}-{start:.3}-{number}")));
        assert!(tries.any(|took| took < Duration::from_secs(12)), "{start}: three tries over 12 s");
    }
}
