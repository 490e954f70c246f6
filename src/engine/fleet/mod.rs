//! The physics of servers and services at grid points.
//!
//! `inputs` is what the fleet is given at a moment (demand, noise, weather), `physics` what follows
//! from it, from states and from causes.

mod inputs;
mod physics;

pub use inputs::{Inputs, Signals};
pub use physics::{
    Causes, Flow, INSTANCE_WIDTH, InstanceValues, SERVER_WIDTH, ServerValues, instance_values, place,
    server_values,
};
