//! Records that other programs write into a topic do not change where a run ends.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use reenact::output::KafkaTarget;

use crate::broker::{Broker, Stored};
use crate::command_line::{reenact, stdout_of};
use crate::growth::Growth;
use crate::resume::{assert_whole, begin, recorded};

/// A copy of a record in a topic, possibly with other headers or another value.
struct Forged<'a> {
    of: &'a Stored,
    run: String,
    index: String,
    value: String,
}

impl Forged<'_> {
    fn copy(of: &Stored) -> Forged<'_> {
        Forged { of, run: of.run.clone(), index: of.index.clone(), value: of.record.1.clone() }
    }
}

/// Forges records from the records of a topic.
type Forge = fn(&[Stored]) -> Vec<Forged<'_>>;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}

fn send(broker: &Broker, target: &KafkaTarget, forged: &[Forged<'_>]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &*broker.bootstrap).create().unwrap();
    for it in forged {
        let (run, index) = (bytes(&it.run), bytes(&it.index));
        let headers = OwnedHeaders::new()
            .insert(Header { key: "reenact-run", value: Some(&run) })
            .insert(Header { key: "reenact-index", value: Some(&index) });
        let record = BaseRecord::to(target.topic())
            .partition(it.of.partition.parse().unwrap())
            .key(&it.of.key)
            .payload(&it.value)
            .timestamp(it.of.record.0)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}

/// Returns the records of a run without copies and without records with a forged index.
fn without_forged(stored: Vec<Stored>, run: &str, forged: &BTreeSet<String>) -> Vec<Stored> {
    let mut seen = BTreeSet::new();
    let mut is_first = |it: &Stored| {
        it.run == run && !forged.contains(&it.index) && seen.insert((it.partition.clone(), it.index.clone()))
    };
    stored.into_iter().filter(|it| is_first(it)).collect()
}

#[test]
fn copied_and_forged_records_do_not_change_where_resume_starts() {
    let name = "copied_and_forged_records_do_not_change_where_resume_starts";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--for", "10m"];
    let recorded = recorded(folder.path(), &run);
    let kinds: [(&str, Forge); 5] = [
        ("copy", |stored| stored.iter().take(30).map(Forged::copy).collect()),
        ("last-index", |stored| {
            let forge = |of| Forged { index: "ff".repeat(18), ..Forged::copy(of) };
            stored.iter().rev().take(3).map(forge).collect()
        }),
        ("partitions", |stored| {
            let forge = |of: &Stored| format!("{}00000000", &of.run[..48]);
            stored.iter().rev().take(3).map(|of| Forged { run: forge(of), ..Forged::copy(of) }).collect()
        }),
        ("id", |stored| {
            // The forged records are from a later run.
            let forge = |of: &Stored| format!("0fffffff{}", &of.run[8..]);
            let later = |of| Forged { run: forge(of), ..Forged::copy(of) };
            stored.iter().rev().take(3).map(later).collect()
        }),
        ("value", |stored| {
            let row = |of: &Stored| u64::from_str_radix(&of.index[16..32], 16).unwrap();
            let forge = |of: &Stored| {
                let due = i64::from_str_radix(&of.index[..16], 16).unwrap() + 2_000;
                format!("{due:016x}{:016x}0000", row(of) + 5)
            };
            stored.iter().rev().take(3).map(|of| Forged { index: forge(of), ..Forged::copy(of) }).collect()
        }),
    ];
    for (kind, forge) in kinds {
        let target = broker.target(&format!("forged-{kind}"));
        let out = target.to_string();
        broker.java(&["--create", target.topic(), "2", "retention.ms=-1"]);
        let command = [&run[..], &["--out", &*out]].concat();
        let mut child = begin(&[&command[..], &["--speed", "100"]].concat());
        assert!(Growth::of(&target).reaches(200, &mut child));
        crate::pace::interrupt(child);
        let stored = broker.read(&target);
        let header = stored[0].run.clone();
        let forged = forge(&stored);
        // A forged record with the index of the run's next record and another value must not replace the true record.
        let forged_indices: BTreeSet<String> = match kind {
            "last-index" => forged.iter().map(|it| it.index.clone()).collect(),
            _ => BTreeSet::new(),
        };
        let altered: BTreeSet<(String, String)> = match kind {
            "value" => forged.iter().map(|it| (it.index.clone(), it.value.clone())).collect(),
            _ => BTreeSet::new(),
        };
        send(&broker, &target, &forged);
        let resumed = [&command[..], &["--resume"]].concat();
        let ended = reenact(folder.path(), &resumed);
        assert_eq!(ended.status, 0, "{kind}: {}", ended.stderr);
        assert!(ended.stderr.contains("resumes at"), "{kind}: {}", ended.stderr);
        let mut stored = broker.read(&target);
        stored.retain(|it| !altered.contains(&(it.index.clone(), it.record.1.clone())));
        assert_eq!(assert_whole(without_forged(stored, &header, &forged_indices), &recorded), 0, "{kind}");
        let again = reenact(folder.path(), &resumed);
        assert!(again.stderr.contains("nothing to resume: run "), "{kind}: {}", again.stderr);
    }
}

#[test]
fn copied_records_of_a_complete_run_leave_nothing_to_resume() {
    let name = "copied_records_of_a_complete_run_leave_nothing_to_resume";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("republished");
    let out = target.to_string();
    broker.java(&["--create", target.topic(), "3", "retention.ms=-1"]);
    let run = ["run", "dev", "--for", "20m"];
    let recorded = recorded(folder.path(), &run);
    let replay = ["replay", recorded.to_str().unwrap(), "--max-speed"];
    for command in [&run[..], &replay] {
        let command = [command, &["--out", &out]].concat();
        stdout_of(folder.path(), &command);
        let stored = broker.read(&target);
        let newest = stored.iter().map(|it| &it.run).max().unwrap();
        let old: Vec<Forged<'_>> =
            stored.iter().filter(|it| it.run == *newest).take(1_200).map(Forged::copy).collect();
        send(&broker, &target, &old[..1]);
        let resumed = [&command[..], &["--resume"]].concat();
        let ended = reenact(folder.path(), &resumed);
        assert!(ended.stderr.contains("nothing to resume: run "), "{}", ended.stderr);
        // These are more records than the first read covers.
        send(&broker, &target, &old);
        let ended = reenact(folder.path(), &resumed);
        assert!(ended.stderr.contains("nothing to resume: run "), "{}", ended.stderr);
    }
}
