//! `memory_leak`: converts a rise of memory usage to a leak rate, and decides when the process is killed.

use super::{Carrier, Change, Envelope, Kind, Leak, Measure, Quantity, Target};
use crate::time::Span;

/// A leak that is given by a severity ends below this much memory in use, %.
const MOST_USED: f64 = 95.0;

/// A process leaks memory; near the limit guests slow down, and a killed process leaves cold caches.
#[derive(Debug)]
pub struct MemoryLeak;

impl Kind for MemoryLeak {
    fn name(&self) -> &'static str {
        "memory_leak"
    }

    fn about(&self) -> &'static str {
        "a process leaks memory until it is killed: a sawtooth, then errors and cold caches of instances on the server"
    }

    fn carrier(&self) -> Carrier {
        Carrier { entity_type: "server", metric: "memory_usage_percent" }
    }

    fn measure(&self) -> Measure {
        Measure { key: "leak", quantity: Quantity::MemoryRate }
    }

    /// The deviation grows until the end of the hold, or until it would reach the limit.
    fn amount(&self, wanted: f64, target: &Target, envelope: &Envelope) -> f64 {
        let points_per_s = wanted.min(room(target)) / grows_for(envelope);
        points_per_s / 100.0 * target.memory_gb
    }

    fn bound(&self, wanted: f64, target: &Target, _: &Envelope) -> Option<&'static str> {
        (wanted > room(target)).then_some("the memory would be full")
    }

    /// Only a leak that is given in physical terms reaches the kill. A kill comes at most once a minute.
    fn change(&self, gb_per_s: f64, target: &Target, _: &Envelope) -> Change {
        let killed_at = (target.memory_kill - target.memory_used).max(0.1);
        let points_per_s = 100.0 * gb_per_s / target.memory_gb;
        let fastest = killed_at / 60.0;
        let bound = (points_per_s > fastest).then_some("the memory fills at most once a minute");
        Change {
            leak: Some(Leak { points_per_s: points_per_s.min(fastest), killed_at }),
            bound,
            ..Change::default()
        }
    }

    fn lasts(&self) -> (Span, Span) {
        (Span::minutes(5), Span::minutes(20))
    }
}

/// The most that a leak given by a severity may take, in points.
fn room(target: &Target) -> f64 {
    (MOST_USED - target.memory_used).max(0.1)
}

/// How long a leak grows before the step down begins, s.
fn grows_for(envelope: &Envelope) -> f64 {
    (envelope.up() + envelope.hold()).as_seconds().max(1e-3)
}
