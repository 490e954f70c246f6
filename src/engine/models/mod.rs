//! The entity types that the program knows: one file each, listed once in [`builtin`].
//!
//! `server` and `instance` are tables of metrics: name, unit, decimals, what it is, its value at a grid point, its row
//! with the noise of its sensor, and its scale. `server_flow` and `instance_flow` say what follows for an entity from
//! its inputs, states and causes; `inputs` and `server_inputs` are what an entity is given whatever happens to it.

#[macro_use]
mod metrics;
mod causes;
mod inputs;
mod instance;
mod instance_flow;
mod noise;
mod own_demand;
mod scale;
mod sensor;
mod server;
mod server_flow;
mod server_inputs;

use std::sync::{Arc, LazyLock};

pub use causes::{InstanceCauses, ServerCauses};
pub use inputs::{InstanceInputs, ServerInputs, Signals, Strip};
pub use instance::{ENDPOINTS, InstanceGrid, InstanceMetric, InstanceRow, InstanceValues};
pub use instance_flow::{InstanceFlow, InstanceState};
pub(crate) use noise::LATENCY_NOISE_SIGMA;
pub(crate) use own_demand::own_demand;
pub use scale::scale;
pub use server::{ServerGrid, ServerMetric, ServerRow, ServerValues};
pub use server_flow::{ServerFlow, ServerState};

use crate::schema::Schema;
use crate::time::CELL;

/// All of them, in stream order.
pub fn builtin() -> &'static Arc<Schema> {
    static BUILTIN: LazyLock<Arc<Schema>> =
        LazyLock::new(|| Arc::new(Schema::new([server::entity_type(), instance::entity_type()])));
    &BUILTIN
}

/// What error columns hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Counts drawn from a binomial, as records have them.
    Drawn,
    /// Their expectations, as labels compare them: a coincidence of two draws is no effect.
    Expected,
}

/// A cell of the grid in seconds.
pub(super) const CELL_S: f64 = CELL.0 as f64 / 1e3;

/// Rounds a value to sixteenths of its metric's quantum; `units` is 16 × 10^decimals.
#[inline]
fn sixteenths(value: f64, name: &str, units: i64) -> i32 {
    // Not a number would become 0 in the cast: a bug must not become a plausible value.
    assert!(value >= 0.0, "`{name}` is not a number, or negative: {value}");
    (value * units as f64 + 0.5) as i32
}

/// From sixteenths of a quantum to quanta: add a half and shift.
#[inline]
fn rounded(sixteenths: i64) -> i64 {
    (sixteenths + 8) >> 4
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{INSTANCE, SERVER};

    #[test]
    fn the_types_have_their_places() {
        assert_eq!(builtin().type_named("server"), Some(SERVER));
        assert_eq!(builtin().type_named("service"), Some(INSTANCE));
    }
}
