//! Replays: byte for byte, in part, with other times, and in loops. Labels have the same times as their records.

use std::path::Path;

use reenact::replay::{Options, Replay};
use reenact::run::Rebase;
use reenact::time::{SimTime, Span};

use crate::command_line::{files_in, hot_rack, reenact, stdout_of};
use crate::common::assert_same;

#[test]
fn a_replay_equals_the_recording_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(
        dir.path(),
        &["run", &hot_rack(), "--for", "20m", "--out", "ndjson:nd/", "--out", "parquet:pq/"],
    );
    let recorded = std::fs::read(dir.path().join("nd/records.ndjson")).unwrap();
    for recording in ["nd", "pq", "nd/records.ndjson"] {
        let replayed = stdout_of(dir.path(), &["replay", recording, "--max-speed"]);
        assert_same(&recorded, replayed.as_bytes(), recording);
    }
    let piped = crate::command_line::with_input(dir.path(), &["replay", "-", "--max-speed"], &recorded);
    assert_same(&recorded, piped.stdout.as_bytes(), "standard input");
    stdout_of(dir.path(), &["replay", "pq", "--max-speed", "--out", "ndjson:again.ndjson"]);
    assert_same(&recorded, &std::fs::read(dir.path().join("again.ndjson")).unwrap(), "a file");
    let labels = std::fs::read(dir.path().join("nd/labels.ndjson")).unwrap();
    assert_same(&labels, &std::fs::read(dir.path().join("again.labels.ndjson")).unwrap(), "its labels");
    assert_eq!(files_in(dir.path()), ["again.labels.ndjson", "again.ndjson", "nd", "pq"]);
}

/// Returns the event times of lines.
fn times(text: &str) -> Vec<SimTime> {
    let time = |line: &str| {
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap()
    };
    text.lines().map(time).collect()
}

/// Returns a text with all its times shifted.
fn moved(text: &str, shift: Span) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("Z\"") {
        let begin = rest[..at].rfind('"').unwrap() + 1;
        match SimTime::parse(&rest[begin..=at]) {
            Some(moment) => out += &format!("{}{}", &rest[..begin], moment + shift),
            None => out += &rest[..=at],
        }
        rest = &rest[at + 1..];
    }
    out + rest
}

/// Replays `nd` into a file. Returns the records and the labels.
fn replayed(folder: &Path, arguments: &[&str]) -> (String, String) {
    let out = ["replay", "nd", "--max-speed", "--force", "--out", "ndjson:out.ndjson"];
    stdout_of(folder, &[&out[..], arguments].concat());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    (read("out.ndjson"), read("out.labels.ndjson"))
}

/// Writes a recording with two incidents. Returns its records and labels.
fn recorded(folder: &Path) -> (String, String) {
    stdout_of(folder, &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    let read = |name: &str| std::fs::read_to_string(folder.join("nd").join(name)).unwrap();
    (read("records.ndjson"), read("labels.ndjson"))
}

#[test]
fn rebase_shifts_all_times_and_labels_equally() {
    let dir = tempfile::tempdir().unwrap();
    let (records, labels) = recorded(dir.path());
    let (first, last) = (times(&records)[0], *times(&records).last().unwrap());
    for rebase in ["now", "end", "2030-02-03T04:05:06.789Z"] {
        let before = reenact::pace::now();
        let (sent, sent_labels) = replayed(dir.path(), &["--rebase", rebase]);
        let (after, shift) = (reenact::pace::now(), times(&sent)[0] - first);
        assert_same(moved(&records, shift).as_bytes(), sent.as_bytes(), rebase);
        assert_same(moved(&labels, shift).as_bytes(), sent_labels.as_bytes(), rebase);
        let now = before..=after;
        assert!(match rebase {
            "now" => now.contains(&(first + shift)),
            "end" => now.contains(&(last + shift)),
            moment => SimTime::parse(moment) == Some(first + shift),
        });
    }
}

#[test]
fn rebase_end_stamps_the_last_record_with_its_sending_time() {
    let dir = tempfile::tempdir().unwrap();
    // Two hours of event time, with a silence of one hour in the middle.
    let parts = [["0s", "30m"], ["90m", "2h"]].map(|[from, to]| {
        stdout_of(dir.path(), &["run", &hot_rack(), "--step", "1m", "--from", from, "--to", to])
    });
    std::fs::write(dir.path().join("gap.ndjson"), parts.concat()).unwrap();
    let replay = ["replay", "gap.ndjson", "--rebase", "end", "--speed", "1800"];
    for (more, seconds) in [(&[][..], 4), (&["--max-gap", "1m"], 2)] {
        let before = reenact::pace::now();
        let sent = stdout_of(dir.path(), &[&replay[..], more].concat());
        let (after, last) = (reenact::pace::now(), *times(&sent).last().unwrap());
        // It takes some milliseconds less, because the last record is a minute before the end.
        assert!(last - before >= Span(seconds * 1_000 - 70), "{more:?}: {}", last - before);
        assert!(last <= after, "{more:?}: the last record left before its event time");
        let dry_run = stdout_of(dir.path(), &[&replay[..], more, &["--dry-run"]].concat());
        assert!(
            dry_run.contains(&format!("takes {}", if seconds == 4 { "3s966ms" } else { "1s966ms" })),
            "{dry_run}"
        );
    }
}

#[test]
fn rebase_now_uses_the_time_at_which_the_replay_starts() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let recording = reenact::recording::Recording::open(&dir.path().join("nd")).unwrap();
    let [early, late] = [1_800_000_000_000, 1_800_000_060_000].map(SimTime);
    let options = Options { rebase: Rebase::Now, ..Options::new(early) };
    let mut replay = Replay::open(recording, options).unwrap();
    assert_eq!(replay.first_event(), early);
    replay.begins(late).unwrap();
    assert_eq!(replay.first_event(), late);
}

#[test]
fn loops_never_move_event_time_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let (records, labels) = recorded(dir.path());
    let (sent, sent_labels) = replayed(dir.path(), &["--loop", "3"]);
    assert!(times(&sent).is_sorted());
    // The run lasts 2 h, including the step after its last tick.
    let shifts = [Span::ZERO, Span::hours(2), Span::hours(4)];
    assert_same(
        shifts.map(|shift| moved(&records, shift)).concat().as_bytes(),
        sent.as_bytes(),
        "three loops",
    );
    let mut expected = String::new();
    for (shift, name) in shifts.into_iter().zip(["", "~2", "~3"]) {
        let named = ["hot", "slow"].iter().fold(moved(&labels, shift), |text, id| {
            text.replace(&format!("\"incident_id\":\"{id}\""), &format!("\"incident_id\":\"{id}{name}\""))
        });
        expected += &named;
    }
    assert_same(expected.as_bytes(), sent_labels.as_bytes(), "their labels");
    let (ended, _) = replayed(dir.path(), &["--loop", "3", "--rebase", "end"]);
    let end = *times(&ended).last().unwrap() - reenact::pace::now();
    assert!((-60_000..=0).contains(&end.0), "the time of the last record is not now: {end}");
}

#[test]
fn incidents_in_nested_loops_have_unique_ids() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let sent = |from: &str, loops: &str, to: &str| {
        let out = format!("ndjson:{to}.ndjson");
        let ended = reenact(dir.path(), &["replay", from, "--max-speed", "--loop", loops, "--out", &out]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let labels = std::fs::read_to_string(dir.path().join(format!("{to}.labels.ndjson"))).unwrap();
        let id = |line: &str| {
            let label: serde_json::Value = serde_json::from_str(line).unwrap();
            label["incident_id"].as_str().unwrap().to_string()
        };
        labels.lines().map(id).collect::<std::collections::BTreeSet<String>>()
    };
    let names = |numbers: std::ops::RangeInclusive<u32>| {
        let name = |id: &str, n| if n == 1 { id.to_string() } else { format!("{id}~{n}") };
        numbers.flat_map(|n| ["hot", "slow"].map(|id| name(id, n))).collect()
    };
    assert_eq!(sent("nd", "3", "three"), names(1..=3));
    assert_eq!(sent("three.ndjson", "2", "six"), names(1..=6));
}

#[test]
fn a_partial_replay_has_only_the_labels_of_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let (records, labels) = recorded(dir.path());
    let kept = |text: &str, keep: &dyn Fn(&serde_json::Value) -> bool| -> String {
        text.split_inclusive('\n').filter(|line| keep(&serde_json::from_str(line).unwrap())).collect()
    };
    let start = times(&records)[0];
    let at =
        |json: &serde_json::Value, key: &str| SimTime::parse(json[key].as_str().unwrap()).unwrap() - start;
    let is_between = |json: &serde_json::Value| {
        (Span::minutes(40)..Span::minutes(42)).contains(&at(json, "timestamp"))
            && json["type"] == "server_metric"
    };
    let arguments = ["--from", "40m", "--to", "2026-01-05T08:42:00Z", "--only", "type=server_metric"];
    let (sent, sent_labels) = replayed(dir.path(), &arguments);
    assert_same(kept(&records, &is_between).as_bytes(), sent.as_bytes(), "a window of servers");
    let is_seen = |json: &serde_json::Value| {
        json["entity_type"] == "server"
            && at(json, "effect_start") < Span::minutes(42)
            && at(json, "effect_end") > Span::minutes(40)
    };
    let expected = kept(&labels, &is_seen);
    assert!(
        !expected.is_empty() && expected.lines().count() < labels.lines().count(),
        "the part has no labels or all of them"
    );
    assert_same(expected.as_bytes(), sent_labels.as_bytes(), "its labels");

    // The records that an incident changed: for each entity, from its first effect to its last.
    let (sent, sent_labels) = replayed(dir.path(), &["--only", "incident=slow"]);
    let effects: Vec<serde_json::Value> = labels
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|label: &serde_json::Value| label["incident_id"] == "slow")
        .collect();
    let is_changed = |json: &serde_json::Value| {
        let entity = if json["type"] == "server_metric" { &json["server_id"] } else { &json["service_name"] };
        let own = || effects.iter().filter(|label| label["entity"] == *entity);
        let first = own().map(|label| at(label, "effect_start")).min();
        let last = own().map(|label| at(label, "effect_end")).max();
        first.zip(last).is_some_and(|(first, last)| (first..last).contains(&at(json, "timestamp")))
    };
    assert_same(kept(&records, &is_changed).as_bytes(), sent.as_bytes(), "an incident");
    assert!(sent_labels.lines().all(|line| line.contains("\"slow\"")), "{sent_labels}");
    assert_eq!(sent_labels.lines().count(), effects.len());
}

#[test]
fn rebasing_a_run_equals_rebasing_its_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (records, labels) = recorded(dir.path());
    let first = times(&records)[0];
    for rebase in ["now", "end", "2030-02-03T04:05:06.789Z"] {
        let out = ["--rebase", rebase, "--force", "--out", "ndjson:moved.ndjson"];
        stdout_of(dir.path(), &[&["run", &*hot_rack()], &out[..]].concat());
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let (sent, sent_labels) = (read("moved.ndjson"), read("moved.labels.ndjson"));
        let shift = times(&sent)[0] - first;
        assert!(shift.0 > 0, "{rebase}");
        assert_same(moved(&records, shift).as_bytes(), sent.as_bytes(), rebase);
        assert_same(moved(&labels, shift).as_bytes(), sent_labels.as_bytes(), rebase);
    }
    for refused in
        [["--rebase", "now", "--out", "ndjson:d/"], ["--rebase", "9999-12-30T00:00:00Z", "--for", "100h"]]
    {
        let ended = reenact(dir.path(), &[&["run", "dev"], &refused[..]].concat());
        assert_eq!(ended.status, 2, "{refused:?}: {}", ended.stderr);
    }
}

#[test]
fn labels_are_complete_when_the_reader_closes_the_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let (_, labels) = recorded(dir.path());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_reenact"))
        .current_dir(dir.path())
        .args(["replay", "nd", "--max-speed", "--labels", "l.ndjson"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let written = std::fs::read(dir.path().join("l.ndjson")).unwrap();
    assert_same(labels.as_bytes(), &written, "its labels");
}

#[test]
fn rows_of_an_unsorted_file_are_all_found() {
    let dir = tempfile::tempdir().unwrap();
    let late = stdout_of(dir.path(), &["run", "dev", "--from", "10m", "--for", "1h"]);
    let early = stdout_of(dir.path(), &["run", "dev", "--for", "1m"]);
    std::fs::write(dir.path().join("u.ndjson"), late + &early).unwrap();
    let end = times(&early)[0] + Span::minutes(5);
    let sent = stdout_of(dir.path(), &["replay", "u.ndjson", "--max-speed", "--to", &end.to_string()]);
    assert_same(early.as_bytes(), sent.as_bytes(), "the earlier rows");
}
