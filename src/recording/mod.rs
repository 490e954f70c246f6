//! A dataset on disk ⇄ batches: manifest, parts, reading and merging.
//!
//! In: batches and labels, or a path. Out: a directory that is whole or not there at all, or the
//! batches in it, in stream order. What may never happen here: a look at the engine.

mod beside;
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
mod unique;

pub use beside::{labels_beside, manifest_beside, old_labels_beside};
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
