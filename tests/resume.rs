//! An interrupted run resumes at the end of its topic: no record is missing, none is stored twice, and each key is in
//! order. Kafka's own Java client reads the topics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reenact::output::{Encode as _, KafkaEncode, KafkaSink, Prepared, RunId, Sequence, Sink as _};
use reenact::pace;
use reenact::pipeline;
use reenact::scenario::Scenario;
use reenact::time::{SimTime, Span, Tick, Window};

use crate::broker::{Broker, Record, Stored};
use crate::command_line::{hot_rack, reenact, stdout_of, with_input};
use crate::common::lines;
use crate::damage::Random;
use crate::growth::Growth;

/// Creates a topic with fewer partitions than keys, so that partitions have several keys.
pub const TO: &[&str] = &["--create-topic", "7", "--out"];

/// Returns a number of seconds or repetitions, which an environment variable can override.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().expect("a number"))
}

/// Starts the program.
pub fn begin(arguments: &[&str]) -> Child {
    let program = env!("CARGO_BIN_EXE_reenact");
    Command::new(program).args(arguments).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// A program that was killed.
struct Killed {
    /// The first line that the program printed about its run.
    line: String,
    was_running: bool,
}

/// Waits for the program's line about its run, then until the topic has `more` further records, and kills the program
/// with SIGKILL.
fn kill(mut child: Child, topic: &mut Growth, more: u64) -> Killed {
    let wanted = topic.records() + more;
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    // Lines about a created topic, or about the session of a killed process, may precede it.
    let is_wanted = |line: &str| ["run ", "nothing", "error"].iter().any(|begin| line.starts_with(begin));
    while stderr.read_line(&mut line).unwrap() > 0 && !is_wanted(&line) {
        line.clear();
    }
    let was_running = topic.reaches(wanted, &mut child);
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    Killed { line, was_running }
}

/// Checks the records of the newest run in a topic. They must be those of the NDJSON file, each once, in order for each
/// key, in the partition that Java chooses, with rising indices in each partition. Returns the number of records of
/// other runs.
pub fn assert_whole(stored: Vec<Stored>, recorded: &Path) -> usize {
    let newest = stored.iter().map(|stored| stored.run.clone()).max().expect("there are records");
    let (stored, others): (Vec<Stored>, Vec<Stored>) = stored.into_iter().partition(|it| it.run == newest);
    let recorded = std::fs::read(recorded).unwrap();
    let mut expected: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for line in lines(&recorded) {
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        let moment = SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap();
        let key = fields.get("service_name").unwrap_or_else(|| &fields["server_id"]);
        expected.entry(key.as_str().unwrap().into()).or_default().push((moment.0, line.into()));
    }
    let mut found: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut last_of: BTreeMap<String, String> = BTreeMap::new();
    for stored in stored {
        assert_eq!(stored.partition, stored.expected_partition, "{}", stored.key);
        assert_eq!(stored.timestamp_type, "CreateTime");
        let last = last_of.insert(stored.partition.clone(), stored.index.clone());
        assert!(last.is_none_or(|last| last < stored.index), "twice or out of order in {}", stored.partition);
        found.entry(stored.key).or_default().push(stored.record);
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, lines) in &expected {
        let found = &found[key];
        let first = std::iter::zip(found, lines).position(|(found, line)| found != line);
        assert_eq!(
            (first, found.len()),
            (None, lines.len()),
            "the first difference of {key}, and the number of records"
        );
    }
    others.len()
}

/// Returns the first event time of the newest run in a topic.
fn first_event(stored: &[Stored]) -> String {
    let first = stored.iter().map(|stored| (std::cmp::Reverse(&stored.run), stored.record.0)).min();
    SimTime(first.expect("there are records").1).to_string()
}

/// Writes the same run as NDJSON and returns the path of the file.
pub fn recorded(folder: &Path, run: &[&str]) -> PathBuf {
    stdout_of(folder, &[run, &["--no-labels", "--out", "ndjson:whole.ndjson"]].concat());
    folder.join("whole.ndjson")
}

/// Starts a command, kills it and resumes it, until it was killed `kills` times. Each kill happens when the topic has
/// up to `most` further records; before the first kill, at least `least`. Then the run may end.
fn kill_and_resume(command: &[&str], topic: &mut Growth, kills: usize, (least, most): (u64, usize)) {
    let mut random = Random(1);
    let resumed = [command, &["--resume"]].concat();
    // A run that is killed before its first record is in the topic cannot be resumed.
    let begun = kill(begin(command), topic, least + random.below(most) as u64);
    assert!(begun.was_running, "the run ended before it was killed: {}", begun.line);
    let id = begun.line.split("run ").nth(1).unwrap().split(':').next().unwrap();
    for _ in 1..kills {
        // The kill may also happen before the program sends anything.
        let next = kill(begin(&resumed), topic, random.below(most) as u64);
        assert!(next.was_running, "the run ended before it was killed: {}", next.line);
        assert!(next.line.contains(&format!("run {id} resumes")), "{}", next.line);
    }
    let ended = reenact(Path::new("."), &resumed);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(id), "another run was resumed: {}", ended.stderr);
}

#[test]
fn a_repeatedly_killed_run_resumes_without_a_gap() {
    let Some(broker) = Broker::of_environment("a_repeatedly_killed_run_resumes_without_a_gap") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // The run is long enough for every kill: each takes at most the records of 3 min, and those in the queue.
    let kills = number("KILLS", 3);
    let length = format!("{}h", 5 + kills);
    let run = ["run", "production", "--for", &*length];
    let recorded = recorded(folder.path(), &run);
    let (target, labels) = (broker.target("killed"), broker.target("killed-labels"));
    let out = target.to_string();
    // The topic already has another window of the same scenario, and an earlier complete run.
    let slice =
        [&["run", "production", "--for", "10m", "--create-topic", "7", "--out"], &[&*out][..]].concat();
    let whole = [&run[..], &["--out", &out]].concat();
    stdout_of(folder.path(), &slice);
    stdout_of(folder.path(), &whole);
    let resumed = [&whole[..], &["--resume"]].concat();
    assert!(
        reenact(folder.path(), &resumed).stderr.starts_with("nothing to resume: run "),
        "the run is complete"
    );

    broker.create(&labels, "retention.ms=-1");
    let command = [&whole[..], &["--labels-topic", labels.topic()]].concat();
    // Every partition must have some records of the run, because reenact does not search past the whole earlier run.
    let records = (32 * 3_600, 32 * 3_600 / 20);
    kill_and_resume(&command, &mut Growth::of(&target), kills as usize, records);
    let others = assert_whole(broker.read(&target), &recorded);
    assert_eq!(
        others,
        32 * 600 + 32 * 3_600 * (5 + kills as usize),
        "records of the earlier runs are missing"
    );
    stdout_of(folder.path(), &[&run[..], &["--labels", "l.ndjson", "--out", "ndjson:/dev/null"]].concat());
    assert_labels(broker.read(&labels), &std::fs::read_to_string(folder.path().join("l.ndjson")).unwrap());
}

/// Checks that a topic has the labels of a file, each once. In each partition, they must be in the order in which
/// incidents ended, which is their timestamp.
pub fn assert_labels(stored: Vec<Stored>, expected: &str) {
    let mut last_of: BTreeMap<String, String> = BTreeMap::new();
    let mut found: Vec<String> = Vec::new();
    let newest = stored.iter().map(|stored| stored.run.clone()).max().expect("there are labels");
    for stored in stored.into_iter().filter(|stored| stored.run == newest) {
        assert_eq!(stored.partition, stored.expected_partition, "{}", stored.key);
        let last = last_of.insert(stored.partition, stored.index.clone());
        assert!(last.is_none_or(|last| last < stored.index), "twice or out of order: {}", stored.record.1);
        let (moment, line) = stored.record;
        let label: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(label["incident_id"], stored.key);
        assert!(SimTime::parse(label["effect_start"].as_str().unwrap()).unwrap().0 < moment, "{line}");
        assert_eq!(stored.index[..16], format!("{moment:016x}"));
        found.push(line);
    }
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert!(!expected.is_empty(), "there are no labels to compare");
    let first = std::iter::zip(&found, &expected).find(|(found, expected)| found != expected);
    assert_eq!(
        (first, found.len()),
        (None, expected.len()),
        "the first difference, and the number of labels"
    );
}

#[test]
fn a_killed_live_run_catches_up_and_continues() {
    let Some(broker) = Broker::of_environment("a_killed_live_run_catches_up_and_continues") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("live");
    let out = target.to_string();
    // More partitions than keys.
    let run = ["run", "dev", "--step", "10ms", "--for", "30s"];
    let live = [&run[..], &["--live", "--create-topic", "20", "--out", &out]].concat();
    kill_and_resume(&live, &mut Growth::of(&target), 2, (1, 300));
    let stored = broker.read(&target);
    let start = first_event(&stored);
    let recorded = recorded(folder.path(), &[&run[..], &["--start", &start]].concat());
    assert_whole(stored, &recorded);
}

#[test]
fn a_live_run_resumes_hours_later_where_it_ended() {
    let name = "a_live_run_resumes_hours_later_where_it_ended";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("live-hours");
    broker.java(&["--create", target.topic(), "3"]);
    // The run began three hours ago and was killed after ten minutes.
    let moment = SimTime((pace::now() - Span::hours(3)).0 / 10_000 * 10_000);
    let scenario = Scenario::preset("dev").unwrap().set("clock.step", "10s").unwrap();
    let plan = scenario.set("clock.start", &moment.to_string()).unwrap().plan().unwrap();
    let run = plan.run().between(None, Some(moment + Span::minutes(50))).unwrap().begun(moment, true);
    let named = (RunId::new(moment), Sequence::new(&run.about().sequence, target.topic()));
    let prepared = Prepared { partitions: 3, ..Prepared::default() };
    let mut sink = KafkaSink::connect(&target, &prepared, named, 0, Span::hours(3)).unwrap();
    for batch in pipeline::batches(run.plan(), Window::new(Tick(0), Tick(60)).unwrap()) {
        sink.write(KafkaEncode::default().encode(&batch)).unwrap();
    }
    sink.finish().unwrap();

    let run = ["run", "dev", "--step", "10s", "--for", "50m"];
    let resumed =
        reenact(folder.path(), &[&run[..], &["--live", "--resume", "--out", &target.to_string()]].concat());
    assert_eq!(resumed.status, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("1200 acknowledged"), "{}", resumed.stderr);
    let start = moment.to_string();
    assert_whole(broker.read(&target), &recorded(folder.path(), &[&run[..], &["--start", &start]].concat()));
}

#[test]
fn resume_sends_missing_labels_when_all_records_exist() {
    let name = "resume_sends_missing_labels_when_all_records_exist";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (target, labels) = (broker.target("no-labels"), broker.target("late-labels"));
    let out = target.to_string();
    // The topic of the labels keeps its number of partitions, whatever `--create-topic` says.
    broker.java(&["--create", labels.topic(), "2", "retention.ms=-1"]);
    let hot_rack = hot_rack();
    let run = ["run", &*hot_rack, "--step", "10s", "--out", &*out];
    stdout_of(folder.path(), &[&run[..], &["--create-topic", "3"]].concat());
    let resumed = [&run[..], &["--resume", "--create-topic", "3", "--labels-topic", labels.topic()]].concat();
    for _ in 0..2 {
        stdout_of(folder.path(), &resumed);
    }
    assert_eq!(broker.read(&target).len(), 5 * 720);
    stdout_of(folder.path(), &["run", &hot_rack, "--step", "10s", "--labels", "l.ndjson"]);
    assert_labels(broker.read(&labels), &std::fs::read_to_string(folder.path().join("l.ndjson")).unwrap());
}

#[test]
fn a_rebased_run_resumes_with_its_original_times() {
    let name = "a_rebased_run_resumes_with_its_original_times";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("moved");
    let out = target.to_string();
    let run = ["run", "production", "--for", "4h"];
    let moved = [&run[..], &["--rebase", "end", "--create-topic", "7", "--out", &out]].concat();
    kill_and_resume(&moved, &mut Growth::of(&target), 2, (1, 32 * 3_600));
    let stored = broker.read(&target);
    let first = first_event(&stored);
    assert_whole(stored, &recorded(folder.path(), &[&run[..], &["--rebase", &first]].concat()));
}

#[test]
fn the_newest_run_is_found_behind_an_older_resumed_run() {
    let name = "the_newest_run_is_found_behind_an_older_resumed_run";
    let Some(broker) = Broker::of_environment(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--for", "10m"];
    let recorded = recorded(folder.path(), &run);
    let replay = ["replay", recorded.to_str().unwrap()];
    for (what, fast) in [(&run[..], None), (&replay, Some("--max-speed"))] {
        let target = broker.target(&format!("hidden-{}", what[0]));
        let out = target.to_string();
        broker.java(&["--create", target.topic(), "2", "retention.ms=-1"]);
        let command = [what, &["--speed", "100", "--out", &out]].concat();
        let mut topic = Growth::of(&target);
        let [older, _newer] = [1, 2].map(|_| kill(begin(&command), &mut topic, 200).line);
        let id = older.split("run ").nth(1).unwrap().split(':').next().unwrap();
        let newest = [what, fast.as_slice(), &["--out", &out, "--resume"]].concat();
        let named = format!("--resume={id}");
        let older = [&newest[..newest.len() - 1], &[&*named]].concat();
        stdout_of(folder.path(), &older);
        assert!(reenact(folder.path(), &older).stderr.contains("nothing to resume"), "it is complete");
        stdout_of(folder.path(), &newest);
        assert_eq!(assert_whole(broker.read(&target), &recorded), 5 * 300);
        assert!(reenact(folder.path(), &newest).stderr.contains("nothing to resume"), "both are complete");
    }
}

#[test]
fn resume_ignores_partitions_without_keys() {
    let Some(broker) = Broker::of_environment("resume_ignores_partitions_without_keys") else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("few-keys");
    let out = target.to_string();
    let run = ["run", "dev", "--for", "1m"];
    let recorded = recorded(folder.path(), &run);
    let replay = ["replay", recorded.to_str().unwrap(), "--max-speed"];
    // `production` has more keys and fills more partitions. The partitions without a key of `dev` are then emptied.
    stdout_of(folder.path(), &["run", "production", "--for", "10s", "--create-topic", "20", "--out", &out]);
    for what in [&run[..], &replay] {
        stdout_of(folder.path(), &[what, &["--out", &out]].concat());
    }
    let stored = broker.read(&target);
    let newest = stored.iter().map(|record| &record.run).max().unwrap();
    let ours = stored.iter().filter(|record| record.run == *newest);
    let ours: BTreeSet<&str> = ours.map(|record| &*record.partition).collect();
    let all: BTreeSet<&str> = stored.iter().map(|record| &*record.partition).collect();
    let others: Vec<&str> = all.difference(&ours).copied().collect();
    assert!(others.len() > 2, "{others:?}");
    broker.java(&[&["--empty", target.topic()], &others[..]].concat());
    for what in [&run[..], &replay] {
        let ended = reenact(folder.path(), &[what, &["--out", &out, "--resume", "--json"]].concat());
        let summary: serde_json::Value =
            serde_json::from_str(&ended.stdout).expect("JSON, though nothing is left");
        assert_eq!((ended.status, &summary["outputs"]), (0, &serde_json::json!([])), "{}", ended.stderr);
        assert!(summary["run"].is_string(), "{summary}");
    }
}

#[test]
fn a_scenario_on_standard_input_can_be_resumed() {
    let Some(broker) = Broker::of_environment("a_scenario_on_standard_input_can_be_resumed") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = broker.target("piped").to_string();
    let text = b"scenario: 1\nuse: dev\nclock: {run: 1m}\n";
    let run = ["run", "-", "--create-topic", "2", "--out", &out];
    let sent = with_input(folder.path(), &run, text);
    assert_eq!(sent.status, 0, "{}", sent.stderr);
    // The scenario is read once, and planned again for the time at which the run began.
    let resumed = with_input(folder.path(), &[&run[..], &["--resume"]].concat(), text);
    assert!(resumed.stderr.starts_with("nothing to resume: run "), "{}", resumed.stderr);
}

#[test]
fn a_killed_replay_resumes_with_its_original_times() {
    let Some(broker) = Broker::of_environment("a_killed_replay_resumes_with_its_original_times") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let dataset = at("pq/");
    stdout_of(folder.path(), &["run", "production", "--for", "30m", "--out", &format!("parquet:{dataset}")]);
    let (target, labels) = (broker.target("replay-killed"), broker.target("replay-killed-labels"));
    let out = target.to_string();
    let again = [
        "replay",
        &*dataset,
        "--loop",
        "2",
        "--only",
        "type=server_metric,application_metric",
        "--from",
        "5m",
    ];
    let replay = [
        &again[..],
        &[
            "--speed",
            "1000",
            "--rebase",
            "end",
            "--create-topic",
            "7",
            "--labels-topic",
            labels.topic(),
            "--out",
            &out,
        ],
    ]
    .concat();
    kill_and_resume(&replay, &mut Growth::of(&target), 3, (1, 10_000));
    let stored = broker.read(&target);
    let first = first_event(&stored);
    let file = format!("ndjson:{}", at("again.ndjson"));
    stdout_of(folder.path(), &[&again[..], &["--max-speed", "--rebase", &first, "--out", &file]].concat());
    assert_whole(stored, &folder.path().join("again.ndjson"));
    let expected = std::fs::read_to_string(folder.path().join("again.labels.ndjson")).unwrap();
    assert_labels(broker.read(&labels), &expected);
}
