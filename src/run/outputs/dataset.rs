//! The output `FORMAT:DIR/`: a dataset directory in any dataset format.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Output, OutputFormat, Wrong};
use crate::output::TableOptions;
use crate::recording::{self, Format, LabelSink, Partial};
use crate::run::about::About;
use crate::run::error::RunError;
use crate::run::open::Opened;
use crate::run::options::OpenOptions;
use crate::run::publication::DirectoryPublication;

/// A format that can only be written to directories.
pub(super) struct Dataset(pub(super) Format);

impl OutputFormat for Dataset {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forms(&self) -> Vec<String> {
        vec![format!("{}:DIR/", self.name())]
    }

    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong> {
        if place.ends_with('/') {
            return Ok(Arc::new(Directory::new(self.0, place)));
        }
        let (title, name) = (self.0.title(), self.name());
        Err(Wrong {
            message: format!("{title} is written to a directory, but `{place}` does not end with `/`"),
            help: match place {
                "-" => format!("write `{name}:DIR/`, or `ndjson:-` for standard output"),
                _ => format!("write `{name}:{place}/`"),
            },
        })
    }
}

/// A dataset directory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    format: Format,
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(format: Format, place: &str) -> Directory {
        let path = place.trim_end_matches('/');
        Directory { format, path: if path.is_empty() { "/" } else { path }.into() }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "{}:{}/", self.format.name(), path.trim_end_matches('/'))
    }
}

impl Output for Directory {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn dataset(&self) -> Option<Format> {
        Some(self.format)
    }

    fn open(&self, opened: &mut Opened, options: &OpenOptions, about: &About) -> Result<(), RunError> {
        let partial = Partial::directory(&self.path, options.force)?;
        let files = TableOptions {
            compression: options.compression,
            row_group: options.row_group,
            part_bytes: options.part_bytes,
            facts: about.facts.clone(),
            threads: about.threads.clone(),
        };
        let (format, directory) = (self.format, partial.path());
        let added = recording::add_dataset(
            &mut opened.tee,
            format,
            directory,
            self.to_string(),
            &about.schema,
            &files,
        );
        let labels = match options.no_labels {
            true => Ok(None),
            false => LabelSink::create(format, directory, &files).map(Some),
        };
        let (labels, problem) = labels.map_or_else(|error| (None, Some(error)), |labels| (labels, None));
        opened.publications.push(Box::new(DirectoryPublication { partial, labels }));
        problem.map_or(Ok(()), Err)?;
        Ok(added?)
    }
}
