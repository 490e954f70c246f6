//! Labels next to a single file: written by hand, reached through a link, or read with few open files.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use reenact::recording::Recording;
use serde_json::Value;

use crate::command_line::{Ended, hot_rack, reenact, stdout_of};

/// Creates a recording with labels and without a manifest. Returns its folder and the labels.
fn recording() -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--step", "10s", "--out", "ndjson:x.ndjson"]);
    std::fs::remove_file(dir.path().join("x.manifest.json")).unwrap();
    let labels = std::fs::read_to_string(dir.path().join("x.labels.ndjson")).unwrap();
    (dir, labels.lines().map(String::from).collect())
}

fn write(folder: &Path, labels: &[String]) {
    std::fs::write(folder.join("x.labels.ndjson"), labels.join("\n") + "\n").unwrap();
}

/// Returns a line with another value for a key.
fn with(line: &str, key: &str, value: &str) -> String {
    let mut row: Value = serde_json::from_str(line).unwrap();
    row[key] = value.into();
    row.to_string()
}

fn field(line: &str, key: &str) -> String {
    let row: Value = serde_json::from_str(line).unwrap();
    row[key].as_str().unwrap().into()
}

const EXPORT: [&str; 5] = ["export", "x.ndjson", "--as", "nab", "out/"];

#[test]
fn all_mistakes_of_labels_are_reported_with_their_lines() {
    let (dir, labels) = recording();
    let dir = dir.path();
    let is_server = |line: &&String| field(line, "entity_type") == "server";
    let server = labels.iter().find(is_server).unwrap();
    let (entity, start, end) =
        (field(server, "entity"), field(server, "cause_start"), field(server, "cause_end"));
    let mut bad = labels.clone();
    let first = bad.len() + 1;
    let reversed = with(&with(server, "cause_start", &end), "cause_end", &start);
    let effect = with(
        &with(server, "effect_start", &field(server, "effect_end")),
        "effect_end",
        &field(server, "effect_start"),
    );
    bad.extend([
        reversed,
        effect,
        with(server, "entity_type", "service"),
        with(server, "metric", "response_time_p50_ms"),
        labels[0].clone(),
        with(server, "entity", "srv-777"),
        with(server, "role", "reason"),
    ]);
    write(dir, &bad);
    let at = |line: usize, words: &str| format!("line {}: {words}", first + line);
    let cases = [
        at(0, &format!("its `cause_end` {start} is before its `cause_start` {end}")),
        at(1, "its `effect_end` "),
        at(2, &format!("`{entity}` is a server, but its `entity_type` is `service`")),
        at(3, "its `metric` is `response_time_p50_ms`, which a server does not have"),
        at(4, "it duplicates line 1"),
        at(5, "`srv-777` has no records"),
    ];
    // A line that cannot be read hides the other mistakes, which are reported once it is corrected.
    let ended = reenact(dir, &EXPORT);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains(&at(6, "its `role` is `reason`")), "{}", ended.stderr);
    write(dir, &bad[..bad.len() - 1]);
    for arguments in [&EXPORT[..], &["replay", "x.ndjson", "--max-speed", "--only", "incident=*"]] {
        let ended = reenact(dir, arguments);
        assert_eq!(ended.status, 2, "{}", ended.stderr);
        for words in &cases {
            assert!(ended.stderr.contains(words), "{arguments:?}: no `{words}` in {}", ended.stderr);
        }
        assert!(ended.stderr.contains("= help: correct these lines"), "{}", ended.stderr);
    }
}

#[test]
fn at_most_twenty_mistakes_of_labels_are_reported() {
    let (dir, labels) = recording();
    let dir = dir.path();
    let mut bad = labels.clone();
    bad.extend(vec![labels[0].clone(); 30]);
    write(dir, &bad);
    let ended = reenact(dir, &EXPORT);
    assert_eq!(ended.stderr.matches("it duplicates line 1").count(), 20, "{}", ended.stderr);
    assert!(ended.stderr.contains("and 10 more"), "{}", ended.stderr);
    let unread: Vec<String> = (0..30).map(|_| with(&labels[0], "role", "reason")).collect();
    write(dir, &unread);
    let ended = reenact(dir, &EXPORT);
    assert_eq!(ended.stderr.matches("its `role` is `reason`").count(), 20, "{}", ended.stderr);
    assert!(ended.stderr.contains("and 10 more"), "{}", ended.stderr);
}

/// Recordings of other programs may have kinds of their own, and incidents of zero duration.
#[test]
fn kinds_of_other_programs_and_empty_intervals_are_accepted() {
    let (dir, labels) = recording();
    let dir = dir.path();
    let empty = with(&labels[0], "effect_end", &field(&labels[0], "effect_start"));
    let labels: Vec<String> = labels.iter().skip(1).map(|line| with(line, "kind", "fan_failure")).collect();
    write(dir, &[&[empty][..], &labels].concat());
    stdout_of(dir, &EXPORT);
    let replay = ["replay", "x.ndjson", "--max-speed", "--only", "incident=*", "--out", "ndjson:y.ndjson"];
    stdout_of(dir, &replay);
    assert!(std::fs::read_to_string(dir.join("y.labels.ndjson")).unwrap().contains("fan_failure"));
}

#[test]
fn labels_without_a_manifest_are_checked_only_once() {
    let (dir, labels) = recording();
    let recording = Recording::open(&dir.path().join("x.ndjson")).unwrap();
    let first = recording.labels().unwrap().unwrap();
    assert_eq!(first.len(), labels.len());
    // A second call, also on a clone, returns them without reading the files.
    std::fs::remove_file(dir.path().join("x.ndjson")).unwrap();
    std::fs::remove_file(dir.path().join("x.labels.ndjson")).unwrap();
    assert_eq!(recording.labels().unwrap().unwrap(), first);
    assert_eq!(recording.clone().labels().unwrap().unwrap(), first);
}

fn shell(folder: &Path, line: &str) -> Ended {
    let line = ["-c", line, env!("CARGO_BIN_EXE_reenact")];
    Ended::of(Command::new("bash").args(line).current_dir(folder).output().unwrap())
}

#[test]
fn a_limit_of_open_files_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let run = "run dev --for 2s --quiet --force --out ndjson:x.ndjson";
    let mut refused = 0;
    for limit in 4..16 {
        assert_eq!(shell(dir.path(), &format!("\"$0\" {run}")).status, 0);
        let ended = shell(dir.path(), &format!("ulimit -n {limit}; \"$0\" {run}"));
        if ended.status == 0 || ended.stderr.contains("error while loading") {
            continue;
        }
        refused += 1;
        assert!(ended.stderr.contains("Too many open files"), "{limit}: {}", ended.stderr);
        assert!(ended.stderr.contains("`ulimit -n "), "{limit}: {}", ended.stderr);
        assert!(!ended.stderr.contains("is not a manifest"), "{limit}: {}", ended.stderr);
    }
    assert!(refused > 2, "{refused} refused");
}

#[test]
fn a_recording_behind_a_link_has_its_labels_and_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("real")).unwrap();
    let run = ["run", &hot_rack(), "--step", "10s", "--out", "ndjson:real/x.ndjson", "--out", "parquet:p/"];
    stdout_of(dir, &run);
    symlink("real/x.ndjson", dir.join("s.ndjson")).unwrap();
    symlink("s.ndjson", dir.join("twice.ndjson")).unwrap();
    symlink("p", dir.join("d")).unwrap();
    symlink("p/server_metric/part-00000.parquet", dir.join("part.parquet")).unwrap();
    for name in ["s.ndjson", "twice.ndjson", "d", "d/"] {
        stdout_of(dir, &["export", name, "--as", "nab", &format!("of-{}/", name.trim_end_matches('/'))]);
        std::fs::remove_dir_all(dir.join(format!("of-{}", name.trim_end_matches('/')))).unwrap();
    }
    // Recordings behind a link are checked too.
    let records = dir.join("real/x.ndjson");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replacen("\"error_count\":0", "\"error_count\":7", 1)).unwrap();
    let ended = reenact(dir, &["export", "s.ndjson", "--as", "nab", "out/"]);
    let words = "`s.ndjson` and `real/x.manifest.json` contradict each other";
    assert!(ended.status == 2 && ended.stderr.contains(words), "{}", ended.stderr);
    // A part of a dataset is compared with the digest in the manifest of its dataset.
    let part = dir.join("p/server_metric/part-00000.parquet");
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let ended = reenact(dir, &["replay", "part.parquet", "--max-speed"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("digest"), "{}", ended.stderr);
    // Labels and a manifest next to the link itself take precedence.
    std::fs::write(&records, &text).unwrap();
    for end in ["labels.ndjson", "manifest.json"] {
        std::fs::rename(dir.join(format!("real/x.{end}")), dir.join(format!("s.{end}"))).unwrap();
    }
    stdout_of(dir, &["export", "s.ndjson", "--as", "nab", "out/"]);
}
