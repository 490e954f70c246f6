//! Measures how well a replay keeps its pace, next to a bare loop that sleeps until the same moments at the same time:
//! `cargo bench --bench pace`. Prints a table.

#![expect(clippy::disallowed_methods, reason = "a bench reads the wall clock")]
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::unwrap_used, reason = "a failed bench says where")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The length of the replay, in seconds of wall time.
const SECONDS: u64 = 60;
/// The speed, in seconds of event time per second. The recording has one tick per second of event time.
const SPEED: u64 = 60;

/// Sleeps until each moment, computed from one starting point. Returns how late it woke up: the 99th percentile and the
/// maximum.
fn bare() -> (Duration, Duration) {
    let begin = Instant::now();
    let late = |tick: u64| {
        let due = begin + Duration::from_secs(tick) / SPEED as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due.elapsed()
    };
    let mut lags: Vec<Duration> = (0..=SECONDS * SPEED).map(late).collect();
    lags.sort();
    (lags[lags.len() * 99 / 100], lags[lags.len() - 1])
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
        command.current_dir(dir.path()).stderr(Stdio::null()).stdout(Stdio::null());
        command
    };
    let length = format!("{}s", SECONDS * SPEED + 1);
    let made = program().args(["run", "production", "--for", &length, "--out", "parquet:pq/"]).status();
    assert!(made.unwrap().success());
    let replay = program()
        .args(["replay", "pq", "--speed", &SPEED.to_string(), "--json", "--out", "ndjson:/dev/null"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (p99, max) = bare();
    let output = replay.wait_with_output().unwrap();
    let output: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pace = &output["pace"];
    println!(
        "| {SECONDS} s at {SPEED}× | speed reached | 99 % late by less than | at most |\n|---|---|---|---|"
    );
    let ms = |lag: Duration| lag.as_secs_f64() * 1e3;
    println!("| bare loop | | {:.2} ms | {:.2} ms |", ms(p99), ms(max));
    let lag = |which: &str| pace["lag_ms"][which].as_f64().unwrap();
    println!(
        "| `replay` | {:.4} | {:.2} ms | {:.2} ms |",
        pace["speed"].as_f64().unwrap(),
        lag("p99"),
        lag("max")
    );
}
