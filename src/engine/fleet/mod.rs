//! The physics of servers and services at grid points.
//!
//! `server` and `instance` say what follows from inputs, states and causes; `values` brings it to
//! fixed point, `causes` sums what incidents do to an entity.

mod causes;
mod instance;
mod server;
mod values;

pub use causes::Acting;
pub use instance::{InstanceFlow, InstanceState};
pub use server::{ServerFlow, ServerState};
pub use values::{
    INSTANCE_WIDTH, InstanceValues, SERVER_WIDTH, ServerValues, instance_place, instance_values,
    server_place, server_values,
};

use crate::time::CELL;

/// A cell of the grid in seconds.
const CELL_S: f64 = CELL.0 as f64 / 1e3;

/// A state as a whole number of its steps: ⌊x + u⌋ with a keyed u, so that trajectories which started
/// apart meet exactly. States are never negative.
#[inline]
fn dithered(steps: f64, u: f64) -> i32 {
    assert!(steps >= 0.0, "a state is not a number, or negative: {steps}");
    (steps + u).min(f64::from(i32::MAX)) as i32
}

/// Three uniforms (0 ≤ u < 1) from one hash.
#[inline]
fn three(bits: u64) -> [f64; 3] {
    let part = |shift: u32| ((bits >> shift) & 0x1F_FFFF) as f64 * (1.0 / (1 << 21) as f64);
    [part(43), part(22), part(1)]
}
