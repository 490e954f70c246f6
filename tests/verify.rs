//! `verify` and `lock`: what they look at, what they say, and that no lock is lost.

use crate::command_line::{files_in, reenact};
use crate::differences::SCENARIO;
use crate::lock_edits::forge;

/// The scenario is changed under its lock: `verify` names incident, series and hour.
#[test]
fn verify_names_incident_series_and_hour() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    for (old, new, told) in [
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
            &["incident slow: is gone"],
        ),
    ] {
        let text = SCENARIO.replace(old, new);
        assert_ne!(text, SCENARIO);
        std::fs::write(dir.join("s.yaml"), text).unwrap();
        let ended = reenact(dir, &["verify", "--junit", "report.xml"]);
        assert_eq!(ended.status, 1, "{new}: {}", ended.stderr);
        let report = std::fs::read_to_string(dir.join("report.xml")).unwrap();
        assert!(report.contains("failures=\"1\"") && report.contains("name=\"s.yaml\""), "{report}");
        for words in told {
            assert!(ended.stderr.contains(words), "{new}: no `{words}` in\n{}", ended.stderr);
            assert!(report.contains(words), "{new}: {report}");
        }
        assert!(ended.stderr.contains("`reenact run s.yaml --out parquet:now/`"), "{}", ended.stderr);
    }
}

/// The last digit of a digest, made another one.
fn other(digest: &mut String) {
    let last = digest.pop();
    digest.push(if last == Some('0') { '1' } else { '0' });
}

#[test]
fn another_epoch_is_named_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    forge(dir, |entry| entry.epoch = 7);
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.starts_with("s.yaml: another epoch: locked under 7, and this program"),
        "{}",
        ended.stderr
    );
}

#[test]
fn quick_trusts_digests_of_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    // Another stream or other labels under the same scenario: only rendering can show it.
    forge(dir, |entry| other(&mut entry.stream));
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 0);
    assert_eq!(reenact(dir, &["verify"]).status, 1);
    std::fs::write(dir.join("s.lock"), &lock).unwrap();
    forge(dir, |entry| other(&mut entry.labels));
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("the digest of the labels is another one"), "{}", ended.stderr);
    // A changed scenario is rendered with `--quick` too.
    std::fs::write(dir.join("s.lock"), &lock).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("seed: 4", "seed: 5")).unwrap();
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 1);
    // So is one that is written in other words and gives the same.
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("use: dev", "use: dev\nabout: the same")).unwrap();
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 0);
    assert_eq!(reenact(dir, &["verify"]).status, 0);
    let full = reenact(dir, &["verify", "--full"]);
    assert_eq!(full.status, 1);
    assert!(full.stderr.contains("the scenario is another one, and gives the same"), "{}", full.stderr);
}

#[test]
fn verify_looks_at_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["a/b", "target", ".hidden"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join("s.yaml"), SCENARIO).unwrap();
        assert_eq!(reenact(dir, &["lock", &format!("{folder}/s.yaml")]).status, 0);
    }
    // Not hidden folders, not `target`.
    let said = |arguments: &[&str]| {
        let ended = reenact(dir, arguments);
        (ended.status, ended.stderr)
    };
    assert_eq!(said(&["verify"]), (0, "1 scenario unchanged\n".into()));
    assert_eq!(
        said(&["verify", "a/b/s.yaml", "target", ".hidden/s.lock"]),
        (0, "3 scenarios unchanged\n".into())
    );
    // All are looked at, and what can't be read is named.
    std::fs::write(dir.join("a/b/s.yaml"), SCENARIO.replace("srv-002", "srv-009")).unwrap();
    let (status, words) = said(&["verify", "a", "target", "--junit", "r.xml"]);
    assert_eq!(status, 2);
    assert!(words.ends_with("1 scenario unchanged, 1 unreadable\n"), "{words}");
    assert!(std::fs::read_to_string(dir.join("r.xml")).unwrap().contains("no server is called"));
    assert_eq!(said(&["verify", "nowhere"]).0, 2);
    assert_eq!(said(&["verify", "nowhere.yaml"]).0, 2);
}

#[test]
fn what_a_lock_lacks_is_named_and_the_others_are_verified_all_the_same() {
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
        "cannot read `a/s.lock`: a merge left a conflict at line 9\n  = help: resolve the scenario, then renew the entries of both sides: `reenact lock a/s.yaml`",
        "`b/s.lock` has version 3, and this program reads 2\n  = help: use a version of reenact",
        "`c/s.lock` has no scenario: neither `c/s.yaml` nor `c/s.yml` exists\n  = help: bring it back, or",
        "1 scenario unchanged, 1 with the scenario gone, 2 unreadable",
    ] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
    assert!(std::fs::read_to_string(dir.join("r.xml")).unwrap().contains("tests=\"4\" failures=\"3\""));
    // A report is not written over what is none.
    let ended = reenact(dir, &["verify", "d", "--junit", "d/s.yaml"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(dir.join("d/s.yaml")).unwrap(), SCENARIO);
    let ended = reenact(dir, &["verify", "d", "--junit", "-"]);
    assert!(ended.stdout.starts_with("<?xml") && ended.status == 0, "{}", ended.stderr);
}

#[test]
fn locks_that_are_renewed_at_once_lose_no_entry_and_names_may_be_odd() {
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
    // Entries of one lock, too.
    running.extend(["1", "2", "3"].map(|seed| start("a.yaml", &["--seed", seed])));
    for mut program in running {
        assert!(program.wait().unwrap().success());
    }
    let ended = reenact(dir.path(), &["verify"]);
    assert_eq!((ended.status, &*ended.stderr), (0, "7 scenarios unchanged (3 under flags)\n"));
    assert_eq!(files_in(dir.path()).len(), 8);
}

/// Above two thousand of either, a line for each entity and for each kind.
#[test]
fn a_lock_of_many_series_or_incidents_stays_short_and_still_names_what_differs() {
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
    let told = |line: &str| assert!(lock.contains(line), "no `{line}` in the lock");
    told("\"srv-150\" = { rows = 2, digest = \"");
    told("\"cpu_spike\" = { incidents = 2250, digest = \"");
    assert!(lock.lines().count() < 400 && !lock.contains("srv-150/cpu_usage_percent"));
    assert_eq!(reenact(dir, &["verify"]).status, 0);
    std::fs::write(dir.join("fleet.yaml"), fleet.replace("use", "seed: 99\nuse")).unwrap();
    std::fs::write(dir.join("often.yaml"), often.replace("severity: 1", "severity: 2")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    for words in ["series api-gateway-1: other values", "incident kind cpu_spike: other labels"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}
