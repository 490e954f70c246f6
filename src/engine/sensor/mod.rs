//! What lies between the truth and a row: white noise, counts of errors, the odd waiting request.
//! Each is one keyed draw a tick, and nothing reads it back.

mod binomial;
mod normals;
mod waiting;

pub use binomial::binomial_quantile;
pub use normals::{ONE as SENSOR_ONE, normals};
pub use waiting::waiting;
