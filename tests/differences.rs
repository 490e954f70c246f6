//! `diff` names what differs: one last digit, a row, the order of rows, a name, an incident, a label.

use std::path::Path;

use serde_json::Value;

use crate::command_line::reenact;

/// A small scenario with two incidents.
pub const SCENARIO: &str = "\
scenario: 1
seed: 4
use: dev
background: {share: 0%}
clock: {start: \"2026-01-05T07:55:00Z\", run: 10m, step: 2s}
anomalies:
  - {id: hot, kind: temperature_high, target: srv-002, at: 2m, for: 5m, severity: 2}
  - {id: slow, kind: latency_spike, target: user-service, at: 3m, for: 3m}
";

/// A dataset's rows and labels as lines.
type Lines = (Vec<String>, Vec<String>);

/// A change of a dataset, and the differences that `diff` must report.
struct Change {
    what: &'static str,
    change: Box<dyn Fn(&mut Lines)>,
    /// Parts of the output of `diff` for the two datasets.
    expected: &'static [&'static str],
    /// Parts of the output of `diff` for the lock and the changed dataset.
    expected_with_lock: &'static [&'static str],
}

/// Returns the index of the `n`-th row of an entity.
fn row(lines: &[String], entity: &str, n: usize) -> usize {
    let key =
        format!("\"{}\":\"{entity}\"", if entity.starts_with("srv") { "server_id" } else { "service_name" });
    let is_of = |line: &&(usize, &String)| {
        line.1.contains(&key) && (!entity.starts_with("srv") || line.1.contains("\"server_metric\""))
    };
    lines.iter().enumerate().filter(|line| is_of(&line)).nth(n).unwrap().0
}

/// Replaces the value of a field with the result of `make`.
fn set(line: &mut String, field: &str, make: impl Fn(&str) -> String) {
    let begin = line.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
    let end = begin + line[begin..].find([',', '}']).unwrap();
    let value = make(&line[begin..end]);
    line.replace_range(begin..end, &value);
}

fn later(moment: &str, seconds: u32) -> String {
    let text = moment.trim_matches('"');
    let second: u32 = text[17..19].parse().unwrap();
    assert!(second + seconds < 60, "{moment}");
    format!("\"{}{:02}{}\"", &text[..17], second + seconds, &text[19..])
}

/// Returns the value with its last digit changed by one.
fn nudged(value: &str) -> String {
    let (head, last) = value.split_at(value.len() - 1);
    format!("{head}{}", if last == "9" { "8".into() } else { (last.parse::<u8>().unwrap() + 1).to_string() })
}

fn changes() -> Vec<Change> {
    vec![
        Change {
            what: "one last digit",
            change: Box::new(|(rows, _)| {
                let place = row(rows, "srv-003", 100);
                set(&mut rows[place], "memory_usage_percent", nudged);
            }),
            expected: &[
                "differs: 0 of 2 incidents, 1 of 56 series, 1 of 2 hours",
                "first: srv-003/memory_usage_percent 2026-01-05T07:58:20.000Z 5",
                "series srv-003/memory_usage_percent: 2026-01-05T07:58:20.000Z 5",
                "hour 2026-01-05T07: 1 difference\n",
            ],
            expected_with_lock: &[
                "differs: 0 of 2 incidents, 1 of 56 series, 1 of 2 hours",
                "series srv-003/memory_usage_percent: different values with the same min, mean and max",
                "hour 2026-01-05T07: differs",
            ],
        },
        Change {
            what: "a row dropped",
            change: Box::new(|(rows, _)| {
                let place = row(rows, "api-gateway-1", 200);
                rows.remove(place);
            }),
            expected: &[
                "row api-gateway-1 2026-01-05T08:01:40.000Z was removed",
                "differs: 0 of 2 incidents, 10 of 56 series, 1 of 2 hours",
                "hour 2026-01-05T08: 1 difference\n",
            ],
            expected_with_lock: &[
                "rows 1500 → 1499",
                "series api-gateway-1/active_connections: rows 300 → 299",
                "hour 2026-01-05T08: differs",
            ],
        },
        Change {
            what: "two rows of a tick swapped",
            change: Box::new(|(rows, _)| {
                let (a, b) = (row(rows, "srv-001", 7), row(rows, "srv-003", 7));
                rows.swap(a, b);
            }),
            expected: &[
                "differs: 0 of 2 incidents, 0 of 56 series, 1 of 2 hours",
                "row srv-001 2026-01-05T07:55:14.000Z is at a different position",
                "row srv-003 2026-01-05T07:55:14.000Z is at a different position",
            ],
            expected_with_lock: &["the same rows in a different order", "hour 2026-01-05T07: differs"],
        },
        Change {
            what: "two rows of neighbouring ticks swapped",
            change: Box::new(|(rows, _)| {
                let last = row(rows, "user-service-1", 9);
                rows.swap(last, last + 1);
            }),
            expected: &[
                "differs: 0 of 2 incidents, 0 of 56 series, 1 of 2 hours",
                "row user-service-1 2026-01-05T07:55:18.000Z is at a different position\nrow srv-001 2026-01-05T07:55:20.000Z is at a different position\nhour",
            ],
            expected_with_lock: &["the same rows in a different order", "hour 2026-01-05T07: differs"],
        },
        Change {
            what: "a series renamed",
            change: Box::new(|(rows, _)| {
                rows.iter_mut().for_each(|row| {
                    *row = row
                        .replace("\"service_name\":\"user-service-1\"", "\"service_name\":\"user-service-9\"")
                });
            }),
            expected: &[
                "differs: 0 of 2 incidents, 20 of 66 series, 2 of 2 hours",
                "user-service-1 was removed: 300 rows\nuser-service-9 was added: 300 rows\n",
                "series user-service-1/queue_depth: 300 values, the first at 2026-01-05T07:55:00.000Z: the row was removed",
            ],
            expected_with_lock: &[
                "user-service-1 was removed: 300 rows\nuser-service-9 was added: 300 rows\n",
                "series user-service-1/queue_depth: was removed",
            ],
        },
        Change {
            what: "an incident shifted by a tick",
            change: Box::new(|(_, labels)| {
                for label in labels.iter_mut().filter(|label| label.contains("\"incident_id\":\"slow\"")) {
                    for field in ["cause_start", "cause_end", "effect_start", "effect_end", "peak_at"] {
                        set(label, field, |moment| later(moment, 2));
                    }
                }
            }),
            expected: &[
                "differs: 1 of 2 incidents, 0 of 56 series, 0 of 2 hours",
                "incident slow: cause_start 07:58:00 → 07:58:02, cause_end 08:01:00 → 08:01:02",
            ],
            expected_with_lock: &[
                "differs: 1 of 2 incidents, 0 of 56 series, 0 of 2 hours",
                "incident slow: cause_start 07:58:00 → 07:58:02, cause_end 08:01:00 → 08:01:02",
            ],
        },
        Change {
            what: "one label changed",
            change: Box::new(|(_, labels)| {
                let effect = labels.iter_mut().find(|label| label.contains("\"role\":\"effect\"")).unwrap();
                set(effect, "peak_deviation", nudged);
            }),
            expected: &[
                "differs: 1 of 2 incidents, 0 of 56 series, 0 of 2 hours",
                "incident hot: effect srv-002/power_consumption_watts peak_deviation ",
            ],
            expected_with_lock: &[
                "differs: 1 of 2 incidents, 0 of 56 series, 0 of 2 hours",
                "incident hot: different labels",
            ],
        },
        Change {
            what: "a label gone",
            change: Box::new(|(_, labels)| {
                let recovery =
                    labels.iter().position(|label| label.contains("\"role\":\"recovery\"")).unwrap();
                labels.remove(recovery);
            }),
            expected: &["incident hot: recovery srv-002/cpu_temperature_celsius was removed"],
            expected_with_lock: &["incident hot: different labels"],
        },
        Change {
            what: "a rack renamed in one row",
            change: Box::new(|(rows, _)| {
                let place = row(rows, "srv-002", 5);
                set(&mut rows[place], "rack_id", |_| "\"R09\"".into());
            }),
            expected: &[
                "differs: 0 of 2 incidents, 1 of 56 series",
                "first: srv-002/rack_id 2026-01-05T07:55:10.000Z R02 → R09",
            ],
            expected_with_lock: &["series srv-002/rack_id: different values with the same min, mean and max"],
        },
    ]
}

fn lines_of(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(String::from).collect()
}

/// Writes the lines as a dataset with a matching manifest, as if reenact had rendered them.
fn write_dataset(place: &Path, original: &Path, (rows, labels): &Lines) {
    std::fs::create_dir(place).unwrap();
    let joined = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    std::fs::write(place.join("records.ndjson"), joined(rows)).unwrap();
    std::fs::write(place.join("labels.ndjson"), joined(labels)).unwrap();
    std::fs::copy(original.join("scenario.yaml"), place.join("scenario.yaml")).unwrap();
    let mut digest = blake3::Hasher::new();
    let alone = reenact::recording::Recording::open(&place.join("records.ndjson")).unwrap();
    for batch in alone.batches().unwrap() {
        digest.update(&reenact::digest::batch_bytes(&batch.unwrap()));
    }
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(original.join("manifest.json")).unwrap()).unwrap();
    manifest["parts"][0]["rows"] = rows.len().into();
    manifest["digest"] = digest.finalize().to_hex().as_str().into();
    manifest["labels"]["rows"] = labels.len().into();
    manifest["labels"]["digest"] = blake3::hash(joined(labels).as_bytes()).to_hex().as_str().into();
    std::fs::write(place.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn diff_names_each_change_of_a_dataset_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    assert_eq!(
        reenact(
            dir,
            &["run", "s.yaml", "--out", "ndjson:old/", "--out", "parquet:table/", "--out", "ndjson:x.ndjson"]
        )
        .status,
        0
    );
    // Neither the formats nor the order of the arguments matter.
    for pair in
        [["old", "table"], ["table", "old"], ["s.yaml", "table"], ["s.lock", "old"], ["old", "s.yaml"]]
    {
        let same = reenact(dir, &["diff", pair[0], pair[1]]);
        assert_eq!(
            (same.status, &*same.stdout, &*same.stderr),
            (0, "", "no difference in 1500 rows\n"),
            "{pair:?}"
        );
    }
    let original = (lines_of(&dir.join("old/records.ndjson")), lines_of(&dir.join("old/labels.ndjson")));
    for Change { what, change, expected, expected_with_lock } in changes() {
        let mut lines = original.clone();
        change(&mut lines);
        write_dataset(&dir.join("new"), &dir.join("old"), &lines);
        for (old, expected) in [
            ("old", expected),
            ("table", expected),
            ("s.lock", expected_with_lock),
            ("s.yaml", expected_with_lock),
        ] {
            let ended = reenact(dir, &["diff", old, "new"]);
            assert_eq!(ended.status, 1, "{what}, {old}: {}", ended.stderr);
            for words in expected {
                assert!(ended.stdout.contains(words), "{what}, {old}: no `{words}` in\n{}", ended.stdout);
            }
            let json = reenact(dir, &["diff", old, "new", "--json"]);
            assert_eq!(json.status, 1);
            let value: Value = serde_json::from_str(&json.stdout).unwrap();
            assert_eq!(value["differs"], true, "{what}");
        }
        std::fs::remove_dir_all(dir.join("new")).unwrap();
    }
}

/// `diff` reports that an edited dataset is damaged, and still prints what differs.
#[test]
fn diff_compares_a_damaged_dataset_and_reports_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "ndjson:old/", "--out", "ndjson:new/"]).status, 0);
    let path = dir.join("new/records.ndjson");
    let mut lines = lines_of(&path);
    let place = row(&lines, "srv-001", 3);
    set(&mut lines[place], "cpu_usage_percent", nudged);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let ended = reenact(dir, &["diff", "old", "new"]);
    assert_eq!(ended.status, 2);
    assert!(
        ended.stdout.contains("first: srv-001/cpu_usage_percent 2026-01-05T07:55:06.000Z"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.starts_with("error: `new` is damaged: its rows do not match"), "{}", ended.stderr);
}

#[test]
fn damaged_labels_are_reported_as_damaged_and_not_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "ndjson:old/", "--out", "ndjson:new/"]).status, 0);
    let path = dir.join("new/labels.ndjson");
    let labels = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, labels.replace("\"role\":\"cause\"", "\"role\":\"kause\"")).unwrap();
    let ended = reenact(dir, &["diff", "old", "new"]);
    assert_eq!((ended.status, &*ended.stdout), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("line 1: its `role` is `kause`, which is not valid"), "{}", ended.stderr);
}

/// If any two rows are swapped, `diff` names both of them and no third row.
#[test]
fn diff_names_only_the_two_rows_that_were_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--no-labels", "--out", "ndjson:old.ndjson"]).status, 0);
    let original = lines_of(&dir.join("old.ndjson"));
    for i in 0..60 {
        let a = (i * 37) % (original.len() - 800);
        let b = a + 1 + (i * i * 13) % 700;
        let mut lines = original.clone();
        lines.swap(a, b);
        std::fs::write(dir.join("new.ndjson"), lines.join("\n") + "\n").unwrap();
        let ended = reenact(dir, &["diff", "old.ndjson", "new.ndjson"]);
        assert_eq!(ended.status, 1);
        let found: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("row ")).collect();
        let expected: Vec<String> = [a, b]
            .iter()
            .map(|at| {
                let row: Value = serde_json::from_str(&original[*at]).unwrap();
                let entity = row.get("service_name").unwrap_or(&row["server_id"]).as_str().unwrap();
                format!("row {entity} {} is at a different position", row["timestamp"].as_str().unwrap())
            })
            .collect();
        assert_eq!(found, expected, "rows {a} and {b}");
    }
}
