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
fn a_dry_run_describes_the_replay_and_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    let arguments =
        ["replay", "nd", "--speed", "60", "--loop", "2", "--rebase", "2027-01-01T00:00:00Z", "--dry-run"];
    let text = stdout_of(dir.path(), &[&arguments[..], &["--out", "ndjson:x.ndjson"]].concat());
    insta::assert_snapshot!(text, @"
    72000 records from 2027-01-01T00:00:00.000Z to 2027-01-01T03:59:59.000Z, 3h59m59s in total
    timestamps shifted by 360d16h
    2 loops of 36000 records
    takes 3m59s983ms
    24 labels for these records
    records to ndjson:x.ndjson
    ");
    let json: serde_json::Value =
        serde_json::from_str(&stdout_of(dir.path(), &[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!((json["records"].as_u64(), json["takes_ms"].as_u64()), (Some(72_000), Some(239_983)));
    assert_eq!(json["outputs"][0]["target"], "ndjson:-");
    // Labels that a filter drops do not count.
    let labels = |only: &[&str]| {
        let json = stdout_of(dir.path(), &[&arguments[..], &["--json"], only].concat());
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["labels"].as_u64().unwrap()
    };
    assert_eq!((labels(&[]), labels(&["--to", "5m"])), (24, 0));
    assert!((1..24).contains(&labels(&["--only", "type=server_metric"])));
    assert_eq!(files_in(dir.path()), ["nd"]);
    // `--dry-run` refuses everything that the replay refuses.
    std::fs::write(dir.path().join("x.ndjson"), "mine").unwrap();
    let refused = [&arguments[..], &["--out", "ndjson:x.ndjson"]].concat();
    assert_eq!(reenact(dir.path(), &refused).status, 2);
    let unreachable = [&arguments[..], &["--out", "kafka:127.0.0.1:1/t", "--create-topic", "3"]].concat();
    assert_eq!(reenact(dir.path(), &unreachable).status, 3);
}

#[test]
fn invalid_replays_are_refused_before_the_first_record() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "1m", "--no-labels", "--out", "ndjson:nd/"]);
    let mut printed = String::new();
    for arguments in [
        &["nd", "--rebase", "yesterday"][..],
        &["nd", "--rebase", "9999-12-30T00:00:00Z", "--loop", "10000"],
        &["nd", "--loop", "10000000000000000000"],
        &["nd", "--loop", "0"],
        &["nd", "--from", "1h"],
        &["nd", "--from", "30s", "--to", "20s"],
        &["nd", "--only", "web-1"],
        &["nd", "--only", "server=web-1"],
        &["nd", "--only", "incident=hot"],
        &["nd", "--labels", "l.ndjson"],
        &["nd", "--start-paused"],
        &["nd", "--max-gap", "5"],
        &["nd", "--out", "parquet:pq/"],
        &["nd", "--resume"],
        &["-", "--rebase", "end"],
        &["-", "--from", "5s"],
        &["nd", "--start-paused", "--rebase", "end"],
    ] {
        let ended = reenact(dir.path(), &[&["replay"], arguments, &["--max-speed"]].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{arguments:?}: {}", ended.stderr);
        printed += &format!("$ replay {}\n{}\n", arguments.join(" "), ended.stderr);
    }
    insta::assert_snapshot!(printed, @"
    $ replay nd --rebase yesterday
    error: `--rebase yesterday` is not a valid time
      = help: write `--rebase now`, `--rebase end` or an RFC 3339 time, `--rebase 2026-01-05T08:00:00Z`

    $ replay nd --rebase 9999-12-30T00:00:00Z --loop 10000
    error: a time would be out of range: times must be between 1970 and 9999-12-30T22:00:00.000Z
      = help: choose another `--rebase`, or fewer loops

    $ replay nd --loop 10000000000000000000
    error: a time would be out of range: times must be between 1970 and 9999-12-30T22:00:00.000Z
      = help: choose another `--rebase`, or fewer loops

    $ replay nd --loop 0
    error: invalid value '0' for '--loop <N>': write a number of times that is 1 or more

    For more information, try '--help'.

    $ replay nd --from 1h
    error: no record of the recording matches `--from`, `--to` and `--only`
      = help: `--dry-run` shows what a recording contains

    $ replay nd --from 30s --to 20s
    error: `--from` 2026-01-05T08:00:30.000Z is not before `--to` 2026-01-05T08:00:20.000Z
      = help: choose a later `--to`

    $ replay nd --only web-1
    error: `--only web-1` is not a valid selection
      = help: write a field, `=` and values: `--only type=server_metric`

    $ replay nd --only server=web-1
    error: `server` is not a field for `--only`
      = help: the fields are `type`, `server_id`, `rack_id`, `datacenter_zone`, `service_name` and `incident`

    $ replay nd --only incident=hot
    error: the recording has no labels, which selecting an incident requires
      = help: name a dataset that was written with labels

    $ replay nd --labels l.ndjson
    error: the recording has no labels
      = help: omit `--labels` and `--labels-topic`, or name a dataset that was written with labels

    $ replay nd --start-paused
    error: `--start-paused` requires a terminal, because it waits for the space key
      = help: omit `--start-paused`

    $ replay nd --max-gap 5
    error: the argument '--max-gap <D>' cannot be used with '--max-speed'

    Usage: reenact replay --max-gap <D> <RECORDING>...

    For more information, try '--help'.

    $ replay nd --out parquet:pq/
    error: `parquet:pq/` is a dataset directory, which cannot contain replayed or shifted records
      = help: write `ndjson:FILE`, `ndjson:-` or `kafka:BROKERS/TOPIC`

    $ replay nd --resume
    error: `--resume` requires a topic as the only output
      = help: write `--out kafka:BROKERS/TOPIC`; files and datasets are complete or not written at all

    $ replay - --rebase end
    error: standard input and pipes can be read only once, but the end of the recording must be known first
      = help: write it to a file first, or omit `--rebase end`, `--loop` and `--dry-run`

    $ replay - --from 5s
    error: `--from 5s` is relative to the start of the run, which is unknown for a pipe
      = help: write an RFC 3339 time

    $ replay nd --start-paused --rebase end
    error: `--rebase end` cannot be combined with `--start-paused`: it requires a replay that begins immediately
      = help: omit one of them
    ");
}

#[test]
fn a_replay_reports_where_a_recording_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:nd/", "--out", "parquet:pq/"]);
    let path = dir.path().join("nd/records.ndjson");
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without_third = [&lines[..2], &lines[3..]].concat().join("\n") + "\n";
    let flipped = whole.replacen("\"cpu_usage_percent\":", "\"cpu_usage_percent\":9", 1);
    let in_a_line = whole.len() - lines[149].len() / 2;
    for (damage, word) in [
        (&whole[..in_a_line], "line "),
        (&without_third, "149 rows"),
        (&flipped, "digest"),
        (&whole.replacen("server_metric", "sever_metric", 1), "line 1"),
        (&whole.replacen("\"server_id\":\"srv-001\",", "", 1), "line 1"),
    ] {
        std::fs::write(&path, damage).unwrap();
        let ended = reenact(dir.path(), &["replay", "nd", "--max-speed"]);
        assert_eq!(ended.status, 2, "{word}: {}", ended.stderr);
        assert!(ended.stderr.contains("damaged") && ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    let part = dir.path().join("pq/server_metric/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::write(&part, &bytes[..bytes.len() - 100]).unwrap();
    assert_eq!(reenact(dir.path(), &["replay", "pq", "--max-speed"]).status, 2);
    std::fs::remove_file(&part).unwrap();
    assert_eq!(reenact(dir.path(), &["replay", "pq", "--max-speed"]).status, 2);
    assert_eq!(reenact(dir.path(), &["replay", "nowhere"]).status, 2);
    assert_eq!(reenact(dir.path(), &["replay", "nd", "--speed", "0"]).status, 2);
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
