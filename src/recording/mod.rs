//! Recordings on disk: writes batches to datasets and reads them back, with manifests, parts and merging.
//!
//! Input: batches and labels, or a path. Output: a directory that is complete or does not exist, or the batches of a
//! recording in stream order. This module never uses the engine to compute values.

mod checked;
mod dataset;
mod destination;
mod error;
mod facts;
mod fill;
mod fit;
mod formats;
mod inventory;
mod labels;
mod lines;
mod manifest;
mod merge;
mod order;
mod partial;
mod path_problem;
mod publish;
mod read;
mod read_labels;
mod record;
mod rename;
mod select;
mod sidecar;
mod unique;

pub use dataset::{add_dataset, add_file, complete, write_manifest};
pub use destination::{Destination, parent};
pub use error::RecordingError;
pub use formats::Format;
#[cfg(feature = "parquet")]
pub use formats::is_guarded;
pub use inventory::dataset_of;
pub use labels::LabelSink;
pub use manifest::{ClockFacts, FORMAT, LabelFacts, MANIFEST, Manifest, Part, SCENARIO, WindowFacts};
pub use order::{GoesBack, Order};
pub use partial::{FileOutput, Partial};
pub use path_problem::{MORE_FILES, PathProblem, PublishError, is_out_of_files};
pub use publish::publish_together;
pub use read::{Batches, Recording};
pub use select::{Field, Only, Selection};
pub use sidecar::{labels_path, manifest_path, old_labels_path};
