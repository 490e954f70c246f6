//! A topic that is deleted during a run, or deleted and created again, is reported, and no resume is suggested.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use reenact::output::KafkaTarget;

use crate::broker::Broker;
use crate::growth::Growth;
use crate::resume::begin;

/// Starts a run and deletes its topic with `delete`. Returns the error of the run. `--give-up-after` is longer than a
/// busy broker needs.
fn deleted(broker: &Broker, name: &str, start: &str, delete: impl Fn(&KafkaTarget)) -> String {
    let target = broker.target(name);
    create_lasting(broker, &target);
    let run = ["run", "dev", "--for", "1000h", "--start", start, "--speed", "200", "--give-up-after", "30s"];
    let mut child = begin(&[&run[..], &["--out", &target.to_string()]].concat());
    assert!(Growth::of(&target).reaches(1_000, &mut child), "the run ended before its topic was deleted");
    delete(&target);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{words}");
    let error = words.rsplit("error: ").next().unwrap();
    assert!(!error.contains("--resume") && error.contains("send the run again from its start"), "{words}");
    error.into()
}

/// Deletes a topic and creates it again immediately. A separate client would start so slowly on a busy machine that the
/// run would end in between.
fn recreate(target: &KafkaTarget) {
    let name = target.to_string();
    let (brokers, topic) = name.trim_start_matches("kafka:").rsplit_once('/').unwrap();
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(60)));
    answer(admin.delete_topics(&[topic], &options)).unwrap();
    let new = NewTopic::new(topic, 3, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("message.timestamp.after.max.ms", "9999999999");
    // The broker deletes the topic some time after its answer.
    let is_refused = |_: &u32| {
        let created = answer(admin.create_topics([&new], &options)).unwrap();
        let is_refused = created[0].is_err();
        if is_refused {
            std::thread::sleep(Duration::from_millis(10));
        }
        is_refused
    };
    assert!((0..6_000).take_while(is_refused).count() < 6_000, "the topic is not deleted");
}

/// Waits for a future of a client that has its own thread.
fn answer<T>(future: impl Future<Output = T>) -> T {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Creates a topic that accepts event times of any age, and event times far in the future.
fn create_lasting(broker: &Broker, target: &KafkaTarget) {
    let ahead = "message.timestamp.after.max.ms=9999999999";
    broker.java(&["--create", target.topic(), "3", "retention.ms=-1", ahead]);
}

/// Two ages of events. Recent events are left to the client; for old events, reenact reads the topic.
const AGES: [(&str, &str); 2] = [("young", "now"), ("old", "2026-01-05T08:00:00Z")];

#[test]
fn a_topic_that_is_deleted_during_the_run_is_reported() {
    const NAME: &str = "a_topic_that_is_deleted_during_the_run_is_reported";
    let Some(broker) = Broker::of_environment(NAME) else { return };
    for (age, start) in AGES {
        let error = deleted(&broker, &format!("deleted-{age}"), start, |target| {
            broker.java(&["--delete", target.topic()]);
        });
        assert!(error.contains("did not acknowledge every record: its topic was deleted; "), "{error}");
    }
}

#[test]
fn a_topic_that_is_recreated_during_the_run_is_reported() {
    const NAME: &str = "a_topic_that_is_recreated_during_the_run_is_reported";
    let Some(broker) = Broker::of_environment(NAME) else { return };
    for (age, start) in AGES {
        let error = deleted(&broker, &format!("again-{age}"), start, recreate);
        assert!(error.contains("its topic was deleted and created again"), "{error}");
    }
}
