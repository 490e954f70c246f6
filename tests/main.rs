//! Integration tests: one file for each promise of the program. They are one binary, so that it is linked only once.

#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod bad_input;
mod beliefs;
mod broken;
#[cfg(feature = "kafka")]
mod broker;
mod command_line;
mod common;
mod console;
#[cfg(feature = "kafka")]
mod counters;
mod damage;
mod datasets;
#[cfg(feature = "kafka")]
mod deleted_topics;
mod differences;
mod draws;
mod events;
mod exhausted;
mod exports;
mod extension;
mod fleets;
mod formats;
mod fuzz;
#[cfg(feature = "kafka")]
mod growth;
mod hand_labels;
mod ids;
mod interrupted;
mod keys;
mod kinds;
mod language;
mod laws;
#[cfg(feature = "kafka")]
mod lease;
mod lock_edits;
mod lock_entries;
mod lock_files;
mod lock_search;
mod lock_trouble;
mod locks;
mod messages;
mod odd_paths;
mod old_locks;
#[cfg(feature = "kafka")]
mod outages;
mod pace;
mod presets;
mod quoting;
mod random;
mod realism;
mod recordings;
mod reference;
mod refused_replays;
mod replaced;
mod replay;
#[cfg(feature = "kafka")]
mod resume;
mod schema;
mod seams;
mod shown;
mod stalled;
#[cfg(feature = "kafka")]
mod tail;
mod terminal;
mod tidy;
mod told;
#[cfg(feature = "kafka")]
mod topics;
mod truth;
mod verify;
mod warnings;
mod windows;
mod writing;
