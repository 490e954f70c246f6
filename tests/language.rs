//! The rules of the language: how texts merge, which entities a target selects, what ids depend on.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use reenact::fleet::Entity;
use reenact::plan::Plan;
use reenact::scenario::Scenario;
use reenact::time::{SimTime, Span};

use crate::command_line::reenact;
use crate::common::{BUSY, lines, ndjson, plan};

/// Returns the canonical form of a text, which must be a valid scenario.
fn json(text: &str) -> String {
    let scenario = Scenario::read("s.yaml", text);
    scenario.plan().unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    scenario.canonical_json()
}

/// Settings with two values each: the parent key, the key, the values.
const SETTINGS: [(&str, &str, [&str; 2]); 8] = [
    ("", "seed", ["3", "4"]),
    ("clock", "start", ["\"2026-01-05T00:00:00Z\"", "\"2026-02-01T00:00:00Z\""]),
    ("clock", "run", ["2h", "3h"]),
    ("clock", "step", ["1s", "5s"]),
    ("fleet", "servers", ["3", "{web: {count: 4}}"]),
    ("fleet", "racks", ["2", "7"]),
    ("background", "share", ["1%", "2%"]),
    ("background", "kinds", ["[cpu_spike]", "{cpu_spike: 2, error_burst: 1}"]),
];

/// Writes a scenario with the chosen settings, each with one of its values.
fn text(chosen: &[Option<usize>], head: &str) -> String {
    let mut text = format!("scenario: 1\n{head}");
    for group in ["", "clock", "fleet", "background"] {
        let keys = SETTINGS.iter().zip(chosen).filter(|((within, ..), _)| *within == group);
        let keys: Vec<String> = keys
            .filter_map(|((_, key, values), chosen)| chosen.map(|which| format!("{key}: {}", values[which])))
            .collect();
        match (group, keys.is_empty()) {
            (_, true) => {}
            ("", _) => text.push_str(&format!("{}\n", keys.join("\n"))),
            _ => text.push_str(&format!("{group}: {{{}}}\n", keys.join(", "))),
        }
    }
    text
}

/// Parses JSON without the order of its keys, which depends on the text that had a key first.
fn sorted(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

fn choices() -> impl Strategy<Value = Vec<Option<usize>>> {
    proptest::collection::vec(proptest::option::of(0..2_usize), SETTINGS.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn the_last_value_wins_when_texts_use_each_other(low in choices(), middle in choices(), high in choices()) {
        // The lowest text has all settings.
        let low: Vec<Option<usize>> = low.iter().map(|which| which.or(Some(0))).collect();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("low.yaml"), text(&low, "")).unwrap();
        std::fs::write(dir.path().join("middle.yaml"), text(&middle, "")).unwrap();
        let name = dir.path().join("s.yaml").display().to_string();
        let merged = Scenario::read(&name, &text(&high, "use: [./low.yaml, ./middle.yaml]\n"));
        let last: Vec<Option<usize>> =
            (0..SETTINGS.len()).map(|i| high[i].or(middle[i]).or(low[i])).collect();
        prop_assert!(merged.plan().is_ok(), "{}", merged.plan().unwrap_err());
        prop_assert_eq!(sorted(&merged.canonical_json()), sorted(&json(&text(&last, ""))));
        // A chain is the same as a list.
        std::fs::write(dir.path().join("middle.yaml"), text(&middle, "use: low.yaml\n")).unwrap();
        let chain = Scenario::read(&name, &text(&high, "use: middle.yaml\n"));
        prop_assert_eq!(chain.canonical_json(), merged.canonical_json());
        // `set` has the same effect as a value in the text.
        let mut set = Scenario::read("s.yaml", &text(&low, ""));
        for ((within, key, values), which) in SETTINGS.iter().zip(&high) {
            if let Some(which) = which {
                let path = if within.is_empty() { key.to_string() } else { format!("{within}.{key}") };
                set = set.set(&path, values[*which]).unwrap();
            }
        }
        let written: Vec<Option<usize>> = (0..SETTINGS.len()).map(|i| high[i].or(low[i])).collect();
        prop_assert_eq!(sorted(&set.canonical_json()), sorted(&json(&text(&written, ""))));
    }
}

#[test]
fn anomalies_are_appended_or_replaced_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |id: &str, at: &str| {
        format!("  - {{id: {id}, kind: cpu_spike, target: srv-001, at: {at}, for: 1m}}\n")
    };
    let base = format!("scenario: 1\nuse: dev\nanomalies:\n{}{}", entry("a", "1m"), entry("b", "10m"));
    std::fs::write(dir.path().join("base.yaml"), base).unwrap();
    let name = dir.path().join("s.yaml").display().to_string();
    let own = format!("scenario: 1\nuse: base.yaml\nanomalies:\n{}{}", entry("b", "20m"), entry("c", "30m"));
    let plan = Scenario::read(&name, &own).plan().unwrap();
    let found: Vec<String> = plan
        .first_scheduled(9)
        .iter()
        .map(|incident| format!("{} {}", incident.id, incident.start() - plan.clock().start()))
        .collect();
    assert_eq!(found, ["a 1m", "b 20m", "c 30m"]);
}

#[test]
fn name_and_about_are_not_inherited() {
    let scenario = Scenario::read("s.yaml", "scenario: 1\nuse: dev\n");
    assert!(scenario.keys.name.is_none() && scenario.keys.about.is_none());
    assert!(Scenario::preset("dev").unwrap().keys.about.is_some());
}

#[test]
fn share_and_rate_replace_each_other_across_files() {
    let of =
        |own: &str| Scenario::read("s.yaml", &format!("scenario: 1\nuse: chaos\nbackground: {{{own}}}\n"));
    let background = |scenario: &Scenario| scenario.keys.background.as_ref().unwrap().value.clone();
    let rate = background(&of("rate: 2/day"));
    assert!(rate.rate.is_some() && rate.share.is_none());
    let share = background(&of("rate: 2/day").set("background.share", "3%").unwrap());
    assert!(share.rate.is_none() && share.share.is_some());
    let both = of("share: 2%, rate: 1/day").plan().unwrap_err().to_string();
    assert!(both.contains("`rate` cannot be combined with `share`"), "{both}");
}

#[test]
fn variables_are_replaced_by_their_values() {
    let with = |vars: &str, count: &str, at: &str, target: &str| {
        format!(
            "scenario: 1\n{vars}clock: {{start: \"2026-01-05T00:00:00Z\", run: 2h, step: 1s}}\n\
             fleet: {{servers: {{web: {{count: {count}}}}}}}\n\
             anomalies: [{{kind: cpu_spike, target: {target}, at: {at}, for: 5m}}]\n"
        )
    };
    let written = json(&with("", "4", "1h20m", "web-003"));
    let vars = "vars: {n: 4, hours: 1, number: \"003\", pool: web}\n";
    assert_eq!(json(&with(vars, "\"${n}\"", "\"${hours}h20m\"", "\"${pool}-${number}\"")), written);
    let literal = Scenario::read("s.yaml", "scenario: 1\nuse: dev\nabout: costs $${n} and $5\n");
    assert_eq!(literal.keys.about.unwrap().value, "costs ${n} and $5");
}

fn names(plan: &Plan, id: &str) -> Vec<String> {
    let incident = plan.incident(id).unwrap();
    incident.changes.iter().map(|(entity, _)| plan.fleet().name(*entity).to_string()).collect()
}

#[test]
fn targets_select_the_entities_that_match_their_conditions() {
    let targets = |kind: &str, target: &str| {
        let text = BUSY.split("anomalies:").next().unwrap();
        let entry = format!("{text}anomalies: [{{id: it, kind: {kind}, target: {target}, at: 5m, for: 5m}}]");
        names(&plan(&entry), "it")
    };
    // The two racks get zones in the order of declaration: north, south.
    for (kind, target, meant) in [
        ("cpu_spike", "web-002", &["web-002"][..]),
        ("cpu_spike", "\"web-*\"", &["web-001", "web-002", "web-003"]),
        ("cpu_spike", "\"*-00[12]\"", &["web-001", "web-002", "db-001", "db-002"]),
        ("cpu_spike", "{pool: db}", &["db-001", "db-002"]),
        ("cpu_spike", "{rack: R01}", &["web-001", "web-003", "db-001"]),
        ("cpu_spike", "{zone: south, pool: web}", &["web-002"]),
        ("cpu_spike", "{servers: [web-003, db-001]}", &["web-003", "db-001"]),
        ("cpu_spike", "{services: database-primary, host: true}", &["db-001"]),
        ("error_burst", "user-service", &["user-service-1", "user-service-2"]),
        ("error_burst", "\"*-service-1\"", &["order-service-1", "user-service-1"]),
        (
            "error_burst",
            "{services: [user-service-2, api-gateway]}",
            &["api-gateway-1", "api-gateway-2", "user-service-2"],
        ),
        ("error_burst", "{pool: db}", &["database-primary-1"]),
        ("error_burst", "{services: \"*\", servers: db-001}", &["database-primary-1"]),
    ] {
        assert_eq!(targets(kind, target), meant, "{kind} on {target}");
    }
    let picked = targets("cpu_spike", "{pool: web, pick: 2}");
    assert_eq!(picked.len(), 2);
    // The three instances run on three hosts, all in the pool `web`.
    let hosts = targets("cpu_spike", "{services: order-service, host: true}");
    assert!(hosts.iter().all(|name| name.starts_with("web-")) && !hosts.is_empty(), "{hosts:?}");
}

/// Returns a plan with a pool of `count` servers and with entries without an id whose targets are drawn.
fn drawing(entries: &[&str], count: u32) -> Plan {
    plan(&format!(
        "scenario: 1\nseed: 5\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 2h, step: 1s}}\n\
         fleet: {{servers: {{web: {{count: {count}}}, db: {{count: 3}}}}, services: {{a: {{pool: web, rate: 20/s, instances: 3}}}}}}\n\
         anomalies:\n{}",
        entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect::<String>()
    ))
}

const PICKS: [&str; 4] = [
    "kind: cpu_spike, target: {pool: web, pick: 2}, at: 10m, for: 5m",
    "kind: cpu_spike, target: {pool: web, pick: 2}, at: 20m, for: 5m, severity: high",
    "kind: memory_leak, target: {pool: db, pick: 1}, at: 10m, for: 30m, every: 40m",
    "kind: latency_spike, target: {services: a, pick: 1}, at: 1h, for: 5m",
];

/// Returns the ids of all incidents, each with the names of its targets.
fn hit(plan: &Plan) -> BTreeSet<(String, Vec<String>)> {
    plan.first_scheduled(100).iter().map(|it| (it.id.clone(), names(plan, &it.id))).collect()
}

#[test]
fn derived_ids_and_drawn_targets_ignore_other_entries() {
    let all = hit(&drawing(&PICKS, 9));
    for (without, gone) in PICKS.iter().enumerate() {
        let others: Vec<&str> =
            PICKS.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, entry)| *entry).collect();
        let left = hit(&drawing(&others, 9));
        assert!(left.is_subset(&all), "without {gone}: {left:?} of {all:?}");
    }
    let mut turned = PICKS;
    turned.reverse();
    assert_eq!(hit(&drawing(&turned, 9)), all, "in another order");
    let milder: Vec<String> =
        PICKS.iter().map(|entry| entry.replace("severity: high", "severity: 0.7")).collect();
    let milder: Vec<&str> = milder.iter().map(String::as_str).collect();
    assert_eq!(hit(&drawing(&milder, 9)), all, "with another severity");
}

#[test]
fn growing_a_pool_keeps_names_and_other_pools() {
    let names = |plan: &Plan| -> Vec<String> {
        plan.fleet().servers.iter().map(|server| format!("{} {}", server.name, server.rack)).collect()
    };
    let small = drawing(&PICKS, 9);
    for count in [10, 11, 20, 1_200] {
        let large = drawing(&PICKS, count);
        let all: BTreeSet<String> = names(&large).into_iter().collect();
        assert!(names(&small).iter().all(|name| all.contains(name)), "{count}");
        let of_db = |plan: &Plan| -> Vec<_> {
            hit(plan).into_iter().filter(|(id, _)| id.starts_with("memory_leak")).collect()
        };
        assert_eq!(of_db(&small), of_db(&large), "{count}");
    }
}

#[test]
fn changing_a_severity_changes_only_rows_in_its_reach() {
    let run = |severity: &str| {
        plan(&BUSY.replace(
            "at: 55m3.7s, for: 12m, severity: high",
            &format!("at: 55m3.7s, for: 12m, severity: {severity}"),
        ))
        .run()
    };
    let (high, low) = (run("high"), run("0.3"));
    let incident = high.plan().incident("spike").unwrap();
    let fleet = high.plan().fleet();
    let reach: BTreeSet<&str> = incident.reach(fleet).entities().map(|entity| fleet.name(entity)).collect();
    let (a, b) = (ndjson(&high, 2), ndjson(&low, 2));
    let mut moved = 0;
    for (a, b) in lines(&a).iter().zip(lines(&b)) {
        if *a == b {
            continue;
        }
        let row: serde_json::Value = serde_json::from_str(a).unwrap();
        let key = if row["type"] == "server_metric" { "server_id" } else { "service_name" };
        assert!(reach.contains(row[key].as_str().unwrap()), "{a}");
        assert!(SimTime::parse(row["timestamp"].as_str().unwrap()).unwrap() >= incident.start(), "{a}");
        moved += 1;
    }
    assert!(moved > 100, "{moved} rows moved");
    assert!(reach.len() < fleet.num_entities(), "the incident reaches every entity");
}

#[test]
fn flags_of_the_predecessor_keep_their_effect() {
    let here = Path::new(".");
    let first_and_last = |arguments: &[&str]| {
        let ended = reenact(here, arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
        let lines: Vec<serde_json::Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let moment = |line: &serde_json::Value| SimTime::parse(line["timestamp"].as_str().unwrap()).unwrap();
        (lines.len(), moment(&lines[lines.len() - 1]) - moment(&lines[0]))
    };
    assert_eq!(first_and_last(&["run", "--config", "chaos", "--duration", "300"]), (600 * 23, Span(299_500)));
    let fleet = ["run", "--servers", "50", "--services", "10", "--anomaly-prob", "0.1", "--interval", "1.0"];
    assert_eq!(first_and_last(&[&fleet[..], &["--duration", "10"]].concat()), (600, Span::seconds(9)));
    let kinds = ["run", "--duration", "5", "--anomalies", "cpu_spike", "memory_leak", "temperature_high"];
    assert_eq!(first_and_last(&kinds), (75, Span::seconds(4)));
    let backfill = ["run", "--backfill", "--backfill-days", "1"];
    assert_eq!(first_and_last(&backfill), (288 * 15, Span(86_400_000 - 300_000)));
    for (arguments, words) in [
        (&["run", "dev", "--config", "chaos"][..], "cannot be used with"),
        (&["run", "--anomalies", "cpu_spike", "dev"], "write the scenario first"),
        (&["run", "--seed", "1", "--set", "seed=2"], "change the same key"),
        (&["run", "--step", "1s", "--interval", "1"], "change the same key"),
        (&["run", "--set", "clock={step: 1s}", "--step", "2s"], "change the same key"),
        (&["run", "--config", "nonsense"], "preset `nonsense` does not exist"),
        (&["run", "--duration", "5m"], "without a unit"),
        (&["run", "--anomaly-prob", "1.5"], "between 0% and 100%"),
        (&["run", "--set", "anomalies.x.at=1m"], "no anomaly has the id `x`"),
        (&["run", "--set", "clock"], "has no `=`"),
    ] {
        let ended = reenact(here, arguments);
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?} does not say `{words}`: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn each_kind_acts_on_its_own_entity_type() {
    let plan = drawing(&PICKS, 9);
    for incident in plan.first_scheduled(100) {
        let id = plan.carrier(incident.kind).entity_type();
        assert!(incident.changes.iter().all(|(entity, _): &(Entity, _)| entity.type_id() == id));
    }
}

#[test]
fn pick_depends_only_on_seed_anomaly_and_candidates() {
    let picked = |seed: u64, id: &str, count: u32| {
        let text = format!(
            "scenario: 1\nseed: {seed}\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 2h, step: 1s}}\n\
             fleet: {{servers: {{web: {{count: {count}}}}}}}\n\
             anomalies: [{{id: {id}, kind: cpu_spike, target: {{pool: web, pick: 2}}, at: 10m, for: 5m, every: 30m}}]\n"
        );
        let plan = plan(&text);
        let first = names(&plan, &format!("{id}.1"));
        assert_eq!(first, names(&plan, &format!("{id}.3")), "each repeat hits the same");
        first.into_iter().collect::<BTreeSet<String>>()
    };
    let by_seed: BTreeSet<_> = (0..20).map(|seed| picked(seed, "a", 9)).collect();
    let by_id: BTreeSet<_> = ["a", "b", "c", "d", "e", "f"].iter().map(|id| picked(1, id, 9)).collect();
    // Twenty draws from 36 possible pairs yield about sixteen different ones.
    assert!(by_seed.len() >= 10 && by_id.len() >= 3, "{by_seed:?} {by_id:?}");
    for seed in 0..20 {
        let (before, after) = (picked(seed, "a", 9), picked(seed, "a", 10));
        assert!(after.difference(&before).all(|name| name == "web-010"), "{before:?} {after:?}");
    }
}
