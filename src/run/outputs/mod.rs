//! The outputs that `--out` can name: one file per output, listed once in [`OUTPUTS`], and the dataset formats.

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
    /// Returns the name that `--out` uses.
    fn name(&self) -> &'static str;

    /// Returns each form of the output for the help, such as `parquet:DIR/`.
    fn forms(&self) -> Vec<String>;

    /// Returns a place for an example.
    fn example(&self) -> &'static str {
        "out/"
    }

    /// Parses the text after the colon, which is not empty.
    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong>;
}

/// What is wrong with a place, and what to write instead.
pub(super) struct Wrong {
    pub message: String,
    pub help: String,
}

/// The formats that can write to something other than a dataset directory.
static OUTPUTS: &[&dyn OutputFormat] = &[
    &ndjson::Ndjson,
    #[cfg(feature = "kafka")]
    &kafka::Kafka,
];

/// Returns all formats in the order of the help: those in `OUTPUTS`, then the other dataset formats.
pub(super) fn outputs() -> impl Iterator<Item = &'static dyn OutputFormat> {
    static DATASETS: LazyLock<Vec<dataset::Dataset>> = LazyLock::new(|| {
        let is_new = |format: &Format| OUTPUTS.iter().all(|output| output.name() != format.name());
        Format::all().filter(is_new).map(dataset::Dataset).collect()
    });
    OUTPUTS.iter().copied().chain(DATASETS.iter().map(|dataset| dataset as &dyn OutputFormat))
}

/// The formats that this program was built without.
pub(super) const NOT_BUILT: &[&str] = &[
    #[cfg(not(feature = "parquet"))]
    "parquet",
    #[cfg(not(feature = "kafka"))]
    "kafka",
];

/// An output; `Display` shows it as the command line writes it.
pub(super) trait Output: Debug + Display + Send + Sync {
    /// Returns the path that the output writes; `-` for standard output, `None` for a topic.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether data cannot be taken back once it is written, as for standard output, a FIFO or a device.
    fn is_streamed(&self) -> bool {
        false
    }

    /// Returns the format, if the output is a dataset directory.
    fn dataset(&self) -> Option<Format> {
        None
    }

    /// Whether labels and a manifest are written next to the output.
    fn is_file(&self) -> bool {
        false
    }

    /// Returns the same output with client settings; `None` if the output has no client.
    fn with_settings(&self, _settings: &[(String, String)]) -> Option<Arc<dyn Output>> {
        None
    }

    /// Returns the topic, if the output is one.
    #[cfg(feature = "kafka")]
    fn topic(&self) -> Option<&KafkaTarget> {
        None
    }

    /// Opens the output. `opened` receives its encoder, its sink and its publication.
    fn open(&self, opened: &mut Opened, options: &OpenOptions, about: &About) -> Result<(), RunError>;

    /// Returns what `open` would find, without changing anything.
    fn look(&self, _options: &OpenOptions, _about: &About) -> Result<Vec<Look>, RunError> {
        Ok(vec![Look::nothing(self.to_string())])
    }
}
