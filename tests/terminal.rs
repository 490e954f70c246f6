//! Runs on a terminal: the status line, the keys, and the state of the terminal afterwards.

use std::path::Path;
use std::process::Command;

use crate::command_line::{hot_rack, stdout_of};
use crate::formats::judged;

/// Runs the program on a terminal. Types the keys of each step once its text is shown. Returns how the program ended
/// and what it showed after the last step, or `None` if Python is not installed.
fn typed(folder: &Path, steps: &[(&str, &str)], arguments: &[&str]) -> Option<String> {
    let steps = serde_json::to_string(steps).unwrap();
    judged(folder, "terminal.py", &[&[&*steps, env!("CARGO_BIN_EXE_reenact")], arguments].concat())
}

#[test]
fn keys_pause_end_and_change_the_speed_of_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "40m", "--step", "100ms", "--out", "ndjson:nd/"]);
    let steps = [
        ("keys: space pauses, + and - change the speed, q stops", ""),
        ("0× of 4×  lag ", "+"),
        ("of 8×  lag ", "-"),
        ("of 4×  lag ", "-"),
        ("of 2×  lag ", "x "),
        ("  paused  lag ", " "),
        ("of 2×  lag ", " "),
        ("  paused  lag ", "q"),
    ];
    let replay = ["replay", "nd", "--speed", "4", "--out", "ndjson:some.ndjson"];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 0, echo\n"), "{ended}");
    assert!(ended.contains("; everything that was written is complete"), "{ended}");
    let [sent, recorded] = ["some.ndjson", "nd/records.ndjson"]
        .map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap());
    assert!(
        !sent.is_empty() && recorded.starts_with(&sent),
        "the output is not a part of the recording with whole lines"
    );
}

#[test]
fn a_paused_replay_shows_the_number_of_active_incidents() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    let steps = [("  paused  lag 0.0 ms  0 sent", " "), ("1 incident", "q")];
    let replay =
        ["replay", "nd", "--start-paused", "--from", "39m", "--speed", "60", "--out", "ndjson:some.ndjson"];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 0, echo\n"), "{ended}");
}

#[test]
fn keys_do_not_change_the_speed_with_rebase_end() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "40m", "--step", "100ms", "--out", "ndjson:nd/"]);
    let steps = [
        ("keys: q stops; `--rebase end` fixes the pace", ""),
        ("0× of 4×  lag ", "+"),
        ("`--rebase end` fixes the pace: at another pace", " "),
        ("`--rebase end` fixes the pace: at another pace", ""),
        ("× of 4×  lag ", "q"),
    ];
    let replay = ["replay", "nd", "--speed", "4", "--rebase", "end", "--out", "ndjson:some.ndjson"];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 0, echo\n"), "{ended}");
}

#[test]
fn a_second_ctrl_c_ends_the_program_and_restores_terminal() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    // The FIFO is open but never read. When it is full, the program blocks in a write and cannot check for a stop.
    assert!(Command::new("mkfifo").arg(dir.path().join("full")).status().unwrap().success());
    let _reader = std::fs::File::options().read(true).write(true).open(dir.path().join("full")).unwrap();
    let replay = ["replay", "nd", "--speed", "100000", "--out", "ndjson:full"];
    let steps = [("× of 100000×  lag ", "\u{3}"), ("", "\u{3}")];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 130, echo"), "{ended}");
}

#[test]
fn a_replay_stopped_before_its_first_record_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:nd/"]);
    let replay = ["replay", "nd", "--start-paused", "--out", "ndjson:some.ndjson"];
    for (keys, status) in [("q", 0), ("\u{3}", 130)] {
        let Some(ended) = typed(dir.path(), &[("  paused  lag ", keys)], &replay) else { return };
        assert!(ended.starts_with(&format!("status {status}, echo")), "{ended}");
        assert!(!dir.path().join("some.ndjson").exists());
    }
}
