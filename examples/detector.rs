//! A detector's own test: it renders a scenario, feeds a detector with it, and holds what it reports
//! against the truth. A threshold fails, a comparison with the recent past passes.
//!
//! `cargo run --example detector` shows both, `cargo test --example detector` is the test.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::VecDeque;

use reenact::label::{Label, Role};
use reenact::run::Run;
use reenact::scenario::Diagnostics;
use reenact::time::{SimTime, Span};

/// Looks at one series, sample by sample.
trait Detector {
    /// Whether something is wrong now.
    fn feed(&mut self, value: f64) -> bool;
}

/// The line that is on every dashboard: as high as that has to be bad.
struct Threshold(f64);

impl Detector for Threshold {
    fn feed(&mut self, value: f64) -> bool {
        value > self.0
    }
}

/// The mean of the last minutes against the hour before them, in units of how far these usually are apart.
struct AgainstThePast {
    samples: VecDeque<f64>,
    recent: usize,
    past: usize,
    limit: f64,
}

impl AgainstThePast {
    fn new(step: Span, limit: f64) -> AgainstThePast {
        let samples = |minutes: i64| (minutes * 60_000 / step.0) as usize;
        AgainstThePast { samples: VecDeque::new(), recent: samples(2), past: samples(40), limit }
    }
}

impl Detector for AgainstThePast {
    fn feed(&mut self, value: f64) -> bool {
        self.samples.push_back(value);
        if self.samples.len() <= self.recent + self.past {
            return false;
        }
        self.samples.pop_front();
        let means: Vec<f64> = self.samples.make_contiguous().chunks(self.recent).map(mean).collect();
        let (now, past) = means.split_last().expect("there is a past");
        let usual = median(past.to_vec());
        let spread = median(past.iter().map(|mean| (mean - usual).abs()).collect()).max(0.05);
        (now - usual).abs() / spread > self.limit
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How a detector did.
#[derive(Debug)]
struct Score {
    /// Incidents that it found, of those that are there.
    found: Vec<String>,
    missed: Vec<String>,
    /// Alarms while nothing was wrong.
    false_alarms: usize,
}

/// A while after an incident the detector's own memory of it may still speak.
const GRACE: Span = Span::minutes(45);

fn score(run: &Run, server: &str, detector: &mut dyn Detector) -> Score {
    let mut alarms: Vec<SimTime> = Vec::new();
    let cpu = run.plan().schema().metric_named("cpu_usage_percent").expect("servers have it");
    for batch in run.batches() {
        for row in batch.rows().filter(|row| row.name() == server) {
            if row.get(cpu).is_some_and(|value| detector.feed(value)) {
                alarms.push(row.timestamp());
            }
        }
    }
    let truth: Vec<Label> = run.labels().filter(|label| label.role == Role::Cause).collect();
    let is_found = |label: &&Label| alarms.iter().any(|t| (label.cause_start..label.cause_end).contains(t));
    let ids = |labels: Vec<&Label>| labels.into_iter().map(|label| label.incident_id.clone()).collect();
    let (found, missed): (Vec<&Label>, Vec<&Label>) = truth.iter().partition(is_found);
    let during = |t: &&SimTime| !truth.iter().any(|l| (l.cause_start..l.cause_end + GRACE).contains(t));
    Score { found: ids(found), missed: ids(missed), false_alarms: alarms.iter().filter(during).count() }
}

/// Four spikes, from a quarter of a once-in-a-thousand tick to twice that.
fn how_small() -> Result<Run, Diagnostics> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/examples/how-small.yaml");
    Ok(reenact::scenario(path)?.plan()?.run())
}

fn main() -> Result<(), Diagnostics> {
    let run = how_small()?;
    let step = run.plan().clock().step();
    let detectors: [(&str, Box<dyn Detector>); 2] = [
        ("a threshold", Box::new(Threshold(90.0))),
        ("against the past", Box::new(AgainstThePast::new(step, 12.0))),
    ];
    for (name, mut detector) in detectors {
        let Score { found, missed, false_alarms } = score(&run, "srv-001", &mut *detector);
        println!("{name}: found {found:?}, missed {missed:?}, {false_alarms} false alarms");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a detector has to find to be let into production.
    fn holds(score: &Score) -> Result<(), String> {
        match score {
            Score { missed, .. } if missed.iter().any(|id| ["half", "one", "two"].contains(&id.as_str())) => {
                Err(format!("it misses {missed:?}"))
            }
            Score { false_alarms, .. } if *false_alarms > 0 => Err(format!("{false_alarms} false alarms")),
            _ => Ok(()),
        }
    }

    #[test]
    fn a_threshold_is_not_enough() {
        let run = how_small().unwrap();
        // Low enough to find something, it reports what is normal; high enough for that, it finds nothing.
        for limit in (10..=90).map(f64::from) {
            let score = score(&run, "srv-001", &mut Threshold(limit));
            assert!(holds(&score).is_err(), "{limit} %: {score:?}");
        }
    }

    #[test]
    fn a_comparison_with_the_past_finds_what_is_to_be_found() {
        let run = how_small().unwrap();
        let mut detector = AgainstThePast::new(run.plan().clock().step(), 12.0);
        let score = score(&run, "srv-001", &mut detector);
        assert_eq!(holds(&score), Ok(()), "{score:?}");
    }
}
