//! What a person is told: every mistake at once, with place and remedy, and nothing written.

use insta::assert_snapshot;
use reenact::scenario::Scenario;

use crate::command_line::{files_in, reenact};

/// The one place that knows how a scenario is planned.
fn errors_of(yaml: &str) -> String {
    match Scenario::read("s.yaml", yaml).plan() {
        Ok(plan) => format!("no error; warnings:\n{}", plan.warnings()),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn error_of_anomaly(entry: &str) -> String {
    errors_of(&format!("scenario: 1\nuse: dev\nanomalies:\n  - {entry}\n"))
}

/// Ten broken scenarios: what is wrong in a word, its text, and where the (first) error is.
const BROKEN: [(&str, &str, &str); 10] = [
    ("an unknown key", "scenario: 1\nuse: dev\nsede: 7\n", "3:1"),
    ("a key that is not there yet", "scenario: 1\nuse: dev\ndelivery: {drop: 1%}\n", "3:1"),
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
    ("YAML that is none", "scenario: 1\nuse: [dev\nseed: 7\n", "3:"),
];

#[test]
fn each_of_ten_broken_scenarios_gets_its_place_and_nothing_is_written() {
    for (what, yaml, place) in BROKEN {
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

#[test]
fn all_mistakes_are_told_in_one_pass_in_the_order_of_the_file() {
    let yaml = r#"
scenario: 1
sede: 7
use: [dev, dve]
clock: {start: 2026-01-05, run: 120, timezone: Europe/Paris}
fleet:
  servers: {web: {count: 0}, db: {count: 2, coers: 2}}
  services:
    a: {pool: wbe, rate: 10, calls: [b]}
    a: {pool: web}
    b: {pool: db, calls: [a, cc]}
anomalies:
  - kind: cpu_spkie
    target: srv-012
    at: 40
    for: 0s
  - {id: x, kind: crash, target: {pool: web}, at: 10m, for: until-end, severity: hihg}
"#;
    assert_snapshot!(errors_of(yaml), @r#"
    error: a scenario has no key `sede`
     --> s.yaml:3:1
      |
    3 | sede: 7
      | ^^^^ the keys are `scenario`, `name`, `about`, `seed`, `epoch`, `use`, `vars`, `clock`, `fleet`, `load`, `anomalies`, `background`, `expect`
      |
      = help: did you mean `seed`?

    error: no preset is called `dve`
     --> s.yaml:4:12
      |
    4 | use: [dev, dve]
      |            ^^^ there is `normal`, `chaos`, `temperature`, `network`, `production`, `dev`
      |
      = help: did you mean `dev`?

    error: expected a moment with its offset, such as `"2026-01-05T08:00:00Z"`
     --> s.yaml:5:16
      |
    5 | clock: {start: 2026-01-05, run: 120, timezone: Europe/Paris}
      |                ^^^^^^^^^^ not such a moment
      |
      = help: date, `T`, time to at most the millisecond, then `Z` or an offset such as `+01:00`

    error: a duration needs a unit
     --> s.yaml:5:33
      |
    5 | clock: {start: 2026-01-05, run: 120, timezone: Europe/Paris}
      |                                 ^^^
      |
      = help: write `120s` for seconds, `120m` for minutes

    error: the number of servers of a pool is 0
     --> s.yaml:7:26
      |
    7 |   servers: {web: {count: 0}, db: {count: 2, coers: 2}}
      |                          ^ at least 1

    error: a pool of servers has no key `coers`
     --> s.yaml:7:45
      |
    7 |   servers: {web: {count: 0}, db: {count: 2, coers: 2}}
      |                                             ^^^^^ the keys are `count`, `cores`, `memory`, `disk`, `nic`, `power`
      |
      = help: did you mean `cores`?

    error: no pool is called `wbe`
     --> s.yaml:9:15
      |
    7 |   servers: {web: {count: 0}, db: {count: 2, coers: 2}}
      |            - the pools
    8 |   services:
    9 |     a: {pool: wbe, rate: 10, calls: [b]}
      |               ^^^ there is `web`, `db`
      |
      = help: did you mean `web`?

    error: expected a rate such as `120/s`
     --> s.yaml:9:26
      |
    9 |     a: {pool: wbe, rate: 10, calls: [b]}
      |                          ^^ this is a number
      |
      = help: write `10/s`

    error: the key `a` stands here twice
      --> s.yaml:10:5
       |
     9 |     a: {pool: wbe, rate: 10, calls: [b]}
       |     - first here
    10 |     a: {pool: web}
       |     ^
       |
       = help: keep one of them

    error: calls go round in a circle: a → b → a
      --> s.yaml:11:27
       |
     9 |     a: {pool: wbe, rate: 10, calls: [b]}
       |                                      - it begins here
    10 |     a: {pool: web}
    11 |     b: {pool: db, calls: [a, cc]}
       |                           ^
       |
       = help: take out this call

    error: no service is called `cc`
      --> s.yaml:11:30
       |
    11 |     b: {pool: db, calls: [a, cc]}
       |                              ^^ the services are `a`, `b`

    error: no kind is called `cpu_spkie`
      --> s.yaml:13:11
       |
    13 |   - kind: cpu_spkie
       |           ^^^^^^^^^ there is `cpu_spike`, `memory_leak`, `temperature_high`, `power_surge`, `network_saturation`, `disk_io_bottleneck`, `latency_spike`, `error_burst`
       |
       = help: did you mean `cpu_spike`?

    error: a duration needs a unit
      --> s.yaml:15:9
       |
    15 |     at: 40
       |         ^^
       |
       = help: write `40s` for seconds, `40m` for minutes

    error: an incident cannot last 0s
      --> s.yaml:16:10
       |
    16 |     for: 0s
       |          ^^ more than 0

    error: the kind `crash` is not there yet
      --> s.yaml:17:19
       |
    17 |   - {id: x, kind: crash, target: {pool: web}, at: 10m, for: until-end, severity: hihg}
       |                   ^^^^^ this version has `cpu_spike`, `memory_leak`, `temperature_high`, `power_surge`, `network_saturation`, `disk_io_bottleneck`, `latency_spike`, `error_burst`

    error: no severity is called `hihg`
      --> s.yaml:17:82
       |
    17 |   - {id: x, kind: crash, target: {pool: web}, at: 10m, for: until-end, severity: hihg}
       |                                                                                  ^^^^ `low`, `medium`, `high`, or a number
       |
       = help: did you mean `high`?
    "#);
}

#[test]
fn targets_say_what_there_is() {
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-012, at: 1m, for: 1m}"), @r##"
    error: no server is called `srv-012`
     --> s.yaml:4:31
      |
    4 |   - {kind: cpu_spike, target: srv-012, at: 1m, for: 1m}
      |                               ^^^^^^^ the fleet has srv-001, srv-002, srv-003
      |
      = help: did you mean `srv-002`?
    "##);
    assert_snapshot!(error_of_anomaly("{kind: latency_spike, target: srv-001, at: 1m, for: 1m}"), @r##"
    error: `latency_spike` acts on services, and `srv-001` is none
     --> s.yaml:4:35
      |
    4 |   - {kind: latency_spike, target: srv-001, at: 1m, for: 1m}
      |                                   ^^^^^^^
      |
      = help: no instance runs on `srv-001`; the services are api-gateway, user-service
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: api-gateway-1, at: 1m, for: 1m}"), @"
    error: `cpu_spike` acts on servers, and `api-gateway-1` is none
     --> s.yaml:4:31
      |
    4 |   - {kind: cpu_spike, target: api-gateway-1, at: 1m, for: 1m}
      |                               ^^^^^^^^^^^^^
      |
      = help: `api-gateway-1` runs on `srv-002`; `target: {services: api-gateway-1, host: true}` takes the servers under it
    ");
}

#[test]
fn times_say_what_they_may_be() {
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 2026-01-05T07:59:59Z, for: 1m}"), @r##"
    error: the onset lies before the run's start
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 2026-01-05T07:59:59Z, for: 1m}
      |                                            ^^^^^^^^^^^^^^^^^^^^ the run starts at 2026-01-05T08:00:00.000Z
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 1h, for: -5m}"), @r##"
    error: the onset lies at or after the run's end
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h, for: -5m}
      |                                            ^^ the run lasts 1h
      |
      = help: make `clock.run` longer, or the onset earlier

    error: an incident cannot last -5m
     --> s.yaml:4:53
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h, for: -5m}
      |                                                     ^^^ more than 0
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 1h30, for: 1m}"), @"
    error: expected a duration such as `90s`, `1h30m` or `500ms`
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h30, for: 1m}
      |                                            ^^^^ not a duration
      |
      = help: units are d, h, m, s and ms, the longest first, without spaces, down to a whole millisecond
    ");
}

#[test]
fn equal_anomalies_without_an_id_are_told_apart() {
    let entry = "{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}";
    assert_snapshot!(errors_of(&format!("scenario: 1\nuse: dev\nanomalies: [{entry}, {entry}]")), @r##"
    error: two anomalies agree in kind, target and onset, so their ids would too
     --> s.yaml:3:67
      |
    3 | anomalies: [{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}, {kind: cpu_spike, target: srv-001, at: 1m, for: 1m}]
      |              ---- first here                                      ^^^^
      |
      = help: give each an `id` of its own

    warning: `cpu_spike-05d6a7df` and `cpu_spike-05d6a7df` overlap on `cpu_usage_percent` of `srv-001`
     --> s.yaml:3:105
      |
    3 | anomalies: [{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}, {kind: cpu_spike, target: srv-001, at: 1m, for: 1m}]
      |                                                    -- the other begins here                             ^^
      |
      = help: each is labelled by what it adds to the other
    "##);
}

#[test]
fn warnings_tell_what_may_not_be_as_meant() {
    let entry = "[{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002, at: 1m, for: 1s, severity: 40}]";
    assert_snapshot!(errors_of(&format!("scenario: 1\nuse: dev\nanomalies: {entry}")), @r##"
    no error; warnings:
    warning: `a` is too short for a temperature_high to come to its severity
     --> s.yaml:3:76
      |
    3 | anomalies: [{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002...
      |                                                                            ^^ at least 3m

    warning: `a` runs over the end of the run
     --> s.yaml:3:76
      |
    3 | anomalies: [{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002...
      |                                                                            ^^ the run ends at 2026-01-05T09:00:00.000Z

    warning: `a` may not reach its severity on `srv-001`
     --> s.yaml:3:90
      |
    3 | anomalies: [{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002...
      |                                                                                          ^ an inlet warms by at most 25 °C
      |
      = help: the label's `snr` says what came of it; lower the severity, or make it last longer

    warning: `b` is shorter than the step and may fall between two ticks
     --> s.yaml:3:149
      |
    3 | ... {id: b, kind: cpu_spike, target: srv-002, at: 1m, for: 1s, severity: 40}]
      |                                                            ^^ the step is 2s

    warning: `b` may not reach its severity on `srv-002`
     --> s.yaml:3:163
      |
    3 | ...pike, target: srv-002, at: 1m, for: 1s, severity: 40}]
      |                                                      ^^ all cores are busy at 100 %
      |
      = help: the label's `snr` says what came of it; lower the severity, or make it last longer
    "##);
}

#[test]
fn what_will_hardly_be_seen_is_warned_of() {
    let entries = "
  - {id: a, kind: cpu_spike, target: srv-001, at: 10m, for: 5m}
  - {id: b, kind: cpu_spike, target: srv-001, at: 11m, for: 5m, severity: 0.01}
  - {id: c, kind: temperature_high, target: srv-002, at: 10m, for: 2m, severity: low}";
    assert_snapshot!(errors_of(&format!("scenario: 1\nuse: dev\nclock: {{step: 30s}}\nanomalies:{entries}")), @r##"
    no error; warnings:
    warning: `a` and `b` overlap on `cpu_usage_percent` of `srv-001`
     --> s.yaml:6:51
      |
    5 |   - {id: a, kind: cpu_spike, target: srv-001, at: 10m, for: 5m}
      |                                                   --- the other begins here
    6 |   - {id: b, kind: cpu_spike, target: srv-001, at: 11m, for: 5m, severity: 0.01}
      |                                                   ^^^
      |
      = help: each is labelled by what it adds to the other

    warning: `b` may show nowhere
     --> s.yaml:6:75
      |
    6 |   - {id: b, kind: cpu_spike, target: srv-001, at: 11m, for: 5m, severity: 0.01}
      |                                                                           ^^^^ below 0.25 of the scale nothing but its `cause` row is labelled

    warning: `c` comes and goes in a ramp of 24s, shorter than the step
     --> s.yaml:7:68
      |
    7 |   - {id: c, kind: temperature_high, target: srv-002, at: 10m, for: 2m, severity: low}
      |                                                                    ^^ the step is 30s
      |
      = help: it will look like a step: make the step finer

    warning: `c` is too short for a temperature_high to come to its severity
     --> s.yaml:7:68
      |
    7 |   - {id: c, kind: temperature_high, target: srv-002, at: 10m, for: 2m, severity: low}
      |                                                                    ^^ at least 3m
    "##);
}

#[test]
fn one_mistake_gives_one_error() {
    let clock = "clock: {start: \"2026-01-05T00:00:00Z\", run: 0s, step: 3}";
    let fleet = "fleet: {servers: 2, services: {a: {rate: 30}, b: {calls: [a]}}}";
    assert_snapshot!(errors_of(&format!("scenario: 1\n{clock}\n{fleet}\n")), @r##"
    error: `run` is 0s
     --> s.yaml:2:45
      |
    2 | clock: {start: "2026-01-05T00:00:00Z", run: 0s, step: 3}
      |                                             ^^ at least 1ms

    error: a duration needs a unit
     --> s.yaml:2:55
      |
    2 | clock: {start: "2026-01-05T00:00:00Z", run: 0s, step: 3}
      |                                                       ^
      |
      = help: write `3s` for seconds, `3m` for minutes

    error: expected a rate such as `120/s`
     --> s.yaml:3:42
      |
    3 | fleet: {servers: 2, services: {a: {rate: 30}, b: {calls: [a]}}}
      |                                          ^^ this is a number
      |
      = help: write `30/s`
    "##);
    assert_snapshot!(errors_of("scenario: 1\nclock:\nfleet: {servers: 1}\n"), @"
    error: `clock` takes a mapping of keys to values
     --> s.yaml:2:6
      |
    2 | clock:
      |      ^
      |
      = help: its keys are `start`, `run`, `step`, `timezone`, `clean`
    ");
    assert_snapshot!(errors_of("scenario: 1\n---\nscenario: 1\n"), @r##"
    error: this is not YAML that can be read: it holds more than one document
     --> s.yaml:3:1
      |
    3 | scenario: 1
      | ^
    "##);
}

#[test]
fn fleets_that_cannot_be_are_told_why() {
    let fleet = |fleet: &str| {
        errors_of(&format!(
            "scenario: 1\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}}\nfleet: {fleet}\n"
        ))
    };
    assert_snapshot!(fleet("{servers: 1, services: 24}"), @r##"
    error: 24 instances do not fit on 1 server
     --> s.yaml:3:31
      |
    3 | fleet: {servers: 1, services: 24}
      |                               ^^ a server carries at most 16
      |
      = help: write `servers: 2`, the smallest that carries them
    "##);
    assert_snapshot!(fleet("{servers: {web: {count: 2}, db: {count: 1}}, services: 3}"), @r##"
    error: `services` as a number needs a fleet of one pool
     --> s.yaml:3:63
      |
    3 | fleet: {servers: {web: {count: 2}, db: {count: 1}}, services: 3}
      |                                                               ^ there are 2 pools
      |
      = help: write the services by name, each with its `pool`
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 5000/s}}}"), @r##"
    error: `srv-002` would need 257 of its 32 cores at peak load
     --> s.yaml:3:32
      |
    3 | fleet: {servers: 2, services: {a: {rate: 5000/s}}}
      |                                ^ `a-1` takes most of them; at most 90 % may be needed
      |
      = help: lower its `rate`, add `instances` to it, or add servers to its pool
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}"), @r##"
    error: no demand reaches `a`
     --> s.yaml:3:32
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                ^ neither a `rate` nor a caller with demand
      |
      = help: add `rate: 100/s`, or name it in the `calls` of a service that has demand

    error: no demand reaches `b`
     --> s.yaml:3:60
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                                            ^ neither a `rate` nor a caller with demand
      |
      = help: add `rate: 100/s`, or name it in the `calls` of a service that has demand

    error: a latency of 11s is out of range
     --> s.yaml:3:73
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                                                         ^^^ at least 1ms, at most 10s
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}"), @"
    error: no server of this service's pool is called `srv-003`
     --> s.yaml:3:55
      |
    3 | fleet: {servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}
      |                                                       ^^^^^^^ the pool has srv-001, srv-002
      |
      = help: did you mean `srv-001`?

    error: an instance of `b` would get 1968656 requests a second
     --> s.yaml:3:66
      |
    3 | fleet: {servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}
      |                                                                  ^ at most 100000 at the daily peak, calls included
      |
      = help: lower `rate` or `calls`, or add `instances`
    ");
    assert_snapshot!(fleet("{servers: {}, services: [a]}"), @"
    error: there are no servers
     --> s.yaml:3:18
      |
    3 | fleet: {servers: {}, services: [a]}
      |                  ^
      |
      = help: write `servers: 3`

    error: `services` takes a number, or services by name
     --> s.yaml:3:32
      |
    3 | fleet: {servers: {}, services: [a]}
      |                                ^
      |
      = help: write `services: 2`, or `services: {api: {rate: 20/s}}`
    ");
}

#[test]
fn a_file_that_says_nothing_is_told_how_to_begin() {
    for text in ["", "# only a comment\n", "[]", "7", "text"] {
        let said = errors_of(text);
        assert!(said.starts_with("error: ") && said.contains("help: begin"), "{text:?}: {said}");
    }
    assert_snapshot!(errors_of("scenario: 2\nname: x\n"), @r#"
    error: a scenario without `use` needs `clock`
     --> s.yaml:1:1
      |
    1 | scenario: 2
      | ^
      |
      = help: add `clock: {start: "2026-01-05T00:00:00Z", run: 1h, step: 1s}`, or `use: dev` to take it from a preset

    error: a scenario without `use` needs `fleet`
     --> s.yaml:1:1
      |
    1 | scenario: 2
      | ^
      |
      = help: add `fleet: {servers: 3, services: 2}`, or `use: dev` to take it from a preset

    error: `scenario`, the version of the language, is 2
     --> s.yaml:1:11
      |
    1 | scenario: 2
      |           ^ at most 1
      |
      = help: this program reads version 1: write `scenario: 1`, or take a newer program
    "#);
    assert_snapshot!(errors_of("use: dev\n"), @r##"
    error: the file does not say which version of the language it is in
     --> s.yaml:1:1
      |
    1 | use: dev
      | ^
      |
      = help: begin it with `scenario: 1`
    "##);
    assert_snapshot!(errors_of("scenario: 1\nuse: dev\nepoch: 3\n"), @r##"
    error: this program does not have the values of epoch 3
     --> s.yaml:3:8
      |
    3 | epoch: 3
      |        ^ it has epoch 0
      |
      = help: take a version of reenact that has it, or write `epoch: 0` and renew what depends on the values
    "##);
    assert_snapshot!(errors_of("scenario: 1\nuse: week\n"), @"
    error: the preset `week` is not there yet
     --> s.yaml:2:6
      |
    2 | use: week
      |      ^^^^
      |
      = help: `reenact presets` lists what there is
    ");
}
