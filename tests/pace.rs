//! Replay: the recording byte for byte, at the speed that was asked for. The only tests that sleep.

use std::time::Duration;

use crate::command_line::{files_in, hot_rack, reenact, stdout_of};
use crate::common::assert_same;

#[test]
fn a_replay_is_the_recording_byte_for_byte() {
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
    stdout_of(dir.path(), &["replay", "pq", "--max-speed", "--out", "ndjson:again.ndjson"]);
    assert_same(&recorded, &std::fs::read(dir.path().join("again.ndjson")).unwrap(), "a file");
    assert_eq!(files_in(dir.path()), ["again.ndjson", "nd", "pq"]);
}

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
    // The last of 601 ticks is due ten seconds after the first. Starting the program beside other tests
    // on two cores can take a second and more, so the pace itself is what the program measured.
    let (least, most) = (Duration::from_secs(10), Duration::from_secs(12));
    assert!(least <= took && took < most, "took {took:?}");
    let reached = ended.stderr.split("speed reached ").nth(1).and_then(|rest| rest.split(',').next());
    let reached: f64 = reached.unwrap().parse().unwrap();
    assert!((59.0..=60.1).contains(&reached), "{}", ended.stderr);
}

#[test]
fn rebasing_to_now_moves_all_times_and_keeps_their_distances() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:nd/"]);
    let before = reenact::pace::now();
    let replayed = stdout_of(dir.path(), &["replay", "nd", "--max-speed", "--rebase", "now"]);
    let recorded = std::fs::read_to_string(dir.path().join("nd/records.ndjson")).unwrap();
    let times = |text: &str| -> Vec<i64> {
        let time = |line: &str| {
            let fields: serde_json::Value = serde_json::from_str(line).unwrap();
            reenact::time::SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap().0
        };
        text.lines().map(time).collect()
    };
    let (old, new) = (times(&recorded), times(&replayed));
    let shift = new[0] - old[0];
    assert!(new[0] >= before.0 && new[0] < before.0 + 60_000, "the first event is now");
    assert!(old.iter().zip(&new).all(|(old, new)| new - old == shift));
}

#[test]
fn a_damaged_recording_is_told_where() {
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
