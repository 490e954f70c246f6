//! `verify` and `lock`: which files they read, what they report, and that no lock is lost.

use crate::command_line::{files_in, reenact};
use crate::differences::SCENARIO;
use crate::lock_edits::forge;

/// If a locked scenario changes, `verify` names the incident, the series and the hour.
#[test]
fn verify_names_incident_series_and_hour() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    for (old, new, expected) in [
        (
            "at: 3m, for: 3m",
            "at: 182s, for: 3m",
            &[
                "incident slow: cause_start 07:58:00 → 07:58:02, cause_end 08:01:00 → 08:01:02",
                "series user-service-1/response_time_p95_ms: ",
                "hour 2026-01-05T08: differs",
            ][..],
        ),
        (
            "severity: 2",
            "severity: 2.1",
            &["1 of 2 incidents", "incident hot: snr 2.1", "series srv-002/cpu_temperature_celsius: "],
        ),
        ("seed: 4", "seed: 5", &["2 of 2 hours", "series api-gateway-1/active_connections: min 16 → "]),
        (
            "  - {id: slow, kind: latency_spike, target: user-service, at: 3m, for: 3m}\n",
            "",
            &["incident slow: was removed"],
        ),
    ] {
        let text = SCENARIO.replace(old, new);
        assert_ne!(text, SCENARIO);
        std::fs::write(dir.join("s.yaml"), text).unwrap();
        let ended = reenact(dir, &["verify", "--junit", "report.xml"]);
        assert_eq!(ended.status, 1, "{new}: {}", ended.stderr);
        let report = std::fs::read_to_string(dir.join("report.xml")).unwrap();
        assert!(report.contains("failures=\"1\"") && report.contains("name=\"s.yaml\""), "{report}");
        for words in expected {
            assert!(ended.stderr.contains(words), "{new}: no `{words}` in\n{}", ended.stderr);
            assert!(report.contains(words), "{new}: {report}");
        }
        assert!(ended.stderr.contains("`reenact run s.yaml --out parquet:now/`"), "{}", ended.stderr);
    }
}

/// Changes the last digit of a digest.
fn other(digest: &mut String) {
    let last = digest.pop();
    digest.push(if last == Some('0') { '1' } else { '0' });
}

#[test]
fn verify_reports_another_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    forge(dir, |entry| entry.epoch = 7);
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.starts_with("s.yaml: different epoch: locked under epoch 7, but this version"),
        "{}",
        ended.stderr
    );
}

#[test]
fn verify_quick_trusts_the_digest_of_the_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    // Only rendering can detect other rows or other labels of an unchanged scenario.
    forge(dir, |entry| other(&mut entry.stream));
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 0);
    assert_eq!(reenact(dir, &["verify"]).status, 1);
    std::fs::write(dir.join("s.lock"), &lock).unwrap();
    forge(dir, |entry| other(&mut entry.labels));
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("the digest of the labels differs"), "{}", ended.stderr);
    // A changed scenario is rendered with `--quick` too.
    std::fs::write(dir.join("s.lock"), &lock).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("seed: 4", "seed: 5")).unwrap();
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 1);
    // So is a scenario with another text and the same rows.
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("use: dev", "use: dev\nabout: the same")).unwrap();
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 0);
    assert_eq!(reenact(dir, &["verify"]).status, 0);
    let full = reenact(dir, &["verify", "--full"]);
    assert_eq!(full.status, 1);
    assert!(
        full.stderr.contains("the scenario has changed, but its rows and labels are the same"),
        "{}",
        full.stderr
    );
}

#[test]
fn verify_checks_the_given_files_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["a/b", "target", ".hidden"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join("s.yaml"), SCENARIO).unwrap();
        assert_eq!(reenact(dir, &["lock", &format!("{folder}/s.yaml")]).status, 0);
    }
    // `verify` does not search hidden folders and `target`.
    let verify = |arguments: &[&str]| {
        let ended = reenact(dir, arguments);
        (ended.status, ended.stderr)
    };
    assert_eq!(verify(&["verify"]), (0, "1 scenario unchanged\n".into()));
    assert_eq!(
        verify(&["verify", "a/b/s.yaml", "target", ".hidden/s.lock"]),
        (0, "3 scenarios unchanged\n".into())
    );
    // `verify` checks all scenarios, and names those that cannot be read.
    std::fs::write(dir.join("a/b/s.yaml"), SCENARIO.replace("srv-002", "srv-009")).unwrap();
    let (status, words) = verify(&["verify", "a", "target", "--junit", "r.xml"]);
    assert_eq!(status, 2);
    assert!(words.ends_with("1 scenario unchanged, 1 unreadable\n"), "{words}");
    assert!(std::fs::read_to_string(dir.join("r.xml")).unwrap().contains("server `srv-009` does not exist"));
    assert_eq!(verify(&["verify", "nowhere"]).0, 2);
    assert_eq!(verify(&["verify", "nowhere.yaml"]).0, 2);
}

#[test]
fn a_broken_lock_does_not_stop_verify_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["a", "b", "c", "d"] {
        std::fs::create_dir(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join("s.yaml"), SCENARIO).unwrap();
        assert_eq!(reenact(dir, &["lock", &format!("{folder}/s.yaml")]).status, 0);
    }
    let lock = std::fs::read_to_string(dir.join("a/s.lock")).unwrap();
    std::fs::write(dir.join("a/s.lock"), lock.replace("rows = 1500", "<<<<<<< HEAD\nrows = 1500")).unwrap();
    std::fs::write(dir.join("b/s.lock"), lock.replace("version = 2", "version = 3")).unwrap();
    std::fs::remove_file(dir.join("c/s.yaml")).unwrap();
    let ended = reenact(dir, &["verify", "--junit", "r.xml"]);
    assert_eq!(ended.status, 2);
    for words in [
        "cannot read `a/s.lock`: it contains a merge conflict at line 9\n  = help: resolve conflicts in the scenario, then renew the entries of both sides with `reenact lock a/s.yaml`",
        "`b/s.lock` has version 3, but this version of reenact reads version 2\n  = help: use a version of reenact",
        "`c/s.lock` has no scenario: neither `c/s.yaml` nor `c/s.yml` exists\n  = help: restore the scenario, or",
        "1 scenario unchanged, 1 with a missing scenario, 2 unreadable",
    ] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
    assert!(std::fs::read_to_string(dir.join("r.xml")).unwrap().contains("tests=\"4\" failures=\"3\""));
    // A report does not replace a file that is not a report.
    let ended = reenact(dir, &["verify", "d", "--junit", "d/s.yaml"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(dir.join("d/s.yaml")).unwrap(), SCENARIO);
    let ended = reenact(dir, &["verify", "d", "--junit", "-"]);
    assert!(ended.stdout.starts_with("<?xml") && ended.status == 0, "{}", ended.stderr);
}

#[test]
fn concurrent_renewals_of_locks_lose_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a.yaml", "b c.yaml", "d\"'e.yaml", "f\n.yaml"];
    for name in names {
        std::fs::write(dir.path().join(name), SCENARIO).unwrap();
    }
    let start = |name: &str, flags: &[&str]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_reenact"));
        let program = program.args(["lock", "--quiet"]).arg(format!("./{name}")).args(flags);
        program.current_dir(dir.path()).spawn().unwrap()
    };
    let mut running: Vec<_> = names.iter().map(|name| start(name, &[])).collect();
    // Three of them add entries to the same lock.
    running.extend(["1", "2", "3"].map(|seed| start("a.yaml", &["--seed", seed])));
    for mut program in running {
        assert!(program.wait().unwrap().success());
    }
    let ended = reenact(dir.path(), &["verify"]);
    assert_eq!((ended.status, &*ended.stderr), (0, "7 scenarios unchanged (3 with flags)\n"));
    assert_eq!(files_in(dir.path()).len(), 8);
}

/// A lock with more than two thousand series or incidents has one line for each entity or kind instead.
#[test]
fn a_lock_of_many_series_stays_short() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let fleet =
        "scenario: 1\nuse: production\nclock: {run: 20s, step: 10s}\nfleet: {servers: 150, services: 60}\n";
    let often = "scenario: 1\nuse: dev\nbackground: {share: 0%}\nclock: {run: 75m, step: 30s}\nanomalies:\n  \
                 - {id: often, kind: cpu_spike, target: srv-001, at: 0s, for: 1s, every: 2s, severity: 1}\n";
    for (name, text) in [("fleet.yaml", fleet), ("often.yaml", often)] {
        std::fs::write(dir.join(name), text).unwrap();
        let ended = reenact(dir, &["lock", name]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
    }
    let lock =
        ["fleet.lock", "often.lock"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap()).concat();
    let assert_locked = |line: &str| assert!(lock.contains(line), "no `{line}` in the lock");
    assert_locked("\"srv-150\" = { rows = 2, digest = \"");
    assert_locked("\"cpu_spike\" = { incidents = 2250, digest = \"");
    assert!(lock.lines().count() < 400 && !lock.contains("srv-150/cpu_usage_percent"));
    assert_eq!(reenact(dir, &["verify"]).status, 0);
    std::fs::write(dir.join("fleet.yaml"), fleet.replace("use", "seed: 99\nuse")).unwrap();
    std::fs::write(dir.join("often.yaml"), often.replace("severity: 1", "severity: 2")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    for words in ["series api-gateway-1: different values", "incident kind cpu_spike: different labels"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}
