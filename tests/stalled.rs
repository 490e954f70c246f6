//! Pipes whose reader does not read. One signal ends the run, and other output files are either complete or missing.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::command_line::{files_in, reenact};

const PAUSE: Duration = Duration::from_millis(10);

/// The number of pauses after which a run counts as hanging, far more than the 10 s that a stop may take.
const LIMIT: u32 = 6_000;

fn start(folder: &Path, arguments: &str, stdout: impl Into<Stdio>) -> Child {
    // SIGHUP may be ignored if the tests run under `nohup`.
    Command::new("env")
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_reenact")])
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a condition is true, while the run continues.
fn until(child: &mut Child, mut is_true: impl FnMut() -> bool) {
    for _ in 0..LIMIT {
        if is_true() {
            return;
        }
        assert_eq!(child.try_wait().unwrap(), None, "the run ended before the condition was true");
        std::thread::sleep(PAUSE);
    }
    child.kill().unwrap();
    panic!("the condition never became true");
}

/// Returns whether a pipe is full, given its writing end.
fn is_full(pipe: &impl AsFd) -> bool {
    poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&Timespec::default())).unwrap() == 0
}

/// Sends one signal. Returns the exit status and standard error.
fn stop(mut child: Child, signal: &str) -> (Option<i32>, String) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    for _ in 0..LIMIT {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            return (output.status.code(), String::from_utf8(output.stderr).unwrap());
        }
        std::thread::sleep(PAUSE);
    }
    child.kill().unwrap();
    panic!("one signal did not end the run");
}

/// Creates a FIFO and opens it, so that a writer does not wait for a reader. The FIFO is never read.
fn fifo(folder: &Path) -> File {
    assert!(Command::new("mkfifo").arg(folder.join("p")).status().unwrap().success());
    OpenOptions::new().read(true).write(true).open(folder.join("p")).unwrap()
}

#[test]
fn one_signal_ends_a_run_with_unread_standard_output() {
    for (arguments, is_paced) in [
        ("run production --for 10000h --out csv:d/ --out ndjson:-", false),
        ("run production --for 10000h --speed 1e7 --out csv:d/ --out ndjson:-", true),
        ("run production --for 10000h --speed 1e7", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (_reader, writer) = std::io::pipe().unwrap();
        let mut child = start(dir.path(), arguments, writer.try_clone().unwrap());
        until(&mut child, || is_full(&writer));
        let (status, words) = stop(child, "-TERM");
        assert_eq!(status, Some(143), "{arguments}: {words}");
        let has_dataset = is_paced && arguments.contains("csv");
        let expected = if has_dataset { &["d"][..] } else { &[] };
        assert_eq!(files_in(dir.path()), expected, "{arguments}: {words}");
        if is_paced {
            assert!(words.contains("the last row in a pipe may be incomplete"), "{words}");
        }
        if has_dataset {
            let ended = reenact(dir.path(), &["replay", "d/", "--max-speed"]);
            assert_eq!(ended.status, 0, "the dataset of the stopped run is not complete: {}", ended.stderr);
        }
    }
}

#[test]
fn one_signal_ends_a_run_with_an_unread_fifo() {
    for (out, signal, status) in [
        ("--out ndjson:p --out parquet:d/", "-INT", 130),
        ("--out ndjson:z.ndjson --labels p", "-HUP", 129),
        ("--out ndjson:z.ndjson --labels p --speed 1e9", "-TERM", 143),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fifo = fifo(dir.path());
        // The scenario has far more labels than fit into a pipe.
        let flood = "scenario: 1\nuse: production\nclock: {run: 24h, step: 60s}\nanomalies: [{id: x, kind: \
                     cpu_spike, target: \"srv-*\", at: 1h, for: 2m, every: 10m}]\n";
        std::fs::write(dir.path().join("s.yaml"), flood).unwrap();
        let mut child = start(dir.path(), &format!("run s.yaml {out}"), Stdio::null());
        until(&mut child, || is_full(&fifo));
        let (ended, words) = stop(child, signal);
        assert_eq!(ended, Some(status), "{out}: {words}");
        // With `--speed`, the records are complete before the labels are written.
        let expected = match out.contains("speed") {
            true => &["p", "s.yaml", "z.labels.ndjson", "z.manifest.json", "z.ndjson"][..],
            false => &["p", "s.yaml"],
        };
        assert_eq!(files_in(dir.path()), expected, "{out}: {words}");
    }
}

#[test]
fn one_signal_ends_a_run_waiting_for_a_fifo_reader() {
    let dir = tempfile::tempdir().unwrap();
    drop(fifo(dir.path()));
    let mut child = start(dir.path(), "run dev --out ndjson:z.ndjson --labels p", Stdio::null());
    until(&mut child, || files_in(dir.path()).iter().any(|name| name.ends_with("partial")));
    let (status, words) = stop(child, "-INT");
    assert_eq!(status, Some(130), "{words}");
    assert_eq!(files_in(dir.path()), ["p"], "{words}");
}

#[test]
fn a_slow_reader_gets_whole_rows_of_a_stopped_run() {
    let dir = tempfile::tempdir().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = start(dir.path(), "run production --for 10000h --speed 1e7", writer.try_clone().unwrap());
    until(&mut child, || is_full(&writer));
    drop(writer);
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut part = [0; 4_096];
        loop {
            match std::io::Read::read(&mut reader, &mut part).unwrap() {
                0 => return text,
                length => text.extend(&part[..length]),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let (status, words) = stop(child, "-INT");
    assert_eq!(status, Some(130), "{words}");
    assert!(words.contains("everything that was written is complete"), "{words}");
    assert!(reading.join().unwrap().ends_with(b"}\n"));
}
