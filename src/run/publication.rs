use std::fs::File;
use std::path::PathBuf;

use crate::label::Label;
use crate::output::{OutputError, Receipt};
use crate::recording::{self, LabelFacts, LabelSink, Manifest, Partial};

/// What an output is published as, when all of them are whole.
pub(super) enum Publication {
    /// Nothing: standard output, a FIFO, a topic.
    Streamed,
    /// A file, with its labels and its manifest next to it.
    File {
        partial: Partial,
        labels: Option<(Partial, LabelSink)>,
        manifest: Option<(Partial, File)>,
        /// Labels and a manifest of what is replaced, which are not replaced themselves.
        stale: Vec<PathBuf>,
    },
    /// A directory.
    Directory { partial: Partial, labels: Option<LabelSink> },
    /// A labels file alone, requested with `--labels`; no partial where it is a pipe, whose reader may stop reading.
    Labels { labels: LabelSink, partial: Option<Partial>, is_stalled: bool },
}

impl Publication {
    /// Appends labels, if it holds any.
    pub(super) fn write_labels(&mut self, rows: &[Label]) -> Result<(), OutputError> {
        let written = self.label_sink().map_or(Ok(()), |labels| labels.write(rows));
        self.unless_stalled(written)
    }

    /// Ends its labels, if it holds any.
    pub(super) fn finish_labels(&mut self) -> Result<Option<LabelFacts>, OutputError> {
        let finished = self.label_sink().map(LabelSink::finish).transpose();
        self.unless_stalled(finished)
    }

    /// What came of its labels. A pipe that stalled does not hold up files.
    fn unless_stalled<T: Default>(&mut self, result: Result<T, OutputError>) -> Result<T, OutputError> {
        match (result, self) {
            (Err(OutputError::Stalled { .. }), Publication::Labels { is_stalled, .. }) => {
                *is_stalled = true;
                Ok(T::default())
            }
            (result, _) => result,
        }
    }

    fn label_sink(&mut self) -> Option<&mut LabelSink> {
        match self {
            Publication::Streamed | Publication::Labels { is_stalled: true, .. } => None,
            Publication::File { labels, .. } => labels.as_mut().map(|(_, labels)| labels),
            Publication::Directory { labels, .. } => labels.as_mut(),
            Publication::Labels { labels, .. } => Some(labels),
        }
    }

    /// Whether it holds labels.
    pub(super) fn holds_labels(&self) -> bool {
        match self {
            Publication::Streamed => false,
            Publication::File { labels, .. } => labels.is_some(),
            Publication::Directory { labels, .. } => labels.is_some(),
            Publication::Labels { .. } => true,
        }
    }

    /// Whether it is a file or a directory.
    pub(super) fn has_partials(&self) -> bool {
        !matches!(self, Publication::Streamed | Publication::Labels { partial: None, .. })
    }

    /// Whether a receipt belongs to it: receipts have the order of the outputs, and `--labels` has none.
    pub(super) fn has_receipt(&self) -> bool {
        !matches!(self, Publication::Labels { .. })
    }

    /// Ends its labels, and writes its manifest.
    pub(super) fn complete(
        &mut self,
        receipt: Option<&Receipt>,
        manifest: impl Fn(&Receipt, Option<LabelFacts>) -> Manifest,
        scenario_yaml: &str,
    ) -> Result<(), OutputError> {
        let facts = self.finish_labels()?;
        match (self, receipt) {
            (Publication::Directory { partial, .. }, Some(receipt)) => {
                recording::complete(partial.path(), scenario_yaml, &manifest(receipt, facts))
            }
            (Publication::File { manifest: Some((partial, file)), .. }, Some(receipt)) => {
                recording::write_manifest(file, partial.place(), &manifest(receipt, facts))
            }
            _ => Ok(()),
        }
    }

    /// What has to be removed when all of it has its name.
    pub(super) fn take_stale(&mut self) -> Vec<PathBuf> {
        match self {
            Publication::File { stale, .. } => std::mem::take(stale),
            _ => Vec::new(),
        }
    }

    /// The files and directories that belong together, in the order in which they get their names: labels first,
    /// so that records never appear without them, and the manifest last: until it has its name, one that is there
    /// contradicts them.
    pub(super) fn into_partials(self) -> Vec<Partial> {
        match self {
            Publication::Streamed | Publication::Labels { partial: None, .. } => Vec::new(),
            Publication::File { partial, labels, manifest, .. } => {
                let labels = labels.into_iter().map(|(labels, _)| labels);
                labels.chain([partial]).chain(manifest.map(|(manifest, _)| manifest)).collect()
            }
            Publication::Directory { partial, .. } | Publication::Labels { partial: Some(partial), .. } => {
                vec![partial]
            }
        }
    }
}
