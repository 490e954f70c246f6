//! NDJSON, CSV and Parquet contain the same rows and labels. pyarrow compares them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use reenact::batch::{Batch, BatchBuilder, NULL};
use reenact::output::{Compression, Encode, TableOptions, Tee};
use reenact::recording::{Format, Recording, add_dataset};
use reenact::run::{OpenOptions, Target};
use reenact::scenario::PRESETS;
use reenact::threads::Threads;

use crate::command_line::{files_in, hot_rack, reenact, stdout_of};
use crate::common::ndjson;

/// Returns the path of the Python with pyarrow that `scripts/test` installs, if it exists.
pub fn python() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    path.exists().then_some(path)
}

/// Runs a script of `tests/python` and returns its output, or `None` if that Python is not installed.
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
pub fn judged(folder: &Path, script: &str, arguments: &[&str]) -> Option<String> {
    let Some(python) = python() else {
        eprintln!("left out: there is no target/python (scripts/test makes it)");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let judged = Command::new(python).arg(script).args(arguments).current_dir(folder).output().unwrap();
    let words =
        String::from_utf8_lossy(&judged.stdout).into_owned() + &String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{words}");
    Some(words.trim().into())
}

const ALL: [&str; 6] = ["--out", "ndjson:nd/", "--out", "csv:cs/", "--out", "parquet:pq/"];

#[test]
fn pyarrow_reads_the_same_rows_and_labels_from_every_format() {
    let scenarios = PRESETS.iter().map(|(name, _)| (*name).to_string()).chain([hot_rack()]);
    for (i, scenario) in scenarios.enumerate() {
        let dir = tempfile::tempdir().unwrap();
        // The rows do not depend on the compression.
        let compression = ["zstd", "snappy", "none"][i % 3];
        stdout_of(dir.path(), &[&["run", &scenario, "--compression", compression], &ALL[..]].concat());
        let Some(words) = judged(dir.path(), "compare.py", &["nd", "cs", "pq"]) else { return };
        assert!(words.starts_with("equal: ") && words.ends_with(" labels"), "{scenario}: {words}");
        if scenario == hot_rack() {
            assert_eq!(words, "equal: 21600 server_metric, 14400 application_metric, 12 labels");
        }
    }
}

/// Returns the first batch of a run, with some numbers missing and one column missing entirely.
fn with_nulls() -> Batch {
    let run = reenact::preset("dev").unwrap().plan().unwrap().run();
    let batch = run.batches().next().unwrap();
    let mut rows = BatchBuilder::new(batch.schema());
    for (number, row) in batch.rows().enumerate() {
        let is_missing = |column: usize| column == 2 || (number + column).is_multiple_of(5);
        let values = row.values().enumerate();
        let values: Vec<i64> =
            values.map(|(column, value)| if is_missing(column) { NULL } else { value }).collect();
        rows.push(row.type_id(), row.timestamp(), row.entity(), values, row.codes());
    }
    rows.build(Arc::clone(batch.entities()))
}

#[test]
fn missing_values_are_missing_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let batch = with_nulls();
    let mut tee = Tee::default();
    let facts = ["format", "epoch", "scenario_digest", "seed", "from", "to", "shard"];
    let options = TableOptions {
        compression: Compression::default(),
        row_group: 1_000,
        part_bytes: 1 << 20,
        facts: facts.map(|key| (format!("reenact.{key}"), "1".into())).into(),
        threads: Threads::all_cores(),
    };
    for (name, format) in [("nd", Format::NDJSON), ("cs", Format::CSV), ("pq", Format::PARQUET)] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        add_dataset(&mut tee, format, &folder, name.into(), batch.schema(), &options).unwrap();
    }
    let (encode, mut sink) = tee.split();
    sink.write(encode.encode(&batch)).unwrap();
    let receipts = sink.finish().unwrap();
    assert!(receipts.iter().all(|receipt| receipt.digest == receipts[0].digest));
    // pyarrow would also read `null` as a missing number.
    let csv = std::fs::read_to_string(dir.path().join("cs/server_metric.csv")).unwrap();
    assert!(!csv.contains("null") && csv.lines().nth(1).unwrap().contains(",,"), "{csv:.300}");
    let Some(words) = judged(dir.path(), "compare.py", &["nd", "cs", "pq"]) else { return };
    let counts: Vec<usize> = batch.schema().ids().map(|id| batch.table(id).num_rows()).collect();
    assert_eq!(words, format!("equal: {} server_metric, {} application_metric", counts[0], counts[1]));
}

#[test]
fn a_long_run_is_split_into_parts() {
    let dir = tempfile::tempdir().unwrap();
    let run = reenact::preset("normal").unwrap().plan().unwrap().run();
    let place = dir.path().join("pq");
    for threads in [1, 2, 8] {
        let run = run.clone().threads(threads.try_into().unwrap());
        let options =
            OpenOptions { force: true, row_group: 500, part_bytes: 20_000, ..OpenOptions::default() };
        run.write(&[Target::parse(&format!("parquet:{}/", place.display())).unwrap()], &options).unwrap();
        let parts = files_in(&place.join("server_metric"));
        assert!(parts.len() > 3 && parts[3] == "part-00003.parquet", "{parts:?}");
        let recording = Recording::open(&place).unwrap();
        let rows: u64 = recording.manifest().unwrap().parts.iter().map(|part| part.rows).sum();
        assert_eq!(rows, 54_000);
        let lines = reenact::output::NdjsonEncode::default();
        let mut read = Vec::new();
        for batch in recording.batches().unwrap() {
            read.extend_from_slice(lines.encode(&batch.unwrap()).bytes());
        }
        assert!(read == ndjson(&run, 1), "{threads} threads: other rows");
    }
}

#[test]
fn compressed_files_contain_the_same_lines() {
    let dir = tempfile::tempdir().unwrap();
    let outs = ["x.ndjson", "y.ndjson.gz", "z.ndjson.zst"].map(|name| format!("ndjson:{name}"));
    let arguments: Vec<&str> =
        ["run", "dev"].into_iter().chain(outs.iter().flat_map(|out| ["--out", out])).collect();
    assert_eq!(reenact(dir.path(), &arguments).status, 0);
    let companions = |name: &str| [format!("{name}.labels.ndjson"), format!("{name}.manifest.json")];
    let expected = [
        &companions("x")[..],
        &["x.ndjson".into(), "y.ndjson.gz".into()],
        &companions("y.ndjson.gz"),
        &["z.ndjson.zst".into()],
        &companions("z.ndjson.zst"),
    ];
    assert_eq!(files_in(dir.path()), expected.concat());
    let plain = std::fs::read(dir.path().join("x.ndjson")).unwrap();
    let unpacked = |program: &str, file: &str| {
        let output = Command::new(program).args(["-d", "-c", file]).current_dir(dir.path()).output();
        output.unwrap_or_else(|error| panic!("{program}: {error}")).stdout
    };
    assert!(unpacked("gzip", "y.ndjson.gz") == plain);
    let mut zst = Vec::new();
    let file = std::fs::File::open(dir.path().join("z.ndjson.zst")).unwrap();
    std::io::copy(&mut zstd::Decoder::new(file).unwrap().single_frame(), &mut zst).unwrap();
    assert!(zst == plain);
}
