use super::about::About;
use super::checks::check;
use super::error::RunError;
use super::open::Opened;
use super::options::OpenOptions;
use super::target::Target;
use crate::output::Holds;
use crate::recording::Destination;

/// What an output would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// As the command line writes it.
    pub target: String,
    /// What would be sent to it.
    pub holds: Holds,
    /// How many partitions a topic has that exists.
    pub partitions: Option<u32>,
    /// Whether it is a topic that is missing and would be created.
    pub is_missing: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Look {
    /// Nothing is known of it before it is opened.
    pub(super) fn nothing(target: String) -> Look {
        Look { target, holds: Holds::Records, partitions: None, is_missing: false, warnings: Vec::new() }
    }
}

impl Opened {
    /// Looks at outputs as [`Opened::open`] does, and leaves everything as it is.
    ///
    /// # Errors
    /// Those of opening them.
    pub fn look(targets: &[Target], options: &OpenOptions, about: &About) -> Result<Vec<Look>, RunError> {
        check(targets, options, about)?;
        // A pipe would be waited for.
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
