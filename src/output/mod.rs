//! `Batch` → bytes or messages. One file for each format, behind two small traits.
//!
//! In: batches in stream order. Out: receipts of what is safely away. What may never happen here:
//! rounding, a look at a plan, work in `Drop`.

mod fan;
#[cfg(feature = "kafka")]
mod kafka;
mod line;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;

use std::path::{Path, PathBuf};

pub use fan::{Fan, FanEncode, FanPart, FanSink};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaEncode, KafkaPart, KafkaSink, KafkaTarget};
pub use ndjson::{NdjsonEncode, NdjsonPart, NdjsonSink};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetEncode, ParquetLabels, ParquetPart, ParquetSink};

use crate::batch::Batch;

/// The pure half of a format: any thread, any order.
pub trait Encode: Sync {
    /// What a batch becomes.
    type Part: Send;

    /// Encodes a batch.
    fn encode(&self, batch: &Batch) -> Self::Part;
}

/// The ordered half: one thread owns it, and nothing happens in `Drop`.
pub trait Sink {
    /// What its encoder makes.
    type Part;

    /// Takes the next part.
    ///
    /// # Errors
    /// If the output fails. Nothing more may be written then.
    fn write(&mut self, part: Self::Part) -> Result<(), OutputError>;

    /// Ends the output: what a receipt says is safely away.
    ///
    /// # Errors
    /// If the output fails; what it wrote is then not whole.
    fn finish(self) -> Result<Receipt, OutputError>;
}

/// What a sink promises: these rows are safely away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Where, as the command line writes it.
    pub target: String,
    /// Rows.
    pub rows: u64,
    /// Rows of each record type, where the sink counts them apart.
    pub rows_by_type: Option<[u64; 2]>,
    /// Bytes, before any compression of the transport.
    pub bytes: u64,
    /// BLAKE3 of the rows in stream order, where the sink takes it.
    pub digest: Option<String>,
    /// Further facts in words, such as what was acknowledged.
    pub notes: Vec<String>,
}

/// An output that failed.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file or pipe could not be written.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Whoever read standard output has closed it: no mistake of anyone.
    #[error("standard output was closed")]
    Closed,
    /// The Parquet writer failed.
    #[error("cannot write `{path}` as Parquet: {reason}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A broker refused or lost something.
    #[error("{message}")]
    Kafka {
        /// What happened, to which broker and topic.
        message: String,
        /// What to do next.
        help: Vec<String>,
    },
}

impl OutputError {
    /// An I/O error with its path; a closed pipe on standard output is told apart.
    pub fn io(path: &Path, source: std::io::Error) -> OutputError {
        if source.kind() == std::io::ErrorKind::BrokenPipe && path == Path::new("-") {
            return OutputError::Closed;
        }
        OutputError::Io { path: path.into(), source }
    }

    /// What to do next, beyond the message.
    pub fn help(&self) -> &[String] {
        match self {
            OutputError::Kafka { help, .. } => help,
            _ => &[],
        }
    }
}
