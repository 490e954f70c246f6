//! Error messages for scenarios: all mistakes at once, each with its place and its remedy.

use insta::assert_snapshot;
use reenact::scenario::Scenario;

/// Plans a scenario and returns its errors, or its warnings if there are no errors.
pub fn errors_of(yaml: &str) -> String {
    match Scenario::read("s.yaml", yaml).plan() {
        Ok(plan) => format!("no error; warnings:\n{}", plan.warnings()),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn error_of_anomaly(entry: &str) -> String {
    errors_of(&format!("scenario: 1\nuse: dev\nanomalies:\n  - {entry}\n"))
}

#[test]
fn all_mistakes_are_reported_at_once_in_file_order() {
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

    error: preset `dve` does not exist
     --> s.yaml:4:12
      |
    4 | use: [dev, dve]
      |            ^^^ the presets are `normal`, `chaos`, `temperature`, `network`, `production`, `dev`
      |
      = help: did you mean `dev`?

    error: expected a time with an offset, such as `"2026-01-05T08:00:00Z"`
     --> s.yaml:5:16
      |
    5 | clock: {start: 2026-01-05, run: 120, timezone: Europe/Paris}
      |                ^^^^^^^^^^ this is not a valid time
      |
      = help: write the date, `T`, the time with at most three decimals, then `Z` or an offset such as `+01:00`

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
      |                          ^ must be at least 1

    error: a pool of servers has no key `coers`
     --> s.yaml:7:45
      |
    7 |   servers: {web: {count: 0}, db: {count: 2, coers: 2}}
      |                                             ^^^^^ the keys are `count`, `cores`, `memory`, `disk`, `nic`, `power`
      |
      = help: did you mean `cores`?

    error: pool `wbe` does not exist
     --> s.yaml:9:15
      |
    7 |   servers: {web: {count: 0}, db: {count: 2, coers: 2}}
      |            - the pools are defined here
    8 |   services:
    9 |     a: {pool: wbe, rate: 10, calls: [b]}
      |               ^^^ the pools are `web`, `db`
      |
      = help: did you mean `web`?

    error: expected a rate such as `120/s`
     --> s.yaml:9:26
      |
    9 |     a: {pool: wbe, rate: 10, calls: [b]}
      |                          ^^ this is a number
      |
      = help: write `10/s`

    error: the key `a` occurs twice
      --> s.yaml:10:5
       |
     9 |     a: {pool: wbe, rate: 10, calls: [b]}
       |     - first here
    10 |     a: {pool: web}
       |     ^
       |
       = help: keep one of them

    error: calls form a cycle: a → b → a
      --> s.yaml:11:27
       |
     9 |     a: {pool: wbe, rate: 10, calls: [b]}
       |                                      - the cycle begins here
    10 |     a: {pool: web}
    11 |     b: {pool: db, calls: [a, cc]}
       |                           ^
       |
       = help: remove this call

    error: service `cc` does not exist
      --> s.yaml:11:30
       |
    11 |     b: {pool: db, calls: [a, cc]}
       |                              ^^ the services are `a`, `b`

    error: kind `cpu_spkie` does not exist
      --> s.yaml:13:11
       |
    13 |   - kind: cpu_spkie
       |           ^^^^^^^^^ the kinds are `cpu_spike`, `memory_leak`, `temperature_high`, `power_surge`, `network_saturation`, `disk_io_bottleneck`, `latency_spike`, `error_burst`
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
       |          ^^ must be more than 0

    error: kind `crash` is not implemented yet
      --> s.yaml:17:19
       |
    17 |   - {id: x, kind: crash, target: {pool: web}, at: 10m, for: until-end, severity: hihg}
       |                   ^^^^^ this version has `cpu_spike`, `memory_leak`, `temperature_high`, `power_surge`, `network_saturation`, `disk_io_bottleneck`, `latency_spike`, `error_burst`

    error: `hihg` is not a valid severity
      --> s.yaml:17:82
       |
    17 |   - {id: x, kind: crash, target: {pool: web}, at: 10m, for: until-end, severity: hihg}
       |                                                                                  ^^^^ must be `low`, `medium`, `high`, or a number
       |
       = help: did you mean `high`?
    "#);
}

#[test]
fn errors_of_targets_list_the_candidates() {
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-012, at: 1m, for: 1m}"), @r##"
    error: server `srv-012` does not exist
     --> s.yaml:4:31
      |
    4 |   - {kind: cpu_spike, target: srv-012, at: 1m, for: 1m}
      |                               ^^^^^^^ the fleet has srv-001, srv-002, srv-003
      |
      = help: did you mean `srv-002`?
    "##);
    assert_snapshot!(error_of_anomaly("{kind: latency_spike, target: srv-001, at: 1m, for: 1m}"), @r##"
    error: `latency_spike` applies to services, but `srv-001` is a server
     --> s.yaml:4:35
      |
    4 |   - {kind: latency_spike, target: srv-001, at: 1m, for: 1m}
      |                                   ^^^^^^^
      |
      = help: no instance runs on `srv-001`; the services are api-gateway, user-service
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: api-gateway-1, at: 1m, for: 1m}"), @"
    error: `cpu_spike` applies to servers, but `api-gateway-1` is a service
     --> s.yaml:4:31
      |
    4 |   - {kind: cpu_spike, target: api-gateway-1, at: 1m, for: 1m}
      |                               ^^^^^^^^^^^^^
      |
      = help: `api-gateway-1` runs on `srv-002`; write `target: {services: api-gateway-1, host: true}` to target the servers instead
    ");
}

#[test]
fn errors_of_times_name_the_valid_range() {
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 2026-01-05T07:59:59Z, for: 1m}"), @r##"
    error: the onset is before the start of the run
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 2026-01-05T07:59:59Z, for: 1m}
      |                                            ^^^^^^^^^^^^^^^^^^^^ the run starts at 2026-01-05T08:00:00.000Z
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 1h, for: -5m}"), @r##"
    error: the onset is at or after the end of the run
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h, for: -5m}
      |                                            ^^ the run lasts 1h
      |
      = help: use a longer `clock.run`, or an earlier onset

    error: an incident cannot last -5m
     --> s.yaml:4:53
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h, for: -5m}
      |                                                     ^^^ must be more than 0
    "##);
    assert_snapshot!(error_of_anomaly("{kind: cpu_spike, target: srv-001, at: 1h30, for: 1m}"), @"
    error: expected a duration such as `90s`, `1h30m` or `500ms`
     --> s.yaml:4:44
      |
    4 |   - {kind: cpu_spike, target: srv-001, at: 1h30, for: 1m}
      |                                            ^^^^ this is not a valid duration
      |
      = help: use the units d, h, m, s and ms, the longest first and without spaces; the value must be a whole number of milliseconds
    ");
}

#[test]
fn equal_anomalies_without_an_id_are_refused() {
    let entry = "{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}";
    assert_snapshot!(errors_of(&format!("scenario: 1\nuse: dev\nanomalies: [{entry}, {entry}]")), @r##"
    error: two anomalies have the same kind, target and onset, so their ids would be equal
     --> s.yaml:3:67
      |
    3 | anomalies: [{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}, {kind: cpu_spike, target: srv-001, at: 1m, for: 1m}]
      |              ---- first here                                      ^^^^
      |
      = help: give each anomaly a different `id`

    warning: `cpu_spike-05d6a7df` and `cpu_spike-05d6a7df` overlap on `cpu_usage_percent` of `srv-001`
     --> s.yaml:3:105
      |
    3 | anomalies: [{kind: cpu_spike, target: srv-001, at: 1m, for: 1m}, {kind: cpu_spike, target: srv-001, at: 1m, for: 1m}]
      |                                                    -- the other begins here                             ^^
      |
      = help: each is labelled with what it adds to the other
    "##);
}

#[test]
fn one_mistake_causes_one_error() {
    let clock = "clock: {start: \"2026-01-05T00:00:00Z\", run: 0s, step: 3}";
    let fleet = "fleet: {servers: 2, services: {a: {rate: 30}, b: {calls: [a]}}}";
    assert_snapshot!(errors_of(&format!("scenario: 1\n{clock}\n{fleet}\n")), @r##"
    error: `run` is 0s
     --> s.yaml:2:45
      |
    2 | clock: {start: "2026-01-05T00:00:00Z", run: 0s, step: 3}
      |                                             ^^ must be at least 1ms

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
    error: `clock` must be a mapping of keys to values
     --> s.yaml:2:6
      |
    2 | clock:
      |      ^
      |
      = help: its keys are `start`, `run`, `step`, `timezone`, `clean`
    ");
    assert_snapshot!(errors_of("scenario: 1\n---\nscenario: 1\n"), @r##"
    error: this is not valid YAML: it contains more than one document
     --> s.yaml:3:1
      |
    3 | scenario: 1
      | ^
    "##);
}

#[test]
fn files_without_a_scenario_get_an_example() {
    for text in ["", "# only a comment\n", "[]", "7", "text"] {
        let printed = errors_of(text);
        assert!(printed.starts_with("error: ") && printed.contains("help: begin"), "{text:?}: {printed}");
    }
    assert_snapshot!(errors_of("scenario: 2\nname: x\n"), @r#"
    error: a scenario without `use` requires the key `clock`
     --> s.yaml:1:1
      |
    1 | scenario: 2
      | ^
      |
      = help: add `clock: {start: "2026-01-05T00:00:00Z", run: 1h, step: 1s}`, or `use: dev` to take it from a preset

    error: a scenario without `use` requires the key `fleet`
     --> s.yaml:1:1
      |
    1 | scenario: 2
      | ^
      |
      = help: add `fleet: {servers: 3, services: 2}`, or `use: dev` to take it from a preset

    error: the version of the scenario language is 2
     --> s.yaml:1:11
      |
    1 | scenario: 2
      |           ^ must be at most 1
      |
      = help: this program supports version 1: write `scenario: 1`, or use a newer program
    "#);
    assert_snapshot!(errors_of("use: dev\n"), @r##"
    error: `s.yaml` is not a scenario: it has no `scenario:` at its top level
    --> s.yaml:1:1
     = help: begin the file with `scenario: 1` and `use: dev`; the preset provides everything that the file does not set
    "##);
    assert_snapshot!(errors_of("scenario: 1\nuse: dev\nepoch: 3\n"), @r##"
    error: this program cannot generate the values of epoch 3
     --> s.yaml:3:8
      |
    3 | epoch: 3
      |        ^ it has epoch 0
      |
      = help: use a version of reenact with this epoch, or write `epoch: 0` and regenerate everything that depends on the values
    "##);
    assert_snapshot!(errors_of("scenario: 1\nuse: week\n"), @"
    error: preset `week` is not implemented yet
     --> s.yaml:2:6
      |
    2 | use: week
      |      ^^^^
      |
      = help: `reenact presets` lists the available presets
    ");
}
