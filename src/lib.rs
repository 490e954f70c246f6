//! A deterministic, replayable scenario engine. It produces the same labelled metric streams of a
//! simulated fleet on every run: on any machine, with any number of threads, in any window or shard.
//!
//! A *window* is a requested time range of a run, a *shard* one of several consecutive parts of it, and a *row* the record of
//! one entity at one tick. The modules, in the order in which data flows through them:
//!
//! - `scenario` reads YAML text and keeps the place of every value; `kinds` are the anomalies that it can name.
//! - `fleet` draws the servers and services.
//! - `plan` resolves names and places the schedule.
//! - `engine` fills blocks (two hours of simulated time) and renders rows from them. Both steps are pure functions over
//!   the entity types of `engine::models`, such as servers and service instances.
//! - `truth` measures each incident against its baseline, the counterfactual run without it, and returns `label`s.
//! - `pipeline` runs the engine on all threads and returns the results in order.
//! - `schema` and `batch` define the records; `arrow` converts them.
//! - `output` turns batches into bytes and messages.
//! - `recording` reads and writes datasets on disk, and `export` writes the files of other tools.
//! - `pace` maps event time to wall time, and `player` decides when a record may leave.
//! - `run` combines a plan, a window and outputs; `replay` sends a recording to outputs.
//! - `golden` handles the lock files of committed scenarios.
//!
//! `time`, `math`, `noise`, `threads`, `digest`, `glob` and `printable` serve all of them.
//!
//! ```
//! let text = "scenario: 1\nuse: dev\nanomalies: [{id: hot, kind: temperature_high, target: srv-002, at: 10m, for: 20m}]";
//! let run = reenact::scenario::Scenario::read("hot.yaml", text).plan()?.run();
//! let rows: usize = run.batches().map(|batch| batch.num_rows()).sum();
//! let hot = run.labels().find(|label| label.incident_id == "hot").unwrap();
//! assert_eq!((rows, hot.entity.as_str()), (9_000, "srv-002"));
//! # Ok::<(), reenact::scenario::Diagnostics>(())
//! ```
//!
//! A test of a detector takes three lines with a committed scenario:
//!
//! ```
//! # struct Detector;
//! # impl Detector {
//! #     fn feed(&mut self, _: &reenact::batch::Batch) {}
//! #     fn found(&self, _: &reenact::label::Label) -> bool { true }
//! # }
//! # let mut detector = Detector;
//! use reenact::label::Role;
//! let run = reenact::scenario("scenarios/examples/hot-rack.yaml")?.plan()?.run();
//! for batch in run.batches() { detector.feed(&batch); }
//! for label in run.labels().filter(|label| label.role == Role::Cause) { assert!(detector.found(&label)); }
//! # Ok::<(), reenact::scenario::Diagnostics>(())
//! ```
//!
//! Start from a preset, replace its fleet, render one minute, and write to any output that the command
//! line accepts:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let out = format!("ndjson:{}/out/", dir.path().display());
//! use reenact::time::Span;
//! let run = reenact::preset("normal")?
//!     .set("fleet.servers", "6")?
//!     .set("fleet.services", "4")?
//!     .set("fleet.zones", "[paris-1, paris-2]")?
//!     .set("background.share", "10%")?
//!     .set("background.kinds", "[cpu_spike, memory_leak]")?
//!     .plan()?
//!     .run();
//! let end = run.first_event() + Span::seconds(60);
//! let receipts = run.between(None, Some(end))?.write_to(&[&out])?;
//! assert_eq!(receipts[0].rows, 60 * (6 + 4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
pub mod digest;
pub mod engine;
pub mod export;
pub mod fleet;
pub mod glob;
pub mod golden;
pub mod kinds;
pub mod label;
pub mod math;
pub mod noise;
pub mod output;
pub mod pace;
pub mod pipeline;
pub mod plan;
pub mod player;
pub mod printable;
pub mod recording;
pub mod replay;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod threads;
pub mod time;
pub mod truth;

use std::path::Path;

use scenario::{Diagnostics, Scenario};

/// Reads a scenario file. `Scenario::plan` reports the mistakes in it.
///
/// # Errors
/// If the file can't be read as text.
pub fn scenario(path: impl AsRef<Path>) -> Result<Scenario, Diagnostics> {
    Scenario::open(path)
}

/// Returns a preset: a scenario that is shipped inside the program.
///
/// # Errors
/// If no preset has this name.
pub fn preset(name: &str) -> Result<Scenario, Diagnostics> {
    Scenario::preset(name)
}
