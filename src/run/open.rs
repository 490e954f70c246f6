use std::path::PathBuf;

use super::about::About;
use super::checks::check;
use super::error::RunError;
use super::options::OpenOptions;
use super::outputs::add_labels;
use super::publication::Publication;
use super::target::Target;
use crate::label::Label;
use crate::output::{Fan, FanEncode, FanSink, LabelStream, OutputError, Receipt, Topic};
#[cfg(feature = "kafka")]
use crate::output::{Lease, RunId};
use crate::recording::{self, LabelFacts, Manifest, Partial};
use crate::time::Span;

/// Outputs that are open: nothing of them can be seen yet under its final name.
pub struct Opened {
    pub(super) fan: Fan,
    pub(super) publications: Vec<Box<dyn Publication>>,
    /// Where labels go while records are sent.
    pub(super) label_stream: Option<Box<dyn LabelStream>>,
    /// What the user should hear of before the first record.
    pub warnings: Vec<String>,
    /// Topics that are sent to.
    pub topics: Vec<Topic>,
    /// How far ahead of the clock their brokers take event times, where that is limited.
    pub ahead: Option<Span>,
    /// What runs are called in their topics.
    #[cfg(feature = "kafka")]
    pub run_id: Option<RunId>,
    /// Those of the run, each with the brokers that it is held at.
    #[cfg(feature = "kafka")]
    pub(super) leases: Vec<(String, Lease)>,
}

impl Opened {
    /// Opens all outputs; if one can't be, none is.
    ///
    /// # Errors
    /// If a path can't be written, or a broker refuses.
    pub fn open(targets: &[Target], options: &OpenOptions, about: &About) -> Result<Opened, RunError> {
        let mut opened = Opened::empty();
        // That of a resumed run is held already, and ends with the outputs.
        #[cfg(feature = "kafka")]
        opened.leases.extend(options.lease.clone().map(|lease| (String::new(), lease)));
        // Paths first: a topic that was made just now could not be taken back.
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
            fan: Fan::default(),
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

    /// Files and directories, and the labels file that was asked for.
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

    /// The two halves of all outputs together.
    pub fn take_fan(&mut self) -> (FanEncode, FanSink) {
        std::mem::take(&mut self.fan).split()
    }

    /// Where labels go while records are sent, if they do.
    pub fn take_label_stream(&mut self) -> Option<Box<dyn LabelStream>> {
        self.label_stream.take()
    }

    /// Whether nothing is to be published: what is written is gone as it is written.
    pub fn is_streamed(&self) -> bool {
        self.publications.iter().all(|it| it.is_streamed())
    }

    /// Whether something gets its name at the end.
    pub fn has_files(&self) -> bool {
        self.publications.iter().any(|it| it.has_partials())
    }

    /// Whether anything will hold labels.
    pub fn wants_labels(&self) -> bool {
        self.publications.iter().any(|it| it.holds_labels())
    }

    /// Appends labels to all that holds them.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write_labels(&mut self, rows: &[Label]) -> Result<(), OutputError> {
        self.publications.iter_mut().try_for_each(|publication| publication.write_labels(rows))
    }

    /// Whether labels go into a pipe whose reader took nothing after a stop: it has only a part of them.
    pub fn is_stalled(&self) -> bool {
        self.publications.iter().any(|it| it.is_stalled())
    }

    /// What came of the records: a failure takes every output away, and a closed standard output
    /// that was the only one is none.
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

    /// Ends the leases: no record is sent any more.
    fn end_leases(&mut self) {
        #[cfg(feature = "kafka")]
        self.leases.drain(..).for_each(|(_, lease)| lease.end());
    }

    /// Takes everything away that is not published.
    pub fn discard(&mut self) {
        // All files are closed first: removing a directory opens it.
        self.fan = Fan::default();
        self.end_leases();
        let publications = std::mem::take(&mut self.publications);
        let partials: Vec<Partial> = publications.into_iter().flat_map(|it| it.into_partials()).collect();
        partials.into_iter().for_each(Partial::discard);
    }

    /// Ends labels and gives files their final names.
    ///
    /// # Errors
    /// If something can't be written: then nothing is published.
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

    /// Ends labels, writes manifests and gives everything its final name.
    ///
    /// # Errors
    /// If something can't be written: then nothing is published.
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

    /// Gives each output its name. One that can't have it does not hold up the others: all are whole.
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
