//! Working directories that were deleted, and paths that are not UTF-8.

use std::path::Path;

use crate::beliefs::dev;
use crate::command_line::{Ended, hot_rack, stdout_of};

/// Runs a shell command in a folder; `$0` is the program.
fn shell(folder: &Path, line: &str) -> Ended {
    let output = std::process::Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_reenact")])
        .current_dir(folder)
        .output()
        .unwrap();
    crate::command_line::Ended::of(output)
}

#[test]
fn a_deleted_working_directory_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    dev(dir.path());
    for verb in [
        "run dev --for 2s --out ndjson:x.ndjson",
        "run dev --for 2s --out csv:x/",
        "export ../dev.ndjson --as nab x/",
        "run x.yaml",
    ] {
        let ended = shell(dir.path(), &format!("mkdir gone; cd gone; rmdir ../gone; \"$0\" {verb}"));
        assert_eq!(ended.status, 2, "{verb}: {}", ended.stderr);
        assert!(ended.stderr.contains("the working directory was deleted"), "{verb}: {}", ended.stderr);
        assert!(!ended.stderr.contains("another run"), "{verb}: {}", ended.stderr);
    }
    let elsewhere =
        "mkdir gone; here=$PWD; cd gone; rmdir ../gone; \"$0\" replay $here/dev.ndjson --max-speed";
    assert_eq!(shell(dir.path(), elsewhere).stderr, "");
}

#[test]
fn path_that_is_not_utf8_works_or_is_named() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:x.ndjson"]);
    let bad = "for end in ndjson labels.ndjson manifest.json; do mv x.$end $'\\xff'.$end; done";
    for line in [
        "\"$0\" replay $'\\xff.ndjson' --max-speed | cmp - $'\\xff.ndjson'",
        "\"$0\" export $'\\xff.ndjson' --as nab $'\\xfe/' 2> /dev/null",
        "\"$0\" diff $'\\xff.ndjson' $'\\xff.ndjson' --quiet",
        "\"$0\" run dev --for 2s --quiet --labels $'\\xfd' > /dev/null && test -e $'\\xfd'",
    ] {
        let ended = shell(dir.path(), &format!("test -e x.ndjson && {{ {bad}; }}; {line}"));
        assert_eq!((ended.status, &*ended.stderr), (0, ""), "{line}");
    }
    shell(dir.path(), "mkdir s; printf 'scenario: 1\\nuse: dev\\n' > $'s/\\xff.yaml'");
    for line in [
        "\"$0\" run $'\\xff.yaml'",
        "\"$0\" run dev --out ndjson:$'\\xff'",
        "\"$0\" check $'\\xff.yaml'",
        "\"$0\" check s/",
    ] {
        let ended = shell(dir.path(), line);
        assert_eq!(ended.status, 2, "{line}");
        assert!(ended.stderr.contains("\\xFF") && ended.stderr.contains("UTF-8"), "{line}: {}", ended.stderr);
    }
}
