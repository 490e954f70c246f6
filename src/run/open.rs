//! Opens all outputs of a run, and publishes or discards them together at its end.

use std::path::PathBuf;

use super::about::About;
use super::checks::check;
use super::error::RunError;
use super::options::OpenOptions;
use super::outputs::add_labels;
use super::publication::Publication;
use super::target::Target;
use crate::label::Label;
use crate::output::{LabelStream, OutputError, Receipt, Tee, TeeEncode, TeeSink, Topic};
#[cfg(feature = "kafka")]
use crate::output::{Lease, RunId};
use crate::recording::{self, LabelFacts, Manifest, Partial};
use crate::time::Span;

/// The open outputs of a run. Nothing is visible yet under its final name.
pub struct Opened {
    pub(super) tee: Tee,
    pub(super) publications: Vec<Box<dyn Publication>>,
    /// Where labels go while records are being sent.
    pub(super) label_stream: Option<Box<dyn LabelStream>>,
    /// What the user should know before the first record.
    pub warnings: Vec<String>,
    /// The topics that records or labels are sent to.
    pub topics: Vec<Topic>,
    /// How far event times may be ahead of the brokers' clocks, if a broker limits that.
    pub ahead: Option<Span>,
    /// The id of the run in its topics.
    #[cfg(feature = "kafka")]
    pub run_id: Option<RunId>,
    /// The leases of the run, each with its brokers. The brokers are empty for the lease of a resumed run.
    #[cfg(feature = "kafka")]
    pub(super) leases: Vec<(String, Lease)>,
}

impl Opened {
    /// Opens all outputs. If one can't be opened, none stays open.
    ///
    /// # Errors
    /// If a path can't be written, or if a broker refuses.
    pub fn open(targets: &[Target], options: &OpenOptions, about: &About) -> Result<Opened, RunError> {
        let mut opened = Opened::empty();
        // A resumed run already has its lease, which ends with the outputs.
        #[cfg(feature = "kafka")]
        opened.leases.extend(options.lease.clone().map(|lease| (String::new(), lease)));
        // Open paths first: a topic that has just been created could not be removed again.
        let (paths, topics): (Vec<&Target>, Vec<&Target>) = targets.iter().partition(|t| t.path().is_some());
        let result = check(targets, options, about)
            .and_then(|()| opened.add_paths(&paths, options, about))
            .and_then(|()| opened.add_all(&topics, options, about));
        match result {
            Ok(()) => Ok(opened),
            Err(error) => {
                opened.discard();
                Err(error)
            }
        }
    }

    pub(super) fn empty() -> Opened {
        Opened {
            tee: Tee::default(),
            publications: Vec::new(),
            label_stream: None,
            warnings: Vec::new(),
            topics: Vec::new(),
            ahead: None,
            #[cfg(feature = "kafka")]
            run_id: None,
            #[cfg(feature = "kafka")]
            leases: Vec::new(),
        }
    }

    /// Adds files and directories, and the requested labels file.
    pub(super) fn add_paths(
        &mut self,
        paths: &[&Target],
        options: &OpenOptions,
        about: &About,
    ) -> Result<(), RunError> {
        self.add_all(paths, options, about)?;
        options.labels.iter().try_for_each(|path| add_labels(self, path, options))
    }

    fn add_all(&mut self, targets: &[&Target], options: &OpenOptions, about: &About) -> Result<(), RunError> {
        targets.iter().try_for_each(|target| target.0.open(self, options, about))
    }

    /// Returns the encoders and the sinks of all outputs.
    pub fn take_tee(&mut self) -> (TeeEncode, TeeSink) {
        std::mem::take(&mut self.tee).split()
    }

    /// Returns where labels go while records are being sent, if they go anywhere.
    pub fn take_label_stream(&mut self) -> Option<Box<dyn LabelStream>> {
        self.label_stream.take()
    }

    /// Whether there is nothing to publish, because data cannot be taken back once it is written.
    pub fn is_streamed(&self) -> bool {
        self.publications.iter().all(|it| it.is_streamed())
    }

    /// Whether an output gets its final name at the end.
    pub fn has_files(&self) -> bool {
        self.publications.iter().any(|it| it.has_partials())
    }

    /// Whether an output contains labels.
    pub fn wants_labels(&self) -> bool {
        self.publications.iter().any(|it| it.holds_labels())
    }

    /// Appends labels to all outputs that contain labels.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write_labels(&mut self, rows: &[Label]) -> Result<(), OutputError> {
        self.publications.iter_mut().try_for_each(|publication| publication.write_labels(rows))
    }

    /// Whether labels go to a pipe with a reader that took no more data after a stop. It has only a part of the labels.
    pub fn is_stalled(&self) -> bool {
        self.publications.iter().any(|it| it.is_stalled())
    }

    /// Handles the result of writing the records. A failure discards all outputs. If standard output was the only
    /// output, closing it is not a failure.
    ///
    /// # Errors
    /// If an output failed.
    pub fn ended(&mut self, receipts: Result<Vec<Receipt>, OutputError>) -> Result<Vec<Receipt>, RunError> {
        match receipts {
            Ok(receipts) => Ok(receipts),
            Err(OutputError::Closed) => Ok(Vec::new()),
            Err(error) => {
                self.discard();
                Err(error.into())
            }
        }
    }

    /// Ends the leases, because no more records are sent.
    fn end_leases(&mut self) {
        #[cfg(feature = "kafka")]
        self.leases.drain(..).for_each(|(_, lease)| lease.end());
    }

    /// Removes everything that is not published.
    pub fn discard(&mut self) {
        // Close all files first: removing a directory needs a free file descriptor.
        self.tee = Tee::default();
        self.end_leases();
        let publications = std::mem::take(&mut self.publications);
        let partials: Vec<Partial> = publications.into_iter().flat_map(|it| it.into_partials()).collect();
        partials.into_iter().for_each(Partial::discard);
    }

    /// Completes the labels and gives files their final names.
    ///
    /// # Errors
    /// If something can't be written. Nothing is published then.
    pub fn publish_records(mut self, receipts: Vec<Receipt>) -> Result<Vec<Receipt>, RunError> {
        self.end_leases();
        let ended = self.publications.iter_mut().try_for_each(|it| it.finish_labels().map(drop));
        if let Err(error) = ended {
            self.discard();
            return Err(error.into());
        }
        self.rename()?;
        Ok(receipts)
    }

    /// Completes the labels, writes the manifests and gives all outputs their final names.
    ///
    /// # Errors
    /// If something can't be written. Nothing is published then.
    pub fn publish(
        mut self,
        receipts: Vec<Receipt>,
        manifest: impl Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        scenario_yaml: &str,
    ) -> Result<Vec<Receipt>, RunError> {
        self.end_leases();
        if let Err(error) = self.complete(&receipts, manifest, scenario_yaml) {
            self.discard();
            return Err(error.into());
        }
        self.rename()?;
        Ok(receipts)
    }

    /// Gives each output its final name. If one fails, the others are renamed anyway: all outputs are complete.
    fn rename(&mut self) -> Result<(), RunError> {
        let (mut errors, mut published) = (Vec::new(), Vec::new());
        for mut publication in std::mem::take(&mut self.publications) {
            let stale = publication.take_stale();
            let partials = publication.into_partials();
            let places: Vec<PathBuf> = partials.iter().map(|it| it.place().to_path_buf()).collect();
            match recording::publish_together(partials, &stale) {
                Ok(()) => published.extend(places),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(RunError::Publish { errors, published }) }
    }

    fn complete(
        &mut self,
        receipts: &[Receipt],
        manifest: impl Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        scenario_yaml: &str,
    ) -> Result<(), OutputError> {
        let mut receipts = receipts.iter();
        for publication in &mut self.publications {
            let receipt = if publication.has_receipt() { receipts.next() } else { None };
            publication.complete(receipt, &manifest, scenario_yaml)?;
        }
        Ok(())
    }
}
