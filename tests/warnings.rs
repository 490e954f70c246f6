//! Warnings about scenarios that may not do what the user intends. reenact renders them anyway.

use insta::assert_snapshot;

use crate::messages::errors_of;

#[test]
fn incidents_that_may_not_work_as_intended_cause_warnings() {
    let entry = "[{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002, at: 1m, for: 1s, severity: 40}]";
    assert_snapshot!(errors_of(&format!("scenario: 1\nuse: dev\nanomalies: {entry}")), @r##"
    no error; warnings:
    warning: `a` is too short for a temperature_high to reach its severity
     --> s.yaml:3:76
      |
    3 | anomalies: [{id: a, kind: temperature_high, target: srv-001, at: 59m, for: 2m, severity: 8}, {id: b, kind: cpu_spike, target: srv-002...
      |                                                                            ^^ at least 3m

    warning: `a` ends after the end of the run
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
      = help: the `snr` of the label is the size that was reached; lower the severity, or make the incident longer

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
      = help: the `snr` of the label is the size that was reached; lower the severity, or make the incident longer
    "##);
}

#[test]
fn incidents_that_are_hardly_visible_cause_warnings() {
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
      = help: each is labelled with what it adds to the other

    warning: `b` may not be visible in any metric
     --> s.yaml:6:75
      |
    6 |   - {id: b, kind: cpu_spike, target: srv-001, at: 11m, for: 5m, severity: 0.01}
      |                                                                           ^^^^ below 0.25 of the scale, only its `cause` row is labelled

    warning: `c` has a ramp of 24s, which is shorter than the step
     --> s.yaml:7:68
      |
    7 |   - {id: c, kind: temperature_high, target: srv-002, at: 10m, for: 2m, severity: low}
      |                                                                    ^^ the step is 30s
      |
      = help: it will look like a sudden jump: use a smaller `clock.step`

    warning: `c` is too short for a temperature_high to reach its severity
     --> s.yaml:7:68
      |
    7 |   - {id: c, kind: temperature_high, target: srv-002, at: 10m, for: 2m, severity: low}
      |                                                                    ^^ at least 3m
    "##);
}
