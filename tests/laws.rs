//! Every row satisfies the invariants of the record tables.

use std::collections::BTreeMap;

use reenact::batch::Row;
use reenact::engine::models::{InstanceMetric, ServerMetric};
use reenact::fleet::SERVER;
use reenact::plan::Plan;
use reenact::scenario::Scenario;

use crate::common::{BUSY, plan};

/// Returns every preset by day and by night, and plans of edge cases: overlapping incidents, a full host, a weekend, a
/// coarse step.
fn plans() -> Vec<Plan> {
    let full = BUSY.replace("severity: high", "severity: 50").replace("severity: 3", "severity: 100");
    let night =
        "scenario: 1\nuse: dev\nseed: 2\nclock: {start: \"2026-01-10T01:00:00Z\", run: 4h, step: 10s}";
    let coarse = "scenario: 1\nseed: 8\nclock: {start: \"2026-01-05T00:00:00Z\", run: 2d, step: 10m}\nfleet: {servers: 20, services: 12}";
    let mut plans: Vec<Plan> = [BUSY, &full, night, coarse].into_iter().map(plan).collect();
    for (name, text) in reenact::scenario::PRESETS {
        let day = Scenario::read(name, text);
        // A Saturday night, during the daily clean-up of disks.
        let night = day.clone().set("clock.start", "\"2026-01-10T02:20:00Z\"").unwrap();
        plans.extend([day, night].map(|scenario| scenario.plan().unwrap()));
    }
    plans
}

fn server(row: &Row<'_>, metric: ServerMetric) -> i64 {
    row.value(metric as usize)
}

fn instance(row: &Row<'_>, metric: InstanceMetric) -> i64 {
    row.value(metric as usize)
}

#[test]
fn every_row_satisfies_its_invariants() {
    for plan in plans() {
        let step = plan.clock().step().0;
        let mut last: BTreeMap<u32, (i64, f64)> = BTreeMap::new();
        let run = plan.clone().run();
        for batch in run.batches() {
            for row in batch.rows() {
                match row.type_id() {
                    SERVER => server_laws(&plan, &row, &mut last),
                    _ => service_laws(&row, step),
                }
            }
        }
    }
}

fn server_laws(plan: &Plan, row: &Row<'_>, last: &mut BTreeMap<u32, (i64, f64)>) {
    let own = &plan.fleet().servers[row.entity() as usize];
    let physics = &own.physics;
    let at = format!("{} at {}", own.name, row.timestamp());
    for metric in [ServerMetric::CpuUsage, ServerMetric::MemoryUsage, ServerMetric::DiskUsage] {
        assert!((0..=10_000).contains(&server(row, metric)), "{metric:?} of {at}");
    }
    let free = physics.memory_gb * (1.0 - server(row, ServerMetric::MemoryUsage) as f64 / 1e4);
    let shown = server(row, ServerMetric::MemoryAvailable) as f64 / 100.0;
    assert!((free - shown).abs() <= 0.005 + 1e-9, "available memory of {at}: {shown}, and {free} is free");
    let (read, write) = (server(row, ServerMetric::DiskRead), server(row, ServerMetric::DiskWrite));
    assert!(read >= 0 && write >= 0 && (read + write) as f64 <= physics.disk_limit * 100.0, "disk of {at}");
    for metric in [ServerMetric::NetworkRx, ServerMetric::NetworkTx] {
        let rate = server(row, metric);
        assert!(rate >= 0 && rate as f64 <= physics.line_rate * 100.0, "{metric:?} of {at}");
    }
    let watts = server(row, ServerMetric::PowerConsumption) as f64 / 10.0;
    let celsius = server(row, ServerMetric::CpuTemperature) as f64 / 10.0;
    let fan = physics.fan_watts * (celsius + 1.0 - 25.0).max(0.0);
    assert!(
        watts >= physics.idle_watts - 0.1 && watts <= 1.25 * physics.max_watts + fan,
        "{watts} W of {at}"
    );
    assert!((15.0..130.0).contains(&celsius), "{celsius} °C of {at}");
    // Disk usage falls only at the clean-up.
    let usage = server(row, ServerMetric::DiskUsage);
    if let Some((last, was)) = last.insert(row.entity(), (usage, celsius)) {
        // Temperature never jumps: it changes by at most 1 °C a second, in addition to the noise of the sensor.
        let seconds = plan.clock().step().as_seconds();
        assert!(
            (celsius - was).abs() <= seconds + 1.5,
            "temperature of {at} jumps from {was} to {celsius} °C"
        );
        let day = 86_400_000;
        let since = (row.timestamp().0 - physics.clean_up_ms).rem_euclid(day);
        // The clean-up takes about a minute, because disk usage is interpolated over 80 s.
        let is_clean_up = since < plan.clock().step().0 + 80_000 || since > day - 80_000;
        assert!(usage >= last || is_clean_up, "disk usage of {at} falls from {last} to {usage}");
    }
}

fn service_laws(row: &Row<'_>, step_ms: i64) {
    let at = format!("{} at {}", row.name(), row.timestamp());
    let quantiles =
        [InstanceMetric::ResponseTimeP50, InstanceMetric::ResponseTimeP95, InstanceMetric::ResponseTimeP99]
            .map(|m| instance(row, m));
    assert!(
        0 < quantiles[0] && quantiles[0] <= quantiles[1] && quantiles[1] <= quantiles[2],
        "{quantiles:?} of {at}"
    );
    let rate = instance(row, InstanceMetric::RequestRate);
    let requests = (rate * step_ms + 50_000) / 100_000;
    let errors = instance(row, InstanceMetric::ErrorCount);
    assert!(rate >= 0 && (0..=requests).contains(&errors), "{errors} errors of {requests} requests of {at}");
    let percent = if requests == 0 { 0.0 } else { 100.0 * errors as f64 / requests as f64 };
    let shown = instance(row, InstanceMetric::ErrorRate) as f64 / 1e3;
    assert!((percent - shown).abs() <= 0.0005 + 1e-9, "error rate of {at}: {shown} for {percent}");
    assert!(instance(row, InstanceMetric::QueueDepth) >= 0, "queue of {at}");
    assert!(instance(row, InstanceMetric::ActiveConnections) >= 0 && row.enums().count() == 1);
}
