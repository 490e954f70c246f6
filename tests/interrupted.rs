//! Interrupted runs. Whatever happens, an output is either complete or missing.

use std::cell::Cell;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reenact::recording::Recording;

use crate::command_line::{Ended, files_in, reenact};

/// Waits until a condition is true, while the program keeps running.
fn until(child: &mut Child, is_true: impl Fn() -> bool) {
    while !is_true() {
        assert_eq!(child.try_wait().unwrap(), None, "the program ended before the condition was true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the preset `production` for hours, and sends a signal once its outputs exist.
fn signalled(folder: &Path, signal: &str, outputs: &[&str]) -> Ended {
    signalled_run(folder, signal, &["production", "--for", "10000h"], outputs)
}

fn signalled_run(folder: &Path, signal: &str, run: &[&str], outputs: &[&str]) -> Ended {
    let outputs: Vec<&str> = outputs.iter().flat_map(|out| ["--out", out]).collect();
    signalled_program(folder, signal, &[&["run"], run, &outputs].concat())
}

/// Runs the program with these arguments, and sends a signal once its outputs exist.
fn signalled_program(folder: &Path, signal: &str, arguments: &[&str]) -> Ended {
    // SIGHUP may be ignored if the tests run under `nohup`.
    let mut child = Command::new("env")
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_reenact")])
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(&mut child, || files_in(folder).iter().any(|name| name.ends_with(".reenact-partial")));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    Ended { status: child.wait().unwrap().code().unwrap_or(-1), stdout: String::new(), stderr: words }
}

#[test]
fn a_signal_removes_unfinished_outputs() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
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
fn a_signal_removes_an_unfinished_export() {
    let dir = tempfile::tempdir().unwrap();
    let made = reenact(dir.path(), &["run", "production", "--for", "2h", "--out", "ndjson:d/"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    for (signal, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let ended = signalled_program(dir.path(), signal, &["export", "d/", "--as", "nab", "nab"]);
        assert_eq!(ended.status, status, "{signal}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), ["d"], "{signal}");
    }
}

/// Small files are written at the end, too fast for one signal to interrupt. So the test sends signals at many moments:
/// none leaves a partial file.
#[test]
fn signals_never_leave_a_partial_lock_report_or_scenario() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), "scenario: 1\nuse: dev\nclock: {run: 4s}\n").unwrap();
    for (moment, signal) in (0..60).zip(["-INT", "-TERM", "-HUP"].into_iter().cycle()) {
        for arguments in
            [&["lock", "s.yaml"][..], &["verify", "s.yaml", "--junit", "r.xml"], &["init", "mine"]]
        {
            let mut child = Command::new("env")
                .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_reenact")])
                .args(arguments)
                .current_dir(dir.path())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(moment * 500));
            let _ =
                Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
            child.wait().unwrap();
            let names = files_in(dir.path());
            assert!(!names.iter().any(|name| name.contains("partial")), "{arguments:?} {moment}: {names:?}");
        }
        for name in ["mine.yaml", "reenact.schema.json", "r.xml"] {
            let _ = std::fs::remove_file(dir.path().join(name));
        }
    }
}

#[test]
fn a_run_under_nohup_ignores_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let text = "trap '' HUP; \"$0\" run dev --speed 1 --for 4s --out ndjson:x.ndjson & \
                while [ ! -e .x.ndjson.reenact-partial ]; do sleep 0.01; done; kill -HUP $!; wait $!";
    let program = env!("CARGO_BIN_EXE_reenact");
    let output = Command::new("bash").args(["-c", text, program]).current_dir(dir.path()).output();
    let ended = Ended::of(output.unwrap());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(files_in(dir.path()), ["x.labels.ndjson", "x.manifest.json", "x.ndjson"]);
}

#[test]
fn a_signal_stops_a_run_that_only_computes_labels() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: production\nclock: {run: 4000d, step: 60s}\n\
                anomalies: [{id: long, kind: memory_leak, target: srv-001, at: 10s, for: 3000d}]\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    let ended = signalled_run(dir.path(), "-INT", &["s.yaml", "--to", "1m"], &["ndjson:d/"]);
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    assert_eq!(files_in(dir.path()), ["s.yaml"]);
}

#[test]
fn the_old_dataset_stays_when_its_replacement_is_interrupted() {
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
    until(&mut child, || files_in(dir.path()).len() == 2);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(files_in(dir.path()), ["d"]);
    assert_eq!(std::fs::read(dir.path().join("d/records.ndjson")).unwrap(), before);
}

#[test]
fn an_unwritable_path_is_reported_before_rendering() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for out in ["ndjson:nowhere/x.ndjson", "parquet:file/d/", "ndjson:/proc/x.ndjson", "parquet:/proc/d/"] {
        // Rendering would take ten thousand hours of simulated time, and the test would not end.
        let ended = reenact(dir.path(), &["run", "production", "--for", "10000h", "--out", out]);
        assert_eq!(ended.status, 2, "{out}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), ["file"], "{out}");
    }
}

#[test]
fn a_stopped_replay_leaves_a_shorter_file_with_whole_lines() {
    let dir = tempfile::tempdir().unwrap();
    let made = reenact(dir.path(), &["run", "dev", "--for", "1h", "--out", "ndjson:d/"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    // The first replay takes a minute; the second one would wait for hours before its second tick.
    for speed in ["60", "0.0001"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
            .args(["replay", "d/", "--speed", speed, "--force", "--out", "ndjson:x.ndjson"])
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Waits until the partial file has its first record.
        let is_written = |name: &String| {
            let length = std::fs::metadata(dir.path().join(name)).map_or(0, |file| file.len());
            name.starts_with(".x.ndjson.") && length > 0
        };
        until(&mut child, || files_in(dir.path()).iter().any(is_written));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "speed {speed}");
        assert_eq!(files_in(dir.path()), ["d", "x.labels.ndjson", "x.ndjson"], "speed {speed}");
        let (whole, part) = (
            std::fs::read(dir.path().join("d/records.ndjson")).unwrap(),
            std::fs::read(dir.path().join("x.ndjson")).unwrap(),
        );
        assert!(!part.is_empty() && part.len() < whole.len() && whole.starts_with(&part), "speed {speed}");
        assert!(part.ends_with(b"\n"), "speed {speed}");
    }
}

/// Runs the program and kills it after `while_`. A killed program cannot clean up.
fn killed_after(folder: &Path, arguments: &[&str], while_: Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .args(arguments)
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(while_);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Checks the rows of a dataset against its manifest and returns the digest, or `None` if there is no dataset.
fn whole_dataset(place: &Path) -> Option<String> {
    if !place.exists() {
        return None;
    }
    let recording = Recording::open(place).unwrap();
    for batch in recording.batches().unwrap() {
        batch.unwrap();
    }
    Some(recording.manifest().unwrap().digest.clone())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "moments are fractions of how long a run takes")]
fn a_killed_run_never_leaves_a_partial_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("d");
    let run = |seed| ["run", "production", "--for", "10m", "--seed", seed, "--force", "--out", "parquet:d/"];
    let begin = std::time::Instant::now();
    let mut digests = Vec::new();
    for seed in ["1", "2"] {
        assert_eq!(reenact(dir.path(), &run(seed)).status, 0);
        digests.push(whole_dataset(&place).unwrap());
    }
    let length = begin.elapsed() / 2;
    let (replaced, mut before) = (Cell::new(0), digests[1].clone());
    // The kills reach a little past the duration of a run, so that some fall into the moment at which names change.
    // If the machine became slower meanwhile, they continue until one run has reached its end.
    for moment in (0..1_000).take_while(|moment| *moment < 100 || replaced.get() == 0) {
        killed_after(dir.path(), &run(["1", "2"][moment % 2]), length * moment as u32 / 60);
        let now = whole_dataset(&place).expect("the old dataset stays until the new one is complete");
        assert!(digests.contains(&now), "killed after {moment}/60 of a run");
        replaced.set(replaced.get() + usize::from(now != before));
        before = now;
    }
    assert!(replaced.get() > 0, "no run reached its end");
    assert_eq!(reenact(dir.path(), &run("1")).status, 0);
    assert_eq!(files_in(dir.path()), ["d"]);
    // The same without an earlier dataset.
    std::fs::remove_dir_all(&place).unwrap();
    for moment in 0..20 {
        killed_after(dir.path(), &run("1"), length * moment / 16);
        assert!(whole_dataset(&place).is_none_or(|digest| digest == digests[0]));
        if place.exists() {
            std::fs::remove_dir_all(&place).unwrap();
        }
    }
    assert_eq!(reenact(dir.path(), &run("1")).status, 0);
    assert_eq!(files_in(dir.path()), ["d"]);
}

/// The moment of the replacement is too short for a kill, so this test checks continuously that the dataset exists.
#[test]
fn a_replaced_dataset_is_never_missing() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("d");
    let run = ["run", "dev", "--for", "10s", "--force", "--out", "parquet:d/"];
    assert_eq!(reenact(dir.path(), &run).status, 0);
    for round in 0..20 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
            .args(run)
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            for _ in 0..100 {
                assert!(place.is_dir(), "round {round}: neither the old nor the new dataset exists");
            }
        }
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn leftovers_of_a_killed_run_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    for out in ["ndjson:x", "ndjson:x/"] {
        for is_directory in [true, false] {
            let left = dir.path().join(".x.reenact-partial");
            match is_directory {
                true => std::fs::create_dir_all(left.join("server_metric")).unwrap(),
                false => std::fs::write(&left, "half a li").unwrap(),
            }
            let ended = reenact(dir.path(), &["run", "dev", "--no-labels", "--force", "--out", out]);
            assert_eq!(ended.status, 0, "{}", ended.stderr);
            let expected = if out.ends_with('/') { &["x"][..] } else { &["x", "x.manifest.json"] };
            assert_eq!(files_in(dir.path()), expected, "{out}");
        }
        match out.ends_with('/') {
            true => std::fs::remove_dir_all(dir.path().join("x")).unwrap(),
            false => ["x", "x.manifest.json"].iter().for_each(|name| {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }),
        }
    }
}

/// On file systems that cannot exchange two names, reenact moves the old dataset aside for a moment.
#[test]
fn a_dataset_that_a_killed_run_moved_aside_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--out", "ndjson:d/"];
    assert_eq!(reenact(dir.path(), &run).status, 0);
    std::fs::rename(dir.path().join("d"), dir.path().join(".d.reenact-old")).unwrap();
    let ended = reenact(dir.path(), &run);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.starts_with("error: `d` already exists"), "{}", ended.stderr);
    assert_eq!(files_in(dir.path()), ["d"]);
    std::fs::create_dir(dir.path().join(".d.reenact-old")).unwrap();
    assert_eq!(reenact(dir.path(), &[&run[..], &["--force"]].concat()).status, 0);
    assert_eq!(files_in(dir.path()), ["d"]);
}

#[test]
fn two_runs_never_write_one_output() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .args(["run", "production", "--for", "10000h", "--out", "ndjson:d/"])
        .current_dir(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !dir.path().join(".d.reenact-partial/records.ndjson").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = reenact(dir.path(), &["run", "dev", "--out", "ndjson:d/"]);
    assert_eq!(ended.status, 2);
    assert_eq!(
        ended.stderr,
        "error: another run is writing `d`\n  = help: wait until it ends, or choose another path\n"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(reenact(dir.path(), &["run", "dev", "--out", "ndjson:d/"]).status, 0);
    assert_eq!(files_in(dir.path()), ["d"]);
}

#[test]
fn a_dataset_with_foreign_files_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--for", "4s", "--force", "--out", "parquet:d/"];
    assert_eq!(reenact(dir.path(), &run).status, 0);
    for foreign in ["notes.md", "labels.reviewed.csv", "server_metric/notes.md", "server_metric/part-1/x"] {
        let path = dir.path().join("d").join(foreign);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let ended = reenact(dir.path(), &run);
        assert_eq!(ended.status, 2, "{foreign}");
        assert!(ended.stderr.contains("`d` is not replaced, even with `--force`"), "{}", ended.stderr);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert_eq!(files_in(dir.path()), ["d"]);
        std::fs::remove_file(&path).unwrap();
        let _ = std::fs::remove_dir(path.parent().unwrap());
    }
    assert_eq!(reenact(dir.path(), &run).status, 0);
}

/// The first run writes and the others report that. The dataset is complete in the end.
#[test]
fn concurrent_runs_into_one_dataset_leave_a_complete_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let mut ended = Vec::new();
    for round in 0..10 {
        let runs: Vec<_> = (0..4)
            .map(|seed| {
                Command::new(env!("CARGO_BIN_EXE_reenact"))
                    .args(["run", "dev", "--for", "20s", "--force", "--out", "ndjson:d/", "--seed"])
                    .arg((round * 4 + seed).to_string())
                    .current_dir(dir.path())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        ended.extend(runs.into_iter().map(|run| Ended::of(run.wait_with_output().unwrap())));
        assert!(whole_dataset(&dir.path().join("d")).is_some());
    }
    assert!(ended.iter().any(|run| run.status == 0));
    for run in ended.iter().filter(|run| run.status != 0) {
        assert_eq!(
            (run.status, run.stderr.starts_with("error: another run is writing `d`")),
            (2, true),
            "{}",
            run.stderr
        );
    }
    assert_eq!(files_in(dir.path()), ["d"]);
}
