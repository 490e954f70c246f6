//! Output for terminals: it contains no control sequences from untrusted text, and no password.

use std::path::Path;

use crate::command_line::{Ended, reenact, stdout_of};

/// Clears the screen (as an escape sequence and as one C1 character), sets a title, and switches to right-to-left text.
const ATTACK: &str = "\u{1b}[2J\u{9b}2J\u{1b}]0;x\u{7}\u{202e}";

/// The escaped form of its first sequence.
const SHOWN: &str = "\\u{1b}[2J";

/// Panics if the output contains a control sequence other than a colour.
fn assert_safe(ended: &Ended, what: &str) {
    for text in [&ended.stdout, &ended.stderr] {
        let mut rest = text.as_str();
        while let Some(at) = rest.find(|c: char| {
            (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}')
        }) {
            let end =
                rest[at..].find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |end| at + end + 1);
            let sequence = &rest[at..end];
            let is_colour = sequence.strip_prefix("\u{1b}[").and_then(|rest| rest.strip_suffix('m'));
            let is_colour = is_colour.is_some_and(|it| it.chars().all(|c| c.is_ascii_digit() || c == ';'));
            assert!(is_colour, "{what}: {sequence:?} in {text:?}");
            rest = &rest[end..];
        }
    }
}

/// Runs the program and checks that its output is safe.
fn check(folder: &Path, arguments: &[&str]) -> Ended {
    let ended = reenact(folder, &[arguments, &["--color", "always"]].concat());
    assert_safe(&ended, &format!("{arguments:?}"));
    ended
}

/// Runs the program and checks that its output is safe and shows the attack in escaped form.
fn check_shown(folder: &Path, arguments: &[&str]) {
    let ended = check(folder, arguments);
    let is_shown = [&ended.stdout, &ended.stderr].iter().any(|text| text.contains(SHOWN));
    assert!(is_shown, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
}

#[test]
fn text_of_a_scenario_is_escaped_for_terminals() {
    let dir = tempfile::tempdir().unwrap();
    let quoted = "\\e[2J\\x9b2J\\e]0;x\\a\\u202e";
    let scenario = |name: &str, more: &str| {
        std::fs::write(dir.path().join(name), format!("scenario: 1\nuse: dev\n{more}\n")).unwrap();
    };
    scenario("named.yaml", &format!("name: \"{quoted}\"\nabout: \"{quoted}\""));
    scenario("vars.yaml", &format!("vars: {{\"a{quoted}\": 3}}\nseed: ${{a}}"));
    scenario(
        "kind.yaml",
        &format!("anomalies: [{{id: x, kind: \"{quoted}\", target: srv-001, at: 1m, for: 1m}}]"),
    );
    scenario(
        "target.yaml",
        &format!("anomalies: [{{id: x, kind: cpu_spike, target: \"{quoted}\", at: 1m, for: 1m}}]"),
    );
    scenario("key.yaml", &format!("\"{quoted}\": 1"));
    scenario("use.yaml", &format!("anomalies: []\nuse: \"{quoted}\""));
    // YAML allows these characters outside of quotes.
    scenario("raw.yaml", "name: [\u{85}] # \u{202e}");
    check_shown(dir.path(), &["plan", "named.yaml"]);
    check(dir.path(), &["plan", "named.yaml", "--json"]);
    for name in ["vars.yaml", "kind.yaml", "target.yaml", "key.yaml"] {
        check_shown(dir.path(), &["check", name]);
        check_shown(dir.path(), &["check", name, "--format", "github"]);
        check(dir.path(), &["check", name, "--json"]);
        check(dir.path(), &["run", name]);
    }
    for name in ["use.yaml", "raw.yaml"] {
        check(dir.path(), &["check", name]);
    }
    check_shown(dir.path(), &["plan", "dev", "--set", &format!("{ATTACK}=1")]);
    check_shown(dir.path(), &["run", "dev", "--without", ATTACK]);
    check_shown(dir.path(), &["run", ATTACK]);
    check_shown(dir.path(), &["run", "dev", "--out", &format!("ndjson:{ATTACK}/x/y.ndjson")]);
    check(dir.path(), &["run", "dev", "--for", "2s", "--out", &format!("ndjson:{ATTACK}.ndjson")]);
    // clap omits a part of the text.
    check(dir.path(), &["run", "dev", &format!("--{ATTACK}")]);
}

#[test]
fn text_of_a_recording_is_escaped_for_terminals() {
    let dir = tempfile::tempdir().unwrap();
    let within = |name: &str| dir.path().join(name);
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--shard", "1/2", "--out", "ndjson:d/"]);
    stdout_of(dir.path(), &["run", "dev", "--for", "1m", "--shard", "2/2", "--out", "ndjson:e/"]);
    let manifest = std::fs::read_to_string(within("d/manifest.json")).unwrap();
    let quoted = serde_json::to_string(ATTACK).unwrap();
    let with = |old: &str, new: &str| {
        assert!(manifest.contains(old), "{old}");
        std::fs::write(within("d/manifest.json"), manifest.replace(old, new)).unwrap();
    };
    with("\"without\": []", &format!("\"without\": [{quoted}]"));
    check_shown(dir.path(), &["run", "d/"]);
    with("\"path\": \"records.ndjson\"", &format!("\"path\": {quoted}"));
    check_shown(dir.path(), &["replay", "d/", "--max-speed"]);
    with("\"format\": 1", &format!("{quoted}: 1, \"format\": {quoted}"));
    check(dir.path(), &["replay", "d/", "--max-speed"]);
    with("\"shard\": \"1/2\"", &format!("\"shard\": {quoted}"));
    check(dir.path(), &["replay", "d/", "e/", "--max-speed"]);
    check_shown(dir.path(), &["run", "d/"]);
    std::fs::write(within("x.ndjson"), format!("{{\"{ATTACK}\": 1}}\n")).unwrap();
    check(dir.path(), &["replay", "x.ndjson"]);
    check_shown(dir.path(), &["replay", ATTACK]);
    check_shown(dir.path(), &["replay", "e/", "--only", ATTACK]);
    check_shown(dir.path(), &["diff", "e/", ATTACK]);
    check_shown(dir.path(), &["export", ATTACK, "--as", "nab", "out/"]);
}

#[cfg(feature = "kafka")]
#[test]
fn a_password_is_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.json"), "{\"sasl.password\":\"SECRET==\"}\n").unwrap();
    std::fs::write(dir.path().join("c.yaml"), "sasl.password: SECRET=\n").unwrap();
    let topic = "kafka:127.0.0.1:1/t";
    for arguments in [
        &["run", "dev", "-X", "sasl.password: SECRET", "--out", topic][..],
        &["run", "dev", "-X", "sasl.password: SECRET=", "--out", topic],
        &["run", "dev", "-X", "sasl.password:", "SECRET", "--out", topic],
        &["run", "-X", "sasl.password:", "SECRET", "--out", topic],
        &["run", "dev", "-Xsasl.password:SECRET", "--out", topic],
        &["run", "dev", "--kafka-config", "c.json", "--out", topic],
        &["run", "dev", "--kafka-config", "c.yaml", "--out", topic],
        &["run", "dev", "--out", "kafka:user:SECRET@127.0.0.1/t"],
        &["run", "dev", "--out", "kafka:user:SECRET@127.0.0.1:1/t"],
        &["run", "dev", "--out", "kafka:user:x/SECRET@127.0.0.1:1"],
        &["run", "dev", "--out", "user:SECRET@127.0.0.1:9092/t"],
        &["run", "dev", "--out=kafka://user:SECRET@127.0.0.1:1/t"],
        &["run", "dev", "kafka:user:SECRET@127.0.0.1:1/t"],
        &["run", "kafka:user:SECRET@127.0.0.1:1/t"],
        &["run", "dev", "-X", "bootstrap.servers=user:SECRET@127.0.0.1:1", "--out", "kafka:/t"],
        &["run", "dev", "--kafka-servers", "user:SECRET@127.0.0.1:1"],
        &["replay", "x.ndjson", "-X", "sasl.password:", "SECRET", "--out", topic],
        &["replay", "x.ndjson", "kafka:user:SECRET@127.0.0.1:1/t"],
    ] {
        for more in [&[][..], &["--json"]] {
            let ended = reenact(dir.path(), &[arguments, more].concat());
            assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
            assert!(
                !(ended.stdout.clone() + &ended.stderr).contains("SECRET"),
                "{arguments:?}: {}",
                ended.stderr
            );
        }
    }
}
