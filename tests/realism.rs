//! The statistics of a normal week are within the ranges of real fleets.
//!
//! The ranges come from the Google 2019 and Alibaba 2018 cluster traces, NAB's realAWSCloudwatch and the Server Machine
//! Dataset, sampled at 60 s over seven days. They apply to medians over entities.

use std::collections::BTreeMap;

use crate::common::plan;
use reenact::engine::models::{InstanceMetric, ServerMetric};
use reenact::fleet::Entity;
use reenact::plan::Plan;
use reenact::schema::MetricId;

type Series = BTreeMap<(Entity, MetricId), Vec<f64>>;

/// Returns the values of a plan for each entity and metric, in the unit of the metric.
fn series(plan: &Plan) -> Series {
    let mut series = Series::new();
    for batch in plan.clone().run().batches() {
        for row in batch.rows() {
            let entity = Entity::new(row.type_id(), row.entity());
            for column in 0..row.entity_type().metrics().len() {
                let metric = MetricId::new(row.type_id(), column as u16);
                series.entry((entity, metric)).or_default().push(row.get(metric).unwrap());
            }
        }
    }
    series
}

fn week(seed: u64) -> Plan {
    plan(&fleet_of(seed, (20, 12), "7d", "60s"))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

fn share(values: &[f64], is: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|v| is(**v)).count() as f64 / values.len() as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let product: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let square = |x: &[f64], m: f64| x.iter().map(|v| (v - m) * (v - m)).sum::<f64>();
    product / (square(a, ma) * square(b, mb)).sqrt()
}

fn lag_1(values: &[f64]) -> f64 {
    correlation(&values[1..], &values[..values.len() - 1])
}

/// Returns ranks. Equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        for index in group {
            ranks[*index] = begin as f64 + (group.len() - 1) as f64 / 2.0;
        }
        begin += group.len();
    }
    ranks
}

fn spearman(a: &[f64], b: &[f64]) -> f64 {
    correlation(&ranks(a), &ranks(b))
}

/// Returns the residual: the values without the trend (a moving mean over one day) and without the daily profile (the
/// mean of seven days, smoothed over half an hour).
fn residual(values: &[f64]) -> Vec<f64> {
    const DAY: usize = 1_440;
    let smooth = |values: &[f64], half: usize, wraps: bool| -> Vec<f64> {
        let n = values.len();
        let at = |i: isize| {
            if wraps {
                values[i.rem_euclid(n as isize) as usize]
            } else {
                values[i.clamp(0, n as isize - 1) as usize]
            }
        };
        let half = half as isize;
        (0..n as isize).map(|i| (i - half..=i + half).map(at).sum::<f64>() / (2 * half + 1) as f64).collect()
    };
    let trend = smooth(values, DAY / 2, false);
    let detrended: Vec<f64> = values.iter().zip(&trend).map(|(v, t)| v - t).collect();
    let by_minute: Vec<f64> = (0..DAY)
        .map(|minute| mean(&detrended.iter().skip(minute).step_by(DAY).copied().collect::<Vec<_>>()))
        .collect();
    let shape = smooth(&by_minute, 15, true);
    detrended.iter().enumerate().map(|(i, v)| v - shape[i % DAY]).collect()
}

fn excess_kurtosis(values: &[f64]) -> f64 {
    let m = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - m) * (v - m)).collect();
    let fourth = mean(&squares.iter().map(|s| s * s).collect::<Vec<_>>());
    fourth / (mean(&squares) * mean(&squares)) - 3.0
}

#[test]
fn a_normal_week_is_within_the_ranges_of_real_fleets() {
    for seed in 1..=3 {
        let all = series(&week(seed));
        let of = |metric: MetricId| {
            all.iter().filter(move |((_, m), _)| *m == metric).map(|(_, s)| s).collect::<Vec<_>>()
        };
        // [p10, median, p90] over entities.
        let three = |values: Vec<f64>| [0.1, 0.5, 0.9].map(|q| quantile(&values, q));
        let each =
            |metric: MetricId, f: &dyn Fn(&[f64]) -> f64| three(of(metric).iter().map(|s| f(s)).collect());
        let pairs = |a: MetricId, b: MetricId, f: &dyn Fn(&[f64], &[f64]) -> f64| {
            three(of(a).iter().zip(of(b)).map(|(a, b)| f(a, b)).collect())
        };
        let lag = |metric: MetricId| each(metric, &lag_1);
        let rank = |a: MetricId, b: MetricId| pairs(a, b, &spearman);
        let ratio = |a: &[f64], b: &[f64]| quantile(a, 0.5) / quantile(b, 0.5);
        let is_empty = |s: &[f64]| share(s, |v| v == 0.0);
        let cpu = |f: &dyn Fn(&[f64]) -> f64| each(ServerMetric::CpuUsage.id(), &|s| f(&residual(s)));
        // The statistic, its p10, median and p90, and the range of the median.
        for (what, [low, median, high], (least, most)) in [
            ("lag-1 of cpu", lag(ServerMetric::CpuUsage.id()), (0.6, 0.98)),
            ("lag-1 of memory", lag(ServerMetric::MemoryUsage.id()), (0.9, 1.0)),
            ("lag-1 of received traffic", lag(ServerMetric::NetworkRx.id()), (0.32, 0.99)),
            ("lag-1 of writes", lag(ServerMetric::DiskWrite.id()), (0.05, 0.93)),
            ("lag-1 of connections", lag(InstanceMetric::ActiveConnections.id()), (0.47, 0.99)),
            ("lag-1 of cpu's residual", cpu(&lag_1), (0.37, 0.85)),
            ("excess kurtosis of cpu's residual", cpu(&excess_kurtosis), (4.0, 268.0)),
            (
                "cpu and power",
                rank(ServerMetric::CpuUsage.id(), ServerMetric::PowerConsumption.id()),
                (0.9, 0.98),
            ),
            (
                "power and temperature",
                rank(ServerMetric::PowerConsumption.id(), ServerMetric::CpuTemperature.id()),
                (0.9, 0.99),
            ),
            (
                "received and sent traffic",
                rank(ServerMetric::NetworkRx.id(), ServerMetric::NetworkTx.id()),
                (0.74, 0.98),
            ),
            (
                "cpu and received traffic",
                rank(ServerMetric::CpuUsage.id(), ServerMetric::NetworkRx.id()),
                (0.35, 0.98),
            ),
            ("cpu and writes", rank(ServerMetric::CpuUsage.id(), ServerMetric::DiskWrite.id()), (0.14, 0.82)),
            (
                "cpu and memory",
                rank(ServerMetric::CpuUsage.id(), ServerMetric::MemoryUsage.id()),
                (-0.04, 0.32),
            ),
            (
                "rate and connections",
                rank(InstanceMetric::RequestRate.id(), InstanceMetric::ActiveConnections.id()),
                (0.3, 0.99),
            ),
            (
                "p95 to p50",
                pairs(InstanceMetric::ResponseTimeP95.id(), InstanceMetric::ResponseTimeP50.id(), &ratio),
                (1.6, 2.3),
            ),
            (
                "p99 to p50",
                pairs(InstanceMetric::ResponseTimeP99.id(), InstanceMetric::ResponseTimeP50.id(), &ratio),
                (2.1, 3.2),
            ),
            ("ticks with an empty queue", each(InstanceMetric::QueueDepth.id(), &is_empty), (0.8, 0.999)),
            ("mean of cpu", each(ServerMetric::CpuUsage.id(), &mean), (15.0, 50.0)),
        ] {
            assert!((least..=most).contains(&median), "seed {seed}: the median of {what} is {median:.3}");
            assert!(
                high - low > 1e-4,
                "seed {seed}: {what} is the same for all entities: {low:.4} to {high:.4}"
            );
        }
        // Without incidents, no server throttles, and full cores are rare.
        let hottest =
            of(ServerMetric::CpuTemperature.id()).iter().map(|s| quantile(s, 1.0)).fold(0.0, f64::max);
        assert!(hottest < 90.0, "seed {seed}: {hottest} °C without any incident");
        let full = mean(
            &of(ServerMetric::CpuUsage.id()).iter().map(|s| share(s, |v| v >= 99.9)).collect::<Vec<_>>(),
        );
        assert!(full <= 1e-3, "seed {seed}: cores are full in {full} of all ticks");
        // No series is constant.
        for ((_, metric), values) in &all {
            assert!(
                quantile(values, 1.0) > quantile(values, 0.0),
                "{} is constant somewhere",
                reenact::engine::models::builtin()[*metric].name()
            );
        }
    }
}

/// The scale is a closed formula that approximates the p99.9 of |value − profile| in a long run. The profile in this
/// test is the mean week, smoothed over three hours.
#[test]
fn the_scale_is_about_the_p999_of_the_normal_residual() {
    // 112 days with a step of 10 min. For errors, 28 days with a step of 1 min, for which their scale is defined.
    let long = plan(&fleet_of(4, (60, 36), "112d", "10m"));
    let fine = plan(&fleet_of(4, (20, 12), "28d", "60s"));
    let errors = [InstanceMetric::ErrorRate.id(), InstanceMetric::ErrorCount.id()];
    let all_metrics: Vec<MetricId> = long.schema().metrics().map(|(metric, _)| metric).collect();
    for (plan, per_week, metrics) in [(&long, 1_008, all_metrics), (&fine, 10_080, errors.to_vec())] {
        let all = series(plan);
        for metric in metrics {
            let (is_error, about) = (errors.contains(&metric), &plan.schema()[metric]);
            // Disk usage has no noise; its scale is one unit of its last decimal.
            if metric == ServerMetric::DiskUsage.id() || (is_error && per_week == 1_008) {
                continue;
            }
            let of_metric = all.iter().filter(|((_, m), _)| *m == metric);
            let ratio = |((entity, _), values): (&(Entity, MetricId), &Vec<f64>)| {
                let profile = mean_week(values, per_week);
                let residual: Vec<f64> =
                    values.iter().enumerate().map(|(i, v)| (v - profile[i % per_week]).abs()).collect();
                plan.scale(*entity, metric) / quantile(&residual, 0.999).max(1.0 / about.units() as f64)
            };
            let ratios: Vec<f64> = of_metric.map(ratio).collect();
            let (median, name) = (quantile(&ratios, 0.5), about.name());
            assert!((0.8..=1.25).contains(&median), "{name}: the scale is {median:.2} of the p99.9");
            let within = share(&ratios, |r| (1.0 / 1.5..=1.5).contains(&r));
            // Bulk transfers occur once in seven hours, and a few of them determine the p99.9 of a host.
            let is_network = [ServerMetric::NetworkRx.id(), ServerMetric::NetworkTx.id()].contains(&metric);
            let least = if is_network { 0.8 } else { 0.9 };
            assert!(within >= least, "{name}: only {within:.2} of the entities are within a factor of 1.5");
        }
    }
}

fn mean_week(values: &[f64], per_week: usize) -> Vec<f64> {
    let means: Vec<f64> = (0..per_week)
        .map(|i| mean(&values.iter().skip(i).step_by(per_week).copied().collect::<Vec<_>>()))
        .collect();
    let half = (per_week / 112) as isize;
    let at = |i: isize| means[i.rem_euclid(per_week as isize) as usize];
    let around = |i: isize| (i - half..=i + half).map(at).sum::<f64>() / (2 * half + 1) as f64;
    (0..per_week as isize).map(around).collect()
}

fn fleet_of(seed: u64, (servers, services): (u32, u32), run: &str, step: &str) -> String {
    format!(
        "scenario: 1\nseed: {seed}\nclock: {{start: \"2026-01-05T00:00:00Z\", run: {run}, step: {step}}}\nfleet: {{seed: {seed}, servers: {servers}, services: {services}}}"
    )
}

#[test]
fn the_time_constant_of_a_host_shows_in_its_temperature() {
    let plan = plan(
        "scenario: 1\nseed: 6\nclock: {start: \"2026-01-05T09:00:00Z\", run: 4h, step: 1s}\nfleet: {servers: 6, services: 4}",
    );
    let servers = plan.fleet().servers.clone();
    let inlets: Vec<f64> =
        servers.iter().map(|server| plan.fleet().zones[server.zone as usize].inlet_celsius).collect();
    let series = series(&plan);
    for (index, server) in servers.iter().enumerate() {
        let entity = Entity::server(index as u32);
        let watts: Vec<f64> = series[&(entity, ServerMetric::PowerConsumption.id())].clone();
        let celsius: Vec<f64> = series[&(entity, ServerMetric::CpuTemperature.id())].clone();
        // Each τ models a temperature from the power alone. The true one correlates best with the measured temperature.
        let fits = |tau: f64| {
            let decay = reenact::math::exp(-1.0 / tau);
            let mut state = inlets[index] + server.physics.thermal_resistance * watts[0];
            let modelled: Vec<f64> = watts
                .iter()
                .map(|w| {
                    let now = state;
                    let goal = inlets[index] + server.physics.thermal_resistance * w;
                    state = goal + (state - goal) * decay;
                    now
                })
                .collect();
            // Changes over a minute exclude the slow change of the air temperature, which is independent of the server.
            let changes =
                |x: &[f64]| x[1_800..].iter().zip(&x[1_860..]).map(|(a, b)| b - a).collect::<Vec<_>>();
            correlation(&changes(&modelled), &changes(&celsius))
        };
        let candidates: Vec<f64> = (0..120).map(|i| 40.0 * reenact::math::pow(1.02, f64::from(i))).collect();
        let best = candidates.into_iter().max_by(|a, b| fits(*a).total_cmp(&fits(*b))).unwrap();
        let drawn = server.physics.time_constant_s;
        assert!((best / drawn - 1.0).abs() <= 0.2, "{}: τ {best:.0} s read, {drawn:.0} s drawn", server.name);
    }
}
