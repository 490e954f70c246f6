//! On a terminal: the status line and the keys, and how the terminal is left.

use std::path::Path;
use std::process::Command;

use crate::command_line::{hot_rack, stdout_of};
use crate::formats::judged;

/// Lets the program work on a terminal where these keys are typed, each when the text before it is shown. Gives how it
/// ended, and what was shown then; nothing where there is no Python.
fn typed(folder: &Path, steps: &[(&str, &str)], arguments: &[&str]) -> Option<String> {
    let steps = serde_json::to_string(steps).unwrap();
    judged(folder, "terminal.py", &[&[&*steps, env!("CARGO_BIN_EXE_reenact")], arguments].concat())
}

#[test]
fn keys_pause_a_replay_change_its_speed_and_end_it() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "40m", "--step", "100ms", "--out", "ndjson:nd/"]);
    let steps = [
        ("space pauses, + and - change the speed, q ends", ""),
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
    assert!(ended.contains("; what was written is whole"), "{ended}");
    let [sent, recorded] = ["some.ndjson", "nd/records.ndjson"]
        .map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap());
    assert!(!sent.is_empty() && recorded.starts_with(&sent), "a part of it, and whole lines");
}

#[test]
fn a_replay_that_begins_paused_shows_how_many_incidents_are_active() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    let steps = [("  paused  lag 0.0 ms  0 sent", " "), ("1 incident", "q")];
    let replay =
        ["replay", "nd", "--start-paused", "--from", "39m", "--speed", "60", "--out", "ndjson:some.ndjson"];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 0, echo\n"), "{ended}");
}

#[test]
fn keys_do_not_change_a_pace_that_decides_event_times() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "40m", "--step", "100ms", "--out", "ndjson:nd/"]);
    let steps = [
        ("q ends; `--rebase end` fixes the pace", ""),
        ("0× of 4×  lag ", "+"),
        ("`--rebase end` fixes the pace: with another one", " "),
        ("`--rebase end` fixes the pace: with another one", ""),
        ("× of 4×  lag ", "q"),
    ];
    let replay = ["replay", "nd", "--speed", "4", "--rebase", "end", "--out", "ndjson:some.ndjson"];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 0, echo\n"), "{ended}");
}

#[test]
fn a_second_ctrl_c_ends_what_waits_and_leaves_the_terminal_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--out", "ndjson:nd/"]);
    // Somebody opens it and never reads: when it is full the program waits in a write, and asks nobody.
    assert!(Command::new("mkfifo").arg(dir.path().join("full")).status().unwrap().success());
    let _reader = std::fs::File::options().read(true).write(true).open(dir.path().join("full")).unwrap();
    let replay = ["replay", "nd", "--speed", "100000", "--out", "ndjson:full"];
    let steps = [("× of 100000×  lag ", "\u{3}"), ("", "\u{3}")];
    let Some(ended) = typed(dir.path(), &steps, &replay) else { return };
    assert!(ended.starts_with("status 130, echo"), "{ended}");
}

#[test]
fn a_replay_that_is_ended_before_its_first_record_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:nd/"]);
    let replay = ["replay", "nd", "--start-paused", "--out", "ndjson:some.ndjson"];
    for (keys, status) in [("q", 0), ("\u{3}", 130)] {
        let Some(ended) = typed(dir.path(), &[("  paused  lag ", keys)], &replay) else { return };
        assert!(ended.starts_with(&format!("status {status}, echo")), "{ended}");
        assert!(!dir.path().join("some.ndjson").exists());
    }
}
