//! Replays that are refused before the first record, that find damage, or that only print what they would send.

use crate::command_line::{files_in, hot_rack, reenact, stdout_of};

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
