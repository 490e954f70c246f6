//! Each kind reaches the requested severity. It changes the metrics that it must change, and no metric that it may not
//! change.

use std::collections::BTreeMap;

use crate::common::{alone, plan};
use reenact::engine::models::{InstanceMetric, ServerMetric};
use reenact::fleet::Entity;
use reenact::kinds::{KINDS, Kind};
use reenact::label::{Label, Role};
use reenact::plan::Plan;
use reenact::schema::MetricId;
use reenact::time::Span;

fn targets(kind: &dyn Kind) -> [&'static str; 3] {
    match kind.carrier().entity_type {
        "server" => ["srv-002", "srv-007", "srv-011"],
        _ => ["api-gateway-1", "order-service-1", "database-primary-1"],
    }
}

#[test]
fn each_kind_reaches_its_severity_or_causes_a_warning() {
    for kind in KINDS {
        let (short, long) = kind.lasts();
        let mut unbound = 0;
        for (severity, requested) in [("low", 0.5), ("medium", 1.0), ("high", 2.0)] {
            for length in [Span::minutes(20), Span((short.0 + long.0) / 2)] {
                for (seed, target) in (1..=4).flat_map(|seed| targets(*kind).map(|target| (seed, target))) {
                    let plan = alone(seed, kind.name(), target, severity, length);
                    let incident = plan.incident("it").unwrap();
                    let cause = cause(&reenact::truth::labels(&plan, &incident));
                    let snr = cause.snr() / requested;
                    let what = format!("{} {severity} for {length} on {target}, seed {seed}", kind.name());
                    if incident.changes[0].1.bound.is_some() {
                        let warnings = plan.warnings().to_string();
                        assert!(warnings.contains("may not reach its severity"), "{what}: {warnings}");
                        continue;
                    }
                    unbound += 1;
                    assert!((snr - 1.0).abs() <= 0.25, "{what}: {snr:.2} of the requested severity");
                }
            }
        }
        // There are 72 cases for each kind. Bounds limit some of those with high severity.
        assert!(unbound >= 48, "{}: only {unbound} cases reach no bound", kind.name());
    }
}

fn cause(labels: &[Label]) -> Label {
    labels.iter().find(|label| label.role == Role::Cause).unwrap().clone()
}

/// Returns the metrics for letters of `MATRIX`.
fn metrics(letters: &str) -> Vec<MetricId> {
    let of = |letter| match letter {
        'u' => vec![ServerMetric::CpuUsage.id()],
        'm' => vec![ServerMetric::MemoryUsage.id(), ServerMetric::MemoryAvailable.id()],
        'd' => vec![ServerMetric::DiskRead.id(), ServerMetric::DiskWrite.id()],
        'n' => vec![ServerMetric::NetworkRx.id(), ServerMetric::NetworkTx.id()],
        't' => vec![ServerMetric::CpuTemperature.id()],
        'p' => vec![ServerMetric::PowerConsumption.id()],
        'l' => vec![
            InstanceMetric::ResponseTimeP50.id(),
            InstanceMetric::ResponseTimeP95.id(),
            InstanceMetric::ResponseTimeP99.id(),
        ],
        'c' => vec![InstanceMetric::ActiveConnections.id()],
        'q' => vec![InstanceMetric::QueueDepth.id()],
        'e' => vec![InstanceMetric::ErrorRate.id(), InstanceMetric::ErrorCount.id()],
        'r' => vec![InstanceMetric::RequestRate.id()],
        other => panic!("no metric has the letter {other}"),
    };
    letters.chars().flat_map(of).collect()
}

/// For each kind: the metrics of the target that must change, and further metrics of the target that may change.
const MATRIX: [(&str, &str, &str); 8] = [
    ("cpu_spike", "upt", ""),
    ("memory_leak", "m", "uptd"),
    ("temperature_high", "t", "pu"),
    ("power_surge", "pt", "u"),
    ("network_saturation", "n", "upt"),
    ("disk_io_bottleneck", "d", "upt"),
    ("latency_spike", "lc", "qer"),
    ("error_burst", "e", "rlcq"),
];

/// Returns the largest deviation of each series between a run and its baseline, in stored units.
fn differences(plan: &Plan) -> BTreeMap<(Entity, MetricId), i64> {
    let baseline = plan.without("it").run();
    let run = plan.clone().run();
    let mut found = BTreeMap::new();
    for (with, without) in run.batches().zip(baseline.batches()) {
        for (metric, _) in with.schema().metrics() {
            let [a, b] = [&with, &without].map(|batch| batch.table(metric.entity_type()));
            let [x, y] = [a, b].map(|table| &table.numbers()[metric.column()]);
            for (row, (x, y)) in x.iter().zip(y).enumerate().filter(|(_, (x, y))| x != y) {
                let entity = Entity::new(metric.entity_type(), a.entities()[row]);
                let largest: &mut i64 = found.entry((entity, metric)).or_insert(0);
                *largest = (*largest).max((x - y).abs());
            }
        }
    }
    found
}

#[test]
fn each_kind_changes_only_its_own_metrics() {
    for (name, must, may) in MATRIX {
        let kind = reenact::kinds::named(name).unwrap();
        for seed in [1, 2] {
            let fleet = alone(seed, name, targets(kind)[0], "high", Span::minutes(20));
            let servers = &fleet.fleet().servers;
            let (host, bare) = match kind.carrier().entity_type {
                "server" => {
                    let with = servers.iter().find(|server| !server.guests.is_empty()).unwrap();
                    let bare = servers.iter().find(|server| server.guests.is_empty()).unwrap();
                    (with.name.clone(), Some(bare.name.clone()))
                }
                _ => (targets(kind)[1].to_string(), None),
            };
            if let Some(bare) = bare {
                bare_host(name, seed, &bare, must, may);
            }
            let plan = alone(seed, name, &host, "high", Span::minutes(20));
            must_show(&plan, name, must);
            let reach = plan.incident("it").unwrap().reach(plan.fleet());
            let reached: Vec<Entity> = reach.entities().collect();
            assert!(reached.len() < plan.fleet().num_entities());
            for (entity, metric) in differences(&plan).keys() {
                assert!(
                    reached.contains(entity),
                    "{name}: {} is outside the cone",
                    plan.fleet().name(*entity)
                );
                assert_ne!(*metric, ServerMetric::DiskUsage.id(), "{name}: disk usage never changes");
            }
        }
    }
}

/// Checks that an incident on a host without instances changes only the listed metrics, and only of that host.
fn bare_host(name: &str, seed: u64, host: &str, must: &str, may: &str) {
    let plan = alone(seed, name, host, "high", Span::minutes(20));
    must_show(&plan, name, must);
    let allowed = [metrics(must), metrics(may)].concat();
    let target = plan.incident("it").unwrap().changes[0].0;
    for (entity, metric) in differences(&plan).keys() {
        assert_eq!(*entity, target, "{name} on a bare host changes {}", plan.fleet().name(*entity));
        assert!(allowed.contains(metric), "{name} changes {} of its own host", plan.schema()[*metric].name());
    }
}

/// Checks that each metric in `must` has a label with an snr of at least 0.3. For disk and network, only the bytes
/// written and received must change, and for errors only their rate.
fn must_show(plan: &Plan, name: &str, must: &str) {
    let incident = plan.incident("it").unwrap();
    let labels = reenact::truth::labels(plan, &incident);
    for metric in metrics(must) {
        if [ServerMetric::DiskRead.id(), ServerMetric::NetworkTx.id(), InstanceMetric::ErrorCount.id()]
            .contains(&metric)
        {
            continue;
        }
        let (target, metric) = (plan.fleet().name(incident.changes[0].0), plan.schema()[metric].name());
        let shows =
            |label: &Label| label.metric.name() == metric && label.entity == target && label.snr() >= 0.3;
        assert!(labels.iter().any(shows), "{name} on {target} does not show in {metric}");
    }
}

#[test]
fn causes_in_physical_units_have_the_stated_size() {
    let with = |kind: &str, target: &str, with: &str| {
        plan(&format!(
            "scenario: 1\nseed: 3\nclock: {{start: \"2026-01-06T10:00:00Z\", run: 2h, step: 1s}}\n\
             fleet: {{servers: 12, services: 9}}\n\
             anomalies: [{{id: it, kind: {kind}, target: {target}, at: 20m, for: 20m, with: {{{with}}}}}]"
        ))
    };
    for (kind, target, text, metric, expected) in [
        ("cpu_spike", "srv-002", "cores: 8", ServerMetric::CpuUsage.id(), 25.0),
        ("memory_leak", "srv-002", "leak: 19.2GB/h", ServerMetric::MemoryUsage.id(), 4.75),
        ("power_surge", "srv-002", "power: 60W", ServerMetric::PowerConsumption.id(), 60.0),
        ("error_burst", "order-service-1", "failing: 10%", InstanceMetric::ErrorRate.id(), 10.0),
    ] {
        let plan = with(kind, target, text);
        let label = cause(&reenact::truth::labels(&plan, &plan.incident("it").unwrap()));
        assert_eq!(*label.metric, plan.schema()[metric]);
        let deviation = label.peak_deviation as f64 / label.metric.units() as f64;
        // A power surge heats the server, and the fan adds its own power.
        let physics = &plan.fleet().servers[1].physics;
        let fan = if kind == "power_surge" { physics.fan_watts * physics.thermal_resistance } else { 0.0 };
        let expected = expected / (1.0 - fan);
        assert!((deviation / expected - 1.0).abs() < 0.05, "{kind} with {text}: {deviation}");
        // The label has the measured snr as its severity.
        assert_eq!(label.severity, format!("{:.2}", label.severity_value));
        assert!((label.severity_value - label.snr()).abs() <= 0.005 + 1e-9, "{kind}: {}", label.severity);
    }
    let leak = with("memory_leak", "srv-002", "leak: 1500GB/h");
    let incident = leak.incident("it").unwrap();
    let labels = reenact::truth::labels(&leak, &incident);
    let recovery =
        |label: &&Label| label.role == Role::Recovery && label.metric.name() == "memory_usage_percent";
    assert!(labels.iter().any(|label| recovery(&label)), "a killed process leaves cold caches");
}

#[test]
fn a_leaking_process_is_killed_at_predictable_times() {
    let plan = plan(
        "scenario: 1\nclock: {start: \"2026-01-05T10:00:00Z\", run: 2h, step: 250ms}\nfleet: {servers: 1}\n\
         anomalies: [{id: it, kind: memory_leak, target: srv-001, at: 7m3.21s, for: 100m, with: {leak: 400GB/h}}]",
    );
    let incident = plan.incident("it").unwrap();
    let leak = incident.changes[0].1.leak.unwrap();
    let mut falls = Vec::new();
    let mut last = None;
    for batch in plan.clone().run().batches() {
        for row in batch.rows() {
            let memory = row.value(ServerMetric::MemoryUsage as usize);
            if last.is_some_and(|last: i64| last - memory > 500) && row.timestamp() < incident.end() {
                falls.push(row.timestamp());
            }
            last = Some(memory);
        }
    }
    // The first tick after each kill shows the whole fall: memory is not interpolated to the next grid point.
    let expected: Vec<_> = (1..=falls.len() as i64)
        .map(|n| plan.clock().at(plan.clock().tick_at_or_after(incident.start() + leak.nth_kill(n))))
        .collect();
    assert!(falls.len() > 8);
    assert_eq!(falls, expected);
}
