//! Exports can be read by other tools: pyarrow, the parser of Prometheus, promtool.

use std::process::Command;

use crate::command_line::{files_in, reenact};
use crate::differences::SCENARIO;
use crate::formats::judged;

/// A scenario that continues after its incidents. Two incidents overlap.
fn scenario() -> String {
    SCENARIO.replace("run: 10m", "run: 30m")
        + "  - {id: slower, kind: latency_spike, target: user-service, at: 5m, for: 4m, severity: 3}\n"
}

#[test]
fn every_export_contains_the_rows_and_the_ground_truth() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), scenario()).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "ndjson:nd/", "--out", "parquet:pq/"]).status, 0);
    for (format, place) in [("nab", "a"), ("tsb-ad", "b"), ("timeeval", "c"), ("openmetrics", "d")] {
        let ended = reenact(dir, &["export", "pq/", "--as", format, place]);
        assert_eq!((ended.status, ended.stderr), (0, format!("{place}: 4500 rows as {format}\n")));
    }
    let Some(words) = judged(dir, "exports.py", &["nd", "a", "b", "c", "d"]) else { return };
    assert!(
        words.starts_with("equal: 5 entities, 46 series, ") && !words.contains(" 0 anomalous"),
        "{words}"
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn promtool_makes_blocks_from_the_export() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("left out: there is no promtool (scripts/test installs it)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), scenario()).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "csv:cs/"]).status, 0);
    assert_eq!(reenact(dir, &["export", "cs/", "--as", "openmetrics", "om/"]).status, 0);
    assert_eq!(files_in(&dir.join("om")), ["metrics.om"]);
    let promtool = |arguments: &[&str]| {
        let output = Command::new("promtool").args(arguments).current_dir(dir).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    promtool(&["tsdb", "create-blocks-from", "openmetrics", "om/metrics.om", "blocks"]);
    // `dump` requires a write-ahead log next to the blocks.
    std::fs::create_dir(dir.join("blocks/wal")).unwrap();
    // The blocks contain every sample: 10 metrics of 3 servers, 8 metrics of 2 instances, and `is_anomaly` of each.
    let dumped = promtool(&["tsdb", "dump", "blocks"]);
    assert_eq!(dumped.lines().count(), 900 * (3 * 11 + 2 * 9));
    assert!(
        dumped.contains("__name__=\"is_anomaly\", datacenter_zone=\"marseille-1\""),
        "{}",
        &dumped[..300]
    );
}

#[test]
fn an_export_is_either_complete_or_missing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(reenact(dir, &["run", "dev", "--for", "1m", "--out", "ndjson:d/"]).status, 0);
    assert_eq!(
        reenact(dir, &["run", "dev", "--for", "1m", "--no-labels", "--out", "ndjson:bare/"]).status,
        0
    );
    std::fs::create_dir(dir.join("there")).unwrap();
    std::fs::write(dir.join("there/mine"), "").unwrap();
    for (arguments, status, words) in [
        (["bare/", "--as", "nab", "out"], 2, "the recording has no labels"),
        (
            ["d/", "--as", "nab", "there"],
            2,
            "`there` already exists and is not empty\n  = help: choose another directory",
        ),
        (["d/", "--as", "nab", "nowhere/out"], 2, "cannot write `nowhere/out`"),
        (["d/", "--as", "xml", "out"], 2, "[possible values: nab, tsb-ad, timeeval, openmetrics]"),
    ] {
        let ended = reenact(dir, &[&["export"], &arguments[..]].concat());
        assert_eq!(ended.status, status, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        assert_eq!(files_in(dir), ["bare", "d", "there"], "{arguments:?}");
    }
    let records = dir.join("d/records.ndjson");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, &text[..text.len() - 9]).unwrap();
    let ended = reenact(dir, &["export", "d/", "--as", "timeeval", "out"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("is damaged"), "{}", ended.stderr);
    assert_eq!(files_in(dir), ["bare", "d", "there"]);
}

/// Names of entities become names of files, so a recording must not be able to choose where they are written.
#[test]
fn recordings_with_invalid_entity_names_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(reenact(dir, &["run", "dev", "--for", "4s", "--out", "ndjson:x.ndjson"]).status, 0);
    let text = std::fs::read_to_string(dir.join("x.ndjson")).unwrap();
    let outside = dir.join("outside").display().to_string();
    for (old, new, words) in [
        ("\"srv-002\"", format!("\"{outside}\""), "is not a valid name"),
        ("\"srv-002\"", "\"../../x\"".into(), "`../../x` is not a valid name"),
        ("\"srv-002\"", "\"..\"".into(), "`..` is not a valid name"),
        (
            "\"service_name\":\"user-service-1\"",
            "\"service_name\":\"a,b\"".into(),
            "`a,b` is not a valid name",
        ),
        (
            "\"service_name\":\"user-service-1\"",
            "\"service_name\":\"srv-001\"".into(),
            "`srv-001` is both a server and a service",
        ),
    ] {
        std::fs::write(dir.join("y.ndjson"), text.replace(old, &new)).unwrap();
        std::fs::copy(dir.join("x.labels.ndjson"), dir.join("y.labels.ndjson")).unwrap();
        for verb in [
            &["export", "y.ndjson", "--as", "tsb-ad", "out"][..],
            &["diff", "y.ndjson", "x.ndjson"],
            &["replay", "y.ndjson", "--max-speed"],
        ] {
            let ended = reenact(dir, verb);
            assert_eq!(ended.status, 2, "{new}, {verb:?}: {}", ended.stderr);
            assert!(ended.stderr.contains(words), "{new}, {verb:?}: {}", ended.stderr);
        }
        let kept = ["x.labels.ndjson", "x.manifest.json", "x.ndjson", "y.labels.ndjson", "y.ndjson"];
        assert_eq!(files_in(dir), kept, "{new}");
    }
}
