//! Events with `--json`: one line of JSON for each event, and errors in the same form.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::{hot_rack, reenact, stdout_of};

/// Parses standard error, which must contain only events.
pub fn events(stderr: &str) -> Vec<Value> {
    let event = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {line}: {error}"))
    };
    stderr.lines().map(event).collect()
}

/// The events of a running program, in the order in which they arrive.
pub struct EventStream(Lines<BufReader<ChildStderr>>);

impl EventStream {
    pub fn of(child: &mut Child) -> EventStream {
        EventStream(BufReader::new(child.stderr.take().unwrap()).lines())
    }

    /// Returns the next event of a kind and skips those before it.
    pub fn next(&mut self, kind: &str) -> Value {
        let mut passed = Vec::new();
        for line in &mut self.0 {
            let event = events(&line.unwrap()).remove(0);
            if event["event"] == kind {
                return event;
            }
            passed.push(event);
        }
        panic!("no `{kind}` after {passed:?}");
    }

    /// Returns the next event.
    pub fn any(&mut self) -> Value {
        events(&self.0.next().expect("another event").unwrap()).remove(0)
    }

    /// Returns the next event, which must be of this kind.
    pub fn only(&mut self, kind: &str) -> Value {
        let event = self.any();
        assert_eq!(event["event"], kind, "{event}");
        event
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}

/// Returns the keys that `docs/json.md` lists in the first table after a text.
pub fn documented(after: &str) -> BTreeSet<String> {
    let page = include_str!("../docs/json.md");
    let rows = page.split(after).nth(1).unwrap().lines().skip_while(|line| !line.starts_with("| `"));
    let rows = rows.take_while(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_string()).collect()
}

#[test]
fn a_run_reports_its_start_first_and_its_end_last() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--for", "10s", "--json"];
    let mut all = BTreeSet::new();
    stdout_of(dir.path(), &["run", "dev", "--for", "10s", "--out", "ndjson:d/"]);
    for (arguments, to_stdout) in [
        (&run[..], true),
        (&["replay", "d", "--max-speed", "--json"], true),
        (&[&run[..], &["--out", "ndjson:x.ndjson"]].concat(), false),
        (&["replay", "d", "--max-speed", "--json", "--out", "ndjson:y.ndjson"], false),
    ] {
        let ended = reenact(dir.path(), arguments);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let events = events(&ended.stderr);
        let [start, end] = [&events[0], &events[events.len() - 1]];
        assert_eq!((&start["event"], &end["event"]), (&"start".into(), &"end".into()), "{}", ended.stderr);
        assert_eq!(start["first_event"], "2026-01-05T08:00:00.000Z");
        assert_eq!(start["run_id"], Value::Null);
        assert_eq!(end["outputs"][0]["rows"], 25);
        match to_stdout {
            true => assert_eq!(ended.stdout.lines().count(), 25),
            false => {
                let mut summary: Value = serde_json::from_str(&ended.stdout).unwrap();
                summary["event"] = "end".into();
                assert_eq!(&summary, end);
            }
        }
        // Every key is documented.
        let outputs = documented("Each of the `outputs`");
        assert_eq!(keys(&end["outputs"][0]), outputs);
        let (mut found, documented) = (keys(end), documented("### `end`"));
        assert!(found.remove("event") && found.is_subset(&documented), "{found:?}");
        all.extend(found);
        let quiet = reenact(dir.path(), &[arguments, &["--force", "--quiet"]].concat());
        assert_eq!(crate::events::events(&quiet.stderr).len(), 1, "{}", quiet.stderr);
    }
    assert_eq!(all, documented("### `end`"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is wall time")]
fn progress_is_reported_at_most_once_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "dev", "--step", "100ms", "--speed", "1", "--json", "--out", "ndjson:x.ndjson"];
    let begun = Instant::now();
    let mut child = crate::pace::begin(dir.path(), &run);
    let mut stream = EventStream::of(&mut child);
    stream.next("start");
    let mut last = stream.next("progress");
    for second in 1..=3 {
        let next = stream.next("progress");
        // Ten ticks leave each second. A busy machine can only delay this.
        assert!(begun.elapsed() >= Duration::from_secs(second), "{last} {next}");
        assert!(next["rows"].as_u64() > last["rows"].as_u64(), "{next}");
        assert!(next["event_time"].as_str() > last["event_time"].as_str(), "{last} {next}");
        assert!(next["lag_ms"].is_u64() && next["acknowledged"].is_null(), "{next}");
        last = next;
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// Runs a command that must fail, and returns its error event.
fn error_of(folder: &Path, arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let ended = reenact(folder, &arguments);
    assert_eq!(ended.status, status, "{arguments:?}: {}", ended.stderr);
    let mut events = events(&ended.stderr);
    let error = events.pop().unwrap_or_else(|| panic!("{arguments:?}: no event"));
    assert_eq!(error["event"], "error", "{arguments:?}: {}", ended.stderr);
    assert_eq!(error["exit_status"], status);
    assert!(!error["message"].as_str().unwrap().is_empty() && error["help"].is_array(), "{error}");
    error
}

#[test]
fn every_verb_reports_errors_as_events() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.yaml"), "scenario: 1\nuse: dev\nsede: 7\n").unwrap();
    stdout_of(dir.path(), &["run", &hot_rack(), "--for", "1m", "--no-labels", "--out", "ndjson:d/"]);
    for arguments in [
        &["run", "bad.yaml"][..],
        &["plan", "bad.yaml"],
        &["lock", "bad.yaml"],
        &["replay", "nowhere"],
        &["verify", "nowhere"],
        &["diff", "d", "nowhere"],
        &["export", "d", "--as", "nab", "nab"],
        &["export", "d", "--as", "nothing", "nab"],
        &["init", "not a name"],
        &["run", "dev", "--speed", "fast"],
        &["run", "dev", "--out", "x"],
        &["nothing"],
        &["run", "dev", "--kafka-servers", "localhost:9092", "--live", "--speed", "2"],
    ] {
        error_of(dir.path(), arguments, 2);
    }
    let scenario = error_of(dir.path(), &["run", "bad.yaml"], 2);
    assert_eq!((&scenario["found"][0]["line"], &scenario["found"][0]["level"]), (&3.into(), &"error".into()));
    let usage = error_of(dir.path(), &["run", "--speeed", "2"], 2);
    assert_eq!(usage["message"], "unexpected argument '--speeed' found");
    let unreachable = error_of(dir.path(), &["run", "dev", "--out", "kafka:127.0.0.1:1/t"], 3);
    assert!(unreachable["message"].as_str().unwrap().contains("no broker answers"), "{unreachable}");
    // If an expectation is not met, a summary follows the error.
    std::fs::write(
        dir.path().join("unmet.yaml"),
        "scenario: 1\nuse: dev\nexpect: {incidents: {memory_leak: 77}}\n",
    )
    .unwrap();
    let ended = reenact(dir.path(), &["run", "unmet.yaml", "--for", "1m", "--json", "--out", "ndjson:u/"]);
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    let events = events(&ended.stderr);
    let [error, end] = &events[events.len() - 2..] else { panic!("{events:?}") };
    assert_eq!((&error["event"], &error["exit_status"]), (&"error".into(), &1.into()), "{}", ended.stderr);
    assert_eq!(end["unmet"][0], error["message"]);
}
