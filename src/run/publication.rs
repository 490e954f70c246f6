//! What an output needs at the end of a run: its labels, its manifest, and the files to rename.

use std::fs::File;
use std::path::PathBuf;

use crate::label::Label;
use crate::output::{OutputError, Receipt};
use crate::recording::{self, LabelFacts, LabelSink, Manifest, Partial};

/// How an output is published once all outputs are complete. The default methods publish nothing, as is right for
/// standard output, a FIFO or a topic.
pub(super) trait Publication {
    /// Returns where its labels go, if it contains labels.
    fn labels(&mut self) -> Option<&mut LabelSink> {
        None
    }

    /// Appends labels, if it contains any.
    fn write_labels(&mut self, rows: &[Label]) -> Result<(), OutputError> {
        self.labels().map_or(Ok(()), |labels| labels.write(rows))
    }

    /// Completes its labels, if it contains any.
    fn finish_labels(&mut self) -> Result<Option<LabelFacts>, OutputError> {
        self.labels().map(LabelSink::finish).transpose()
    }

    /// Whether it contains labels.
    fn holds_labels(&self) -> bool {
        false
    }

    /// Whether it is a file or a directory, which gets its final name at the end.
    fn has_partials(&self) -> bool {
        false
    }

    /// Whether there is nothing to publish, because data cannot be taken back once it is written.
    fn is_streamed(&self) -> bool {
        !self.has_partials() && !self.holds_labels()
    }

    /// Whether it has a receipt. Receipts are in the order of the outputs; `--labels` has none.
    fn has_receipt(&self) -> bool {
        true
    }

    /// Whether it is a pipe with a reader that took no more data after a stop. It has only a part of the labels.
    fn is_stalled(&self) -> bool {
        false
    }

    /// Completes its labels and writes its manifest.
    fn complete(
        &mut self,
        _receipt: Option<&Receipt>,
        _manifest: &dyn Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        _scenario_yaml: &str,
    ) -> Result<(), OutputError> {
        self.finish_labels().map(drop)
    }

    /// Returns the files to remove once all its files have their final names.
    fn take_stale(&mut self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Returns the files and directories that belong together, in the order in which they get their final names. Labels
    /// come first, so that records never appear without them. The manifest comes last: until it is renamed, an older
    /// manifest contradicts the records.
    fn into_partials(self: Box<Self>) -> Vec<Partial> {
        Vec::new()
    }
}

/// Standard output, a FIFO or a topic: data cannot be taken back once it is written.
pub(super) struct Streamed;

impl Publication for Streamed {}

/// A file, with its labels and its manifest next to it.
pub(super) struct FilePublication {
    pub partial: Partial,
    pub labels: Option<(Partial, LabelSink)>,
    pub manifest: Option<(Partial, File)>,
    /// The labels and the manifest of the replaced file that are removed, because this output has none to replace them.
    pub stale: Vec<PathBuf>,
}

impl Publication for FilePublication {
    fn labels(&mut self) -> Option<&mut LabelSink> {
        self.labels.as_mut().map(|(_, labels)| labels)
    }

    fn holds_labels(&self) -> bool {
        self.labels.is_some()
    }

    fn has_partials(&self) -> bool {
        true
    }

    fn complete(
        &mut self,
        receipt: Option<&Receipt>,
        manifest: &dyn Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        _: &str,
    ) -> Result<(), OutputError> {
        let facts = self.finish_labels()?;
        match (&mut self.manifest, receipt) {
            (Some((partial, file)), Some(receipt)) => {
                recording::write_manifest(file, partial.place(), &manifest(receipt, facts))
            }
            _ => Ok(()),
        }
    }

    fn take_stale(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.stale)
    }

    fn into_partials(self: Box<Self>) -> Vec<Partial> {
        let labels = self.labels.into_iter().map(|(labels, _)| labels);
        labels.chain([self.partial]).chain(self.manifest.map(|(manifest, _)| manifest)).collect()
    }
}

/// A dataset directory.
pub(super) struct DirectoryPublication {
    pub partial: Partial,
    pub labels: Option<LabelSink>,
}

impl Publication for DirectoryPublication {
    fn labels(&mut self) -> Option<&mut LabelSink> {
        self.labels.as_mut()
    }

    fn holds_labels(&self) -> bool {
        self.labels.is_some()
    }

    fn has_partials(&self) -> bool {
        true
    }

    fn complete(
        &mut self,
        receipt: Option<&Receipt>,
        manifest: &dyn Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        scenario_yaml: &str,
    ) -> Result<(), OutputError> {
        let facts = self.finish_labels()?;
        let Some(receipt) = receipt else { return Ok(()) };
        recording::complete(self.partial.path(), scenario_yaml, &manifest(receipt, facts))
    }

    fn into_partials(self: Box<Self>) -> Vec<Partial> {
        vec![self.partial]
    }
}

/// A separate labels file, requested with `--labels`. A pipe has no partial file; its reader may stop reading.
pub(super) struct LabelsPublication {
    labels: LabelSink,
    partial: Option<Partial>,
    is_stalled: bool,
}

impl LabelsPublication {
    pub(super) fn new(labels: LabelSink, partial: Option<Partial>) -> LabelsPublication {
        LabelsPublication { labels, partial, is_stalled: false }
    }

    /// Passes on the result of writing labels. A stalled pipe is not an error, so that it does not prevent publishing
    /// files.
    fn unless_stalled<T: Default>(&mut self, result: Result<T, OutputError>) -> Result<T, OutputError> {
        match result {
            Err(OutputError::Stalled { .. }) => {
                self.is_stalled = true;
                Ok(T::default())
            }
            result => result,
        }
    }
}

impl Publication for LabelsPublication {
    fn labels(&mut self) -> Option<&mut LabelSink> {
        (!self.is_stalled).then_some(&mut self.labels)
    }

    fn write_labels(&mut self, rows: &[Label]) -> Result<(), OutputError> {
        let written = self.labels().map_or(Ok(()), |labels| labels.write(rows));
        self.unless_stalled(written)
    }

    fn finish_labels(&mut self) -> Result<Option<LabelFacts>, OutputError> {
        let finished = self.labels().map(LabelSink::finish).transpose();
        self.unless_stalled(finished)
    }

    fn holds_labels(&self) -> bool {
        true
    }

    fn has_partials(&self) -> bool {
        self.partial.is_some()
    }

    fn has_receipt(&self) -> bool {
        false
    }

    fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    fn into_partials(self: Box<Self>) -> Vec<Partial> {
        self.partial.into_iter().collect()
    }
}
