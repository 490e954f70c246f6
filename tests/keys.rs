//! The effect of language keys on a run: time zones, load, the clean part, durations, expectations.

use std::collections::BTreeSet;

use reenact::label::Origin;
use reenact::time::{SimTime, Span};

use crate::command_line::{files_in, reenact};
use crate::common::{BUSY, plan};

#[test]
fn the_daily_profile_follows_the_time_zone() {
    let load = |zone: &str, moment: &str| {
        let text = format!(
            "scenario: 1\nclock: {{start: \"2026-01-01T00:00:00Z\", run: 300d, step: 60s, timezone: {zone}}}\n\
             fleet: {{servers: 3, services: 4}}\n"
        );
        plan(&text).fleet().profile_load(1, SimTime::parse(moment).unwrap())
    };
    // Kolkata has noon five and a half hours before UTC has, in winter and in summer.
    assert_eq!(load("Asia/Kolkata", "2026-01-14T06:30:00Z"), load("UTC", "2026-01-14T12:00:00Z"));
    assert_eq!(load("Asia/Kolkata", "2026-07-14T06:30:00Z"), load("UTC", "2026-07-14T12:00:00Z"));
    assert_eq!(load("Europe/Paris", "2026-01-14T11:00:00Z"), load("UTC", "2026-01-14T12:00:00Z"));
    assert_eq!(load("Europe/Paris", "2026-07-14T10:00:00Z"), load("UTC", "2026-07-14T12:00:00Z"));
}

#[test]
fn load_does_not_jump_when_clocks_change() {
    let text = "scenario: 1\nclock: {start: \"2026-03-20T00:00:00Z\", run: 10d, step: 60s, timezone: Europe/Paris}\n\
                fleet: {servers: 3, services: 4}\n";
    let plan = plan(text);
    let steps = |day: &str| {
        let start = SimTime::parse(&format!("2026-03-{day}T00:00:00Z")).unwrap();
        let load = |minute: i64| plan.fleet().profile_load(1, start + Span::minutes(minute));
        (0..240).map(|minute| (load(minute + 1) - load(minute)).abs()).fold(0.0, f64::max)
    };
    // Paris changes its clocks at 01:00 UTC on the 29th. reenact spreads that hour over two, so that local time runs up
    // to 1.75 times as fast.
    assert!(steps("29") < 2.0 * steps("22"), "{} against {}", steps("29"), steps("22"));
}

#[test]
fn load_sets_the_profile_of_demand() {
    let shapes = |load: &str| {
        let text = format!(
            "scenario: 1\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 7d, step: 60s}}\n\
             fleet: {{servers: 3, services: 9}}\n{load}\n"
        );
        let plan = plan(&text);
        plan.fleet()
            .services
            .iter()
            .map(|service| (service.shape, service.bursts_per_hour))
            .collect::<Vec<_>>()
    };
    for (shape, bursts) in shapes("load: {daily: 45%, weekend: 0.9, peak: 20h, bursts: 12/day}") {
        assert_eq!((shape.amplitude, shape.weekend), (0.45, 0.9));
        assert!((19.0..=21.0).contains(&shape.peak_hour), "{}", shape.peak_hour);
        assert!((bursts - 0.5).abs() < 1e-12, "{bursts}");
    }
    // Values without a key stay as drawn.
    for ((shape, bursts), (drawn, usual)) in shapes("load: {peak: 15h}").into_iter().zip(shapes("")) {
        assert_eq!((shape, bursts), (drawn, usual));
    }
}

#[test]
fn the_clean_part_only_removes_background_incidents() {
    let ids = |clean: &str| -> BTreeSet<String> {
        let text = BUSY.replace("step: 7s}", &format!("step: 7s, clean: {clean}}}"));
        let plan = plan(&text);
        let clock = plan.clock();
        plan.incidents_between(clock.start(), clock.end())
            .into_iter()
            .filter(|incident| incident.origin == Origin::Background)
            .map(|incident| {
                assert!(incident.start() >= clock.start() + Span::parse(clean).unwrap(), "{}", incident.id);
                incident.id
            })
            .collect()
    };
    let (all, late) = (ids("0s"), ids("5m"));
    assert!(late.is_subset(&all) && late.len() < all.len(), "{} of {}", late.len(), all.len());
}

#[test]
fn durations_of_background_incidents_match_their_quantiles() {
    let text = "scenario: 1\nclock: {start: \"2026-01-05T00:00:00Z\", run: 60d, step: 60s}\nfleet: {servers: 40}\n\
                background: {share: 2%, for: {p10: 3m, p50: 11m, p90: 239m}}\n";
    let plan = plan(text);
    let clock = plan.clock();
    let mut lengths: Vec<i64> =
        plan.times_between(clock.start(), clock.end()).map(|(start, end)| (end - start).0 / 1_000).collect();
    lengths.sort_unstable();
    let quantile = |share: f64| lengths[(lengths.len() as f64 * share) as usize] as f64 / 60.0;
    for (share, minutes) in [(0.1, 3.0), (0.5, 11.0), (0.9, 239.0)] {
        // With a thousand incidents, the error of a quantile is about 8 % at the median and 16 % at the tails.
        let ratio = quantile(share) / minutes;
        assert!((0.75..1.33).contains(&ratio), "{share}: {} of {} min", quantile(share), minutes);
    }
    assert!(lengths.iter().all(|seconds| *seconds <= 86_400));
    let (time, number) = plan.background_time(clock.start(), clock.end())[0];
    let share = time.0 as f64 / (40 * clock.run().0) as f64;
    assert!((0.016..0.024).contains(&share), "{share} of the time in {number} incidents");
}

#[test]
fn until_end_lasts_to_the_end_of_the_run() {
    let end = |run: &str| {
        let text = format!(
            "scenario: 1\nuse: dev\nclock: {{run: {run}}}\n\
             anomalies: [{{id: it, kind: cpu_spike, target: srv-001, at: 10m, for: until-end}}]"
        );
        let plan = plan(&text);
        (plan.incident("it").unwrap().end(), plan.clock().end())
    };
    for run in ["30m", "2h"] {
        let (cause_end, run_end) = end(run);
        assert_eq!(cause_end, run_end);
    }
}

#[test]
fn unmet_expectations_exit_with_1_and_keep_the_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let text = |expect: &str, severity: &str| {
        format!(
            "scenario: 1\nuse: dev\nbackground: {{share: 0%}}\nanomalies:\n\
             \x20 - {{id: a, kind: cpu_spike, target: srv-001, at: 10m, for: 5m, every: 20m, severity: {severity}}}\n\
             expect: {expect}\n"
        )
    };
    for (expect, severity, status) in [
        ("{incidents: {cpu_spike: 3}, visible: all}", "medium", 0),
        ("{incidents: {CPU_SPIKE: 3}}", "medium", 0),
        ("{incidents: {cpu_spike: 2}}", "medium", 1),
        ("{incidents: {memory_leak: 1}}", "medium", 1),
        ("{incidents: {cpu_spike: 3}}", "0.01", 0),
        ("{visible: all}", "0.01", 1),
    ] {
        std::fs::write(dir.path().join("s.yaml"), text(expect, severity)).unwrap();
        for arguments in [&["check", "s.yaml"][..], &["run", "s.yaml", "--force", "--out", "ndjson:out/"]] {
            let ended = reenact(dir.path(), arguments);
            assert_eq!(ended.status, status, "{expect} {severity} {arguments:?}: {}", ended.stderr);
        }
        assert_eq!(files_in(dir.path()), ["out", "s.yaml"]);
        // A missing incident does not violate `expect` if `--without` removed it.
        let baseline = reenact(
            dir.path(),
            &["run", "s.yaml", "--without", "a.1", "--to", "1m", "--out", "ndjson:/dev/null"],
        );
        assert_eq!(
            baseline.status,
            i32::from(status == 1 && expect.contains("incidents")),
            "{expect}: {}",
            baseline.stderr
        );
        std::fs::remove_dir_all(dir.path().join("out")).unwrap();
    }
}
