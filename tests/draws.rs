//! Which draws depend on `seed` and which on `fleet.seed`; the kinds of background incidents.

use std::collections::BTreeSet;

use reenact::fleet::Fleet;
use reenact::kinds::{BACKGROUND, KINDS};
use reenact::plan::Plan;
use reenact::scenario::Scenario;

use crate::command_line::{reenact, stdout_of};

/// A fleet whose demand is close to the capacity of its servers.
const TIGHT: &str = "\
scenario: 1
clock: {start: \"2026-01-05T08:00:00Z\", run: 1h, step: 10s}
fleet:
  servers: {web: {count: 4}, db: {count: 2, cores: 16}}
  services:
    shop: {pool: web, instances: 4, rate: 300/s, calls: [{stock: 0.5}]}
    stock: {pool: db, instances: 2}
";

fn plan(seed: u64, fleet_seed: u64) -> Plan {
    let scenario = Scenario::read("s.yaml", TIGHT).set("fleet.seed", &fleet_seed.to_string()).unwrap();
    scenario.set("seed", &seed.to_string()).unwrap().plan().unwrap()
}

/// Describes a fleet without the keys of its noise.
fn without_noise(fleet: &Fleet) -> String {
    let mut fleet = fleet.clone();
    let key = reenact::math::Key::new(0);
    for server in &mut fleet.servers {
        (server.physics.key, server.physics.sensors) = (key, key);
    }
    for instance in &mut fleet.instances {
        let physics = &mut instance.physics;
        (physics.key, physics.sensors, physics.requests) = (key, key, key);
    }
    fleet.services.iter_mut().for_each(|service| service.key = key);
    format!("{fleet:?}")
}

#[test]
fn every_seed_has_the_same_fleet() {
    let first = without_noise(plan(0, 0).fleet());
    for seed in 1..200 {
        assert_eq!(without_noise(plan(seed, 0).fleet()), first, "seed {seed}");
    }
}

#[test]
fn fleet_seed_draws_another_fleet_with_the_same_background() {
    let with_background = |fleet_seed| {
        let scenario = Scenario::preset("dev").unwrap().set("fleet.seed", fleet_seed).unwrap();
        scenario.plan().unwrap()
    };
    let [one, other] = ["0", "1"].map(with_background);
    assert_ne!(without_noise(one.fleet()), without_noise(other.fleet()));
    let ids = |plan: &Plan| -> Vec<String> {
        let incidents = plan.incidents_between(plan.clock().start(), plan.clock().end());
        incidents.into_iter().map(|incident| incident.id).collect()
    };
    assert_eq!(ids(&one), ids(&other));
}

#[test]
fn the_plan_shows_the_same_fleet_under_every_seed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), TIGHT).unwrap();
    let fleet = |seed: &str| {
        let plan = stdout_of(dir.path(), &["plan", "s.yaml", "--json", "--seed", seed]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        plan["fleet"].to_string()
    };
    let first = fleet("0");
    assert!(first.contains("web-004") && first.contains("stock-2"), "{first}");
    for seed in ["1", "2", "199"] {
        assert_eq!(fleet(seed), first, "seed {seed}");
    }
}

#[test]
fn all_kinds_are_listed_in_the_scenario_of_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: dev\nclock: {run: 1m}\nbackground: {kinds: all}\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    let ended = reenact(dir.path(), &["run", "s.yaml", "--out", "ndjson:d/"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: `kinds: all` means all kinds of this version"),
        "{}",
        ended.stderr
    );
    let written = std::fs::read_to_string(dir.path().join("d/scenario.yaml")).unwrap();
    let again = Scenario::read("scenario.yaml", &written);
    let background = &again.keys.background.as_ref().expect("a background").value;
    let kinds = background.kinds.as_ref().expect("a list of kinds").value.weights.iter();
    let kinds: Vec<&str> = kinds.map(|(name, _)| name.value.as_str()).collect();
    assert_eq!(kinds, KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    // It renders the same rows, without a warning.
    let ended = reenact(dir.path(), &["run", "d/scenario.yaml", "--out", "ndjson:e/"]);
    assert!(ended.status == 0 && !ended.stderr.contains("warning"), "{}", ended.stderr);
    assert_eq!(reenact(dir.path(), &["diff", "d", "e"]).status, 0);
}

#[test]
fn background_without_kinds_has_the_default_list() {
    let text = format!("{}background: {{share: 20%}}\n", TIGHT.replace("run: 1h", "run: 30d"));
    let plan = Scenario::read("s.yaml", &text).plan().unwrap();
    let incidents = plan.incidents_between(plan.clock().start(), plan.clock().end());
    let drawn: BTreeSet<&str> = incidents.iter().map(|incident| incident.kind.name()).collect();
    assert_eq!(drawn, BACKGROUND.into_iter().collect());
}
