//! Ids of incidents: which ids exist, and which incident each of them finds.

use reenact::plan::Plan;
use reenact::time::SimTime;

use crate::common::{BUSY, plan};

/// Returns the ids of all incidents that start within the run.
fn ids(plan: &Plan) -> Vec<String> {
    let clock = plan.clock();
    plan.incidents_between(clock.start(), clock.end()).into_iter().map(|incident| incident.id).collect()
}

#[test]
fn an_incident_is_found_only_by_its_exact_id() {
    let plan = plan(BUSY);
    let all = ids(&plan);
    assert!(all.iter().any(|id| id == "often.1") && all.iter().any(|id| id.starts_with("bg.")), "{all:?}");
    for id in &all {
        assert_eq!(plan.incident(id).map(|incident| incident.id).as_ref(), Some(id));
    }
    let clock = plan.clock();
    let background = all.iter().filter(|id| id.starts_with("bg.")).count();
    assert_eq!(plan.num_scheduled() as usize, all.len() - background);
    assert_eq!(plan.times_between(clock.start(), clock.end()).count(), all.len());
    for id in [
        "often",
        "often.0",
        "often.01",
        "often.+1",
        "often.1.",
        "often.99",
        "hot.1",
        "bg.",
        "bg.web-001.x.0",
        "",
    ] {
        assert!(plan.incident(id).is_none(), "`{id}` finds an incident");
    }
}

#[test]
fn a_year_of_repeats_is_counted_without_being_listed() {
    let plan = plan(
        "scenario: 1\nuse: production\nclock: {start: \"2026-01-05T00:00:00Z\", run: 365d}\n\
         anomalies: [{id: a, kind: cpu_spike, target: srv-001, at: 10m, for: 1s, every: 2s, ramp: {up: 0s}}]",
    );
    assert_eq!(plan.num_scheduled(), 15_767_700);
    assert_eq!(plan.incident("a.15767700").map(|it| it.start()), Some(SimTime(plan.clock().end().0 - 2_000)));
    assert!(plan.incident("a.15767701").is_none());
    let first: Vec<String> = plan.first_scheduled(3).into_iter().map(|incident| incident.id).collect();
    assert_eq!(first, ["a.1", "a.2", "a.3"]);
}

#[test]
fn counts_of_background_incidents_match_the_drawn_incidents() {
    let plan = plan(BUSY);
    let clock = plan.clock();
    let (start, length) = (clock.start().0, clock.run().0);
    for (from, to) in [(0, 1), (0, 1_000), (1, 7), (333, 334), (500, 1_000), (999, 1_000), (5, 5)] {
        let at = |thousandths: i64| SimTime(start + length * thousandths / 1_000);
        let begins = at(from)..at(to);
        let drawn = plan.incidents_between(begins.start, begins.end);
        let ours = drawn.iter().filter(|it| it.id.starts_with("bg.") && begins.contains(&it.start()));
        let counted: u64 = plan.num_background(begins.start, begins.end).iter().sum();
        assert_eq!(counted as usize, ours.count(), "{from} … {to}");
    }
}
