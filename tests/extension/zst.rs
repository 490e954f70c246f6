//! Datasets of compressed lines: `records.ndjson.zst`, and `labels.zst`, which contains uncompressed lines of JSON.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ndjson::Ndjson;
use super::{DatasetFormat, LabelFile, LabelRow};
use crate::output::{Tee, NdjsonEncode, NdjsonSink, OutputError, TableOptions};
use crate::recording::dataset::add;
use crate::recording::error::RecordingError;
use crate::recording::manifest::Manifest;
use crate::recording::read::{Batches, lines_of};
use crate::recording::select::Filter;
use crate::schema::Schema;

const RECORDS: &str = "records.ndjson.zst";

#[derive(Debug)]
pub(super) struct Zst;

impl DatasetFormat for Zst {
    fn name(&self) -> &'static str {
        "zst"
    }

    fn title(&self) -> &'static str {
        "Zstandard"
    }

    fn add(
        &self,
        tee: &mut Tee,
        directory: &Path,
        target: String,
        _: &Schema,
        _: &TableOptions,
    ) -> Result<(), OutputError> {
        let path = directory.join(RECORDS);
        let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
        add(tee, NdjsonEncode::default(), NdjsonSink::file(file, path, target)?, RECORDS.into());
        Ok(())
    }

    fn create_labels(&self, path: PathBuf, options: &TableOptions) -> Result<Box<dyn LabelFile>, OutputError> {
        Ndjson.create_labels(path, options)
    }

    fn holds(&self, manifest: &Manifest, _: &Schema) -> bool {
        manifest.has_part(RECORDS)
    }

    fn batches(
        &self,
        path: &Path,
        schema: &Arc<Schema>,
        _: &Manifest,
        _: &Filter,
    ) -> Result<Batches, RecordingError> {
        Ok(Box::new(lines_of(&path.join(RECORDS), schema)?))
    }

    fn label_rows(&self, path: &Path, digest: Option<&str>) -> Result<Vec<LabelRow>, RecordingError> {
        Ndjson.label_rows(path, digest)
    }
}
