//! NDJSON and Parquet carry the same rows and labels, judged by pyarrow.

use std::path::PathBuf;
use std::process::Command;

use crate::command_line::{hot_rack, stdout_of};

/// A Python with pyarrow, as `scripts/test` makes it.
pub fn python() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    path.exists().then_some(path)
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn pyarrow_reads_the_same_rows_from_parquet_as_json_from_ndjson() {
    let Some(python) = python() else {
        eprintln!("left out: there is no target/python (scripts/test makes it)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/", "--out", "parquet:pq/"]);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/compare.py");
    let judged =
        Command::new(python).arg(script).args(["nd", "pq"]).current_dir(dir.path()).output().unwrap();
    let words =
        String::from_utf8_lossy(&judged.stdout).into_owned() + &String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{words}");
    assert_eq!(words.trim(), "equal: 21600 server_metric, 14400 application_metric, 12 labels");
}
