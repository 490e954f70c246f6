//! Recordings are read back: every format, shards in any order, and selections. Damaged recordings are refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reenact::engine::models::builtin;
use reenact::fleet::{INSTANCE, SERVER};
use reenact::label::Label;
use reenact::recording::{Field, Only, Recording, Selection};
use reenact::run::{OpenOptions, Run, Target};
use reenact::scenario::Scenario;
use reenact::time::{SimTime, Span};

use crate::command_line::{files_in, reenact};
use crate::common::{BUSY, label_lines, lines_of, ndjson, plan};

const FORMATS: [&str; 3] = ["ndjson", "csv", "parquet"];

fn busy() -> Run {
    plan(BUSY).run()
}

fn write(run: &Run, place: &Path, format: &str) {
    let target = Target::parse(&format!("{format}:{}/", place.display())).unwrap();
    // Small row groups, so that a selection can skip some.
    let options = OpenOptions { row_group: 1_000, part_bytes: 100_000, ..OpenOptions::default() };
    run.write(&[target], &options).unwrap();
}

fn read(recording: &Recording, selection: &Selection) -> Vec<u8> {
    lines_of(recording.select(selection).unwrap()).unwrap()
}

#[test]
fn every_format_returns_the_same_rows_and_labels() {
    let run = busy();
    let (rows, labels) = (ndjson(&run, 1), run.labels().collect::<Vec<Label>>());
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("d");
        write(&run, &place, format);
        let recording = Recording::open(&place).unwrap();
        assert!(lines_of(recording.batches().unwrap()).unwrap() == rows, "{format}: other rows");
        assert!(recording.labels().unwrap().unwrap() == labels, "{format}: other labels");
    }
}

#[test]
fn shards_form_one_recording_in_any_order_and_format() {
    let run = busy();
    let (rows, labels) = (ndjson(&run, 1), label_lines(&run.labels().collect::<Vec<_>>()));
    let dir = tempfile::tempdir().unwrap();
    let places: Vec<PathBuf> = (1..=4).map(|i| dir.path().join(i.to_string())).collect();
    for (i, place) in places.iter().enumerate() {
        write(&run.clone().shard(i as u64 + 1, 4).unwrap(), place, FORMATS[i % 3]);
    }
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let recording = Recording::open_all(&order.map(|i| places[i].clone())).unwrap();
        assert!(lines_of(recording.batches().unwrap()).unwrap() == rows, "{order:?}");
        assert!(label_lines(&recording.labels().unwrap().unwrap()) == labels, "{order:?}");
    }
    // Adjacent shards of different sizes, such as quarters and a half, are a recording too.
    let half = dir.path().join("half");
    write(&run.clone().shard(1, 2).unwrap(), &half, "ndjson");
    let some = Recording::open_all(&[places[2].clone(), half.clone(), places[3].clone()]).unwrap();
    assert!(lines_of(some.batches().unwrap()).unwrap() == rows);
    let other = dir.path().join("other");
    write(
        &Scenario::read("x", BUSY).set("seed", "12").unwrap().plan().unwrap().run().shard(2, 2).unwrap(),
        &other,
        "csv",
    );
    for (paths, expected) in [
        (vec![&places[0], &places[2]], "between it and 1/4 in"),
        (vec![&places[0], &half], "which overlaps with"),
        (vec![&places[1], &places[1]], "which overlaps with 2/4 in"),
        (vec![&half, &other], "its scenario differs from that of"),
    ] {
        let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
        let error = Recording::open_all(&paths).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_selection_equals_a_filter_over_all_rows() {
    let run = busy();
    let labels: Vec<Label> = run.labels().collect();
    let start = run.first_event();
    let at = |text: &str| Some(start + Span::parse(text).unwrap());
    let all = Selection::default();
    let selections = [
        Selection { from: at("40m"), to: at("1h3m"), ..all.clone() },
        Selection { from: at("2h59m"), ..all.clone() },
        Selection { to: Some(start), ..all.clone() },
        Selection { entity_type: Some(INSTANCE), to: at("50m"), ..all.clone() },
        Selection { entities: vec!["web-*".into(), "order-service-1".into()], ..all.clone() },
        Selection { incidents: vec![vec!["late".into()]], ..all.clone() },
        Selection {
            incidents: vec![vec!["hot".into(), "slow".into()]],
            entities: vec!["*-001".into()],
            ..all.clone()
        },
        Selection { incidents: vec![vec!["missing".into()]], ..all.clone() },
        Selection { incidents: vec![vec!["h*".into(), "slow".into()], vec!["hot".into()]], ..all.clone() },
        Selection { only: vec![only("type", &["server_metric"])], ..all.clone() },
        Selection { only: vec![only("rack_id", &["R01"])], to: at("50m"), ..all.clone() },
        Selection {
            only: vec![only("server_id", &["*-001", "web-*"]), only("service_name", &["*-1"])],
            ..all.clone()
        },
        all,
    ];
    let whole = ndjson(&run, 1);
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("d");
        write(&run, &place, format);
        let recording = Recording::open(&place).unwrap();
        for selection in &selections {
            let expected = filtered(&whole, selection, &labels);
            assert!(read(&recording, selection) == expected, "{format}: {selection:?}");
        }
    }
}

fn only(field: &str, values: &[&str]) -> Only {
    let field = Field::named(builtin(), field).unwrap();
    Only { field, values: values.iter().map(ToString::to_string).collect() }
}

/// Returns the lines that a selection includes, by testing each line.
fn filtered(whole: &[u8], selection: &Selection, labels: &[Label]) -> Vec<u8> {
    let mut kept = Vec::new();
    let ids: BTreeSet<&str> = labels.iter().map(|label| label.incident_id.as_str()).collect();
    for line in whole.split_inclusive(|byte| *byte == b'\n') {
        let row: serde_json::Value = serde_json::from_slice(line).unwrap();
        let moment = SimTime::parse(row["timestamp"].as_str().unwrap()).unwrap();
        let is_service = row["type"] == "application_metric";
        let entity = row[if is_service { "service_name" } else { "server_id" }].as_str().unwrap();
        let any = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| reenact::glob::matches(pattern, text))
        };
        let is_hit = |incident: &str| {
            let own = || labels.iter().filter(|l| l.incident_id == incident && l.entity == entity);
            let first = own().map(|label| label.effect_start).min();
            let last = own().map(|label| label.effect_end).max();
            first.zip(last).is_some_and(|(first, last)| (first..last).contains(&moment))
        };
        let id = if is_service { INSTANCE } else { SERVER };
        let is_kept = selection.from.is_none_or(|from| moment >= from)
            && selection.to.is_none_or(|to| moment < to)
            && selection.entity_type.is_none_or(|wanted| wanted == id)
            && (selection.entities.is_empty()
                || selection.entities.iter().any(|glob| reenact::glob::matches(glob, entity)))
            && selection.incidents.iter().all(|one| ids.iter().any(|id| any(one, id) && is_hit(id)))
            && selection
                .only
                .iter()
                .all(|only| row[only.field.name()].as_str().is_some_and(|value| any(&only.values, value)));
        if is_kept {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[test]
fn compressed_lines_are_read_from_files_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let made = reenact(
        dir.path(),
        &[
            "run",
            "dev",
            "--out",
            "ndjson:x.ndjson",
            "--out",
            "ndjson:y.ndjson.gz",
            "--out",
            "ndjson:z.ndjson.zst",
        ],
    );
    assert_eq!(made.status, 0, "{}", made.stderr);
    let expected = std::fs::read(dir.path().join("x.ndjson")).unwrap();
    let labels = std::fs::read(dir.path().join("x.labels.ndjson")).unwrap();
    for name in ["x.ndjson", "y.ndjson.gz", "z.ndjson.zst"] {
        let recording = Recording::open(&dir.path().join(name)).unwrap();
        assert!(lines_of(recording.batches().unwrap()).unwrap() == expected, "{name}");
        assert!(label_lines(&recording.labels().unwrap().unwrap()) == labels, "{name}");
        // The file as standard input, as with `<` in a shell.
        let file = std::fs::File::open(dir.path().join(name)).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_reenact"))
            .args(["replay", "-", "--max-speed", "--quiet"])
            .stdin(file)
            .output()
            .unwrap();
        assert!(output.stdout == expected, "{name} through standard input");
    }
}

#[test]
fn a_pipe_can_be_read_as_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(reenact(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:x.ndjson"]).status, 0);
    let output = std::process::Command::new("bash")
        .args(["-c", "\"$0\" diff <(cat x.ndjson) <(gzip -c x.ndjson)", env!("CARGO_BIN_EXE_reenact")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "no difference in 150 rows\n");
}

#[test]
fn a_single_parquet_file_can_be_read_as_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let run = busy();
    write(&run, &dir.path().join("d"), "parquet");
    let part = dir.path().join("d/server_metric/part-00000.parquet");
    let alone = dir.path().join("alone.parquet");
    std::fs::copy(&part, &alone).unwrap();
    let rows =
        [&part, &alone].map(|path| lines_of(Recording::open(path).unwrap().batches().unwrap()).unwrap());
    assert!(rows[0] == rows[1] && !rows[0].is_empty());
    let servers =
        filtered(&ndjson(&run, 1), &Selection { entity_type: Some(SERVER), ..Selection::default() }, &[]);
    assert!(servers.starts_with(&rows[0]));
}

/// The message for a damaged dataset says what is wrong, where, and what to do.
#[test]
fn a_damaged_recording_is_refused_with_place_and_help() {
    let dir = tempfile::tempdir().unwrap();
    let run = reenact::preset("dev").unwrap().plan().unwrap().run();
    for format in FORMATS {
        write(&run, &dir.path().join(format), format);
    }
    let cut = |path: &Path| std::fs::write(path, &std::fs::read(path).unwrap()[..5_000]).unwrap();
    let replace = |path: &Path, old: &str, new: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(old), "{old}");
        std::fs::write(path, text.replacen(old, new, 1)).unwrap();
    };
    let part = "server_metric/part-00000.parquet";
    type Damage<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>, &'a str);
    let damages: Vec<Damage<'_>> = vec![
        (
            "ndjson",
            Box::new(|d| cut(&d.join("records.ndjson"))),
            "is damaged: line 14: EOF while parsing a string at column 13",
        ),
        (
            "ndjson",
            Box::new(|d| replace(&d.join("records.ndjson"), "\"R01\"", "\"R02\"")),
            "its rows do not match the digest in its manifest",
        ),
        (
            "csv",
            Box::new(|d| cut(&d.join("server_metric.csv"))),
            "is damaged: line 41: it has 12 fields, but the first line has 15",
        ),
        (
            "csv",
            Box::new(|d| replace(&d.join("server_metric.csv"), "rack_id,", "rack,")),
            "its first line is not the header",
        ),
        ("parquet", Box::new(|d| cut(&d.join(part))), "its bytes do not match the digest in its manifest"),
        (
            "parquet",
            Box::new(|d| std::fs::remove_file(d.join(part)).unwrap()),
            "its part `server_metric/part-00000.parquet` is missing",
        ),
        (
            "parquet",
            Box::new(|d| replace(&d.join("manifest.json"), "\"format\": 1", "\"format\": 2")),
            "has format 2, but this version of reenact reads format 1",
        ),
        (
            "parquet",
            Box::new(|d| replace(&d.join("manifest.json"), part, "../x.parquet")),
            "its part `../x.parquet` is outside its directory",
        ),
        (
            "ndjson",
            Box::new(|d| replace(&d.join("manifest.json"), "\"rows\": 9000", "\"rows\": 9001")),
            "it has 9000 rows, but its manifest states 9001",
        ),
        (
            "ndjson",
            Box::new(|d| replace(&d.join("manifest.json"), "\"window\"", "\"windows\"")),
            "missing field `window`",
        ),
    ];
    for (format, damage, expected) in &damages {
        let copy = dir.path().join("copy");
        copy_dir(&dir.path().join(format), &copy);
        damage(&copy);
        let ended = reenact(dir.path(), &["replay", "copy/", "--max-speed", "--out", "ndjson:out.ndjson"]);
        assert_eq!(ended.status, 2, "{expected}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected) && ended.stderr.contains("= help: "), "{}", ended.stderr);
        assert!(!files_in(dir.path()).contains(&"out.ndjson".into()), "an output was written: {expected}");
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in files_in(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        match from.is_dir() {
            true => copy_dir(&from, &to),
            false => drop(std::fs::copy(&from, &to).unwrap()),
        }
    }
}

/// The files are changed with another tool, and there is no manifest with their digest.
#[test]
fn a_parquet_file_with_unrepresentable_values_is_refused() {
    let Some(python) = crate::formats::python() else { return };
    let dir = tempfile::tempdir().unwrap();
    write(&busy(), &dir.path().join("d"), "parquet");
    let script = "\
import sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
column, change = sys.argv[3], sys.argv[4]
index = table.column_names.index(column)
values = table[column]
values = pc.add(values, float(change)) if column != 'timestamp' else pc.add(values, pa.scalar(int(change), pa.duration('us')))
table = table.set_column(index, table.schema.field(column), values)
facts = pq.read_metadata(sys.argv[1]).metadata
facts.pop(b'ARROW:schema')
pq.write_table(table.replace_schema_metadata(facts), sys.argv[2])
";
    for (column, change, words) in [
        ("timestamp", "1", "a `timestamp` is not a whole number of milliseconds"),
        ("cpu_usage_percent", "0.001", "not a number with 2 decimals"),
        ("cpu_usage_percent", "1e13", "not a number with 2 decimals"),
    ] {
        let changed = std::process::Command::new(&python)
            .args(["-c", script, "d/server_metric/part-00000.parquet", "changed.parquet", column, change])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
        let ended = reenact(dir.path(), &["replay", "changed.parquet", "--max-speed"]);
        assert_eq!(ended.status, 2);
        assert!(ended.stderr.contains(words), "{column}: {}", ended.stderr);
    }
}

#[test]
fn a_foreign_parquet_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        "import sys, pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({'a': [1]}), sys.argv[1])";
    let Some(python) = crate::formats::python() else { return };
    let path = dir.path().join("other.parquet");
    assert!(std::process::Command::new(python).args(["-c", script]).arg(&path).status().unwrap().success());
    let ended = reenact(dir.path(), &["replay", "other.parquet"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("it is a Parquet file that reenact did not write"), "{}", ended.stderr);
}
