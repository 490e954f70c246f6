//! Rows → Parquet files, one table for each entity type, split into parts by size.
//!
//! Times are timestamp(µs, UTC), names dictionary-encoded strings, numbers DOUBLE (exactly the
//! rounded decimal's nearest) or INT64; rows stand in stream order. Fields carry their unit and what
//! they mean, files the facts of their run. What may never happen here: memory that grows with the run.

mod hashed;
mod labels;
mod sink;
mod table;

pub use labels::ParquetLabels;
pub use sink::{ParquetEncode, ParquetPart, ParquetSink};

use std::path::Path;

use parquet::basic::{self, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::{Compression, OutputError, TableOptions};

/// What every file has: its compression, who made it, the facts of its run.
fn properties(options: &TableOptions) -> WriterPropertiesBuilder {
    let compression = match options.compression {
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd")),
        Compression::Snappy => basic::Compression::SNAPPY,
        Compression::None => basic::Compression::UNCOMPRESSED,
    };
    let facts = options.facts.iter().map(|(key, fact)| KeyValue::new(key.clone(), fact.clone()));
    WriterProperties::builder()
        .set_compression(compression)
        // Pages end where a write batch does: five of these are the library's own 20,000 rows, whose default of
        // 1,024 a batch costs 2 % more.
        .set_write_batch_size(4_096)
        .set_data_page_row_count_limit(20_480)
        .set_created_by(concat!("reenact version ", env!("CARGO_PKG_VERSION")).into())
        .set_key_value_metadata(Some(facts.collect()))
}

fn failed(path: &Path, error: ParquetError) -> OutputError {
    // A full disk has its own word.
    if let ParquetError::External(source) = error {
        return match source.downcast::<std::io::Error>() {
            Ok(source) => OutputError::io(path, *source),
            Err(other) => OutputError::Parquet { path: path.into(), reason: other.to_string() },
        };
    }
    OutputError::Parquet { path: path.into(), reason: error.to_string() }
}
