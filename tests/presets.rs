//! Each preset matches this table, and its background incidents fill the stated share of time.

use reenact::kinds::{BACKGROUND, KINDS};
use reenact::plan::Plan;
use reenact::scenario::{PRESETS, Scenario};
use reenact::time::Span;

/// Name, servers, service instances, share in per cent, step in ms, kinds (empty: the default kinds).
type Preset = (&'static str, usize, usize, f64, i64, &'static [&'static str]);

const TABLE: [Preset; 6] = [
    ("normal", 10, 5, 2.0, 1_000, &[]),
    ("chaos", 15, 8, 15.0, 500, &[]),
    ("temperature", 10, 5, 10.0, 1_000, &["temperature_high", "cpu_spike"]),
    ("network", 12, 6, 8.0, 800, &["network_saturation", "latency_spike", "error_burst"]),
    ("production", 20, 12, 1.0, 1_000, &[]),
    ("dev", 3, 2, 5.0, 2_000, &[]),
];

fn of_30_days(name: &str) -> Plan {
    Scenario::preset(name).unwrap().set("clock.run", "30d").unwrap().plan().unwrap()
}

#[test]
fn presets_have_the_counts_steps_and_kinds_of_their_table() {
    let names: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, servers, services, _, step, kinds) in TABLE {
        let plan = Scenario::preset(name).unwrap().plan().unwrap();
        assert_eq!((plan.fleet().servers.len(), plan.fleet().instances.len()), (servers, services), "{name}");
        let clock = plan.clock();
        assert_eq!((clock.step(), clock.run()), (Span(step), Span::hours(1)), "{name}");
        assert_eq!(clock.start().to_string(), "2026-01-05T08:00:00.000Z", "{name}");
        assert!(!plan.about().is_empty(), "{name} has no description");
        let long = of_30_days(name);
        let week = long.incidents_between(clock.start(), clock.start() + Span::hours(24 * 7));
        let mut drawn: Vec<&str> = week.iter().map(|incident| incident.kind.name()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        let mut listed = if kinds.is_empty() { BACKGROUND.to_vec() } else { kinds.to_vec() };
        listed.sort_unstable();
        assert_eq!(drawn, listed, "{name}");
        for incident in &week {
            let (short, long) = incident.kind.lasts();
            let length = incident.end() - incident.start();
            assert!((short..=long).contains(&length), "{}: {length}", incident.id);
        }
    }
}

#[test]
fn background_incidents_fill_the_stated_share_of_time() {
    for (name, servers, services, share, _, kinds) in TABLE {
        let plan = of_30_days(name);
        let clock = plan.clock();
        let inside = plan.background_time(clock.start(), clock.end());
        for (id, entities) in plan.schema().ids().zip([servers, services]) {
            let name_of_type = plan.schema()[id].name();
            let kinds = if kinds.is_empty() { &BACKGROUND } else { kinds };
            let acts = KINDS
                .iter()
                .any(|kind| kind.carrier().entity_type == name_of_type && kinds.contains(&kind.name()));
            let (time, number) = inside[id.index()];
            let found = 100.0 * time.as_seconds() / (clock.run().as_seconds() * entities as f64);
            let expected = if acts { share } else { 0.0 };
            assert!(
                (found - expected).abs() <= expected / 5.0,
                "{name}, {}: {found} % ({number})",
                name_of_type
            );
        }
    }
}

#[test]
fn background_incidents_do_not_depend_on_other_entities_or_anomalies() {
    let ids = |plan: &Plan| -> Vec<String> {
        let incidents = plan.incidents_between(plan.clock().start(), plan.clock().end());
        incidents.into_iter().map(|incident| incident.id).collect()
    };
    let dev = Scenario::preset("dev").unwrap();
    let few = ids(&dev.plan().unwrap());
    let more = ids(&dev.clone().set("fleet.servers", "5").unwrap().plan().unwrap());
    assert!(!few.is_empty() && few.iter().all(|id| more.contains(id)), "{few:?} of {more:?}");
    let text =
        "scenario: 1\nuse: dev\nanomalies: [{id: it, kind: cpu_spike, target: srv-001, at: 10m, for: 5m}]";
    let mut scheduled = ids(&Scenario::read("s.yaml", text).plan().unwrap());
    scheduled.retain(|id| id != "it");
    assert_eq!(scheduled, few);
}

#[test]
fn background_incidents_of_an_entity_keep_the_minimum_gap() {
    let text = "scenario: 1\nuse: dev\nclock: {run: 10d}\n\
                background: {share: 7%, kinds: [cpu_spike, error_burst], gap: 10m}";
    let plan = Scenario::read("s.yaml", text).plan().unwrap();
    let incidents = plan.incidents_between(plan.clock().start(), plan.clock().end());
    let mut distances = Vec::new();
    for entity in plan.fleet().all() {
        let own: Vec<_> = incidents.iter().filter(|incident| incident.acts_on(entity)).collect();
        distances.extend(own.windows(2).map(|pair| pair[1].start() - pair[0].end()));
    }
    assert!(distances.len() > 1_000 && distances.iter().all(|d| *d >= Span::minutes(10)));
    // Incidents are placed uniformly, not one in each period, so distances differ by minutes.
    let (least, most) = (distances.iter().min().unwrap(), distances.iter().max().unwrap());
    assert!(most.0 - least.0 > 600_000, "distances are between {least} and {most}");
}
