//! What separates the true values from a row: white noise, counts of errors, the occasional waiting request. Each
//! is one keyed draw per tick, and no later value depends on it.

mod binomial;
mod normals;
mod waiting;

pub use binomial::binomial_quantile;
pub use normals::{ONE, normals};
pub use waiting::waiting;

/// The standard deviation of noise that is proportional to the value, in 1/65,536 of the value: half a percent.
pub const HALF_A_PERCENT: i64 = 328;

/// The same for a third of a percent.
pub const THIRD_OF_A_PERCENT: i64 = 218;

/// Adds noise of `z` standard deviations, in units of 1/`ONE`. `noise` is one of them in the value's unit.
#[inline]
pub fn plus(value: i64, z: i64, noise: i64) -> i64 {
    value + noise * z / ONE
}

/// Multiplies by 1 + noise of `z` standard deviations, in units of 1/`ONE`. `noise` is one of them in 1/65,536.
#[inline]
pub fn times(value: i64, z: i64, noise: i64) -> i64 {
    value + ((value * (z * noise / ONE)) >> 16)
}
