//! Every row obeys the laws of the record tables, and no series is a toy.

use std::collections::BTreeMap;

use reenact::batch::{Batch, Metric, RecordType, Row};
use reenact::plan::{Entity, Plan};

use crate::common::{BUSY, plan};

/// Plans that reach into corners: overlapping incidents, a full host, a weekend's night, a coarse step.
fn plans() -> Vec<Plan> {
    let full = BUSY.replace("severity: high", "severity: 50").replace("severity: 3", "severity: 100");
    let night =
        "scenario: 1\nuse: dev\nseed: 2\nclock: {start: \"2026-01-10T01:00:00Z\", run: 4h, step: 10s}";
    let coarse = "scenario: 1\nseed: 8\nclock: {start: \"2026-01-05T00:00:00Z\", run: 2d, step: 10m}\nfleet: {servers: 20, services: 12}";
    [BUSY, &full, night, coarse].into_iter().map(plan).collect()
}

fn value(row: &Row<'_>, metric: Metric) -> i64 {
    row.value(metric.column())
}

#[test]
fn every_row_obeys_its_laws() {
    for plan in plans() {
        let step = plan.clock().step().0;
        let mut last_usage: BTreeMap<u32, i64> = BTreeMap::new();
        let run = plan.clone().run();
        for batch in run.batches() {
            for row in batch.rows() {
                match row.record {
                    RecordType::ServerMetric => server_laws(&plan, &row, &mut last_usage),
                    RecordType::ApplicationMetric => service_laws(&batch, &row, step),
                }
            }
        }
    }
}

fn server_laws(plan: &Plan, row: &Row<'_>, last_usage: &mut BTreeMap<u32, i64>) {
    let server = &plan.fleet().servers[row.entity() as usize];
    let physics = &server.physics;
    let at = format!("{} at {}", server.name, row.timestamp());
    for metric in [Metric::CpuUsage, Metric::MemoryUsage, Metric::DiskUsage] {
        assert!((0..=10_000).contains(&value(row, metric)), "{} of {at}", metric.name());
    }
    let free = physics.memory_gb * (1.0 - value(row, Metric::MemoryUsage) as f64 / 1e4);
    let shown = value(row, Metric::MemoryAvailable) as f64 / 100.0;
    assert!((free - shown).abs() <= 0.005 + 1e-9, "available memory of {at}: {shown}, and {free} is free");
    let (read, write) = (value(row, Metric::DiskRead), value(row, Metric::DiskWrite));
    assert!(read >= 0 && write >= 0 && (read + write) as f64 <= physics.disk_limit * 100.0, "disk of {at}");
    for metric in [Metric::NetworkRx, Metric::NetworkTx] {
        let rate = value(row, metric);
        assert!(rate >= 0 && rate as f64 <= physics.line_rate * 100.0, "{} of {at}", metric.name());
    }
    let watts = value(row, Metric::PowerConsumption) as f64 / 10.0;
    let celsius = value(row, Metric::CpuTemperature) as f64 / 10.0;
    let fan = physics.fan_watts * (celsius + 1.0 - 25.0).max(0.0);
    assert!(
        watts >= physics.idle_watts - 0.1 && watts <= 1.25 * physics.max_watts + fan,
        "{watts} W of {at}"
    );
    assert!((15.0..130.0).contains(&celsius), "{celsius} °C of {at}");
    // Disk usage falls only at the clean-up.
    let usage = value(row, Metric::DiskUsage);
    if let Some(last) = last_usage.insert(row.entity(), usage) {
        let day = 86_400_000;
        let since = (row.timestamp().0 - physics.clean_up_ms).rem_euclid(day);
        // It takes a minute or so: usage lies on lines of 80 s.
        let is_clean_up = since < plan.clock().step().0 + 80_000 || since > day - 80_000;
        assert!(usage >= last || is_clean_up, "disk usage of {at} falls from {last} to {usage}");
    }
}

fn service_laws(batch: &Batch, row: &Row<'_>, step_ms: i64) {
    let at = format!("{} at {}", batch.entity_name(row), row.timestamp());
    let quantiles =
        [Metric::ResponseTimeP50, Metric::ResponseTimeP95, Metric::ResponseTimeP99].map(|m| value(row, m));
    assert!(
        0 < quantiles[0] && quantiles[0] <= quantiles[1] && quantiles[1] <= quantiles[2],
        "{quantiles:?} of {at}"
    );
    let rate = value(row, Metric::RequestRate);
    let requests = (rate * step_ms + 50_000) / 100_000;
    let errors = value(row, Metric::ErrorCount);
    assert!(rate >= 0 && (0..=requests).contains(&errors), "{errors} errors of {requests} requests of {at}");
    let percent = if requests == 0 { 0.0 } else { 100.0 * errors as f64 / requests as f64 };
    let shown = value(row, Metric::ErrorRate) as f64 / 1e3;
    assert!((percent - shown).abs() <= 0.0005 + 1e-9, "error rate of {at}: {shown} for {percent}");
    assert!(value(row, Metric::QueueDepth) >= 0, "queue of {at}");
    assert!(value(row, Metric::ActiveConnections) >= 0 && row.endpoint().is_some());
}

/// By entity and metric, the values of a plan without incidents.
fn series(plan: Plan) -> BTreeMap<(Entity, Metric), Vec<f64>> {
    let mut series: BTreeMap<(Entity, Metric), Vec<f64>> = BTreeMap::new();
    let run = plan.run();
    for batch in run.batches() {
        for row in batch.rows() {
            let entity = match row.record {
                RecordType::ServerMetric => Entity::Server(row.entity()),
                RecordType::ApplicationMetric => Entity::Service(row.entity()),
            };
            for metric in row.record.metrics() {
                series.entry((entity, *metric)).or_default().push(value(&row, *metric) as f64);
            }
        }
    }
    series
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn share(values: &[f64], is: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|v| is(**v)).count() as f64 / values.len() as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let product: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let square = |x: &[f64], m: f64| x.iter().map(|v| (v - m) * (v - m)).sum::<f64>();
    product / (square(a, ma) * square(b, mb)).sqrt()
}

fn week(seed: u64) -> BTreeMap<(Entity, Metric), Vec<f64>> {
    series(plan(&format!(
        "scenario: 1\nseed: {seed}\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 7d, step: 60s}}\nfleet: {{servers: 20, services: 12}}"
    )))
}

#[test]
fn no_series_is_constant_and_none_is_white_noise() {
    let series = week(1);
    for metric in Metric::ALL {
        let all: Vec<&Vec<f64>> = series.iter().filter(|((_, m), _)| m == metric).map(|(_, s)| s).collect();
        let spread = |s: &&Vec<f64>| {
            s.iter().copied().fold(f64::MIN, f64::max) - s.iter().copied().fold(f64::MAX, f64::min)
        };
        if *metric == Metric::QueueDepth {
            let empty = median(all.iter().map(|s| share(s, |v| v == 0.0)).collect());
            assert!((0.8..1.0).contains(&empty), "queues are empty in {empty} of the ticks");
            continue;
        }
        assert!(all.iter().all(|s| spread(s) > 0.0), "{} is constant somewhere", metric.name());
        let lag_1 = median(all.iter().map(|s| correlation(&s[1..], &s[..s.len() - 1])).collect());
        // The lower ends of the bands at 60 s; errors are counts of independent requests.
        let least = match metric {
            Metric::ErrorCount | Metric::ErrorRate => -1.0,
            // .20 in the median of real disks.
            Metric::DiskRead | Metric::DiskWrite => 0.05,
            Metric::MemoryUsage | Metric::MemoryAvailable => 0.9,
            // Half of the variance of their noise factor is faster than a minute.
            Metric::ResponseTimeP50 | Metric::ResponseTimeP95 | Metric::ResponseTimeP99 => 0.3,
            _ => 0.6,
        };
        assert!(lag_1 >= least, "{}: lag-1 autocorrelation {lag_1}", metric.name());
    }
}

#[test]
fn metrics_of_a_host_belong_together_and_hosts_differ() {
    let series = week(2);
    let of = |metric: Metric| -> Vec<&Vec<f64>> {
        series.iter().filter(|((_, m), _)| *m == metric).map(|(_, s)| s).collect()
    };
    let together =
        |a: Metric, b: Metric| median(of(a).iter().zip(of(b)).map(|(a, b)| correlation(a, b)).collect());
    for (a, b, least) in [
        (Metric::CpuUsage, Metric::PowerConsumption, 0.9),
        (Metric::PowerConsumption, Metric::CpuTemperature, 0.9),
        (Metric::NetworkRx, Metric::NetworkTx, 0.7),
        (Metric::CpuUsage, Metric::NetworkRx, 0.35),
        (Metric::RequestRate, Metric::ActiveConnections, 0.3),
    ] {
        let found = together(a, b);
        assert!(found >= least, "{} and {}: {found}", a.name(), b.name());
    }
    let ratio = median(
        of(Metric::ResponseTimeP95)
            .iter()
            .zip(of(Metric::ResponseTimeP50))
            .map(|(a, b)| median((*a).clone()) / median(b.clone()))
            .collect(),
    );
    assert!((1.6..=2.3).contains(&ratio), "p95 ÷ p50 is {ratio}");
    let means: Vec<f64> =
        of(Metric::CpuUsage).iter().map(|s| s.iter().sum::<f64>() / s.len() as f64).collect();
    let (least, most) = means.iter().fold((f64::MAX, f64::MIN), |(a, b), m| (a.min(*m), b.max(*m)));
    assert!(most > 1.5 * least, "mean cpu of hosts lies between {least} and {most}");
    // A host is full only where its guests' demand stands at its limit, 1.49 times the profile's peak.
    let all = of(Metric::CpuUsage);
    let full = all.iter().flat_map(|s| s.iter()).filter(|v| **v >= 9_990.0).count();
    assert!(full * 10_000 <= all.len() * all[0].len(), "{full} ticks at 100 % in the normal state");
}

#[test]
fn each_hosts_time_constant_can_be_read_from_its_temperature() {
    let plan = plan(
        "scenario: 1\nseed: 6\nclock: {start: \"2026-01-05T09:00:00Z\", run: 8h, step: 10s}\nfleet: {servers: 6, services: 4}",
    );
    let servers = plan.fleet().servers.clone();
    let inlets: Vec<f64> =
        servers.iter().map(|server| plan.fleet().zones[server.zone as usize].inlet_celsius).collect();
    let series = series(plan);
    for (index, server) in servers.iter().enumerate() {
        let entity = Entity::Server(index as u32);
        let watts: Vec<f64> = series[&(entity, Metric::PowerConsumption)].iter().map(|w| w / 10.0).collect();
        let celsius: Vec<f64> = series[&(entity, Metric::CpuTemperature)].iter().map(|c| c / 10.0).collect();
        // Each τ gives a temperature from the power alone; the right one correlates best.
        let fits = |tau: f64| {
            let mut state = inlets[index] + server.physics.thermal_resistance * watts[0];
            let modelled: Vec<f64> = watts
                .iter()
                .map(|w| {
                    let now = state;
                    let goal = inlets[index] + server.physics.thermal_resistance * w;
                    state = goal + (state - goal) * reenact::math::exp(-10.0 / tau);
                    now
                })
                .collect();
            // Changes over a minute: the slow swing of the air is none of the server's.
            let changes = |x: &[f64]| x[180..].iter().zip(&x[186..]).map(|(a, b)| b - a).collect::<Vec<_>>();
            correlation(&changes(&modelled), &changes(&celsius))
        };
        let candidates: Vec<f64> = (0..120).map(|i| 40.0 * reenact::math::pow(1.02, f64::from(i))).collect();
        let best = candidates.into_iter().max_by(|a, b| fits(*a).total_cmp(&fits(*b))).unwrap();
        let drawn = server.physics.time_constant_s;
        assert!((best / drawn - 1.0).abs() <= 0.2, "{}: τ {best:.0} s read, {drawn:.0} s drawn", server.name);
    }
}
