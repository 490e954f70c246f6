//! Input that is ambiguous or contradicts itself: impossible times, duplicate keys, labels of another recording.

use std::path::Path;

use crate::command_line::{reenact, stdout_of};
use crate::common::lines;

/// Writes one minute of the preset `dev` to `dev.ndjson` and returns its lines.
pub fn dev(folder: &Path) -> Vec<String> {
    let text = stdout_of(folder, &["run", "dev", "--for", "1m", "--out", "ndjson:dev.ndjson", "--quiet"]);
    assert_eq!(text, "");
    let bytes = std::fs::read(folder.join("dev.ndjson")).unwrap();
    lines(&bytes).into_iter().map(str::to_string).collect()
}

fn write(folder: &Path, name: &str, lines: &[String]) {
    std::fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
}

/// Runs a command, which must be refused with a message that contains all `words`.
fn check_refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let ended = reenact(folder, arguments);
    assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{arguments:?}: {word} in {}", ended.stderr);
    }
}

#[test]
fn ambiguous_lines_are_refused_with_their_line_number() {
    let dir = tempfile::tempdir().unwrap();
    let rows = dev(dir.path());
    let second = rows[7].split("\"timestamp\":\"").nth(1).unwrap()[..24].to_string();
    let leap = format!("{}:60.000Z", &second[..16]);
    for (changed, words) in [
        (rows[7].replace(&second, &leap), "line 8: its `timestamp` is a leap second"),
        (rows[7].replacen('{', "{\"type\":\"server_metric\",", 1), "line 8: duplicate key `type`"),
        (
            rows[7].replacen('}', ",\"cpu_usage_percent\":1.00}", 1),
            "line 8: duplicate key `cpu_usage_percent`",
        ),
        (format!("\u{feff}{}", rows[7]), "line 8: "),
    ] {
        let mut with = rows.clone();
        with[7] = changed;
        write(dir.path(), "x.ndjson", &with);
        check_refused(dir.path(), &["replay", "x.ndjson", "--max-speed"], &[words]);
        check_refused(dir.path(), &["replay", "x.ndjson", "--dry-run"], &[words]);
    }
}

#[test]
fn byte_order_mark_is_accepted_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mark = |name: &str| {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name), format!("\u{feff}{text}")).unwrap();
    };
    let expected = dev(dir.path()).join("\n") + "\n";
    mark("dev.ndjson");
    assert_eq!(stdout_of(dir.path(), &["replay", "dev.ndjson", "--max-speed"]), expected);
    stdout_of(dir.path(), &["run", "dev", "--out", "ndjson:nd/", "--out", "csv:csv/"]);
    for name in ["nd/records.ndjson", "nd/labels.ndjson", "nd/manifest.json", "csv/manifest.json"] {
        mark(name);
    }
    for name in ["csv/labels.csv", "csv/server_metric.csv", "csv/application_metric.csv"] {
        mark(name);
    }
    assert_eq!(reenact(dir.path(), &["diff", "nd/", "csv/"]).stderr, "no difference in 9000 rows\n");
}

#[test]
fn ambiguous_tables_labels_and_manifests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--out", "ndjson:nd/", "--out", "csv:csv/"]);
    let change = |name: &str, old: &str, new: &str| {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.contains(old), "{name}");
        std::fs::write(dir.path().join(name), text.replacen(old, new, 1)).unwrap();
        text
    };
    for (name, old, new, words) in [
        ("csv/server_metric.csv", ":02.000Z", ":60.000Z", "line 5: its `timestamp` is a leap second"),
        ("nd/labels.ndjson", "\"kind\":", "\"kind\":\"x\",\"kind\":", "line 1: duplicate key `kind`"),
        (
            "nd/labels.ndjson",
            "\"kind\":\"",
            "\"kind\":[1],\"k\":\"",
            "line 1: its `kind` must be text or a number",
        ),
        ("nd/labels.ndjson", ":00.000Z", ":60.000Z", ":60.000Z`, which is not valid"),
        ("csv/labels.csv", ":00.000Z", ":60.000Z", ":60.000Z`, which is not valid"),
        ("nd/manifest.json", "\"seed\":", "\"seed\": 3, \"seed\":", "duplicate field `seed`"),
        ("nd/manifest.json", "\"format\":", "\"format\": 1, \"format\":", "duplicate field `format`"),
        ("nd/manifest.json", "\"incidents\": {", "\"incidents\": {\"a\": 1, \"a\": 2,", "duplicate key `a`"),
    ] {
        let before = change(name, old, new);
        let folder = format!("{}/", name.split('/').next().unwrap());
        check_refused(dir.path(), &["export", &folder, "--as", "nab", "out/"], &[name, words]);
        std::fs::write(dir.path().join(name), before).unwrap();
    }
}

#[test]
fn leap_second_is_refused_in_every_argument() {
    let dir = tempfile::tempdir().unwrap();
    dev(dir.path());
    let leap = "2026-01-05T08:00:60Z";
    for arguments in [
        &["run", "dev", "--start", leap][..],
        &["run", "dev", "--from", leap],
        &["run", "dev", "--rebase", leap],
        &["replay", "dev.ndjson", "--to", leap],
    ] {
        check_refused(dir.path(), arguments, &["08:00:60Z"]);
    }
}

#[test]
fn times_that_go_back_are_reported_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let rows = dev(dir.path());
    let time = |row: &str| row.split("\"timestamp\":\"").nth(1).unwrap()[..24].to_string();
    // 30 ticks of five rows each: the second half comes first, and two rows of different ticks are swapped.
    let mut mixed = [&rows[75..], &rows[..75]].concat();
    mixed.swap(100, 110);
    write(dir.path(), "mixed.ndjson", &mixed);
    let found = format!(
        "the times of `mixed.ndjson` go back 3 times, first in line 76: from {} to {}",
        time(&mixed[74]),
        time(&mixed[75])
    );
    let dry = stdout_of(dir.path(), &["replay", "mixed.ndjson", "--dry-run"]);
    assert!(dry.contains(&found), "{dry}");
    let dry = stdout_of(
        dir.path(),
        &["replay", "mixed.ndjson", "--dry-run", "--only", "type=server_metric", "--json"],
    );
    let dry: serde_json::Value = serde_json::from_str(&dry).unwrap();
    assert_eq!(
        (&dry["times_go_back"]["line"], &dry["times_go_back"]["times"]),
        (&76.into(), &3.into()),
        "{dry}"
    );
    for more in [&[][..], &["--rebase", "end"], &["--loop", "2"]] {
        let ended = reenact(dir.path(), &[&["replay", "mixed.ndjson", "--max-speed"], more].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("warning: {found}")), "{more:?}: {}", ended.stderr);
    }
    let sorted = reenact(dir.path(), &["replay", "dev.ndjson", "--max-speed"]);
    assert_eq!(sorted.stderr, "", "a sorted file causes no warning");
}

#[test]
fn times_are_never_clamped_near_the_last_year() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--out", "ndjson:nd/"]);
    // The run lasts one hour, and the bound of its label times is two blocks (4 h) later. The last time that can be
    // written is 9999-12-30T22:00:00Z.
    for moment in ["9999-12-30T21:00:01Z", "9999-12-30T21:30:00Z", "9999-12-30T20:59:59Z"] {
        let run = ["run", "dev", "--rebase", moment, "--out", "ndjson:x.ndjson"];
        check_refused(dir.path(), &run, &["would be out of range", "choose another `--rebase`"]);
        assert!(!dir.path().join("x.ndjson").exists());
    }
    // At this speed, the time of the last record exceeds the largest number.
    for what in [&["run", "dev"][..], &["replay", "nd/"]] {
        let slow = [what, &["--speed", "1e-300", "--rebase", "end", "--out", "ndjson:x.ndjson"]].concat();
        check_refused(dir.path(), &slow, &["would be out of range"]);
    }
    let replay = ["replay", "nd/", "--max-speed", "--rebase", "9999-12-30T21:30:00Z"];
    check_refused(dir.path(), &replay, &["would be out of range"]);
    check_refused(dir.path(), &[&replay[..], &["--dry-run"]].concat(), &["would be out of range"]);
    stdout_of(dir.path(), &["run", "dev", "--rebase", "9999-12-30T10:00:00Z", "--out", "ndjson:y.ndjson"]);
}

#[test]
fn more_shards_than_ticks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (shard, status) in [("1/1801", 2), ("1801/1801", 2), ("2/3600", 2), ("1800/1800", 0), ("1/1800", 0)] {
        let ended = reenact(dir.path(), &["run", "dev", "--shard", shard]);
        assert_eq!(ended.status, status, "{shard}: {}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), if status == 0 { 5 } else { 0 }, "{shard}");
    }
}

/// Runs the preset `chaos`, whose incidents depend on the seed.
fn background(folder: &Path, seed: &str, out: &str, more: &[&str]) -> crate::command_line::Ended {
    let run = ["run", "chaos", "--for", "20m", "--set", "fleet.servers=4", "--seed", seed, "--out", out];
    reenact(folder, &[&run[..], more].concat())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn labels_of_another_run_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(background(dir, "1", "ndjson:x.ndjson", &[]).status, 0);
    let labels = read(dir, "x.labels.ndjson");
    assert!(labels.lines().count() > 2, "{labels}");
    let kept = read(dir, "x.manifest.json");
    // A recording without labels does not keep the labels of the recording that it replaces.
    std::fs::remove_file(dir.join("x.ndjson")).unwrap();
    let refused = background(dir, "99", "ndjson:x.ndjson", &["--no-labels"]);
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("`x.labels.ndjson` already exists"), "{}", refused.stderr);
    assert_eq!(background(dir, "99", "ndjson:x.ndjson", &["--no-labels", "--force"]).status, 0);
    assert_eq!(crate::command_line::files_in(dir), ["x.manifest.json", "x.ndjson"]);
    check_refused(dir, &["export", "x.ndjson", "--as", "nab", "out/"], &["no labels"]);
    // Labels that are put back by hand contradict the manifest. So does every other mix of two runs.
    std::fs::write(dir.join("x.labels.ndjson"), &labels).unwrap();
    let words = ["`x.labels.ndjson` and `x.manifest.json` contradict each other", "without labels"];
    check_refused(dir, &["export", "x.ndjson", "--as", "nab", "out/"], &words);
    std::fs::write(dir.join("x.manifest.json"), &kept).unwrap();
    let words = ["`x.ndjson` and `x.manifest.json` contradict each other", "digest"];
    check_refused(dir, &["export", "x.ndjson", "--as", "nab", "out/"], &words);
    check_refused(dir, &["replay", "x.ndjson", "--max-speed"], &words);
    check_refused(dir, &["replay", "x.ndjson", "--max-speed", "--only", "incident=*"], &words);
    check_refused(dir, &["diff", "x.ndjson", "x.ndjson"], &words);
    assert_eq!(background(dir, "1", "ndjson:x.ndjson", &["--force"]).status, 0);
    let changed = labels.replacen("\"benign\":false", "\"benign\":true", 1);
    std::fs::write(dir.join("x.labels.ndjson"), changed).unwrap();
    let words = ["`x.labels.ndjson` and `x.manifest.json` contradict each other", "digest"];
    check_refused(dir, &["export", "x.ndjson", "--as", "nab", "out/"], &words);
    check_refused(dir, &["replay", "x.ndjson", "--max-speed", "--out", "ndjson:y.ndjson"], &words);
    std::fs::remove_file(dir.join("x.labels.ndjson")).unwrap();
    check_refused(dir, &["export", "x.ndjson", "--as", "nab", "out/"], &["the labels are missing"]);
}

#[test]
fn two_files_never_share_labels() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let export = |file: &str, place: &str| stdout_of(dir, &["export", file, "--as", "timeeval", place]);
    for (seed, name) in [("1", "b.ndjson"), ("2", "b.ndjson.gz"), ("3", "b.ndjson.zst"), ("4", "b.jsonl")] {
        let ended = background(dir, seed, &format!("ndjson:{name}"), &[]);
        assert_eq!(ended.status, 0, "{name}: {}", ended.stderr);
        assert_eq!(background(dir, seed, &format!("ndjson:{seed}/"), &[]).status, 0);
    }
    for (seed, name) in [("1", "b.ndjson"), ("2", "b.ndjson.gz"), ("3", "b.ndjson.zst"), ("4", "b.jsonl")] {
        export(name, &format!("of-file-{seed}/"));
        export(&format!("{seed}/"), &format!("of-dataset-{seed}/"));
        let folder = dir.join(format!("of-dataset-{seed}"));
        for file in crate::command_line::files_in(&folder) {
            let of_file = read(dir, &format!("of-file-{seed}/{file}"));
            assert_eq!(read(&folder, &file), of_file, "{name}: {file}");
        }
    }
}

#[test]
fn labels_without_a_manifest_are_checked_against_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    stdout_of(dir, &["run", &crate::command_line::hot_rack(), "--step", "10s", "--out", "ndjson:nd/"]);
    stdout_of(dir, &["replay", "nd/", "--max-speed", "--out", "ndjson:x.ndjson"]);
    let labels = read(dir, "x.labels.ndjson");
    let export = ["export", "x.ndjson", "--as", "nab", "out/"];
    let row = labels.lines().nth(1).unwrap();
    let field = |name: &str| -> String {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row[name].as_str().unwrap().to_string()
    };
    let entity = field("entity");
    let other = row.replace(&format!("\"entity\":\"{entity}\""), "\"entity\":\"srv-777\"");
    let later =
        row.replace(&format!("\"incident_id\":\"{}\"", field("incident_id")), "\"incident_id\":\"later\"");
    let later = later.replace("2026-", "2027-");
    for (row, words) in
        [(other, "line 2: `srv-777` has no records"), (later, "line 2: incident `later` lasts from 2027-")]
    {
        let mut rows: Vec<&str> = labels.lines().collect();
        rows[1] = &row;
        std::fs::write(dir.join("x.labels.ndjson"), rows.join("\n") + "\n").unwrap();
        check_refused(
            dir,
            &export,
            &["the labels `x.labels.ndjson` do not match the records `x.ndjson`", words],
        );
        check_refused(dir, &["replay", "x.ndjson", "--max-speed", "--only", "incident=*"], &[words]);
    }
    std::fs::write(dir.join("x.labels.ndjson"), &labels).unwrap();
    stdout_of(dir, &export);
    // A replayed part has the labels of incidents that it shows; a shard has the labels of incidents that begin in it.
    stdout_of(
        dir,
        &[
            "replay",
            "nd/",
            "--max-speed",
            "--only",
            "type=server_metric",
            "--from",
            "40m",
            "--out",
            "ndjson:p.ndjson",
        ],
    );
    stdout_of(dir, &["export", "p.ndjson", "--as", "nab", "part/"]);
    for shard in ["1/3", "2/3", "3/3"] {
        let name = &shard[..1];
        stdout_of(
            dir,
            &[
                "run",
                &crate::command_line::hot_rack(),
                "--step",
                "10s",
                "--shard",
                shard,
                "--out",
                &format!("csv:c{name}/"),
            ],
        );
        stdout_of(
            dir,
            &["replay", &format!("c{name}/"), "--max-speed", "--out", &format!("ndjson:s{name}.ndjson")],
        );
        stdout_of(dir, &["export", &format!("s{name}.ndjson"), "--as", "nab", &format!("n{name}/")]);
    }
}

#[test]
fn names_of_an_earlier_version_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    stdout_of(dir, &["run", &crate::command_line::hot_rack(), "--out", "ndjson:x.ndjson.gz"]);
    std::fs::remove_file(dir.join("x.ndjson.gz.manifest.json")).unwrap();
    std::fs::rename(dir.join("x.ndjson.gz.labels.ndjson"), dir.join("x.labels.ndjson")).unwrap();
    let export = |place: &str| reenact(dir, &["export", "x.ndjson.gz", "--as", "nab", place]);
    assert_eq!(export("a/").status, 0);
    // Now `x.labels.ndjson` belongs to `x.ndjson`.
    std::fs::write(dir.join("x.ndjson"), "").unwrap();
    let ended = export("b/");
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("no labels"), "{}", ended.stderr);
}

#[test]
fn recording_renamed_with_its_labels_and_manifest_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    stdout_of(dir, &["run", &crate::command_line::hot_rack(), "--out", "ndjson:x.ndjson"]);
    // A copy belongs to the manifest with its name, whatever other files are in the folder.
    for end in ["ndjson", "labels.ndjson", "manifest.json"] {
        std::fs::copy(dir.join(format!("x.{end}")), dir.join(format!("c.{end}"))).unwrap();
    }
    let changed = read(dir, "c.ndjson").replacen("\"error_count\":0", "\"error_count\":7", 1);
    std::fs::write(dir.join("c.ndjson"), changed).unwrap();
    let words = ["`c.ndjson` and `c.manifest.json` contradict each other", "digest"];
    check_refused(dir, &["export", "c.ndjson", "--as", "nab", "c/"], &words);
    for end in ["ndjson", "labels.ndjson", "manifest.json"] {
        std::fs::remove_file(dir.join(format!("c.{end}"))).unwrap();
        std::fs::rename(dir.join(format!("x.{end}")), dir.join(format!("y.{end}"))).unwrap();
    }
    stdout_of(dir, &["export", "y.ndjson", "--as", "nab", "a/"]);
    // A rebased run that replaces the recording has no manifest.
    let moved = ["run", "dev", "--rebase", "now", "--no-labels", "--out", "ndjson:y.ndjson"];
    check_refused(dir, &moved, &["exists"]);
    stdout_of(dir, &[&moved[..], &["--force"]].concat());
    assert_eq!(crate::command_line::files_in(dir), ["a", "y.ndjson"]);
    // A file of another program with the name of the manifest is kept.
    std::fs::write(dir.join("y.manifest.json"), "{\"name\": \"app\"}").unwrap();
    check_refused(
        dir,
        &["run", "dev", "--force", "--out", "ndjson:y.ndjson"],
        &["not a manifest of reenact"],
    );
    assert_eq!(read(dir, "y.manifest.json"), "{\"name\": \"app\"}");
}
