//! Turns a `Batch` into bytes or messages. Each format has one file and implements two small traits.
//!
//! In: batches in stream order. Out: receipts for what is stored safely. This module never rounds, never looks at a
//! plan, and does no work in `Drop`.

mod csv;
mod direct;
mod event;
#[cfg(feature = "kafka")]
mod kafka;
mod line;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod stream;
mod tee;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use csv::{CsvEncode, CsvPart, CsvSink, csv_header, csv_name};
pub use direct::{Direct, Stop};
pub(crate) use direct::{LOOK, Stalled, is_asked, stdout_file};
pub use event::{ErrorEvent, Event, EventListener, Holds, Topic};
#[cfg(feature = "kafka")]
pub use kafka::{
    KafkaEncode, KafkaLabels, KafkaPart, KafkaSink, KafkaTarget, Lease, Leased, Place, Prepared,
    RecordDigest, Records, RunId, Sent, Sequence, Tail, Wanted,
};
pub use ndjson::{NdjsonEncode, NdjsonPart, NdjsonSink};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetEncode, ParquetLabels, ParquetPart, ParquetSink};
pub use tee::{FanPart, Tee, TeeEncode, TeeSink};

use crate::batch::Batch;
use crate::label::Label;
use crate::threads::Threads;
use crate::time::SimTime;

/// The pure half of a format. It encodes batches on any thread and in any order.
pub trait Encode: Sync {
    /// An encoded batch.
    type Part: Send;

    /// Encodes a batch.
    fn encode(&self, batch: &Batch) -> Self::Part;
}

/// The ordered half of a format. One thread owns it, and nothing happens in `Drop`.
pub trait Sink {
    /// The part that its encoder produces.
    type Part;

    /// Writes the next part.
    ///
    /// # Errors
    /// If the output fails. Write nothing more then.
    fn write(&mut self, part: Self::Part) -> Result<(), OutputError>;

    /// Returns the state of its acknowledgements, if rows are acknowledged: a broker does so, a file does not.
    fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
        None
    }

    /// Closes the output. What the receipt reports is stored safely.
    ///
    /// # Errors
    /// If the output fails. What it wrote is incomplete then.
    fn finish(self) -> Result<Receipt, OutputError>;
}

/// Rows that wait for their acknowledgement.
pub trait Acknowledgements {
    /// Processes the acknowledgements that have arrived, after `passed`, a time without anything to write.
    ///
    /// # Errors
    /// If the output fails.
    fn idle(&mut self, passed: Duration) -> Result<(), OutputError>;

    /// The number of rows that are not acknowledged yet.
    fn unacknowledged(&self) -> u64;

    /// The event time of the oldest row that is not acknowledged yet; `None` if there is none.
    fn oldest_unacknowledged(&self) -> Option<SimTime>;

    /// Makes [`Sink::finish`] wait for acknowledgements for at most `limit`.
    fn hurry(&mut self, limit: Duration);
}

/// An output for labels while records are sent.
pub trait LabelStream: Send {
    /// Writes the rows of an incident that is complete at `moment`. `ordinal` is the number of earlier rows with the
    /// same moment.
    ///
    /// # Errors
    /// If the output fails.
    fn write(&mut self, rows: &[Label], moment: SimTime, ordinal: u64) -> Result<(), OutputError>;

    /// Processes the acknowledgements that have arrived, after `passed`, a time without anything to write.
    ///
    /// # Errors
    /// If the output fails.
    fn idle(&mut self, passed: Duration) -> Result<(), OutputError>;

    /// Makes `finish` wait for acknowledgements for at most `limit`.
    fn hurry(&mut self, limit: Duration);

    /// Closes the output. What the receipt reports is stored safely.
    ///
    /// # Errors
    /// If the output fails.
    fn finish(self: Box<Self>) -> Result<Receipt, OutputError>;
}

/// What a sink confirms: these rows are stored safely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The target, as the command line writes it.
    pub target: String,
    /// Whether the rows are records or labels.
    pub holds: Holds,
    /// The number of rows.
    pub rows: u64,
    /// The files that contain the rows, if the target is a directory.
    pub parts: Vec<WrittenPart>,
    /// The number of bytes, before any compression of the transport.
    pub bytes: u64,
    /// The BLAKE3 digest of the rows in stream order, if the sink computes it.
    pub digest: Option<String>,
    /// How the rows were delivered, if the output acknowledges rows.
    pub delivery: Option<Delivery>,
    /// Further facts for the user.
    pub notes: Vec<String>,
    /// Whether the output ends before the others, perhaps within a row, because its reader read nothing after a stop.
    pub is_stalled: bool,
}

/// How rows were delivered to an output that acknowledges them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Rows that were sent.
    pub sent: u64,
    /// Rows that were acknowledged.
    pub acknowledged: u64,
    /// Rows that were not sent because the topic already contained them.
    pub already: u64,
    /// Rows that were sent more than once, after an error or a lost connection.
    pub retried: u64,
    /// How long nothing could be sent, because the queue was full or the broker did not answer.
    pub waited: Duration,
}

impl Delivery {
    /// Returns, for people, the number of acknowledged rows and everything unusual about the delivery.
    pub fn words(&self) -> String {
        let mut words = format!("{} acknowledged", self.acknowledged);
        if self.already > 0 {
            words += &format!(", {} already present", self.already);
        }
        if self.retried > 0 {
            words += &format!(", {} sent again", self.retried);
        }
        if self.waited > Duration::ZERO {
            words += &format!(", waited {} ms for the broker", self.waited.as_millis());
        }
        words
    }
}

/// A file with rows in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPart {
    /// The path of the file, relative to the directory.
    pub path: String,
    /// The number of rows.
    pub rows: u64,
    /// The number of bytes.
    pub bytes: u64,
    /// The BLAKE3 digest of the file, for formats that readers must verify before they read rows.
    pub file_digest: Option<String>,
}

/// How tables are written.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// How Parquet is compressed.
    pub compression: Compression,
    /// The number of rows in a row group. Readers can skip a row group as a whole.
    pub row_group: usize,
    /// The size in bytes at which a Parquet file is full and the next one begins.
    pub part_bytes: u64,
    /// Facts about the run that Parquet files contain, as keys and values.
    pub facts: Vec<(String, String)>,
    /// Threads that may encode columns.
    pub threads: Threads,
}

/// The number of partitions that a new topic gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// This number. An existing topic must have the same number.
    Count(u32),
    /// This number. An existing topic may have any number.
    IfMissing(u32),
    /// The default of the broker.
    Default,
}

/// How Parquet is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// Snappy: larger files that are faster to read.
    Snappy,
    /// No compression in addition to the encoding with dictionaries and run lengths.
    None,
}

/// The error of an output.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file or pipe could not be written.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// The file or pipe.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The reader of standard output has closed it. This is not a failure.
    #[error("standard output was closed")]
    Closed,
    /// The reader of a pipe read nothing after a stop was requested.
    #[error("the reader of `{path}` did not read anything after the stop was requested")]
    Stalled {
        /// The pipe.
        path: PathBuf,
    },
    /// The Parquet writer failed.
    #[error("cannot write `{path}` as Parquet: {reason}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A setting of the Kafka client is wrong; nothing was sent.
    #[error("{message}")]
    KafkaSetting {
        /// Which setting is wrong, and why.
        message: String,
        /// What to do next.
        help: String,
    },
    /// A broker did not acknowledge every record. The records that it acknowledged are in the topic.
    #[error("{message}")]
    Unfinished {
        /// The reason, how many records arrived, and which record is missing first.
        message: String,
        /// The number of the first record that no broker acknowledged. It counts within the run, or within the topic if
        /// the topic takes only one record type. `None` if labels failed or no record is missing.
        first_missing: Option<u64>,
        /// What to do next.
        help: Vec<String>,
    },
    /// Another process sends the run. This process sends no more of it.
    #[error("{message}")]
    Yielded {
        /// Which process sends the run, and how many records arrived.
        message: String,
        /// As in `Unfinished`.
        first_missing: Option<u64>,
        /// What to do next.
        help: Vec<String>,
    },
    /// A broker refused something.
    #[error("{message}")]
    Kafka {
        /// What happened, to which broker and topic.
        message: String,
        /// What to do next.
        help: Vec<String>,
    },
}

impl OutputError {
    /// Adds the path to an I/O error. A closed standard output becomes `Closed`, and a reader that reads nothing after
    /// a stop becomes `Stalled`.
    pub fn io(path: &Path, source: std::io::Error) -> OutputError {
        if source.get_ref().is_some_and(|inner| inner.is::<Stalled>()) {
            return OutputError::Stalled { path: path.into() };
        }
        if source.kind() == std::io::ErrorKind::BrokenPipe && path == Path::new("-") {
            return OutputError::Closed;
        }
        OutputError::Io { path: path.into(), source }
    }

    /// What to do next, in addition to the message.
    pub fn help(&self) -> &[String] {
        match self {
            OutputError::KafkaSetting { help, .. } => std::slice::from_ref(help),
            OutputError::Kafka { help, .. }
            | OutputError::Unfinished { help, .. }
            | OutputError::Yielded { help, .. } => help,
            _ => &[],
        }
    }

    /// The number of the first record that no broker acknowledged, if a record is missing.
    pub fn first_missing(&self) -> Option<u64> {
        match self {
            OutputError::Unfinished { first_missing, .. } | OutputError::Yielded { first_missing, .. } => {
                *first_missing
            }
            _ => None,
        }
    }
}
