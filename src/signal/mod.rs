//! Noise on the grid as a function of simulated time: any moment is reached at once, and a coarser
//! step is the finer one, sampled.
//!
//! In: a key and a grid point. Out: numbers with stated moments. What may never happen here: a draw
//! that depends on an earlier one, or on anything but its key and time.
//!
//! Signals are computed strip by strip: eight grid points at once for one signal, so that its nodes
//! are looked up once and the loop over points is plain arithmetic. What moves over minutes and more
//! lies on a line between the two ends of its strip.

mod octave;
mod quantile;
mod shot;
mod wander;

pub use octave::Octave;
pub use quantile::log_normal;
pub use shot::{Pareto, ShotShape, Shots};
pub use wander::{Wander, WanderEnds, WanderSignal, soft};

use crate::time::{CELL, SimTime, Span};

/// Grid points in a strip.
pub const STRIP: usize = 8;

/// Its length; strips are counted from the Unix epoch.
pub const STRIP_SPAN: Span = Span(STRIP as i64 * CELL.0);

/// One value for each grid point of a strip.
pub type Points = [f64; STRIP];

/// The number of the grid point at a moment.
pub fn point(moment: SimTime) -> i64 {
    moment.0.div_euclid(CELL.0)
}

/// The line from `from` (at the strip's first point) to `to` (at the next strip's first).
#[inline]
pub fn between(from: f64, to: f64) -> Points {
    let slope = (to - from) * (1.0 / STRIP as f64);
    std::array::from_fn(|k| from + slope * k as f64)
}
