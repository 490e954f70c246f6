//! From a plan to rows, by two pure functions.
//!
//! `fill` computes the grid states of one block of simulated time for the whole fleet. `render` computes the rows
//! of a chunk from them. Input: a plan, a block's number, a chunk. Output: a `Batch`. The engine uses no file, no
//! thread, no wall clock, no cache and no map with random order, and it never fails.

mod acting;
mod blend;
mod block;
pub mod models;
mod overlay;
mod render;
mod twin;
mod world;

pub use blend::Blend;
pub use block::{Block, WARM_UP, block_bytes, fill, fill_with_observer};
pub use models::Errors;
pub use render::{RowValues, Rows, chunks, render};
pub use twin::Observer;
