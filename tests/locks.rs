//! A lock detects one flipped digit in its scenario. The project's own scenarios match their committed digests.

use std::path::Path;

use reenact::run::Run;
use sha2::Digest;

use crate::command_line::{files_in, reenact};
use crate::common::{label_lines, ndjson, plan};

pub const SCENARIO: &str = "\
scenario: 1
seed: 6
use: dev
clock: {start: \"2026-01-05T07:55:00Z\", run: 10m, step: 2s}
anomalies:
  - {id: hot, kind: temperature_high, target: srv-002, at: 2m, for: 5m, severity: 2}
  - {id: slow, kind: latency_spike, target: user-service, at: 125s, for: 3m}
";

pub fn locked(folder: &Path) {
    std::fs::write(folder.join("s.yaml"), SCENARIO).unwrap();
    let ended = reenact(folder, &["lock", "s.yaml"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

/// Returns the text with another digit at `index`.
fn flipped(text: &str, index: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[index] = if bytes[index] == b'9' { b'8' } else { bytes[index] + 1 };
    String::from_utf8(bytes).unwrap()
}

fn digits(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(i, _)| i).collect()
}

#[test]
fn an_unchanged_scenario_verifies_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    locked(dir.path());
    let ended = reenact(dir.path(), &["verify"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, "1 scenario unchanged\n"));
    // Locking again changes nothing. Comments and line endings do not matter.
    let before = std::fs::read(dir.path().join("s.lock")).unwrap();
    std::fs::write(dir.path().join("s.yaml"), format!("# a comment\n{}", SCENARIO.replace('\n', "\r\n")))
        .unwrap();
    assert_eq!(reenact(dir.path(), &["verify"]).status, 0);
    assert_eq!(reenact(dir.path(), &["lock", "s.yaml"]).status, 0);
    assert_eq!(std::fs::read(dir.path().join("s.lock")).unwrap(), before);
}

#[test]
fn one_flipped_digit_in_the_scenario_makes_verify_exit_1() {
    let dir = tempfile::tempdir().unwrap();
    locked(dir.path());
    let (mut different, mut refused) = (0, 0);
    // The version of the language in the first line stays.
    for index in digits(SCENARIO).into_iter().filter(|index| *index > 12) {
        let text = flipped(SCENARIO, index);
        std::fs::write(dir.path().join("s.yaml"), &text).unwrap();
        let ended = reenact(dir.path(), &["verify"]);
        match ended.status {
            1 => different += 1,
            // The scenario is invalid: for example, it names a server or a date that does not exist.
            2 => refused += 1,
            other => panic!("exit {other} for:\n{text}\n{}", ended.stderr),
        }
        assert!(ended.status == 2 || ended.stderr.contains("differs: "), "{}", ended.stderr);
    }
    assert!(different >= 20 && refused <= 12, "{different} different, {refused} refused");
}

#[test]
fn verify_names_the_differences() {
    let dir = tempfile::tempdir().unwrap();
    locked(dir.path());
    std::fs::write(dir.path().join("s.yaml"), SCENARIO.replace("at: 125s", "at: 126s")).unwrap();
    let ended = reenact(dir.path(), &["verify"]);
    assert_eq!(ended.status, 1);
    let found = ended.stderr;
    assert!(found.contains("1 of 2 incidents") && found.contains("incident slow: cause_start "), "{found}");
    // The incident changes the latencies of the service, and no server.
    assert!(
        found.contains("series user-service-1/response_time_p95_ms") && !found.contains("series srv-"),
        "{found}"
    );
    assert!(found.contains("hour 2026-01-05T07") || found.contains("hour 2026-01-05T08"), "{found}");
}

/// `golden/digests.txt`: SHA-256 of the NDJSON bytes of records and of labels, as `sha256sum` writes them.
#[test]
fn this_machine_computes_the_committed_digests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut expected = String::new();
    let mut scenarios: Vec<(String, Run)> = reenact::scenario::PRESETS
        .iter()
        .map(|(name, text)| ((*name).to_string(), plan(text).run()))
        .collect();
    for name in
        files_in(&root.join("scenarios/examples")).iter().filter_map(|name| name.strip_suffix(".yaml"))
    {
        let scenario = reenact::scenario(root.join(format!("scenarios/examples/{name}.yaml"))).unwrap();
        scenarios.push((name.to_string(), scenario.plan().unwrap().run()));
    }
    for (name, run) in scenarios {
        for (what, bytes) in
            [("records", ndjson(&run, 2)), ("labels", label_lines(&run.labels().collect::<Vec<_>>()))]
        {
            let digest: String =
                sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            expected += &format!("{digest}  {name}/{what}.ndjson\n");
        }
    }
    let path = root.join("golden/digests.txt");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, expected,
        "values changed; if this is intended, renew golden/digests.txt with `UPDATE_DOCS=1 cargo test --test promises \
         -- committed_digests`"
    );
}
