//! A plan → rows, by two pure functions.
//!
//! `fill` computes the grid states of one block of simulated time for the whole fleet, `render`
//! draws the rows of a chunk from it. In: a plan, a block's number, a chunk. Out: a `Batch`. What
//! may never happen here: a file, a thread, a wall clock, a cache, a map with random order, a
//! failure.

mod acting;
mod blend;
mod block;
pub mod models;
mod overlay;
mod render;
mod twin;
mod world;

pub use blend::Blend;
pub use block::{Block, WARM_UP, block_bytes, fill, fill_beside};
pub use models::Errors;
pub use render::{RowValues, Rows, chunks, render};
pub use twin::Witness;
