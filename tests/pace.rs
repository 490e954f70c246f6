//! Runs and replays at the requested speed, and runs and replays that are stopped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command_line::{Ended, hot_rack, reenact, stdout_of};
use crate::common::assert_same;

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is wall time")]
fn ten_minutes_at_speed_60_take_ten_seconds() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(
        dir.path(),
        &["run", &hot_rack(), "--for", "10m1s", "--out", "parquet:pq/", "--out", "ndjson:nd.ndjson"],
    );
    let begin = std::time::Instant::now();
    let ended = reenact(dir.path(), &["replay", "pq", "--speed", "60"]);
    let took = begin.elapsed();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_same(&std::fs::read(dir.path().join("nd.ndjson")).unwrap(), ended.stdout.as_bytes(), "the replay");
    // The last of 601 ticks is due ten seconds after the first, and none leaves early.
    assert!(took >= Duration::from_secs(10), "took {took:?}");
    let reached = ended.stderr.split("speed reached ").nth(1).and_then(|rest| rest.split(',').next());
    let reached: f64 = reached.unwrap().parse().unwrap();
    // A busy machine can delay the last tick by seconds. Tests in simulated time (src/player/tests.rs) check that
    // delays do not add up. A clock that waited a full step after each tick would reach less than half of the speed.
    assert!((30.0..=60.1).contains(&reached), "{}", ended.stderr);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is wall time")]
fn max_gap_shortens_a_silence_and_keeps_timestamps() {
    let dir = tempfile::tempdir().unwrap();
    let [begin, end] = [["0s", "4s"], ["20m", "20m6s"]]
        .map(|[from, to]| stdout_of(dir.path(), &["run", "dev", "--from", from, "--to", to]));
    let recorded = begin + &end;
    std::fs::write(dir.path().join("gap.ndjson"), &recorded).unwrap();
    let begun = std::time::Instant::now();
    let replayed = stdout_of(dir.path(), &["replay", "gap.ndjson", "--speed", "4", "--max-gap", "2s"]);
    let took = begun.elapsed();
    assert_same(recorded.as_bytes(), replayed.as_bytes(), "a gap");
    // The replay has 8 s of event time: 2 s, the shortened silence of 2 s, and 4 s (the preset's step is 2 s). At speed
    // 4, it takes 2 s. With the whole silence it would take 5 min.
    assert!((Duration::from_secs(2)..Duration::from_secs(60)).contains(&took), "took {took:?}");
}

/// Starts the program in a folder.
pub fn begin(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
    command.current_dir(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until the program has written this many lines to standard output.
fn after_lines(child: &mut Child, lines: usize) {
    let written = BufReader::new(child.stdout.as_mut().unwrap()).lines().take(lines).count();
    assert_eq!(written, lines, "the program ended by itself");
}

/// Interrupts the program, as Ctrl-C would, and waits for its end.
pub fn interrupt(child: Child) -> Ended {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    Ended::of(child.wait_with_output().unwrap())
}

#[test]
fn a_live_run_that_starts_later_prints_its_waiting_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = begin(dir.path(), &["run", "dev", "--live", "--from", "10m", "--out", "ndjson:l.ndjson"]);
    let words = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let waits = words.into_iter().find(|line| line.contains("the first record leaves at "));
    assert!(waits.as_ref().is_some_and(|line| line.contains(", in 9m")), "{waits:?}");
    assert_eq!(interrupt(child).status, 130);
}

#[test]
fn a_stopped_live_run_leaves_a_shorter_complete_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let before = reenact::pace::now();
    let outputs = ["--out", "ndjson:live/", "--out", "ndjson:l.ndjson", "--out", "ndjson:-"];
    let mut child = begin(dir.path(), &[&["run", "dev", "--step", "100ms", "--live"], &outputs[..]].concat());
    after_lines(&mut child, 5 * 10);
    let ended = interrupt(child);
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    assert!(ended.stderr.contains("everything that was written is complete"), "{}", ended.stderr);
    let recorded = std::fs::read(dir.path().join("live/records.ndjson")).unwrap();
    assert_same(&recorded, &std::fs::read(dir.path().join("l.ndjson")).unwrap(), "the file");
    let first: serde_json::Value = serde_json::from_str(crate::common::lines(&recorded)[0]).unwrap();
    let first = reenact::time::SimTime::parse(first["timestamp"].as_str().unwrap()).unwrap();
    assert!((-100..10_000).contains(&(first - before).0), "the run does not start now: {first}");
    // The result is an ordinary dataset, and `run` renders it again.
    stdout_of(dir.path(), &["run", "live/", "--out", "ndjson:again/"]);
    for file in ["records.ndjson", "labels.ndjson", "manifest.json"] {
        let read = |folder: &str| std::fs::read(dir.path().join(folder).join(file)).unwrap();
        assert_same(&read("live"), &read("again"), file);
    }
}

#[test]
fn a_stopped_replay_has_the_labels_of_the_sent_records() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    let outputs = ["--out", "ndjson:some.ndjson", "--out", "ndjson:-"];
    let arguments = [&["replay", "nd", "--from", "39m", "--speed", "60"], &outputs[..]].concat();
    let mut child = begin(dir.path(), &arguments);
    // At 41:30, the first incident has begun. The second one begins half an hour later.
    after_lines(&mut child, 5 * 150);
    let ended = interrupt(child);
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    let sent = std::fs::read_to_string(dir.path().join("some.ndjson")).unwrap();
    let recorded = std::fs::read_to_string(dir.path().join("nd/records.ndjson")).unwrap();
    assert!(
        sent.len() > 1_000 && recorded.contains(&sent),
        "the file is not a part of the recording with whole lines"
    );
    let labels = std::fs::read_to_string(dir.path().join("some.labels.ndjson")).unwrap();
    let ids: Vec<&str> = labels.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert!(
        !ids.is_empty() && ids.iter().all(|id| *id == "hot"),
        "there are labels of other incidents: {ids:?}"
    );
    let moment = |line: &str, key: &str| {
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        fields[key].as_str().unwrap().to_string()
    };
    let last = moment(sent.lines().last().unwrap(), "timestamp");
    assert!(labels.lines().all(|line| moment(line, "effect_start") <= last), "a label begins after {last}");
    // Incidents that have not begun have no labels.
    let outputs = ["--out", "ndjson:one.ndjson", "--out", "ndjson:-"];
    let arguments = [&["replay", "nd", "--from", "39m", "--speed", "0.0001"], &outputs[..]].concat();
    let mut unsent = begin(dir.path(), &arguments);
    after_lines(&mut unsent, 5);
    assert_eq!(interrupt(unsent).status, 130);
    let one = std::fs::read_to_string(dir.path().join("one.labels.ndjson")).unwrap();
    assert_eq!(one, "", "a tick at 39 min shows no incident");
}

#[test]
fn a_record_that_exceeds_max_lag_fails_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let late = ["run", "dev", "--for", "5s", "--speed", "1000000", "--max-lag", "1m", "--out", "ndjson:x/"];
    let ended = reenact(dir.path(), &late);
    assert_eq!(ended.status, 0, "writing a dataset is too slow: {}", ended.stderr);
    // The reader sleeps after the first record. All others are due before it continues, so they leave late.
    let mut child =
        begin(dir.path(), &["run", "dev", "--for", "30m", "--speed", "100000", "--max-lag", "100ms"]);
    after_lines(&mut child, 1);
    std::thread::sleep(Duration::from_millis(500));
    std::io::copy(child.stdout.as_mut().unwrap(), &mut std::io::sink()).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("late, but `--max-lag` is 100ms"), "{}", ended.stderr);
}
