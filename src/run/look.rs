//! Examines the outputs for a dry run, without creating or changing anything.

use super::about::About;
use super::checks::check;
use super::error::RunError;
use super::open::Opened;
use super::options::OpenOptions;
use super::target::Target;
use crate::output::Holds;
use crate::recording::Destination;

/// What is known about an output before a run: where it goes and what would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The output as the command line writes it.
    pub target: String,
    /// What would be sent to it.
    pub holds: Holds,
    /// The number of partitions, if it is an existing topic.
    pub partitions: Option<u32>,
    /// Whether it is a missing topic that would be created.
    pub is_missing: bool,
    /// What the user should know before the run.
    pub warnings: Vec<String>,
}

impl Look {
    /// Creates the result for an output that can't be examined before it is opened.
    pub(super) fn nothing(target: String) -> Look {
        Look { target, holds: Holds::Records, partitions: None, is_missing: false, warnings: Vec::new() }
    }
}

impl Opened {
    /// Examines outputs with the same checks as [`Opened::open`], but changes nothing.
    ///
    /// # Errors
    /// The same errors as [`Opened::open`].
    pub fn look(targets: &[Target], options: &OpenOptions, about: &About) -> Result<Vec<Look>, RunError> {
        check(targets, options, about)?;
        // Opening a pipe would block until it has a reader.
        let files: Vec<&Target> =
            targets.iter().filter(|target| target.path().is_some() && !target.is_streamed()).collect();
        let labels =
            options.labels.clone().filter(|path| !Destination::of(path).is_ok_and(|place| place.is_direct()));
        let mut opened = Opened::empty();
        let added = opened.add_paths(&files, &OpenOptions { labels, ..options.clone() }, about);
        opened.discard();
        added?;
        let looked = targets.iter().map(|target| target.0.look(options, about));
        looked.collect::<Result<Vec<_>, _>>().map(|looks| looks.concat())
    }
}
