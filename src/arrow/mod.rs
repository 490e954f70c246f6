//! Converts batches and labels to Arrow and back.
//!
//! Times are microseconds in UTC. In a batch, texts are dictionaries, and numbers are `Float64`, or `Int64` for a
//! metric without decimals. In labels, texts are plain strings and numbers are always `Float64`. The metadata of each
//! field contains its description, and for a metric also its unit.

mod columns;
mod labels;
mod read;
mod schema;

pub use columns::to_arrow;
pub use labels::{labels_from_arrow, labels_to_arrow};
pub use read::from_arrow;
pub use schema::{fields_of, schema_of};

/// Why building a batch from columns cannot fail.
const LENGTHS_AGREE: &str = "all columns have one value a row";
