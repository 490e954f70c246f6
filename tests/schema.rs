//! The JSON Schema for editors agrees with the reader of scenarios. An independent validator checks it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reenact::scenario::{Form, Mapping, Need, PRESETS, SCENARIO, Scenario, schema};

use crate::formats::python;

/// Returns the error that the validator reports for each text, or `None` if Python is not installed.
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn judged(texts: &[String]) -> Option<Vec<Option<String>>> {
    let Some(python) = python() else {
        eprintln!("left out: there is no target/python (scripts/test makes it)");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("schema.json");
    std::fs::write(&path, schema().to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/schema.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let cases = serde_json::to_string(texts).unwrap();
    child.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn yaml_files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_key_has_a_description_in_the_schema() {
    fn visit(schema: &serde_json::Value, wrong: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(map) => {
                for (key, property) in
                    map.get("properties").and_then(|it| it.as_object()).into_iter().flatten()
                {
                    // Kinds are described by `reenact kinds`.
                    let is_kind = reenact::kinds::named(key).is_some();
                    let with = property.get("description").is_none() && !is_kind;
                    wrong.extend(with.then(|| key.clone()));
                }
                map.values().for_each(|value| visit(value, wrong));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| visit(item, wrong)),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    visit(&schema(), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_schema_accepts_every_preset_and_example() {
    let mut texts: Vec<String> = PRESETS.iter().map(|(_, text)| text.to_string()).collect();
    texts.extend(yaml_files("scenarios/examples").into_iter().map(|(_, text)| text));
    texts.push(crate::common::BUSY.into());
    let Some(judged) = judged(&texts) else { return };
    for (text, judged) in texts.iter().zip(judged) {
        assert_eq!(judged, None, "{text}");
    }
}

/// Broken scenarios whose mistake a schema cannot express: it depends on several values, or on the fleet.
const NOT_IN_SCHEMA: &[&str] = &[
    "after-the-end",
    "before-the-start",
    "beyond-capacity",
    "circle-of-calls",
    "duplicate-key",
    "everybody",
    "flood",
    "in-the-clean-part",
    "long-ramps",
    "lost-pool",
    "no-demand",
    "no-match",
    "no-such-pool",
    "other-epoch",
    "picks-too-many",
    "pool-as-target",
    "slow-service",
    "too-many-instances",
    "two-equal-ids",
    "unknown-server",
    "unknown-variable",
    "unknown-zone",
    "uses-itself",
    "variable-like-a-key",
    "wild-jitter",
    "wrong-entity",
];

#[test]
fn the_schema_refuses_broken_scenarios_that_it_can_detect() {
    let files = yaml_files("tests/broken");
    let texts: Vec<String> = files.iter().map(|(_, text)| text.clone()).collect();
    let Some(judged) = judged(&texts) else { return };
    let accepted: Vec<String> = files
        .iter()
        .zip(judged)
        .filter(|(_, judged)| judged.is_none())
        .map(|((path, _), _)| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(accepted, NOT_IN_SCHEMA);
}

/// Valid values of every form, and invalid values.
const PROBES: &[&str] = &[
    "1",
    "0",
    "-1",
    "0.5",
    "101",
    "1.5",
    "a text",
    "90s",
    "0s",
    "-5s",
    "1h30m",
    "14h",
    "5%",
    "150%",
    "2/day",
    "120/s",
    "128GB",
    "10Gbps",
    "80MB/s",
    "420W",
    "21C",
    "+9C",
    "low",
    "true",
    "[]",
    "{}",
    "[dev]",
    "[cpu_spike]",
    "{a: 1}",
    "{cpu_spike: 2}",
    "null",
    "\"2026-01-05T00:00:00Z\"",
    "until-end",
    "all",
    "dev",
    "./base.yaml",
    "cpu_spike",
    "CPU_SPIKE",
    "\"${x}\"",
    "srv-001",
    "\"srv-*\"",
    "Europe/Paris",
    "R01",
    "[[1]]",
    "6",
    "1.5GB/h",
    "500ms",
    "2.5d",
];

/// Returns a scenario with a key of a mapping, whose value is the placeholder `HERE`, and with the other keys that the
/// mapping requires.
fn around(mapping: &Mapping, key: &str) -> String {
    let clock = "clock: {start: \"2026-01-05T00:00:00Z\", run: 30d, step: 60s}";
    let anomaly = |except: &str, more: &str| {
        let keys = [("kind", "cpu_spike"), ("target", "srv-001"), ("at", "1h"), ("for", "10m")];
        let keys: Vec<String> = keys
            .iter()
            .filter(|(name, _)| *name != except)
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("anomalies: [{{{}, {more}}}]", keys.join(", "))
    };
    let pool = if key == "count" { "" } else { "count: 2, " };
    let inside = match mapping.what {
        "a scenario" if key == "scenario" => return format!("use: dev\n{key}: HERE\n"),
        "a scenario" => {
            return format!("scenario: 1\n{}{key}: HERE\n", if key == "use" { "" } else { "use: dev\n" });
        }
        "`clock`" => return format!("scenario: 1\nuse: dev\nclock: {{{key}: HERE}}\n"),
        "`fleet`" => return format!("scenario: 1\nuse: dev\nfleet: {{{key}: HERE}}\n"),
        "a zone" => format!("fleet: {{servers: 3, zones: {{north: {{{key}: HERE}}}}}}"),
        "a pool of servers" => format!("fleet: {{servers: {{web: {{{pool}{key}: HERE}}}}}}"),
        "`disk`" => format!("fleet: {{servers: {{web: {{count: 2, disk: {{{key}: HERE}}}}}}}}"),
        "`power`" => format!("fleet: {{servers: {{web: {{count: 2, power: {{{key}: HERE}}}}}}}}"),
        "a service" => format!(
            "fleet: {{servers: 3, services: {{a: {{rate: 5/s}}, b: {{{}{key}: HERE}}}}}}",
            if key == "rate" { "" } else { "rate: 5/s, " }
        ),
        "`load`" => format!("fleet: {{servers: 3}}\nload: {{{key}: HERE}}"),
        "an anomaly" => format!("fleet: {{servers: 3}}\n{}", anomaly(key, &format!("{key}: HERE"))),
        "a target" => format!(
            "fleet: {{servers: 3}}\n{}",
            anomaly(
                "target",
                &format!("target: {{{}{key}: HERE}}", if key == "pool" { "" } else { "pool: srv, " })
            )
        ),
        "`ramp`" => format!("fleet: {{servers: 3}}\n{}", anomaly("", &format!("ramp: {{{key}: HERE}}"))),
        "`background`" => {
            let other = if ["share", "rate"].contains(&key) { "" } else { "share: 0.1%, " };
            format!("fleet: {{servers: 3}}\nbackground: {{{other}{key}: HERE}}")
        }
        "`for` of `background`" => {
            let keys = [("p10", "1m"), ("p50", "90s"), ("p90", "1h30m")];
            let keys: Vec<String> = keys
                .iter()
                .filter(|(name, _)| *name != key)
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            format!(
                "fleet: {{servers: 3}}\nbackground: {{share: 0.1%, for: {{{}, {key}: HERE}}}}",
                keys.join(", ")
            )
        }
        "`severity` of `background`" => {
            format!("fleet: {{servers: 3}}\nbackground: {{share: 0.1%, severity: {{{key}: HERE}}}}")
        }
        "`expect`" => format!("fleet: {{servers: 3}}\nexpect: {{{key}: HERE}}"),
        other => panic!("this test does not know the mapping {other}"),
    };
    format!("scenario: 1\n{clock}\n{inside}\n")
}

/// Returns all mappings of the language.
pub fn mappings() -> Vec<&'static Mapping> {
    fn visit(form: &'static Form, found: &mut Vec<&'static Mapping>) {
        match form {
            Form::Map(mapping) => {
                found.push(mapping);
                mapping.keys.iter().for_each(|key| visit(&key.form, found));
            }
            Form::Named(form) | Form::List(form) | Form::Several(form) | Form::ByKind(form) => {
                visit(form, found)
            }
            Form::Either(forms) => forms.iter().for_each(|form| visit(form, found)),
            _ => {}
        }
    }
    let mut found = vec![&SCENARIO];
    SCENARIO.keys.iter().for_each(|key| visit(&key.form, &mut found));
    found
}

#[test]
fn schema_and_reader_agree_on_every_key() {
    let mut cases = Vec::new();
    for mapping in mappings() {
        for key in mapping.keys.iter().filter(|key| key.need != Need::NotYet) {
            cases.extend(PROBES.iter().map(|probe| around(mapping, key.name).replace("HERE", probe)));
            cases.push(around(mapping, "nonsense").replace("HERE", "1"));
        }
    }
    let Some(judged) = judged(&cases) else { return };
    let mut wrong = Vec::new();
    for (text, judged) in cases.iter().zip(judged) {
        let planned = Scenario::read("s.yaml", text).plan();
        let errors = planned.as_ref().map_or_else(ToString::to_string, |_| String::new());
        // Errors that depend on nothing else in the file.
        let by_form = [
            "error: expected ",
            " has no key ",
            " requires the key `",
            "must be a mapping of keys to values",
            " must be a list",
            "must be a number",
        ];
        match (errors.is_empty(), &judged) {
            (true, Some(refused)) => wrong.push(format!("{text}the schema refuses it: {refused}")),
            // The schema accepts an empty list of files.
            (false, None) if text.contains("use: []") => {}
            (false, None) if by_form.iter().any(|words| errors.contains(words)) => {
                wrong.push(format!("{text}the schema accepts it, and the reader does not:\n{errors}"));
            }
            _ => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(12)].join("\n\n")
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn an_editor_describes_every_key_and_underlines_typing_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let server = root.join("target/editor/node_modules/yaml-language-server/bin/yaml-language-server");
    if !server.exists() {
        eprintln!("left out: there is no target/editor (scripts/test makes it where there is npm)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("reenact.schema.json"), schema().to_string()).unwrap();
    let example = std::fs::read_to_string(root.join("scenarios/examples/leak-under-load.yaml")).unwrap();
    let seen = |name: &str, text: &str| -> serde_json::Value {
        let text = format!("# yaml-language-server: $schema=reenact.schema.json\n{text}");
        std::fs::write(dir.path().join(name), text).unwrap();
        let script = root.join("tests/editor/hover.js");
        let arguments = [script.as_path(), &server, dir.path(), Path::new(name)];
        let output = Command::new("node").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let good = seen("good.yaml", &example);
    assert!(good["keys"].as_u64().unwrap() > 80, "{good}");
    assert_eq!((&good["without"], &good["underlined"]), (&serde_json::json!([]), &serde_json::json!([])));
    let bad = seen("bad.yaml", &example.replace("severity: high", "severty: high"));
    assert!(bad["underlined"].to_string().contains("severty"), "{bad}");
}
