//! Topics that cannot take the records, and brokers that refuse a user: reported before the first record.

use std::time::{Duration, Instant};

use reenact::output::{Partitions, Wanted};

use crate::broker::Broker;
use crate::command_line::{hot_rack, reenact, stdout_of};
use crate::events::events;
use crate::resume::begin;

/// The listeners of `scripts/kafka --secure`, and their certificates.
struct Secure {
    tls: String,
    sasl: String,
    authority: String,
    other: String,
}

impl Secure {
    #[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
    fn of_environment(test: &str) -> Option<Secure> {
        let of = |name: &str| std::env::var(name).ok();
        let secure = (|| {
            Some(Secure {
                tls: of("KAFKA_TLS")?,
                sasl: of("KAFKA_SASL")?,
                authority: format!("ssl.ca.location={}", of("KAFKA_CA")?),
                other: format!("ssl.ca.location={}", of("KAFKA_OTHER_CA")?),
            })
        })();
        if secure.is_none() {
            eprintln!("left out: `{test}` needs TLS, see `scripts/kafka --secure run cargo test broker`");
        }
        secure
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a real connection is tried is wall time")]
fn users_without_permission_are_refused_with_the_reason() {
    let name = "users_without_permission_are_refused_with_the_reason";
    let (Some(broker), Some(secure)) = (Broker::of_environment(name), Secure::of_environment(name)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let target = broker.target("secure");
    broker.create(&target, "retention.ms=-1");
    let topic = target.topic();
    let (tls, sasl) = (format!("kafka:{}/{topic}", secure.tls), format!("kafka:{}/{topic}", secure.sasl));
    let run = ["run", "dev", "--for", "10s", "--start", "now", "--out"];
    let user = |user: &'static str, password: &'static str| {
        std::fs::write(
            dir.path().join(user),
            format!(
                "\u{feff}# a user\nsecurity.protocol=sasl_ssl\nsasl.mechanism=SCRAM-SHA-256\n{}\nsasl.username={user}\nsasl.password={password}\n",
                secure.authority
            ),
        )
        .unwrap();
        ["--kafka-config", user]
    };
    let with_tls = |authority: &'static str| ["-X", "security.protocol=ssl", "-X", authority];
    let authority: &'static str = Box::leak(secure.authority.clone().into_boxed_str());
    let other: &'static str = Box::leak(secure.other.clone().into_boxed_str());
    let ended = |out: &str, settings: &[&str]| {
        let begun = Instant::now();
        let ended = reenact(dir.path(), &[&run[..], &[out], settings].concat());
        let took = begun.elapsed();
        // It takes at most 10 s, not the 5 min of `--give-up-after`.
        assert!(took < Duration::from_secs(120), "{out} {settings:?} took {took:?}");
        assert!(!ended.stderr.contains("-secret"), "a password: {}", ended.stderr);
        ended
    };
    for (out, settings) in [(&tls, &with_tls(authority)[..]), (&sasl, &user("writer", "writer-secret"))] {
        let ended = ended(out, settings);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
    }
    assert_eq!(broker.read(&target).len(), 50);
    let refused = |out: &str, settings: &[&str], words: &str| {
        let ended = ended(out, settings);
        assert_eq!(ended.status, 3, "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    };
    refused(&sasl, &user("writer", "wrong-secret"), "`: SASL authentication error: Authentication failed");
    refused(&tls, &with_tls(other), "`: broker certificate could not be verified");
    refused(&tls, &[], "the broker closes the connection immediately, which suggests that it expects TLS");
    let stranger = user("stranger", "stranger-secret");
    refused(
        &sasl,
        &stranger,
        "or, if it exists, give the Kafka user the permissions Describe and Write on the topic",
    );
    broker.java(&["--allow", "stranger", topic, "DESCRIBE"]);
    refused(&sasl, &stranger, "authorization failed; ");
    refused(&sasl, &stranger, "cannot read `retention.ms` of topic");
    // A server that accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_out = format!("kafka:{}/{topic}", silent.local_addr().unwrap());
    refused(&silent_out, &[], "the broker accepts the connection but does not answer");
    for (setting, words) in
        [("linger.ms=soon", "queue.buffering.max.ms"), ("ssl.truststore=x", "ssl.truststore")]
    {
        let ended = ended(&tls, &["-X", setting]);
        assert_eq!(ended.status, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(broker.read(&target).len(), 50, "a user without permission has added records");
}

#[test]
fn event_times_that_do_not_fit_the_topic_are_refused() {
    let name = "event_times_that_do_not_fit_the_topic_are_refused";
    let Some(broker) = Broker::of_environment(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--step", "10s", "--out", "parquet:pq/"]);
    // A topic with default settings.
    let target = broker.target("defaults");
    broker.java(&["--create", target.topic(), "3"]);
    let out = target.to_string();
    let replay = ["replay", "pq", "--speed", "3600", "--out", &out];
    let refused = |arguments: &[&str], words: &str| {
        let ended = reenact(dir.path(), arguments);
        assert_eq!(ended.status, 3, "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    };
    refused(&replay, "the records of this run are older");
    refused(&[&replay[..], &["--rebase", "now"]].concat(), "records of this run are up to 1h59m4");
    refused(
        &["run", "dev", "--for", "2h", "--start", "now", "--out", &out],
        "`message.timestamp.after.max.ms=3600000`",
    );
    assert_eq!(broker.read(&target).len(), 0);
    stdout_of(dir.path(), &[&replay[..], &["--rebase", "end"]].concat());
    assert_eq!(broker.read(&target).len(), 5 * 720);
    // A topic that `--create-topic` creates accepts the records.
    let made = broker.target("made").to_string();
    stdout_of(
        dir.path(),
        &["replay", "pq", "--max-speed", "--rebase", "now", "--create-topic", "2", "--out", &made],
    );
    let allowed = reenact(dir.path(), &[&replay[..], &["--allow-expiring"]].concat());
    assert_eq!(allowed.status, 0, "{}", allowed.stderr);
    assert!(allowed.stderr.contains("warning: topic `defaults-"), "{}", allowed.stderr);
}

#[test]
fn batches_do_not_exceed_the_limit_of_the_topic() {
    let Some(broker) = Broker::of_environment("batches_do_not_exceed_the_limit_of_the_topic") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let target = broker.target("small-batches");
    // Each record is far below the limit. The client's default batches of 1 MB exceed it, and the client does not split
    // refused batches.
    broker.java(&["--create", target.topic(), "1", "retention.ms=-1", "max.message.bytes=20000"]);
    let run = ["run", "production", "--for", "1m", "--out", &target.to_string()];
    for compression in ["lz4", "none"] {
        stdout_of(dir.path(), &[&run[..], &["-X", &format!("compression.type={compression}")]].concat());
    }
    assert_eq!(broker.read(&target).len(), 2 * 32 * 60);

    // If a single record is too large, the error names the reason, and the way to resume if that is possible.
    let tiny = broker.target("tiny-batches").to_string();
    broker.java(&[
        "--create",
        tiny.rsplit('/').next().unwrap(),
        "1",
        "retention.ms=-1",
        "max.message.bytes=100",
    ]);
    let run = ["run", "dev", "--for", "1m", "--out", &tiny];
    let resumed = "the same command with `--resume=";
    for (more, is_offered) in [(&[][..], true), (&["--out", "ndjson:/dev/null"], false)] {
        let ended = reenact(dir.path(), &[&run[..], more].concat());
        assert_eq!(ended.status, 3, "{}", ended.stderr);
        assert!(ended.stderr.contains("Broker: Message size too large"), "{}", ended.stderr);
        let help = ended.stderr.rsplit("error: ").next().unwrap();
        assert_eq!(help.contains(resumed), is_offered, "{}", ended.stderr);
    }
}

#[test]
fn each_record_type_can_have_its_own_topic() {
    let Some(broker) = Broker::of_environment("each_record_type_can_have_its_own_topic") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let both = broker.target("by-{type}");
    let run = [
        "run",
        "dev",
        "--for",
        "1m",
        "--create-topic",
        "2",
        "--out",
        &both.to_string(),
        "--out",
        "ndjson:all.ndjson",
    ];
    stdout_of(dir.path(), &run);
    let all = std::fs::read_to_string(dir.path().join("all.ndjson")).unwrap();
    for entity_type in reenact::engine::models::builtin().types() {
        let (stored, record) = (broker.read(&both.of_type(entity_type)), entity_type.record());
        let mut stored: Vec<&str> = stored.iter().map(|stored| stored.record.1.as_str()).collect();
        let mut sent: Vec<&str> = all.lines().filter(|line| line.contains(record)).collect();
        stored.sort_unstable();
        sent.sort_unstable();
        assert_eq!(stored, sent, "{record}");
    }
    let twice = ["run", "dev", "--out", "kafka:localhost:1/t", "--labels-topic", "t"];
    assert_eq!(reenact(dir.path(), &twice).status, 2, "records and labels in one topic");
    let resumed = reenact(dir.path(), &["run", "dev", "--resume", "--out", &both.to_string()]);
    assert_eq!(resumed.status, 2, "{}", resumed.stderr);
    // One of the topics alone does not have the run, even if the command names that topic.
    let servers = both.of_type(&reenact::engine::models::builtin().types()[0]).to_string();
    let resumed = reenact(dir.path(), &["run", "dev", "--for", "1m", "--resume", "--out", &servers]);
    assert_eq!(resumed.status, 3, "{}", resumed.stderr);
    assert!(
        resumed.stderr.contains("it is not empty, but it contains no record of this run"),
        "{}",
        resumed.stderr
    );
}

#[test]
fn the_first_missing_record_is_counted_within_its_topic() {
    let name = "the_first_missing_record_is_counted_within_its_topic";
    let Some(broker) = Broker::of_environment(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    let both = broker.target("missing-{type}");
    let [servers, applications] =
        [0, 1].map(|it| both.of_type(&reenact::engine::models::builtin().types()[it]));
    broker.create(&servers, "retention.ms=-1");
    broker.java(&["--create", applications.topic(), "1", "retention.ms=-1", "max.message.bytes=100"]);
    // The window does not start at record 0 of the run.
    let run = ["run", "dev", "--from", "10m", "--to", "11m", "--json", "--out", &both.to_string()];
    let ended = reenact(dir.path(), &run);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let error = events(&ended.stderr).pop().unwrap();
    assert_eq!(error["first_missing"], 0, "{error}");
    let words = format!("`{applications}` did not acknowledge every record");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&words) && message.contains(" record 0 of this topic "), "{error}");
}

#[test]
fn invalid_kafka_settings_are_refused_before_connecting() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--create-topic", "2", "--out", "kafka:127.0.0.1:1/t"];
    for (more, words) in [
        (["--labels-topic", "bad name!"], "`bad name!` is not a valid name for the labels topic"),
        (["--labels-topic", "l-{type}"], "`l-{type}` is not a valid name for the labels topic"),
        (["-X", "sasl.password:hunter2"], "`-X` number 1 is not a setting"),
        (["-X", "acks=1"], "the Kafka client cannot start with these settings: "),
        (
            ["-X", "security.protocol=hunter2"],
            "does not accept the setting `security.protocol`: Invalid value \"…\"",
        ),
        (
            ["-X", "socket.timeout.ms=9000000"],
            "the Kafka client does not accept the setting `socket.timeout.ms`",
        ),
        (
            ["-X", "transactional.id=a"],
            "`transactional.id` cannot be set to this value: reenact does not use transactions",
        ),
        (
            ["-X", "group.id=a"],
            "`group.id` cannot be set to this value: reenact joins only its own consumer groups",
        ),
        (
            ["-X", "delivery.report.only.error=true"],
            "`delivery.report.only.error` cannot be set to this value",
        ),
    ] {
        let ended = reenact(dir.path(), &[&run[..], &more].concat());
        assert_eq!(ended.status, 2, "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{more:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "the message contains a password");
    }
    // Settings that give up the order and the exact number of records are allowed.
    let ended =
        reenact(dir.path(), &[&run[..], &["-X", "enable.idempotence=false", "-X", "acks=1"]].concat());
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("no broker answers"), "{}", ended.stderr);
}

#[test]
fn runs_that_start_together_create_their_topics_once() {
    let Some(broker) = Broker::of_environment("runs_that_start_together_create_their_topics_once") else {
        return;
    };
    let (target, labels) = (broker.target("together"), broker.target("together-labels"));
    let out = target.to_string();
    let to = ["--create-topic", "3", "--labels-topic", labels.topic(), "--out", &out];
    let shards = ["1/4", "2/4", "3/4", "4/4"]
        .map(|shard| begin(&[&["run", "dev", "--shard", shard], &to[..]].concat()));
    let mut created = 0;
    for shard in shards {
        let output = shard.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words}");
        created += words.matches("created topic").count();
    }
    assert_eq!(created, 2, "each topic must be created once");
    assert_eq!(broker.read(&target).len(), 9_000);

    // Eight threads at the same moment, with contradicting numbers of partitions.
    let both = broker.target("together-both");
    let start = std::sync::Barrier::new(8);
    let made: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|i| {
                let (both, start) = (&both, &start);
                scope.spawn(move || {
                    let now = reenact::pace::now();
                    let create = Some(Partitions::Count(2 + i % 2));
                    let wanted = Wanted { create, ..Wanted::new(now, now) };
                    start.wait();
                    (2 + i % 2, both.prepare(&wanted))
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let partitions = made.iter().find_map(|(_, made)| made.as_ref().ok()).expect("one was first").partitions;
    for (wanted, made) in &made {
        match made {
            Ok(made) => assert_eq!((made.partitions, *wanted), (partitions, partitions)),
            Err(error) => {
                assert_ne!(*wanted, partitions, "{error}");
                assert!(error.to_string().contains("with a different number of partitions"), "{error}");
            }
        }
    }
    assert_eq!(made.iter().filter(|(_, made)| made.as_ref().is_ok_and(|made| made.is_new)).count(), 1);
}

#[test]
fn a_dry_run_checks_the_topics_and_creates_none() {
    let name = "a_dry_run_checks_the_topics_and_creates_none";
    let Some(broker) = Broker::of_environment(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--out", "ndjson:nd/"]);
    let existing = broker.target("dry-there");
    broker.java(&["--create", existing.topic(), "3"]);
    let (existing, missing) = (existing.to_string(), broker.target("dry-missing"));
    let labels = broker.target("dry-labels");
    let dry = ["replay", "nd", "--max-speed", "--dry-run", "--out"];
    let refused = |arguments: &[&str], words: &str| {
        let ended = reenact(dir.path(), &[&dry[..], arguments].concat());
        assert_eq!(ended.status, 3, "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    };
    refused(&[&missing.to_string()], &format!("topic `{}` does not exist", missing.topic()));
    refused(&[&existing], "`retention.ms=");
    refused(
        &[&existing, "--rebase", "now", "--create-topic", "5"],
        "a different number of partitions: 3, not 5",
    );
    let now = [&existing, "--rebase", "end", "--labels-topic", labels.topic()];
    refused(&now, &format!("topic `{}` does not exist", labels.topic()));
    let text = stdout_of(dir.path(), &[&dry[..], &now, &["--create-topic", "3"]].concat());
    assert!(text.contains(&format!("records to {existing}, 3 partitions\n")), "{text}");
    assert!(text.contains(&format!("labels to {labels}, which would be created\n")), "{text}");
    let missing_out = missing.to_string();
    let json = [&dry[..], &[&missing_out, "--create-topic", "2", "--json"]].concat();
    let json: serde_json::Value = serde_json::from_str(&stdout_of(dir.path(), &json)).unwrap();
    assert_eq!(json["outputs"][0]["would_be_created"], true);
    let topics = broker.java(&["--topics"]);
    assert!(!topics.contains(missing.topic()) && !topics.contains(labels.topic()), "{topics}");
}
