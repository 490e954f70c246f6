//! Random scenarios that check all promises at once: fleets, calls, hardware, zones, overlapping incidents, background
//! incidents, steps.
//!
//! `PROPTEST_CASES=4000 cargo test --release --test promises random` takes about ten minutes. Cases that once failed
//! are kept in `random.seeds` and run first.

use std::fmt::Write as _;

use crate::common::{assert_same, label_lines, lines, ndjson};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use reenact::label::Label;
use reenact::plan::{Incident, Plan};
use reenact::run::Run;
use reenact::scenario::Scenario;
use reenact::time::{SimTime, Span};

/// A list of choices that determine a scenario. Smaller numbers make simpler scenarios.
struct Choices<'a> {
    rest: std::slice::Iter<'a, u16>,
}

impl Choices<'_> {
    fn below(&mut self, n: u64) -> u64 {
        u64::from(self.rest.next().copied().unwrap_or(0)) * n / 65_536
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len() as u64) as usize]
    }
}

const KINDS: [(&str, bool, &[&str]); 8] = [
    ("cpu_spike", true, &["with: {cores: 40}"]),
    ("memory_leak", true, &["with: {leak: 900GB/h}", "with: {leak: 20GB/h}"]),
    ("temperature_high", true, &["with: {inlet: +25C}"]),
    ("power_surge", true, &["with: {power: 90W}"]),
    ("network_saturation", true, &["with: {limit: 60MB/s}", "with: {limit: 1MB/s}"]),
    ("disk_io_bottleneck", true, &["with: {limit: 25MB/s}", "with: {limit: 2MB/s}"]),
    ("latency_spike", false, &["with: {delay: 9s}"]),
    ("error_burst", false, &["with: {failing: 100%}", "with: {failing: 40%}"]),
];

/// Builds a scenario from choices. Returns its step, and the text after the line `clock`.
fn scenario(choices: &[u16]) -> (Span, String) {
    let mut c = Choices { rest: choices.iter() };
    let step = c.of(&["10s", "60s", "1s", "7s", "700ms", "3s", "20s", "7m", "250ms"]);
    let mut text = String::new();
    let t = &mut text;
    let zones = c.of(&["", "zones: {north: {inlet: 30C}, south: {}}, ", "zones: [a, b, c], racks: 3, "]);
    let hardware = [
        "",
        ", disk: {size: 1TB, limit: 25MB/s}, nic: 1Gbps",
        ", cores: 8, memory: 32GB",
        ", cores: 96, power: {idle: 90W, max: 700W}",
    ];
    let _ = write!(t, "fleet: {{{zones}servers: {{");
    let mut servers = Vec::new();
    for pool in 0..=c.below(2) {
        let count = 1 + c.below(4);
        let _ = write!(t, "p{pool}: {{count: {count}{}}}, ", c.of(&hardware));
        servers.extend((1..=count).map(|n| format!("p{pool}-{n:03}")));
    }
    let pools = servers.iter().filter(|name| name.ends_with("-001")).count() as u64;
    let _ = write!(t, "}}, services: {{");
    let services = c.below(5);
    for service in 0..services {
        let rate = c.of(&["20/s", "90/s", "2/s"]);
        let _ = write!(
            t,
            "s{service}: {{instances: {}, pool: p{}, rate: {rate}, ",
            1 + c.below(3),
            c.below(pools)
        );
        let _ = write!(t, "latency: {}", c.of(&["10ms", "2ms", "150ms"]));
        let called: Vec<String> = (service + 1..services)
            .filter(|_| c.below(2) == 1)
            .map(|other| format!("{{s{other}: {}}}", ["1", "0.3", "2"][(other % 3) as usize]))
            .collect();
        let _ = write!(t, ", calls: [{}]}}, ", called.join(", "));
    }
    let _ = writeln!(t, "}}}}");
    let _ = writeln!(t, "anomalies:");
    let mut any = false;
    for entry in 0..c.below(9) {
        let (kind, on_server, with) = KINDS[c.below(8) as usize];
        let target = match on_server {
            true => servers[c.below(servers.len() as u64) as usize].clone(),
            false if services == 0 => continue,
            false => {
                let service = c.below(services);
                if c.below(2) == 0 { format!("s{service}-1") } else { format!("s{service}") }
            }
        };
        let at = ["20m", "8m1.3s", "24m57.25s", "30m", "29m59.999s", "41m0.001s"][c.below(6) as usize];
        let length = c.of(&["5m", "90s", "20m", "2.5s", "35m", "400ms"]);
        let _ = write!(t, "  - {{id: i{entry}, kind: {kind}, target: {target}, at: {at}, for: {length}");
        match c.below(4) {
            0 => {}
            1 => drop(write!(t, ", severity: {}", c.of(&["low", "high", "0.1", "30"]))),
            2 => drop(write!(t, ", {}", with[c.below(with.len() as u64) as usize])),
            _ => drop(write!(t, ", ramp: {{up: {}, down: 0s}}", c.of(&["0s", "300ms"]))),
        }
        if c.below(4) == 1 {
            let _ = write!(t, ", every: 40m, jitter: {}", c.of(&["0s", "2m"]));
        }
        let _ = writeln!(t, "}}");
        any = true;
    }
    if !any {
        text = text.replace("anomalies:\n", "");
    }
    let _ = writeln!(text, "background: {{share: {}}}", c.of(&["0%", "4%", "12%"]));
    // This choice is the last one, so that the choices in `random.seeds` keep their meaning.
    text = text
        .replace("latency: 10ms", &format!("latency: 10ms{}", c.of(&["", ", cost: 4ms", ", cost: 300us"])));
    (Span::parse(step).unwrap(), text)
}

/// Plans a scenario that crosses the boundary of a block, or returns `None` if it is invalid. Its grid is small,
/// because rendering whole runs takes most of the time.
fn plan(seed: u64, rest: &str, step: Span, length: Span) -> Option<Plan> {
    let rest = rest.replace("fleet: {", &format!("fleet: {{seed: {seed}, "));
    let text = format!(
        "scenario: 1\nseed: {seed}\nclock: {{start: \"2026-01-09T23:37:10Z\", run: {length}, step: {step}}}\n{rest}"
    );
    // Scenarios that do not fit on their hosts are refused.
    Scenario::read("random.yaml", &text).plan().ok()
}

fn without_errors(line: &str) -> String {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    fields.retain(|key, _| !key.starts_with("error_"));
    serde_json::to_string(&fields).unwrap()
}

fn check(seed: u64, choices: &[u16], pick: u16) -> bool {
    let (step, rest) = scenario(choices);
    let length = if step < Span::seconds(1) { Span::minutes(45) } else { Span::minutes(70) };
    let Some(plan) = plan(seed, &rest, step, length) else { return false };
    let run = plan.clone().run();
    let entities = plan.fleet().num_entities();
    let whole = ndjson(&run, 1);
    assert_same(&whole, &ndjson(&run, 2), "two threads");
    let ticks = plan.clock().num_ticks();
    if ticks >= 3 {
        let shards: Vec<u8> = (1..=3).flat_map(|i| ndjson(&run.clone().shard(i, 3).unwrap(), 1)).collect();
        assert_same(&whole, &shards, "shards");
        let labels: Vec<Label> = (1..=3).flat_map(|i| run.clone().shard(i, 3).unwrap().labels()).collect();
        assert_same(
            &label_lines(&run.labels().collect::<Vec<_>>()),
            &label_lines(&labels),
            "labels of shards",
        );
    }
    let from = u64::from(pick) * (ticks - 1) / 65_536;
    let moment = |tick: u64| plan.clock().at(reenact::time::Tick(tick));
    let to = (from + 9).min(ticks);
    let window = run.clone().between(Some(moment(from)), Some(moment(to).min(plan.clock().end()))).unwrap();
    let slice: Vec<&str> = lines(&whole)[from as usize * entities..to as usize * entities].to_vec();
    assert_eq!(lines(&ndjson(&window, 1)), slice, "window {from}..{to}");
    steps_and_lengths(seed, &rest, step, length, &whole, entities);
    let incidents = plan.incidents_between(plan.clock().start(), plan.clock().end());
    if !incidents.is_empty() {
        let one = &incidents[usize::from(pick) % incidents.len()];
        check_baseline(&run, one, &whole);
    }
    true
}

/// Checks that a coarser step samples the rows, and that a longer run starts with the same rows.
fn steps_and_lengths(seed: u64, rest: &str, step: Span, length: Span, whole: &[u8], entities: usize) {
    let longer = plan(seed, rest, step, length + Span::minutes(10)).unwrap().run();
    assert_same(whole, &ndjson(&longer, 1)[..whole.len()], "a longer run");
    let coarse = ndjson(&plan(seed, rest, Span(step.0 * 3), length).unwrap().run(), 1);
    let fine = lines(whole);
    let sampled = fine.chunks(entities).step_by(3).flatten();
    for (coarse, fine) in lines(&coarse).into_iter().zip(sampled) {
        assert_eq!(without_errors(coarse), without_errors(fine), "a coarser step");
    }
}

/// Checks that only rows within the reach and the duration of an incident differ from its baseline, and that a
/// brute-force comparison finds the same labels.
fn check_baseline(run: &Run, incident: &Incident, whole: &[u8]) {
    let plan = run.plan();
    let id = &incident.id;
    let baseline = run.clone().without(id).unwrap();
    let without = ndjson(&baseline, 1);
    let fleet = plan.fleet();
    let reach = incident.reach(fleet);
    let reached: Vec<&str> = reach.entities().map(|entity| fleet.name(entity)).collect();
    let over = reenact::truth::after_effects_end(incident.end());
    for (a, b) in lines(whole).into_iter().zip(lines(&without)).filter(|(a, b)| a != b) {
        let fields: serde_json::Value = serde_json::from_str(a).unwrap();
        let other: serde_json::Value = serde_json::from_str(b).unwrap();
        let moment = SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap();
        assert!(moment >= incident.start() && moment < over, "`{id}` differs at {moment}:\n{a}\n{b}");
        let name = fields.get("service_name").unwrap_or(&fields["server_id"]).as_str().unwrap();
        assert!(reached.contains(&name), "`{id}` reaches {name}:\n{a}\n{b}");
        assert_eq!(fields["disk_usage_percent"], other["disk_usage_percent"], "`{id}` changes disk usage");
    }
    let expected = reenact::truth::labels_by_brute_force(plan, incident);
    let found = reenact::truth::labels(plan, incident);
    assert_same(&label_lines(&expected), &label_lines(&found), &format!("labels of `{id}`"));
    let all: Vec<_> = run.labels().collect();
    let ours: Vec<Label> = all.into_iter().filter(|label| label.incident_id == *id).collect();
    let (start, end) = (plan.clock().start(), plan.clock().end());
    let seen: Vec<Label> =
        found.into_iter().filter(|label| label.effect_start < end && label.effect_end > start).collect();
    assert_same(&label_lines(&seen), &label_lines(&ours), &format!("`{id}` among all labels"));
}

#[test]
fn random_scenarios_keep_every_promise() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/random.seeds");
    let default = ProptestConfig::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig {
        cases: if is_set { default.cases } else { 24 },
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        max_shrink_iters: 200,
        ..default
    };
    let planned = std::cell::Cell::new(0);
    let choices = (any::<u32>(), proptest::collection::vec(any::<u16>(), 90), any::<u16>());
    TestRunner::new(config)
        .run(&choices, |(seed, choices, pick)| {
            planned.set(planned.get() + u32::from(check(u64::from(seed), &choices, pick)));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(planned.get() > 0, "no random scenario could be planned");
}
