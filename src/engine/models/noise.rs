//! How demand and devices vary: the parameters of all noise with memory.
//!
//! They were found by experiment. Medians over entities are within the ranges of real fleets (Google 2019 and
//! Alibaba 2018 cluster traces, NAB's realAWSCloudwatch).

use crate::noise::{Pareto, ShotShape, Wander};
use crate::time::Span;

/// The wander of the logarithm of a service's demand.
pub const SERVICE_WANDER: Wander =
    Wander { amplitudes: [0.025, 0.025, 0.03, 0.035, 0.05, 0.11, 0.13], volatility: 0.5 };

/// The wander of a host's own load, relative to its level, before the host's factor.
pub const OWN_WANDER: Wander =
    Wander { amplitudes: [0.05, 0.033, 0.033, 0.033, 0.045, 0.115, 0.14], volatility: 0.85 };

/// The amplitudes of the octaves of 20 s and 1,280 s over which the logarithm of an instance's latency wanders.
pub const LATENCY_NOISE: (f64, f64) = (0.05, 0.04);

/// √(0.05² + 0.04²): the standard deviation of that logarithm.
pub const LATENCY_NOISE_SIGMA: f64 = 0.064;

/// The sizes of bursts of demand, relative to the profile.
pub const BURST: Pareto = Pareto { alpha: 2.2, least: 0.10, cap: 0.7 };

/// How long bursts of demand last.
pub const BURST_SHAPE: ShotShape =
    ShotShape { cell: Span::hours(2), rise: (30.0, 120.0), plateau: (30.0, 120.0), decay: (120.0, 600.0) };

/// How long jobs last.
pub const JOB_SHAPE: ShotShape =
    ShotShape { cell: Span::minutes(20), rise: (10.0, 30.0), plateau: (20.0, 180.0), decay: (10.0, 40.0) };

/// The largest job, as a share of the cores.
pub const JOB_CAP: f64 = 0.35;

/// The sizes of flows of bulk traffic, in units of the host's level.
pub const FLOW: Pareto = Pareto { alpha: 2.0, least: 0.2, cap: 3.0 };

/// The number of flows of bulk traffic an hour.
pub const FLOWS_PER_HOUR: f64 = 0.15;

/// How long flows last.
pub const FLOW_SHAPE: ShotShape =
    ShotShape { cell: Span::minutes(20), rise: (10.0, 30.0), plateau: (30.0, 300.0), decay: (10.0, 60.0) };

/// The sizes of flushes of a disk, in units of the host's level.
pub const FLUSH: Pareto = Pareto { alpha: 1.6, least: 0.8, cap: 40.0 };

/// How long flushes last.
pub const FLUSH_SHAPE: ShotShape =
    ShotShape { cell: Span::minutes(10), rise: (2.0, 6.0), plateau: (5.0, 30.0), decay: (2.0, 4.0) };
