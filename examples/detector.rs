//! Tests a detector with a scenario: renders the scenario, feeds the records to the detector, and compares its alarms
//! with the labels. A threshold fails, a comparison with the recent past passes.
//!
//! `cargo run --example detector` prints the scores of both. `cargo test --example detector` runs the test.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::VecDeque;

use reenact::label::{Label, Role};
use reenact::run::Run;
use reenact::scenario::Diagnostics;
use reenact::time::{SimTime, Span};

/// Reads one series, sample by sample.
trait Detector {
    /// Takes the next sample. Returns whether something is wrong now.
    fn feed(&mut self, value: f64) -> bool;
}

/// The usual line on a dashboard: any value above it is an alarm.
struct Threshold(f64);

impl Detector for Threshold {
    fn feed(&mut self, value: f64) -> bool {
        value > self.0
    }
}

/// Compares the mean of the last two minutes with the means of the 40 minutes before, in units of their usual spread.
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

/// How well a detector did.
#[derive(Debug)]
struct Score {
    /// The ids of the incidents with an alarm.
    found: Vec<String>,
    /// The ids of the incidents without one.
    missed: Vec<String>,
    /// The number of alarms outside all incidents and their `GRACE`.
    false_alarms: usize,
}

/// How long after an incident an alarm is not a false one: the detector still remembers the incident.
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

/// Plans four spikes. They are 0.25 to 2 times as large as a deviation that normally occurs once in a thousand ticks.
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

    /// Checks what a detector must achieve before it goes into production.
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
        // A limit that is low enough to find the incidents causes false alarms. A limit without false alarms misses
        // incidents.
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
