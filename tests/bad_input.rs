//! Files that are not scenarios, and scenarios that are too large. reenact refuses them with a message, quickly, in
//! little memory, and writes nothing.

use std::path::Path;
use std::process::Command;

use crate::command_line::{Ended, files_in, reenact};

/// Runs the program with a limit of memory (MB) and of CPU time (s).
fn within(folder: &Path, megabytes: u32, seconds: u32, arguments: &[&str]) -> Ended {
    // The limit is CPU time, because a busy machine may need far more wall time. Only a hang takes minutes.
    let limits =
        format!("ulimit -d {}; ulimit -t {seconds}; exec timeout 300 \"$0\" \"$@\"", megabytes * 1_000);
    let output = Command::new("sh")
        .args(["-c", &limits, env!("CARGO_BIN_EXE_reenact")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Ended::of(output)
}

/// Runs `check` on a file with these bytes, with at most 10 s of CPU time and 200 MB of memory.
fn check(bytes: &[u8]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), bytes).unwrap();
    let ended = within(dir.path(), 200, 10, &["check", "s.yaml"]);
    assert_eq!(files_in(dir.path()), ["s.yaml"]);
    ended
}

fn refused(bytes: &[u8], words: &str) {
    let ended = check(bytes);
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    assert_eq!(ended.status, 2, "{start}: {}", ended.stderr);
    assert!(ended.stderr.contains(words), "{start} does not say `{words}`: {}", ended.stderr);
    assert!(ended.stderr.len() < 200_000, "{start}: a message of {} bytes", ended.stderr.len());
}

#[test]
fn text_that_is_not_a_scenario_is_refused() {
    refused(b"", "is not a scenario: it has no `scenario:` at its top level");
    refused(b"# a comment\n", "is not a scenario");
    refused(b"just words\n", "is not a scenario");
    refused(b"\x7fELF\x02\x01\x01\x00\xff\xfe", "it is not UTF-8 text");
    refused(&[0; 100], "is not a scenario");
    refused(b"scenario: 1\nuse: dev\nclock:\n\trun: 1h\n", "indented with spaces");
    refused(b"scenario: 1\n---\nuse: dev\n", "more than one document");
    refused(b"scenario: 1\na: &a [*a]\n", "not valid YAML");
}

#[test]
fn byte_order_marks_and_line_endings_do_not_matter() {
    let text =
        "scenario: 1\nuse: dev\nanomalies:\n  - {id: a, kind: cpu_spike, target: srv-001, at: 1m, for: 5m}\n";
    for variant in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.trim_end().to_string()] {
        let ended = check(variant.as_bytes());
        assert_eq!(ended.status, 0, "{variant:?}: {}", ended.stderr);
    }
    // Lines and columns are those that an editor shows.
    let ended = check("\u{feff}scenario: 1\r\nuse: dev\r\nsede: 7\r\n".as_bytes());
    assert!(ended.stderr.contains("s.yaml:3:1"), "{}", ended.stderr);
}

#[test]
fn oversized_scenarios_are_refused_quickly() {
    let deep = "scenario: 1\nabout: ".to_string() + &"[".repeat(5_000_000) + &"]".repeat(5_000_000);
    refused(deep.as_bytes(), "nested deeper than 32 levels");
    let mut bomb = String::from("scenario: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [alias.as_str(); 10].join(", ")));
    }
    refused(bomb.as_bytes(), "aliases expand to more than 100000 values");
    let many = "scenario: 1\nabout:\n".to_string() + &"- 1\n".repeat(600_000);
    refused(many.as_bytes(), "more than 500000 values");
    let large = format!("scenario: 1\nabout: {}\n", "x".repeat(17 << 20));
    refused(large.as_bytes(), "larger than 16 MiB");
}

#[test]
fn many_mistakes_are_reported_within_seconds() {
    let entries = "  - {kind: cpu_spikes, target: srv-0009, at: 90, for: -1s}\n".repeat(40_000);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), format!("scenario: 1\nuse: production\nanomalies:\n{entries}"))
        .unwrap();
    let ended = within(dir.path(), 2_000, 60, &["check", "s.yaml"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("more than 1000 errors") || ended.stderr.contains("more\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn directories_and_missing_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("folder.yaml")).unwrap();
    for (name, words) in [
        ("folder.yaml", "is a directory"),
        ("./nothing.yaml", "cannot read `./nothing.yaml`: no such file or directory"),
        ("nothing", "preset `nothing` does not exist"),
    ] {
        for verb in ["check", "plan", "run"] {
            let ended = reenact(dir.path(), &[verb, name]);
            assert_eq!(ended.status, 2, "{verb} {name}: {}", ended.stderr);
            assert!(ended.stderr.contains(words), "{verb} {name}: {}", ended.stderr);
        }
    }
}

#[test]
fn an_endless_file_is_read_up_to_the_size_limit() {
    let ended = within(Path::new("."), 200, 20, &["check", "/dev/zero"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("larger than 16 MiB"), "{}", ended.stderr);
}

#[test]
fn an_oversized_fleet_is_refused_with_the_limit() {
    let million = "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}\nfleet: {servers: 1000000}\n";
    refused(million.as_bytes(), "at most 100000");
}

#[test]
fn a_thousand_year_run_costs_only_the_requested_window() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: production\nclock: {start: \"2026-01-05T00:00:00Z\", run: 365000d, timezone: Europe/Paris}\n\
                anomalies: [{id: a, kind: cpu_spike, target: srv-001, at: 10m, for: 5m, every: 1h, jitter: 5m}]\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    for arguments in [
        &["check", "s.yaml"][..],
        &["plan", "s.yaml"],
        &["run", "s.yaml", "--to", "1m"],
        &["run", "s.yaml", "--from", "364999d", "--for", "1m"],
    ] {
        let ended = within(dir.path(), 300, 20, arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
    }
    let ended = reenact(dir.path(), &["plan", "s.yaml", "--background"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("narrow it with `--from` and `--to`"), "{}", ended.stderr);
}
