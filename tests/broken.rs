//! Broken scenarios. Each error reports its place and its cause, and following its help fixes the scenario.

use std::path::{Path, PathBuf};

use crate::command_line::{files_in, reenact};

/// A scenario of `tests/broken/`.
struct Broken {
    name: &'static str,
    /// Line and column of the first error.
    place: &'static str,
    /// A part of the message that says what is wrong.
    cause: &'static str,
    /// A part of the message that says what to do.
    remedy: &'static str,
    /// The fix that the help suggests: replace `from` with `to`.
    from: &'static str,
    to: &'static str,
}

const fn broken(
    name: &'static str,
    place: &'static str,
    cause: &'static str,
    remedy: &'static str,
    from: &'static str,
    to: &'static str,
) -> Broken {
    Broken { name, place, cause, remedy, from, to }
}

#[rustfmt::skip]
const BROKEN: &[Broken] = &[
    broken("unknown-key", "4:1", "no key `sede`", "did you mean `seed`?", "sede", "seed"),
    broken("duplicate-key", "4:1", "the key `seed` occurs twice", "keep one of them", "seed: 4\n", ""),
    broken("no-unit", "3:14", "a duration needs a unit", "write `90s` for seconds", "run: 90", "run: 90s"),
    broken("unknown-server", "5:31", "server `srv-02` does not exist", "did you mean `srv-002`?", "srv-02", "srv-002"),
    broken("wrong-entity", "5:31", "`cpu_spike` applies to servers", "`target: {services: user-service, host: true}`",
        "target: user-service", "target: {services: user-service, host: true}"),
    broken("no-match", "5:41", "no server matches `web-*`", "the fleet has srv-001, srv-002, srv-003", "web-*", "srv-*"),
    broken("everybody", "5:31", "without a condition", "`servers: \"*\"`", "{pick: 1}", "{servers: \"*\", pick: 1}"),
    broken("picks-too-many", "5:52", "`pick` is 9", "at most 3", "pick: 9", "pick: 3"),
    broken("no-length", "5:54", "cannot last -5m", "more than 0", "for: -5m", "for: 5m"),
    broken("after-the-end", "5:44", "at or after the end of the run", "use a longer `clock.run`", "run: 2h", "run: 4h"),
    broken("in-the-clean-part", "5:44", "in the clean part", "use a later onset", "at: 30m", "at: 1h30m"),
    broken("long-ramps", "5:64", "the ramps last 6m", "make `up` and `down` shorter", "up: 4m", "up: 2m"),
    broken("wild-jitter", "5:78", "a jitter of 4m is out of range", "between 0s and 2m30s", "jitter: 4m", "jitter: 2m30s"),
    broken("two-equal-ids", "6:10", "two anomalies have the id `hot`", "give each anomaly a different `id`",
        "{id: hot, kind: cpu_spike, target: srv-002", "{id: hotter, kind: cpu_spike, target: srv-002"),
    broken("circle-of-calls", "7:20", "front → back → front", "remove this call", "back: {calls: [front]}", "back: {}"),
    broken("no-such-pool", "6:19", "pool `wbe` does not exist", "did you mean `web`?", "wbe", "web"),
    broken("beyond-capacity", "6:5", "of its 32 cores", "lower its `rate`", "5000/s", "200/s"),
    broken("too-many-instances", "3:31", "60", "write `servers: 5`", "servers: 2", "servers: 5"),
    broken("zero-servers", "3:18", "the number of servers is 0", "at least 1", "servers: 0", "servers: 1"),
    broken("empty-pool", "4:26", "of a pool is 0", "at least 1", "count: 0", "count: 1"),
    broken("over-all", "4:21", "120%", "between 0% and 100%", "120%", "10%"),
    broken("no-demand", "6:5", "no demand reaches `front`", "add `rate: 100/s`", "front: {calls", "front: {rate: 100/s, calls"),
    broken("flood", "7:5", "an instance of `back` would receive", "lower `rate` or `calls`", "9000", "0.5"),
    broken("slow-service", "6:33", "a latency of 20s", "between 1ms and 10s", "20s", "10s"),
    broken("no-severity", "5:68", "a severity of 0", "more than 0", "severity: 0", "severity: 0.5"),
    broken("unknown-preset", "2:6", "preset `dve` does not exist", "did you mean `dev`?", "dve", "dev"),
    broken("unknown-variable", "6:47", "variable `leek_at` does not exist", "did you mean `leak_at`?", "leek_at", "leak_at"),
    broken("bare-variable", "6:", "not valid YAML", "a variable needs quotes", "${leak_at}", "\"${leak_at}\""),
    broken("variable-like-a-key", "4:8", "the name of the key `fleet`", "give it another name", "fleet: 3", "size: 3"),
    broken("unknown-kind", "5:12", "kind `cpu_spikes` does not exist", "did you mean `cpu_spike`?", "cpu_spikes", "cpu_spike"),
    broken("newer-language", "1:11", "is 2", "at most 1", "scenario: 2", "scenario: 1"),
    broken("other-epoch", "4:8", "epoch 5", "`epoch: 0`", "epoch: 5", "epoch: 0"),
    broken("crooked-list", "5:", "not valid YAML", "the same with all `- ` of a list", "   - {id: b", "  - {id: b"),
    broken("crooked-keys", "4:", "not valid YAML", "start all keys of a mapping in the same column", "   step", "  step"),
    broken("no-space", "4:", "not valid YAML", "put a space after the `:`", "run:2h", "run: 2h"),
    broken("colon-in-a-text", "2:", "not valid YAML", "put quotes around a text", "about: a shop: with two", "about: \"a shop: with two\""),
    broken("bare-star", "5:", "not valid YAML", "needs quotes", "target: *", "target: \"*\""),
    broken("mistyped-target", "5:23", "no key `targt`", "did you mean `target`?", "targt", "target"),
    broken("duration", "5:49", "no key `duration`", "did you mean `for`?", "duration", "for"),
    broken("share-and-rate", "3:31", "`rate` cannot be combined with `share`", "remove one of them", ", rate: 1/day", ""),
    broken("two-is-a-share", "3:21", "a share of 200%", "write `2%`", "share: 2}", "share: 2%}"),
    broken("list-of-targets", "5:31", "a target must be one name or glob", "`target: {servers: [", "[srv-001, srv-002]", "{servers: [srv-001, srv-002]}"),
    broken("ramp-of-one", "5:64", "a mapping with `up` and `down`", "`ramp: {up: 1m, down: 1m}`", "ramp: 1m", "ramp: {up: 1m, down: 1m}"),
    broken("pool-as-target", "6:31", "server `web` does not exist", "`target: {pool: web}`", "target: web", "target: {pool: web}"),
    broken("before-the-start", "5:44", "before the start of the run", "the run starts at 2026-01-05T08", "2025-12-31T00", "2026-01-05T09"),
    broken("tabs", "4:", "not valid YAML", "indented with spaces", "\t", "  "),
    broken("uses-itself", "2:12", "in a cycle", "remove `./uses-itself.yaml` here", "[dev, ./uses-itself.yaml]", "dev"),
    broken("unknown-zone", "3:19", "time zone `Europe/Pariss` does not exist", "did you mean `Europe/Paris`?", "Pariss", "Paris"),
    broken("lost-pool", "4:12", "pool `web` does not exist", "write `services:` too",
        "count: 4}}", "count: 4}}\n  services: {front: {rate: 20/s}}"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// Checks the errors of a broken scenario, applies the suggested fix and checks the result. Returns the first failure.
fn judge(Broken { name, place, cause, remedy, from, to }: &Broken) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("./{name}.yaml");
    let text = std::fs::read_to_string(folder().join(&file)).unwrap();
    std::fs::write(dir.path().join(&file), &text).unwrap();
    std::fs::write(dir.path().join("base.yaml"), include_str!("broken/parts/base.yaml")).unwrap();
    let broken = reenact(dir.path(), &["check", &file]);
    if broken.status != 2 {
        return Err(format!("{name} ends with {}:\n{}", broken.status, broken.stderr));
    }
    let at = format!("--> {file}:{place}");
    if let Some(words) = [at.as_str(), cause, remedy].iter().find(|words| !broken.stderr.contains(**words)) {
        return Err(format!("{name} does not say `{words}`:\n{}", broken.stderr));
    }
    if !text.contains(from) {
        return Err(format!("{name} has no `{from}`"));
    }
    std::fs::write(dir.path().join(&file), text.replacen(from, to, 1)).unwrap();
    let fixed = reenact(dir.path(), &["check", &file]);
    (fixed.status == 0).then_some(()).ok_or_else(|| format!("{name} is not fixed:\n{}", fixed.stderr))
}

#[test]
fn following_the_help_fixes_every_broken_scenario() {
    let wrong: Vec<String> = BROKEN.iter().filter_map(|broken| judge(broken).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_broken_scenario_is_in_the_list() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut listed: Vec<String> = BROKEN.iter().map(|broken| broken.name.to_string()).collect();
    listed.sort();
    assert_eq!(files, listed);
}

/// Ten broken scenarios: what is wrong, the text, and the place of the first error.
const TEN: [(&str, &str, &str); 10] = [
    ("an unknown key", "scenario: 1\nuse: dev\nsede: 7\n", "3:1"),
    ("a key that is not implemented yet", "scenario: 1\nuse: dev\ndelivery: {drop: 1%}\n", "3:1"),
    ("a duration without a unit", "scenario: 1\nuse: dev\nclock: {run: 90}\n", "3:14"),
    (
        "an unknown server",
        "scenario: 1\nuse: dev\nanomalies:\n  - {kind: cpu_spike, target: srv-012, at: 1m, for: 1m}\n",
        "4:31",
    ),
    (
        "an onset after the end",
        "scenario: 1\nuse: dev\nanomalies:\n  - {kind: cpu_spike, target: srv-001, at: 1h, for: 1m}\n",
        "4:44",
    ),
    (
        "two equal ids",
        "scenario: 1\nuse: dev\nanomalies:\n  - {id: a, kind: cpu_spike, target: srv-001, at: 1m, for: 1m}\n  - {id: a, kind: cpu_spike, target: srv-002, at: 1m, for: 1m}\n",
        "5:10",
    ),
    (
        "a circle of calls",
        "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}\nfleet:\n  servers: 2\n  services: {a: {rate: 1/s, calls: [b]}, b: {calls: [a]}}\n",
        "5:54",
    ),
    (
        "too much for a host",
        "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}\nfleet:\n  servers: 1\n  services: {a: {rate: 5000/s}}\n",
        "5:14",
    ),
    (
        "a kind on the wrong type of entity",
        "scenario: 1\nuse: dev\nanomalies:\n  - {kind: cpu_spike, target: api-gateway, at: 1m, for: 1m}\n",
        "4:31",
    ),
    ("text that is not YAML", "scenario: 1\nuse: [dev\nseed: 7\n", "3:"),
];

#[test]
fn broken_scenarios_report_their_place_and_write_nothing() {
    for (what, yaml, place) in TEN {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s.yaml"), yaml).unwrap();
        let out =
            ["run", "./s.yaml", "--out", "ndjson:out/", "--out", "parquet:pq/", "--out", "ndjson:x.ndjson"];
        let ended = reenact(dir.path(), &out);
        assert_eq!(ended.status, 2, "{what}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("--> ./s.yaml:{place}")), "{what}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), ["s.yaml"], "{what}");
        assert_eq!(ended.stdout, "", "{what}");
        let checked = reenact(dir.path(), &["check", "./s.yaml"]);
        assert_eq!(checked.status, 2, "{what}");
    }
}
