//! `run` renders a dataset directory again, in full or in part.

use std::path::Path;

use crate::command_line::{hot_rack, reenact, stdout_of};
use crate::common::assert_same;

#[test]
fn run_accepts_flags_for_a_dataset_directory() {
    let dir = tempfile::tempdir().unwrap();
    let example = hot_rack();
    stdout_of(dir.path(), &["run", &example, "--for", "50m", "--out", "ndjson:d/"]);
    let again = stdout_of(dir.path(), &["run", "d/", "--without", "hot"]);
    let expected = stdout_of(dir.path(), &["run", &example, "--for", "50m", "--without", "hot"]);
    assert_same(expected.as_bytes(), again.as_bytes(), "without `hot`");
    assert_eq!(reenact(dir.path(), &["run", "d/", "--without", "missing"]).status, 2);
    // A directory does not hide a preset of its name.
    std::fs::create_dir(dir.path().join("dev")).unwrap();
    assert_eq!(reenact(dir.path(), &["run", "dev", "--for", "4s"]).status, 0);
}

/// Returns the manifest of a dataset without the fields that depend on its format.
fn manifest_of(place: &Path) -> serde_json::Value {
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.join("manifest.json")).unwrap()).unwrap();
    manifest["parts"] = serde_json::Value::Null;
    manifest["labels"]["path"] = serde_json::Value::Null;
    manifest["labels"]["file_digest"] = serde_json::Value::Null;
    manifest
}

#[test]
fn run_renders_a_dataset_again_in_any_format() {
    let example = hot_rack();
    for extra in [
        &[][..],
        &["--from", "35m", "--to", "45m"],
        &["--shard", "2/3"],
        &["--from", "35m", "--shard", "2/3", "--without", "hot"],
        &["--without", "hot"],
        &["--seed", "12", "--step", "5s"],
        &["--for", "2h10m", "--set", "anomalies.hot.severity=low"],
        &["--duration", "600", "--anomaly-prob", "0.1", "--start", "2026-02-03T04:05:06Z"],
        &["--no-labels"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let formats = ["ndjson", "csv", "parquet"];
        let outs: Vec<String> = formats.iter().map(|format| format!("{format}:{format}/")).collect();
        let mut arguments = vec!["run", &example];
        arguments.extend(outs.iter().flat_map(|out| ["--out", out]));
        stdout_of(dir.path(), &[&arguments[..], extra].concat());
        let manifests = formats.map(|format| manifest_of(&dir.path().join(format)));
        assert!(manifests.iter().all(|manifest| *manifest == manifests[0]), "{extra:?}");
        for (from, into) in [("ndjson", "parquet"), ("csv", "ndjson"), ("parquet", "csv")] {
            let out = format!("{into}:again/");
            stdout_of(dir.path(), &["run", &format!("{from}/"), "--out", &out]);
            assert_eq!(manifest_of(&dir.path().join("again")), manifests[0], "{extra:?}: {from} into {into}");
            let same = reenact(dir.path(), &["diff", from, "again"]);
            assert_eq!(same.status, 0, "{extra:?}: {}", same.stdout);
            std::fs::remove_dir_all(dir.path().join("again")).unwrap();
        }
    }
}

/// A window and a shard are selected within the window of the dataset.
#[test]
fn windows_and_shards_apply_within_the_window_of_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let example = hot_rack();
    let run = |arguments: &[&str]| stdout_of(dir.path(), &[&["run"], arguments].concat());
    run(&[&example, "--from", "30m", "--to", "50m", "--out", "ndjson:window/"]);
    run(&[&example, "--from", "30m", "--to", "50m", "--shard", "2/4", "--out", "ndjson:shard/"]);
    for (part, window) in [
        (&["window/", "--shard", "1/2"][..], &["--from", "30m", "--to", "40m"][..]),
        (&["window/", "--to", "35m"], &["--from", "30m", "--to", "35m"]),
        (&["window/", "--from", "45m"], &["--from", "45m", "--to", "50m"]),
        (&["shard/"], &["--from", "35m", "--to", "40m"]),
        (&["shard/", "--shard", "1/4"], &["--from", "30m", "--to", "35m"]),
        (&["shard/", "--from", "45m"], &["--from", "45m", "--to", "50m"]),
    ] {
        let expected = run(&[&[&*example], window].concat());
        assert_same(expected.as_bytes(), run(part).as_bytes(), &part.join(" "));
    }
}
