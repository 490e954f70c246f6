use std::path::PathBuf;
use std::time::Duration;

use crate::output::{Compression, Partitions, Stop, Tell};
#[cfg(feature = "kafka")]
use crate::output::{Lease, Tail};
use crate::player::Pace;

/// How outputs are opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Replace what is there.
    pub force: bool,
    /// What the records are made from: never replaced.
    pub inputs: Vec<PathBuf>,
    /// Write no labels.
    pub no_labels: bool,
    /// Write the labels as NDJSON to this file, whatever the outputs are.
    pub labels: Option<PathBuf>,
    /// Make a missing Kafka topic with so many partitions.
    pub create_topic: Option<Partitions>,
    /// Send to a topic what it will delete at once.
    pub allow_expiring: bool,
    /// How fast records are sent: how far event times get ahead hangs on it.
    pub pace: Pace,
    /// A broker that does not answer is waited for so long; 5 min where nothing is said.
    pub give_up_after: Option<Duration>,
    /// Send labels to this topic of the same brokers, while records are sent.
    pub labels_topic: Option<String>,
    /// Go on where a run ends in its topic.
    #[cfg(feature = "kafka")]
    pub resume: Option<Tail>,
    /// The lease of what is resumed; a run that begins takes its own.
    #[cfg(feature = "kafka")]
    pub lease: Option<Lease>,
    /// Hears what happens: a topic is created, a broker goes away or comes back, a stop takes time.
    pub tell: Option<Tell>,
    /// Not 0 when somebody wants to stop: a broker, or the reader of a pipe, is then waited for no longer than some
    /// seconds.
    pub stop: Option<Stop>,
    /// How Parquet is compressed.
    pub compression: Compression,
    /// Rows of a row group: what readers of Parquet skip as a whole. Smaller ones tell more about time,
    /// but each has its own dictionaries.
    pub row_group: usize,
    /// Parquet files of so many bytes are full, and the next one begins.
    pub part_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            force: false,
            inputs: Vec::new(),
            no_labels: false,
            labels: None,
            create_topic: None,
            allow_expiring: false,
            pace: Pace::AsFastAsPossible,
            give_up_after: None,
            labels_topic: None,
            #[cfg(feature = "kafka")]
            resume: None,
            #[cfg(feature = "kafka")]
            lease: None,
            tell: None,
            stop: None,
            compression: Compression::default(),
            row_group: 1 << 19,
            part_bytes: 512 << 20,
        }
    }
}
