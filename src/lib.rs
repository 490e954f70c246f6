//! A deterministic, replayable scenario engine: the same labelled metric streams of a simulated
//! fleet on every run, on any machine, at any number of threads, in any window or shard.
//!
//! Read the rooms as data flows. `scenario` reads YAML text with a place on every value; `plan`
//! validates it, resolves names and places the schedule; `engine` fills blocks of simulated time and
//! renders rows from them, purely; `truth` measures each incident against its counterfactual twin;
//! `drive` does that on all threads and hands the results over in order; `output` turns batches into
//! bytes and messages; `recording` is a dataset on disk, `pace` the wall clock of a replay, `golden`
//! the locks of committed scenarios. `run` puts a plan, a window and outputs together.
//!
//! ```
//! let text = "scenario: 1\nuse: dev\nanomalies: [{id: hot, kind: temperature_high, target: srv-002, at: 10m, for: 20m}]";
//! let run = reenact::scenario::Scenario::read("hot.yaml", text).plan()?.run();
//! let rows: usize = run.batches().map(|batch| batch.num_rows()).sum();
//! let hot = run.labels().find(|label| label.incident_id == "hot").unwrap();
//! assert_eq!((rows, hot.entity.as_str()), (9_000, "srv-002"));
//! # Ok::<(), reenact::scenario::Diagnostics>(())
//! ```

pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
pub mod digest;
pub mod drive;
pub mod engine;
pub mod golden;
pub mod kinds;
pub mod label;
pub mod math;
pub mod output;
pub mod pace;
pub mod plan;
pub mod recording;
pub mod replay;
pub mod run;
pub mod scenario;
pub mod signal;
pub mod time;
pub mod truth;

use std::path::Path;

use scenario::{Diagnostics, Scenario};

/// Reads a scenario file; mistakes in it are told by `Scenario::plan`.
///
/// # Errors
/// If the file can't be read as text.
pub fn scenario(path: impl AsRef<Path>) -> Result<Scenario, Diagnostics> {
    Scenario::open(path)
}

/// A scenario that is shipped inside the program.
///
/// # Errors
/// If no preset has this name.
pub fn preset(name: &str) -> Result<Scenario, Diagnostics> {
    Scenario::preset(name)
}
