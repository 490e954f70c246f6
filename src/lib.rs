//! A deterministic, replayable scenario engine: the same labelled metric streams of a simulated
//! fleet on every run, on any machine, at any number of threads, in any window or shard.

pub mod batch;
pub mod kinds;
pub mod math;
pub mod plan;
pub mod scenario;
pub mod time;
