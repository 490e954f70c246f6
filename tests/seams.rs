//! Values do not jump where one block ends and the next begins.

use std::collections::BTreeMap;

use reenact::engine::fill;
use reenact::plan::Plan;
use reenact::time::{BlockId, CELLS_PER_BLOCK, SimTime};

fn fleet() -> Plan {
    crate::common::plan(
        r#"
scenario: 1
seed: 21
clock: {start: "2026-01-05T00:00:00Z", run: 2d, step: 60s}
fleet: {servers: 40, services: 24}
anomalies:
  - {kind: temperature_high, target: srv-003, at: 1h30m, for: 40m, severity: high}
  - {kind: cpu_spike, target: srv-004, at: 3h50m, for: 30m, severity: high}
  - {kind: cpu_spike, target: srv-005, at: 3h59m55s, for: 2h, severity: high}
  - {kind: temperature_high, target: srv-006, at: 7h, for: 3h}
  - {kind: cpu_spike, target: srv-006, at: 7h30m, for: 45m}
  - {kind: memory_leak, target: srv-007, at: 9h, for: 6h, with: {leak: 200GB/h}}
  - {kind: power_surge, target: srv-008, at: 11h40m, for: 1h}
  - {kind: network_saturation, target: srv-009, at: 13h50m, for: 30m, severity: high}
  - {kind: disk_io_bottleneck, target: srv-010, at: 15h40m, for: 2h, severity: high}
  - {kind: latency_spike, target: database-primary, at: 17h45m, for: 40m}
  - {kind: error_burst, target: order-service, at: 19h50m, for: 25m, with: {failing: 60%}}
  # Overload for half a day: these hosts get more than twice their capacity, and queues persist for hours.
  - {kind: cpu_spike, target: srv-011, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: cpu_spike, target: srv-012, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: cpu_spike, target: srv-013, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: cpu_spike, target: srv-014, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: cpu_spike, target: srv-015, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: cpu_spike, target: srv-016, at: 32h, for: 14h, with: {cores: 90}}
  - {kind: disk_io_bottleneck, target: srv-013, at: 32h, for: 14h}
  - {kind: disk_io_bottleneck, target: srv-014, at: 32h, for: 14h}
  - {kind: disk_io_bottleneck, target: srv-015, at: 32h, for: 14h}
background: {share: 5%}
"#,
    )
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_end_of_a_block_matches_the_next_start() {
    let plan = fleet();
    let first = BlockId::holding(plan.clock().start());
    let (mut pairs, mut equal, mut queues) = (0, 0, 0);
    let mut before: Option<Vec<i32>> = None;
    for block in first.0..first.0 + 24 {
        let block = fill(&plan, BlockId(block), SimTime(i64::MAX / 2));
        let start: Vec<i32> = block.states(0).collect();
        for (end, start) in before.iter().flatten().zip(&start) {
            pairs += 1;
            equal += usize::from(end == start);
            // States are in sixteenths of a quantum, so at most one quantum may differ.
            assert!((end - start).abs() <= 16, "a state jumps from {end} to {start} sixteenths");
        }
        queues += block.states(0).skip(40).filter(|queue| *queue > 0).count();
        before = Some(block.states(CELLS_PER_BLOCK).collect());
    }
    assert_eq!(pairs, 23 * (40 + 24));
    assert!(queues > 3, "there are queues at only {queues} boundaries");
    assert!(equal * 100 >= pairs * 99, "only {equal} of {pairs} pairs are equal bit for bit");
}

#[test]
fn no_metric_changes_more_at_a_block_boundary_than_elsewhere() {
    let plan = fleet();
    let run = plan.run();
    let clock = run.plan().clock();
    for (metric, about) in run.plan().schema().metrics() {
        let entities = run.plan().fleet().entities.of(metric.entity_type()).len();
        let mut last = vec![None; entities];
        let (mut boundaries, mut elsewhere) = (BTreeMap::<SimTime, Vec<i64>>::new(), Vec::new());
        for batch in run.batches() {
            for row in batch.rows_of(metric.entity_type()) {
                let value = row.value(metric.column());
                let step = last[row.entity() as usize].replace(value).map(|last: i64| (value - last).abs());
                let is_boundary = BlockId::holding(row.timestamp()).start() == row.timestamp()
                    && row.timestamp() > clock.start();
                if let Some(step) = step {
                    let steps = match is_boundary {
                        true => boundaries.entry(row.timestamp()).or_default(),
                        false => &mut elsewhere,
                    };
                    steps.push(step);
                }
            }
        }
        let share_above = |steps: &[i64], limit: i64| {
            steps.iter().filter(|step| **step > limit).count() as f64 / steps.len() as f64
        };
        elsewhere.sort_unstable();
        for quantile in [0.5, 0.9, 0.99] {
            let limit = elsewhere[(elsewhere.len() as f64 * quantile) as usize];
            let shares: Vec<f64> = boundaries.values().map(|steps| share_above(steps, limit)).collect();
            let (here, expected) = (mean(&shares), 1.0 - quantile);
            // Entities that share their demand change together. So the sample size is the 23 boundaries, and not their
            // 552 to 920 steps. A seam would affect all boundaries.
            let variance =
                mean(&shares.iter().map(|share| (share - here) * (share - here)).collect::<Vec<_>>());
            let error = 4.0 * (variance / (shares.len() - 1) as f64).sqrt();
            assert!(
                here <= expected + error,
                "{}: {here} of boundary steps are above the {quantile} quantile",
                about.name()
            );
        }
    }
}
