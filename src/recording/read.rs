//! Opens datasets, shards and single files as one recording, and reads their rows and labels.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::checked::{Checked, with_bytes};
use super::error::RecordingError;
#[cfg(feature = "parquet")]
use super::formats::table_of;
use super::formats::{FORMATS, NdjsonReader};
use super::lines::{self, STDIN};
use super::manifest::{MANIFEST, Manifest};
use super::order::{Order, Watched};
use super::read_labels::read_labels;
use super::select::{Filter, Filtered, Selection};
use super::sidecar::{labels_of, manifest_of, manifest_path, real_name};
use crate::batch::Batch;
use crate::engine::models;
use crate::label::{self, Label};
use crate::schema::Schema;
use crate::threads::ahead;

/// A recorded run: one or more dataset directories that are its shards, or a single file.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The sources, in the order of their event times.
    pub(super) sources: Vec<Source>,
    /// The types of its records.
    schema: Arc<Schema>,
    /// The labels, once they have been read. Labels without a manifest require reading all records.
    labels: Arc<OnceLock<Option<Vec<Label>>>>,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Dataset {
        path: PathBuf,
        manifest: Box<Manifest>,
    },
    /// NDJSON, compressed or not; `-` is standard input.
    Lines {
        path: PathBuf,
        /// The manifest next to the file, if there is one.
        manifest: Option<Box<Manifest>>,
    },
    /// A Parquet file of one entity type.
    Table(PathBuf),
}

/// Batches in stream order. If there is an error, it is the last item.
pub type Batches = Box<dyn Iterator<Item = Result<Batch, RecordingError>> + Send>;

/// The number of batches that are decoded ahead of the consumer.
pub(super) const AHEAD: usize = 4;

impl Recording {
    /// Opens a dataset directory, an NDJSON file (plain or compressed; `-` for standard input) or a Parquet file of a
    /// dataset.
    ///
    /// # Errors
    /// If the path does not exist, or if its manifest is not valid.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        Ok(Recording::of(vec![Source::open(path)?]))
    }

    /// Opens the shards of one run, in any order, as one recording. A single path may be any recording.
    ///
    /// # Errors
    /// If a path can't be opened, or if the paths are not neighbouring shards of one run.
    pub fn open_all(paths: &[PathBuf]) -> Result<Recording, RecordingError> {
        let sources: Result<Vec<Source>, _> = paths.iter().map(|path| Source::open(path)).collect();
        let sources = if paths.len() == 1 { sources? } else { in_order(sources?)? };
        Ok(Recording::of(sources))
    }

    fn of(sources: Vec<Source>) -> Recording {
        Recording { sources, schema: Arc::clone(models::builtin()), labels: Arc::default() }
    }

    /// Returns the types of the records.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the manifest of the dataset directory, of the first shard if there are several, or the one next to a
    /// file.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self.sources.first()? {
            Source::Dataset { manifest, .. } => Some(manifest),
            Source::Lines { manifest, .. } => manifest.as_deref(),
            Source::Table(_) => None,
        }
    }

    /// Returns the recorded rows in stream order. For a dataset, and for an NDJSON file with a manifest, the last item
    /// is an error if rows are missing or changed. An NDJSON file without a manifest can't be checked in this way.
    ///
    /// # Errors
    /// If a part is missing.
    pub fn batches(&self) -> Result<Batches, RecordingError> {
        self.select(&Selection::default())
    }

    /// Returns the selected rows. If not all rows of a dataset are selected, the digest over all of them can't be
    /// checked. reenact then still detects a damaged Parquet file that it reads, but not a changed line.
    ///
    /// # Errors
    /// If a part is missing, or if the selection names incidents and there are no labels.
    pub fn select(&self, selection: &Selection) -> Result<Batches, RecordingError> {
        self.select_and_watch(selection, &Order::default())
    }

    /// Like [`Recording::select`], and records where the times of a file go back, including in rows that are not
    /// selected.
    pub(crate) fn select_and_watch(
        &self,
        selection: &Selection,
        order: &Order,
    ) -> Result<Batches, RecordingError> {
        let labels = match selection.incidents.is_empty() {
            true => Vec::new(),
            false => self.labels()?.ok_or_else(|| self.lacks("labels"))?,
        };
        self.sources.iter().try_for_each(Source::is_complete)?;
        let (filter, is_all) = (Filter::new(selection, &self.schema, &labels), selection.is_all());
        let (wanted, order, schema) = (filter.clone(), order.clone(), Arc::clone(&self.schema));
        // Read the shards one after the other: each has threads that decode it ahead.
        let batches = self.sources.clone().into_iter().flat_map(move |source| {
            source
                .batches(&schema, &wanted, is_all, &order)
                .unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
        });
        let batches = UntilError { batches, verdict: None, is_over: false };
        if is_all {
            return Ok(Box::new(batches));
        }
        let is_sorted = self.sources.iter().all(|source| matches!(source, Source::Dataset { .. }));
        Ok(Box::new(Filtered { batches, filter, is_sorted, is_over: false }))
    }

    /// Returns the labels in the order of a labels file. Returns `None` if they were left out, or if a single file has
    /// no labels file next to it.
    ///
    /// The labels are read only once. If they have no manifest, reenact reads all records and compares the entities and
    /// times of the labels with them.
    ///
    /// # Errors
    /// If the labels can't be read, differ from the manifest, or do not belong to these records.
    pub fn labels(&self) -> Result<Option<Vec<Label>>, RecordingError> {
        let mut damages = Vec::new();
        let labels = self.labels_and(&mut damages)?;
        damages.pop().map_or(Ok(labels), Err)
    }

    /// Like [`Recording::labels`], but also returns labels that differ from the manifest. The differences are appended
    /// to `damages`.
    pub(crate) fn labels_and(
        &self,
        damages: &mut Vec<RecordingError>,
    ) -> Result<Option<Vec<Label>>, RecordingError> {
        if let Some(labels) = self.labels.get() {
            return Ok(labels.clone());
        }
        let before = damages.len();
        let labels = self.read_labels(damages)?;
        if damages.len() == before {
            return Ok(self.labels.get_or_init(|| labels).clone());
        }
        Ok(labels)
    }

    fn read_labels(&self, damages: &mut Vec<RecordingError>) -> Result<Option<Vec<Label>>, RecordingError> {
        let mut all = Vec::new();
        for source in &self.sources {
            let Some(labels) = source.labels(&self.schema, damages)? else { return Ok(None) };
            all.extend(labels);
        }
        Ok(Some(all))
    }
}

impl Source {
    fn open(path: &Path) -> Result<Source, RecordingError> {
        if path.as_os_str() == STDIN {
            return Ok(Source::Lines { path: path.into(), manifest: None });
        }
        let io = |source| RecordingError::Io { path: path.into(), source };
        let meta = std::fs::metadata(path).map_err(io)?;
        if meta.is_dir() {
            return Ok(Source::Dataset { path: path.into(), manifest: Manifest::read(path)?.into() });
        }
        if path.extension().is_some_and(|extension| extension == "csv") {
            let reason = "a CSV table contains only one record type, so name its directory instead".into();
            return Err(RecordingError::Foreign { path: path.into(), reason });
        }
        // A pipe can be read only once, so do not read its first bytes here.
        let mut begin = [0; 4];
        let is_table = meta.is_file()
            && File::open(path).map_err(io)?.read_exact(&mut begin).is_ok()
            && begin == *b"PAR1";
        if is_table {
            return Ok(Source::Table(path.into()));
        }
        Ok(Source::Lines { path: path.into(), manifest: manifest_of(path)?.map(Box::new) })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Source::Dataset { path, .. } | Source::Lines { path, .. } | Source::Table(path) => path,
        }
    }

    fn is_complete(&self) -> Result<(), RecordingError> {
        let Source::Dataset { path, manifest } = self else { return Ok(()) };
        match manifest.parts.iter().find(|part| !path.join(&part.path).is_file()) {
            None => Ok(()),
            Some(missing) => {
                let reason = format!("its part `{}` is missing", missing.path);
                Err(RecordingError::Damaged { path: path.clone(), reason })
            }
        }
    }

    /// Returns the rows that may pass the filter, and possibly others. If all rows are read, they are checked against
    /// the manifest's digest.
    fn batches(
        &self,
        schema: &Arc<Schema>,
        filter: &Filter,
        is_all: bool,
        order: &Order,
    ) -> Result<Batches, RecordingError> {
        let (path, manifest) = match self {
            Source::Lines { path, manifest } => {
                let lines = Watched::new(lines_of(path, schema)?, path, order);
                let Some(manifest) = manifest else { return Ok(Box::new(lines)) };
                // All lines are read, even if not all are selected.
                let lines = ahead(lines.map(with_bytes), AHEAD);
                return Ok(Box::new(Checked::new(
                    lines,
                    path,
                    Some(manifest_path(&real_name(path))),
                    manifest,
                )));
            }
            Source::Table(path) => return table_of(path, schema, filter),
            Source::Dataset { path, manifest } => (path, manifest),
        };
        let batches: Batches = if manifest.parts.is_empty() {
            // An empty list of parts may be valid: the digest is checked below.
            Box::new(std::iter::empty())
        } else {
            let format = FORMATS.iter().find(|format| format.holds(manifest, schema)).ok_or_else(|| {
                let reason = match cfg!(feature = "parquet") {
                    true => "it has no records",
                    false => "this program was built without Parquet",
                };
                RecordingError::Foreign { path: path.clone(), reason: reason.into() }
            })?;
            format.batches(path, schema, manifest, filter)?
        };
        if !is_all {
            return Ok(batches);
        }
        Ok(Box::new(Checked::new(ahead(batches.map(with_bytes), AHEAD), path, None, manifest)))
    }

    fn labels(
        &self,
        schema: &Arc<Schema>,
        damages: &mut Vec<RecordingError>,
    ) -> Result<Option<Vec<Label>>, RecordingError> {
        let (path, manifest) = match self {
            Source::Table(_) => return Ok(None),
            Source::Lines { path, manifest } => return labels_of(path, schema, manifest.as_deref(), damages),
            Source::Dataset { path, manifest } => (path, manifest),
        };
        let Some(facts) = &manifest.labels else { return Ok(None) };
        let file = path.join(&facts.path);
        let labels = read_labels(&file, schema, facts.file_digest.as_deref())?;
        let digest = blake3::hash(&label::lines(&labels)).to_hex();
        if labels.len() as u64 != facts.rows || digest.as_str() != facts.digest {
            let reason = "its rows do not match the digest in its manifest".into();
            damages.push(RecordingError::Damaged { path: file, reason });
        }
        Ok(Some(labels))
    }
}

/// Passes on batches up to the first error, which is the last item. An error that concerns all rows of a shard is
/// returned only after all shards have been read.
struct UntilError<I> {
    batches: I,
    verdict: Option<RecordingError>,
    is_over: bool,
}

impl<I: Iterator<Item = Result<Batch, RecordingError>>> Iterator for UntilError<I> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.batches.next() {
                Some(Ok(batch)) => return Some(Ok(batch)),
                Some(Err(error)) if error.is_of_the_whole() => {
                    self.verdict = self.verdict.take().or(Some(error))
                }
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                None => self.is_over = true,
            }
        }
        self.verdict.take().map(Err)
    }
}

pub(super) fn lines_of(
    path: &Path,
    schema: &Arc<Schema>,
) -> Result<impl Iterator<Item = Result<Batch, RecordingError>> + Send + use<>, RecordingError> {
    Ok(ahead(NdjsonReader::new(lines::open(path)?, path.into(), schema), AHEAD))
}

/// Sorts the sources by their ticks. They must be neighbouring shards of one run.
fn in_order(sources: Vec<Source>) -> Result<Vec<Source>, RecordingError> {
    let mut shards = Vec::new();
    for source in sources {
        let Source::Dataset { path, manifest } = source else {
            let reason = "only dataset directories can be shards of one run".into();
            return Err(RecordingError::Apart { path: source.path().into(), reason });
        };
        let Some(ticks) = manifest.ticks() else {
            let reason = "its clock, window and shard are inconsistent".into();
            return Err(RecordingError::Damaged { path: path.join(MANIFEST), reason });
        };
        shards.push((ticks, path, manifest));
    }
    shards.sort_by_key(|(ticks, ..)| (ticks.from(), ticks.to()));
    for pair in shards.windows(2) {
        let [(a, first, one), (b, second, other)] = pair else { unreachable!("windows of two") };
        let apart = |reason: String| Err(RecordingError::Apart { path: second.clone(), reason });
        let first = first.display();
        if let Some(what) = one.differs_in_run(other) {
            return apart(format!("its {what} differs from that of `{first}`"));
        }
        let [this, before] = [other, one].map(|manifest| manifest.shard.as_deref().unwrap_or("the whole"));
        if b.from() < a.to() {
            return apart(format!(
                "it contains {this} of the run, which overlaps with {before} in `{first}`"
            ));
        }
        if b.from() > a.to() {
            return apart(format!(
                "it contains {this} of the run, but the records between it and {before} in `{first}` are missing"
            ));
        }
    }
    Ok(shards.into_iter().map(|(_, path, manifest)| Source::Dataset { path, manifest }).collect())
}

#[cfg(not(feature = "parquet"))]
fn table_of(path: &Path, _: &Arc<Schema>, _: &Filter) -> Result<Batches, RecordingError> {
    let reason = "this program was built without Parquet".into();
    Err(RecordingError::Foreign { path: path.into(), reason })
}
