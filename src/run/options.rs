//! The options that apply when outputs are opened, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use crate::output::{Compression, EventListener, Partitions, Stop};
#[cfg(feature = "kafka")]
use crate::output::{Lease, Tail};
use crate::player::Pace;

/// Options for opening outputs.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Replace existing outputs.
    pub force: bool,
    /// The files from which the records are made. They are never replaced.
    pub inputs: Vec<PathBuf>,
    /// Write no labels.
    pub no_labels: bool,
    /// Write the labels as NDJSON to this file, regardless of the outputs.
    pub labels: Option<PathBuf>,
    /// Create a missing Kafka topic with this number of partitions.
    pub create_topic: Option<Partitions>,
    /// Send records to a topic even if the topic deletes them at once.
    pub allow_expiring: bool,
    /// How fast records are sent. This decides how far event times get ahead of the current time.
    pub pace: Pace,
    /// How long to wait for an unreachable broker before giving up. The default is 5 min.
    pub give_up_after: Option<Duration>,
    /// Send labels to this topic of the same brokers while records are being sent.
    pub labels_topic: Option<String>,
    /// Resume a run at its end in the topic.
    #[cfg(feature = "kafka")]
    pub resume: Option<Tail>,
    /// The lease of the resumed run. A new run takes its own lease.
    #[cfg(feature = "kafka")]
    pub lease: Option<Lease>,
    /// Is called when something happens: a topic is created, a broker goes away or comes back, a stop takes time.
    pub on_event: Option<EventListener>,
    /// Not 0 once a stop is requested. After that, reenact waits at most a few seconds for a broker or for the reader
    /// of a pipe.
    pub stop: Option<Stop>,
    /// How Parquet is compressed.
    pub compression: Compression,
    /// The number of rows in a Parquet row group, which readers skip as a whole. Smaller groups give more precise time
    /// ranges, but each group has its own dictionaries.
    pub row_group: usize,
    /// The size in bytes at which a Parquet file is complete and the next one begins.
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
            on_event: None,
            stop: None,
            compression: Compression::default(),
            row_group: 1 << 19,
            part_bytes: 512 << 20,
        }
    }
}
