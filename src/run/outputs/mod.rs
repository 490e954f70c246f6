//! What `--out` can name: one file each, listed once in [`OUTPUTS`], and the formats of datasets.

mod dataset;
#[cfg(feature = "kafka")]
mod kafka;
mod ndjson;

use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, LazyLock};

pub(super) use ndjson::{Stdout, add_labels};

use super::about::About;
use super::error::RunError;
use super::look::Look;
use super::open::Opened;
use super::options::OpenOptions;
#[cfg(feature = "kafka")]
use crate::output::KafkaTarget;
use crate::recording::Format;

/// A format of `--out`: `NAME:PLACE`.
pub(super) trait OutputFormat: Sync {
    /// As `--out` writes it.
    fn name(&self) -> &'static str;

    /// Each way to write it, for help: `parquet:DIR/`.
    fn forms(&self) -> Vec<String>;

    /// A place for an example.
    fn example(&self) -> &'static str {
        "out/"
    }

    /// Reads what follows the colon, which is not empty.
    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong>;
}

/// What is wrong with a place, and what to write instead.
pub(super) struct Wrong {
    pub message: String,
    pub help: String,
}

/// Formats that are no dataset directory, or not only that.
static OUTPUTS: &[&dyn OutputFormat] = &[
    &ndjson::Ndjson,
    #[cfg(feature = "kafka")]
    &kafka::Kafka,
];

/// All formats, in the order in which help lists them: those of their own, then the other formats of datasets.
pub(super) fn outputs() -> impl Iterator<Item = &'static dyn OutputFormat> {
    static DATASETS: LazyLock<Vec<dataset::Dataset>> = LazyLock::new(|| {
        let is_new = |format: &Format| OUTPUTS.iter().all(|output| output.name() != format.name());
        Format::all().filter(is_new).map(dataset::Dataset).collect()
    });
    OUTPUTS.iter().copied().chain(DATASETS.iter().map(|dataset| dataset as &dyn OutputFormat))
}

/// Formats that this program was built without.
pub(super) const NOT_BUILT: &[&str] = &[
    #[cfg(not(feature = "parquet"))]
    "parquet",
    #[cfg(not(feature = "kafka"))]
    "kafka",
];

/// Where records go, as the command line writes it.
pub(super) trait Output: Debug + Display + Send + Sync {
    /// The path that it writes, `-` for standard output; none for a topic.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether what is written is gone as it is written: standard output, a FIFO, a device.
    fn is_streamed(&self) -> bool {
        false
    }

    /// Its format, if it is a dataset directory.
    fn dataset(&self) -> Option<Format> {
        None
    }

    /// Whether labels and a manifest are written next to it.
    fn is_file(&self) -> bool {
        false
    }

    /// The same with settings of clients, where it has one.
    fn with_settings(&self, _settings: &[(String, String)]) -> Option<Arc<dyn Output>> {
        None
    }

    /// The topic that it is.
    #[cfg(feature = "kafka")]
    fn topic(&self) -> Option<&KafkaTarget> {
        None
    }

    /// Opens it; `opened` takes its encoder, its sink and what it is published as.
    fn open(&self, opened: &mut Opened, options: &OpenOptions, about: &About) -> Result<(), RunError>;

    /// What `open` would find; nothing is changed.
    fn look(&self, _options: &OpenOptions, _about: &About) -> Result<Vec<Look>, RunError> {
        Ok(vec![Look::nothing(self.to_string())])
    }
}
