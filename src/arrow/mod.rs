//! Batches and labels as Arrow has them, and back.
//!
//! Texts are dictionaries, times are microseconds in UTC, numbers are `Float64`, and `Int64` where a metric has no
//! decimals. Each field has what it means and its unit as metadata.

mod columns;
mod labels;
mod read;
mod schema;

pub use columns::to_arrow;
pub use labels::{labels_from_arrow, labels_to_arrow};
pub use read::from_arrow;
pub use schema::{fields_of, schema_of};

/// Why a batch can be made of columns.
const LENGTHS_AGREE: &str = "all columns have one value a row";
