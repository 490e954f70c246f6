//! Runs that are not let finish: whatever happens, an output is whole or not there.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command_line::{Ended, files_in, reenact};

/// A run of hours, with the signal once its outputs are there.
fn signalled(folder: &Path, signal: &str, outputs: &[&str]) -> Ended {
    signalled_run(folder, signal, &["production", "--for", "10000h"], outputs)
}

fn signalled_run(folder: &Path, signal: &str, run: &[&str], outputs: &[&str]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .arg("run")
        .args(run)
        .args(outputs.iter().flat_map(|out| ["--out", out]))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while files_in(folder).iter().all(|name| !name.ends_with(".reenact-partial")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    Ended { status: child.wait().unwrap().code().unwrap_or(-1), stdout: String::new(), stderr: words }
}

#[test]
fn a_signal_takes_unfinished_outputs_away() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        for outputs in [&["ndjson:d/"][..], &["parquet:d/"], &["ndjson:x.ndjson", "parquet:d/"]] {
            let dir = tempfile::tempdir().unwrap();
            let ended = signalled(dir.path(), signal, outputs);
            assert_eq!(ended.status, status, "{signal} {outputs:?}: {}", ended.stderr);
            assert_eq!(files_in(dir.path()), Vec::<String>::new(), "{signal} {outputs:?}");
            assert!(ended.stderr.contains("stopped before the end"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_signal_is_heard_while_an_incident_is_followed_long_after_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: production\nclock: {run: 4000d, step: 60s}\n\
                anomalies: [{id: long, kind: memory_leak, target: srv-001, at: 10s, for: 3000d}]\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    let ended = signalled_run(dir.path(), "-INT", &["s.yaml", "--to", "1m"], &["ndjson:d/"]);
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    assert_eq!(files_in(dir.path()), ["s.yaml"]);
}

#[test]
fn what_was_there_stays_when_its_replacement_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let first = reenact(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:d/"]);
    assert_eq!(first.status, 0, "{}", first.stderr);
    let before = std::fs::read(dir.path().join("d/records.ndjson")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .args(["run", "production", "--for", "10000h", "--force", "--out", "ndjson:d/"])
        .current_dir(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while files_in(dir.path()).len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(files_in(dir.path()), ["d"]);
    assert_eq!(std::fs::read(dir.path().join("d/records.ndjson")).unwrap(), before);
}

/// Runs the program where no file may become larger than so many kB: a disk that fills up.
fn on_a_full_disk(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_reenact")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Ended::of(output)
}

#[test]
fn a_full_disk_is_an_output_that_failed_and_leaves_nothing() {
    for outputs in
        [&["ndjson:x.ndjson"][..], &["ndjson:d/"], &["parquet:d/"], &["parquet:d/", "ndjson:x.ndjson"]]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut arguments = vec!["run", "production", "--for", "1h"];
        arguments.extend(outputs.iter().flat_map(|out| ["--out", out]));
        let ended = on_a_full_disk(dir.path(), &arguments);
        assert_eq!(ended.status, 3, "{outputs:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("cannot write"), "{outputs:?}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), Vec::<String>::new(), "{outputs:?}");
    }
    let ended = reenact(Path::new("."), &["run", "dev", "--out", "ndjson:/dev/full"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
}

#[test]
fn an_unwritable_path_is_found_before_anything_is_rendered() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for out in ["ndjson:nowhere/x.ndjson", "parquet:file/d/", "ndjson:/proc/x.ndjson", "parquet:/proc/d/"] {
        // A run of ten thousand hours would be noticed.
        let ended = reenact(dir.path(), &["run", "production", "--for", "10000h", "--out", out]);
        assert_eq!(ended.status, 2, "{out}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), ["file"], "{out}");
    }
}

#[test]
fn a_replay_that_is_stopped_ends_a_shorter_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let made = reenact(dir.path(), &["run", "dev", "--for", "1h", "--out", "ndjson:d/"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    // An hour in a minute; then one that waits for hours before its second tick.
    for speed in ["60", "0.0001"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
            .args(["replay", "d/", "--speed", speed, "--force", "--out", "ndjson:x.ndjson"])
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while files_in(dir.path()).iter().all(|name| !name.ends_with(".reenact-partial")) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "speed {speed}");
        assert_eq!(files_in(dir.path()), ["d", "x.ndjson"], "speed {speed}");
        let (whole, part) = (
            std::fs::read(dir.path().join("d/records.ndjson")).unwrap(),
            std::fs::read(dir.path().join("x.ndjson")).unwrap(),
        );
        assert!(!part.is_empty() && part.len() < whole.len() && whole.starts_with(&part), "speed {speed}");
        assert!(part.ends_with(b"\n"), "speed {speed}");
    }
}
