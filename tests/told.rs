//! Warnings, and messages that were once wrong.

use std::path::Path;
use std::process::Command;

use reenact::scenario::Scenario;

use crate::command_line::{reenact, stdout_of};

/// Returns the warnings or errors for entries on the preset `dev`, which runs for two hours.
fn messages(entries: &[&str]) -> String {
    let entries: String = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    let text = format!("scenario: 1\nuse: dev\nclock: {{run: 2h, step: 1s}}\nanomalies:\n{entries}");
    match Scenario::read("s.yaml", &text).plan() {
        Ok(plan) => plan.warnings().to_string(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn overlap_warnings_name_exactly_the_overlapping_repeats() {
    let often = "id: a, kind: cpu_spike, target: srv-001, at: 1m, for: 2m";
    let once = "id: b, kind: cpu_spike, target: srv-001, for: 3m";
    for (every, at, overlap) in [
        ("30m", "10m", None),
        ("10m", "31m", Some("`a.4` and `b`")),
        ("10m", "1h51m30s", Some("`a.12` and `b`")),
        ("10m", "33m", None),
    ] {
        let messages = messages(&[&format!("{often}, every: {every}"), &format!("{once}, at: {at}")]);
        match overlap {
            Some(both) => {
                assert!(messages.contains(&format!("{both} overlap")), "every {every}, at {at}: {messages}")
            }
            None => assert_eq!(messages, "", "every {every}, at {at}"),
        }
    }
    let both = messages(&[
        &format!("{often}, every: 7m"),
        "id: c, kind: cpu_spike, target: srv-001, at: 4m, for: 1m, every: 20m",
    ]);
    assert!(both.contains("`a.7` and `c.3` overlap"), "{both}");
    let elsewhere = messages(&[often, "id: b, kind: cpu_spike, target: srv-002, at: 1m, for: 3m"]);
    assert_eq!(elsewhere, "");
}

#[test]
fn two_incidents_never_share_an_id() {
    let repeats = messages(&[
        "id: f.1, kind: cpu_spike, target: srv-001, at: 30m, for: 1m",
        "id: f, kind: cpu_spike, target: srv-002, at: 40m, for: 1m, every: 20m",
    ]);
    assert!(repeats.contains("a repeat of `f` also has the id `f.1`"), "{repeats}");
    // There is no `f.9` within two hours.
    let others = [
        "id: f.9, kind: cpu_spike, target: srv-001, at: 30m, for: 1m",
        "id: f, kind: cpu_spike, target: srv-002, at: 40m, for: 1m, every: 20m",
    ];
    assert_eq!(messages(&others), "");
    let background =
        messages(&["id: bg.srv-001.cpu_spike.0, kind: cpu_spike, target: srv-001, at: 30m, for: 1m"]);
    assert!(background.contains("reserved for background incidents"), "{background}");
}

#[test]
fn all_mistakes_of_services_are_reported_at_once() {
    let text = "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}\nfleet:\n  servers: {web: {count: 2}, db: {count: 1}}\n  \
                services:\n    a: {pool: web, rate: 5/s, calls: [b]}\n    b: {pool: web, calls: [a]}\n    c: {pool: wbe, rate: 5/s, calls: [nope]}\n    \
                d: {pool: db, hosts: [db-009], rate: 1/s}\n    e: {pool: web, rate: 900000/s}\n";
    let messages = Scenario::read("s.yaml", text).plan().unwrap_err().to_string();
    for words in [
        "calls form a cycle: a → b → a",
        "pool `wbe` does not exist",
        "service `nope` does not exist",
        "server `db-009` does not exist in the pool of this service",
        "an instance of `e` would receive",
    ] {
        assert!(messages.contains(words), "`{words}` is missing: {messages}");
    }
    assert_eq!(messages.matches("error: ").count(), 5, "{messages}");
}

#[test]
fn variables_take_the_type_of_the_key_that_uses_them() {
    let text = |vars: &str| {
        format!(
            "scenario: 1\nvars: {{{vars}}}\nname: \"${{n}}\"\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 2h, step: 1s}}\n\
             fleet: {{servers: {{web: {{count: \"${{n}}\", cores: \"${{m}}6\"}}}}}}\n\
             anomalies: [{{kind: cpu_spike, target: {{servers: \"*\", host: \"${{no}}\"}}, at: \"${{t}}\", for: 5m, severity: \"${{s}}\"}}]\n"
        )
    };
    let scenario = Scenario::read("s.yaml", &text("n: 3, m: 1, t: 10m, s: \"1.5\", no: \"false\""));
    let plan = scenario.plan().unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((plan.name(), plan.fleet().servers.len()), ("3", 3));
    assert_eq!(plan.fleet().servers[0].physics.cores, 16.0);
    let wrong = scenario.set("vars.t", "2x").unwrap().plan().unwrap_err().to_string();
    assert!(wrong.contains("the value here is `2x`"), "{wrong}");
}

#[test]
fn a_dataset_with_escaped_variables_can_be_rendered_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), "scenario: 1\nuse: dev\nabout: \"costs $${y} z\"\n").unwrap();
    stdout_of(dir.path(), &["run", "s.yaml", "--for", "10s", "--out", "ndjson:a/"]);
    stdout_of(dir.path(), &["run", "a/", "--out", "ndjson:b/"]);
    let scenario = |name: &str| std::fs::read_to_string(dir.path().join(name).join("scenario.yaml")).unwrap();
    assert_eq!(scenario("a"), scenario("b"));
    assert!(stdout_of(dir.path(), &["plan", "b/"]).contains("costs ${y} z"));
}

#[test]
fn unwritable_data_exits_with_3_and_unwritable_messages_are_ignored() {
    let ends_with = |line: &str| {
        let line = line.replace("reenact", env!("CARGO_BIN_EXE_reenact"));
        Command::new("sh").args(["-c", &line]).output().unwrap().status.code()
    };
    for verb in [
        "schema",
        "kinds",
        "presets",
        "plan dev",
        "plan dev --json",
        "completions bash",
        "check dev --json",
        "--help",
        "run dev --for 2s",
    ] {
        assert_eq!(ends_with(&format!("reenact {verb} >/dev/full")), Some(3), "{verb}");
        assert_eq!(ends_with(&format!("reenact {verb} | true")), Some(0), "{verb}");
    }
    assert_eq!(ends_with("reenact run nonsense 2>/dev/full"), Some(2));
    assert_eq!(ends_with("reenact check dev 2>/dev/full"), Some(0));
    assert_eq!(ends_with("reenact run dev --for 2s --out ndjson:/dev/null 2>/dev/full"), Some(0));
}

#[test]
fn init_writes_a_valid_scenario_under_any_name() {
    for name in ["2026", "true", "null", "1e5", "on", "a.b", "hot-rack"] {
        let dir = tempfile::tempdir().unwrap();
        stdout_of(dir.path(), &["init", name]);
        let file = format!("{name}.yaml");
        stdout_of(dir.path(), &["check", "--strict", &file]);
        assert!(stdout_of(dir.path(), &["plan", &file]).starts_with(&format!("{name}\n")), "{name}");
    }
    for name in ["", ".", "a b", "'#x'", "*a", "${a}", "a: b"] {
        let dir = tempfile::tempdir().unwrap();
        let ended = reenact(dir.path(), &["init", name]);
        assert_eq!(
            (ended.status, crate::command_line::files_in(dir.path()).len()),
            (2, 0),
            "{name}: {}",
            ended.stderr
        );
    }
}

#[test]
fn flags_that_change_the_same_key_are_refused() {
    for arguments in [
        &["run", "dev", "--start", "now", "--set", "clock.start=\"2026-01-05T00:00:00Z\""][..],
        &["run", "dev", "--anomaly-prob", "0.02", "--set", "background.rate=3/day"],
        &["run", "dev", "--backfill", "--set", "clock.run=3h"],
    ] {
        let ended = reenact(Path::new("."), arguments);
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("change the same key"), "{arguments:?}: {}", ended.stderr);
    }
    let ended = reenact(
        Path::new("."),
        &["run", "--backfill", "--interval", "60", "--duration", "120", "--seed", "-1"],
    );
    assert!(ended.stderr.contains("`seed` is -1"), "{}", ended.stderr);
}

#[test]
fn quiet_prints_only_errors() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: dev\nanomalies: [{kind: cpu_spike, target: srv-001, at: 1m, for: 1s}]\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    for arguments in [&["check", "--quiet", "s.yaml"][..], &["run", "--quiet", "s.yaml", "--for", "2m"]] {
        let ended = reenact(dir.path(), arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    }
    std::fs::write(dir.path().join("s.yaml"), text.replace("use", "sue")).unwrap();
    assert!(reenact(dir.path(), &["check", "--quiet", "s.yaml"]).stderr.contains("no key `sue`"));
}

#[test]
fn errors_of_values_name_the_valid_values() {
    let fleet = |fleet: &str| {
        format!(
            "scenario: 1\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 2h, step: 1s}}\nfleet: {fleet}\n"
        )
    };
    let pool = |keys: &str| fleet(&format!("{{servers: {{web: {{count: 2, {keys}}}}}}}"));
    let dev = |keys: &str| format!("scenario: 1\nuse: dev\nclock: {{run: 2h}}\n{keys}\n");
    let entry =
        |keys: &str| dev(&format!("anomalies: [{{kind: cpu_spike, target: srv-001, at: 1h, {keys}}}]"));
    for (text, words) in [
        (pool("cores: 0"), "at least 1"),
        (pool("cores: 5000"), "at most 4096"),
        (pool("memory: 0.5GB"), "between 1 GB and 65536 GB"),
        (pool("nic: 0.5MB/s"), "between 1 MB/s and 100000 MB/s"),
        (pool("disk: {size: 1GB}"), "between 10 GB and 100000000 GB"),
        (pool("disk: 2TB"), "its keys are `size`, `limit`"),
        (pool("power: {idle: 400W, max: 300W}"), "`idle` must be less than `max`"),
        (fleet("{servers: 2, racks: 0}"), "at least 1"),
        (fleet("{servers: 2, zones: [a, a]}"), "the zone `a` occurs twice"),
        (fleet("{servers: 2, zones: {a: {inlet: 60C}}}"), "between 5 °C and 45 °C"),
        (fleet("{servers: 2, services: {a: {rate: 5/s, instances: 0}}}"), "at least 1"),
        (fleet("{servers: 2, services: {a: {rate: 5/s, calls: b}}}"), "write `calls: ["),
        (dev("load: {daily: 70%}"), "between 0 and 0.6"),
        (dev("load: {bursts: 30/day}"), "at most 24/day"),
        (dev("load: {peak: 25h}"), "between 0h and 24h"),
        (dev("load: {peak: 14}"), "write `14h`"),
        (dev("load: {weekend: 120%}"), "between 0% and 100%"),
        (
            "scenario: 1\nuse: dev\nclock: {clean: 5h}\n".into(),
            "`clean` is 5h, which is not shorter than the run",
        ),
        ("scenario: 1\nuse: dev\nclock: {timezone: 3}\n".into(), "put it in quotes"),
        (entry("for: 5m, jitter: 1m"), "add `every: 1d`"),
        (entry("for: 5m, every: 2m"), "at least as long as `for`"),
        (entry("for: 500ms, every: 600ms"), "at least 1s"),
        (entry("for: until-end, every: 10m"), "write how long each repeat lasts"),
        (entry("for: until_end"), "write `until-end`"),
        (entry("for: 5m, with: {cores: 6}, severity: low"), "remove one of them"),
        (entry("for: 5m, with: {coers: 6}"), "write `with: {cores: 6}`"),
        (entry("for: 5m, with: {cores: 0}"), "more than 0"),
        (entry("for: 5m, ramp: {up: -1s}"), "0s or more"),
        (dev("background: {share: 1%, gap: -1s}"), "0s or more"),
        (dev("background: {share: 1%, kinds: []}"), "remove `kinds`"),
        (dev("background: {share: 1%, severity: {low: 0}}"), "no severity has a weight"),
        (dev("background: {share: 1%, for: {p10: 3m, p50: 1m, p90: 5m}}"), "not in ascending order"),
        (dev("background: {share: 1%, for: 2d}"), "at most 24h"),
        (dev("background: {share: 90%, gap: 1h}"), "at most a share of"),
        (dev("background: {rate: 50/day, for: 1h}"), "at most a rate of 24/day fits"),
        (dev("expect: {incidents: {cpu_spikes: 1}}"), "did you mean `cpu_spike`?"),
        (dev("expect: {visible: some}"), "expected `all`"),
        (dev("seed: -1"), "at least 0"),
        (dev("seed: 99999999999999999999"), "at most 9223372036854775807"),
        (dev("seed: \"7\""), "remove the quotes"),
    ] {
        let messages = Scenario::read("s.yaml", &text)
            .plan()
            .map_or_else(|messages| messages.to_string(), |_| "fine".into());
        assert!(messages.contains(words), "{text}does not say `{words}`:\n{messages}");
    }
}

#[test]
fn the_suggested_background_share_is_accepted() {
    for gap in ["0s", "7m", "20h"] {
        let of = |share: &str| {
            let text = format!("scenario: 1\nuse: dev\nbackground: {{share: {share}, gap: {gap}}}\n");
            Scenario::read("s.yaml", &text).plan().map_err(|messages| messages.to_string())
        };
        let messages = of("99%").unwrap_err();
        let most = messages.split("at most a share of ").nth(1).unwrap().split(" fits").next().unwrap();
        assert!(of(most).is_ok(), "gap {gap}: {most} does not fit");
    }
}

#[test]
fn an_overloaded_fleet_does_not_hide_errors_of_targets() {
    let text = "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}\n\
                fleet: {servers: {web: {count: 2}}, services: {a: {rate: 9000/s}}}\n\
                anomalies:\n  - {kind: cpu_spike, target: web-999, at: 1m, for: 5m}\n  - {kind: error_burst, target: web-001, at: 1m, for: 5m}\n";
    let messages = Scenario::read("s.yaml", text).plan().unwrap_err().to_string();
    for words in
        ["cores at peak load", "server `web-999` does not exist", "`error_burst` applies to services"]
    {
        assert!(messages.contains(words), "`{words}` is missing: {messages}");
    }
}

#[test]
fn an_unreadable_file_does_not_cause_errors_about_missing_keys() {
    let text = "scenario: 1\nuse: ./gone.yaml\nclock: {run: \"${x}\"}\nfleet: {racks: 3}\n";
    let messages = Scenario::read("s.yaml", text).plan().unwrap_err().to_string();
    assert_eq!(messages.matches("error: ").count(), 1, "{messages}");
    assert!(messages.contains("cannot read `gone.yaml`"), "{messages}");
}

#[test]
fn now_is_accepted_only_for_the_start() {
    let here = Path::new(".");
    for arguments in [
        &["check", "dev", "--seed", "now"][..],
        &["check", "dev", "--set", "clock.run=now"],
        &["check", "dev", "--set", "bogus=now"],
    ] {
        assert_eq!(reenact(here, arguments).status, 2, "{arguments:?}");
    }
    assert!(stdout_of(here, &["plan", "dev", "--set", "name=now"]).starts_with("now\n"));
    stdout_of(here, &["run", "dev", "--start", "now", "--for", "4s"]);
}

#[test]
fn a_dataset_of_a_whole_run_follows_changed_clocks() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("s.yaml"),
        "scenario: 1\nuse: dev\nabout: \"a \\u009b b\"\nclock: {run: 1m}\n",
    )
    .unwrap();
    stdout_of(dir.path(), &["run", "s.yaml", "--out", "ndjson:a/"]);
    let lines = |flags: &[&str]| stdout_of(dir.path(), &[&["run", "a/"], flags].concat()).lines().count();
    assert_eq!(lines(&[]), 30 * 5);
    assert_eq!(lines(&["--set", "clock.run=2m"]), 60 * 5);
    assert_eq!(lines(&["--start", "2026-02-01T00:00:00Z"]), 30 * 5);
    // Text of a scenario cannot move the cursor of a terminal.
    assert!(stdout_of(dir.path(), &["plan", "a/"]).contains("a \\u{9b} b"));
}

#[test]
fn a_thousand_warnings_are_not_an_error() {
    let entries: String = (0..1_200)
        .map(|i| format!("  - {{id: a{i}, kind: cpu_spike, target: srv-001, at: {i}m, for: 20s}}\n"))
        .collect();
    let text = format!("scenario: 1\nuse: dev\nclock: {{run: 30h, step: 10s}}\nanomalies:\n{entries}");
    assert!(Scenario::read("s.yaml", &text).plan().is_ok());
}

#[test]
fn a_duplicate_key_does_not_hide_other_errors() {
    let text = "scenario: 1\nseed: 1\nseed: 2\nclock: {start: \"2026-01-05T00:00:00Z\", run: \"${x}\"}\nfleet: {servers: 2}\n";
    let messages = Scenario::read("s.yaml", text).plan().unwrap_err().to_string();
    for words in
        ["the key `seed` occurs twice", "variable `x` does not exist", "`clock` requires the key `step`"]
    {
        assert!(messages.contains(words), "`{words}` is missing: {messages}");
    }
}

#[test]
fn an_unimplemented_preset_is_refused_by_name() {
    let ended = reenact(Path::new("."), &["run", "week"]);
    assert!(
        ended.status == 2 && ended.stderr.contains("preset `week` is not implemented yet"),
        "{}",
        ended.stderr
    );
}
