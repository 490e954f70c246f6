//! Noise on the grid as a function of simulated time. Any moment can be computed directly, and a coarser step is
//! the finer one, sampled.
//!
//! Input: a key and a grid point. Output: numbers with known mean and variance. A value never depends on an earlier
//! draw, or on anything but its key and time.
//!
//! Signals are computed in strips: eight grid points of one signal at once. Its nodes are looked up once per strip,
//! and the loop over points is plain arithmetic. Parts that change over minutes or longer are interpolated linearly
//! between the two ends of their strip.

mod octave;
mod quantile;
mod shot;
mod wander;

pub use octave::Octave;
pub use quantile::log_normal;
pub use shot::{Pareto, ShotShape, Shots};
pub use wander::{Wander, WanderEnds, WanderSignal, soft};

use crate::time::{CELL, SimTime, Span};

/// The number of grid points in a strip.
pub const STRIP: usize = 8;

/// The length of a strip. Strips are counted from the Unix epoch.
pub const STRIP_SPAN: Span = Span(STRIP as i64 * CELL.0);

/// One value for each grid point of a strip.
pub type Points = [f64; STRIP];

/// The number of the last grid point at or before a moment.
pub fn point(moment: SimTime) -> i64 {
    moment.0.div_euclid(CELL.0)
}

/// The line from `from` at the strip's first point to `to` at the first point of the next strip.
#[inline]
pub fn between(from: f64, to: f64) -> Points {
    let slope = (to - from) * (1.0 / STRIP as f64);
    std::array::from_fn(|k| from + slope * k as f64)
}
