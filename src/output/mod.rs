//! `Batch` → bytes or messages. One file for each format, behind two small traits.
//!
//! In: batches in stream order. Out: receipts of what is safely away. What may never happen here:
//! rounding, a look at a plan, work in `Drop`.

mod csv;
mod direct;
mod event;
mod fan;
#[cfg(feature = "kafka")]
mod kafka;
mod line;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use csv::{CsvEncode, CsvPart, CsvSink, csv_header, csv_name};
pub use direct::{Direct, Stop};
pub(crate) use direct::{LOOK, Stalled, is_asked, stdout_file};
pub use event::{ErrorEvent, Event, Holds, Tell, Topic};
pub use fan::{Fan, FanEncode, FanPart, FanSink};
#[cfg(feature = "kafka")]
pub use kafka::{
    KafkaEncode, KafkaLabels, KafkaPart, KafkaSink, KafkaTarget, Lease, Leased, Place, Prepared,
    RecordDigest, Records, RunId, Sent, Sequence, Tail, Wanted,
};
pub use ndjson::{NdjsonEncode, NdjsonPart, NdjsonSink};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetEncode, ParquetLabels, ParquetPart, ParquetSink};

use crate::batch::Batch;
use crate::label::Label;
use crate::threads::Threads;
use crate::time::SimTime;

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

    /// The state of its acknowledgements, where something acknowledges its rows: a broker does, a file does not.
    fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
        None
    }

    /// Ends the output: what a receipt says is safely away.
    ///
    /// # Errors
    /// If the output fails; what it wrote is then not whole.
    fn finish(self) -> Result<Receipt, OutputError>;
}

/// Rows on their way to whatever acknowledges them.
pub trait Acknowledgements {
    /// Takes acknowledgements, after a time in which there was nothing to write.
    ///
    /// # Errors
    /// If the output fails.
    fn idle(&mut self, passed: Duration) -> Result<(), OutputError>;

    /// The number of rows on their way.
    fn unacknowledged(&self) -> u64;

    /// The event time of the oldest of them; none where none is on its way.
    fn oldest_unacknowledged(&self) -> Option<SimTime>;

    /// [`Sink::finish`] may wait for them this long at most.
    fn hurry(&mut self, limit: Duration);
}

/// Takes labels while records are sent.
pub trait LabelStream: Send {
    /// Takes the rows of an incident, complete at a moment. `ordinal` rows had the same moment before them.
    ///
    /// # Errors
    /// If the output fails.
    fn write(&mut self, rows: &[Label], moment: SimTime, ordinal: u64) -> Result<(), OutputError>;

    /// Takes in what came back meanwhile, for so long.
    ///
    /// # Errors
    /// If the output fails.
    fn idle(&mut self, passed: Duration) -> Result<(), OutputError>;

    /// `finish` may take so long at most.
    fn hurry(&mut self, limit: Duration);

    /// Ends the output: what a receipt says is safely away.
    ///
    /// # Errors
    /// If the output fails.
    fn finish(self: Box<Self>) -> Result<Receipt, OutputError>;
}

/// What a sink promises: these rows are safely away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Where, as the command line writes it.
    pub target: String,
    /// What the rows are.
    pub holds: Holds,
    /// Rows.
    pub rows: u64,
    /// The files that hold them, where a directory holds several.
    pub parts: Vec<WrittenPart>,
    /// Bytes, before any compression of the transport.
    pub bytes: u64,
    /// BLAKE3 of the rows in stream order, where the sink takes it.
    pub digest: Option<String>,
    /// How rows were delivered, where somebody acknowledges them.
    pub delivery: Option<Delivery>,
    /// Further facts in words.
    pub notes: Vec<String>,
    /// It ends before the others, perhaps within a row: its reader took nothing after a stop.
    pub is_stalled: bool,
}

/// How rows came to whoever acknowledges them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Sent.
    pub sent: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Not sent, since they were there.
    pub already: u64,
    /// Sent more than once, after an error or a lost connection.
    pub retried: u64,
    /// How long nothing could be sent: no room in the queue, or no answer from the broker.
    pub waited: Duration,
}

impl Delivery {
    /// What differs from a delivery that nothing is to be said of.
    pub fn words(&self) -> String {
        let mut words = format!("{} acknowledged", self.acknowledged);
        if self.already > 0 {
            words += &format!(", {} were there already", self.already);
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

/// A file with rows, inside a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPart {
    /// Its path from the directory.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of the bytes, where nobody should read rows from it without having looked.
    pub file_digest: Option<String>,
}

/// How tables are written.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// How Parquet is compressed.
    pub compression: Compression,
    /// Rows of a row group: what readers skip as a whole.
    pub row_group: usize,
    /// Parquet files of so many bytes are full, and the next one begins.
    pub part_bytes: u64,
    /// What Parquet files say of their run, by key.
    pub facts: Vec<(String, String)>,
    /// Threads that may encode columns.
    pub threads: Threads,
}

/// How many partitions a topic is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// So many; one that is there must have as many.
    Count(u32),
    /// So many; one that is there is taken as it is.
    IfMissing(u32),
    /// As many as its broker makes by default.
    Default,
}

/// How Parquet is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// Larger, and faster to read.
    Snappy,
    /// As encoded: dictionaries and run lengths.
    None,
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
    /// A pipe whose reader took nothing after somebody had asked to stop.
    #[error("the reader of `{path}` took nothing after the stop")]
    Stalled {
        /// Which.
        path: PathBuf,
    },
    /// The Parquet writer failed.
    #[error("cannot write `{path}` as Parquet: {reason}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting of the Kafka client is wrong; nothing was sent.
    #[error("{message}")]
    KafkaSetting {
        /// Which, and why.
        message: String,
        /// What to do next.
        help: String,
    },
    /// A broker did not take every record: what it acknowledged is there.
    #[error("{message}")]
    Unfinished {
        /// Why, how much is there, and what is missing first.
        message: String,
        /// The number of the first record that no broker acknowledged: within the run, or within the topic where that
        /// takes one record type. None where labels failed, or no record is missing.
        first_missing: Option<u64>,
        /// What to do next.
        help: Vec<String>,
    },
    /// Another process sends the run: this one sends no more of it.
    #[error("{message}")]
    Yielded {
        /// Which process, and how much is there.
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
    /// An I/O error with its path. A closed pipe on standard output and a reader that takes nothing are not the file
    /// system's.
    pub fn io(path: &Path, source: std::io::Error) -> OutputError {
        if source.get_ref().is_some_and(|inner| inner.is::<Stalled>()) {
            return OutputError::Stalled { path: path.into() };
        }
        if source.kind() == std::io::ErrorKind::BrokenPipe && path == Path::new("-") {
            return OutputError::Closed;
        }
        OutputError::Io { path: path.into(), source }
    }

    /// What to do next, beyond the message.
    pub fn help(&self) -> &[String] {
        match self {
            OutputError::Kafka { help, .. }
            | OutputError::Unfinished { help, .. }
            | OutputError::Yielded { help, .. } => help,
            _ => &[],
        }
    }

    /// The number of the first record that no broker acknowledged, where one is missing.
    pub fn first_missing(&self) -> Option<u64> {
        match self {
            OutputError::Unfinished { first_missing, .. } | OutputError::Yielded { first_missing, .. } => {
                *first_missing
            }
            _ => None,
        }
    }
}
