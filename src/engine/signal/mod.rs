//! Noise as a function of simulated time: any moment is reached at once, and a coarser step is
//! the finer one, sampled.

mod binomial;
mod octave;
mod sensor;

pub use binomial::binomial_quantile;
pub use octave::{Octave, WanderSignal, soft};
pub use sensor::{ONE as SENSOR_ONE, normals};
