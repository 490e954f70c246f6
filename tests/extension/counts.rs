//! `counts:FILE`: the number of rows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Output, OutputFormat, Wrong};
use crate::batch::Batch;
use crate::output::{Encode, OutputError, Receipt, Sink};
use crate::run::about::About;
use crate::run::error::RunError;
use crate::run::open::Opened;
use crate::run::options::OpenOptions;
use crate::run::publication::Streamed;

pub(super) struct Counts;

impl OutputFormat for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn forms(&self) -> Vec<String> {
        vec!["counts:FILE".into()]
    }

    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong> {
        Ok(Arc::new(File(place.into())))
    }
}

#[derive(Clone, Debug)]
struct File(PathBuf);

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counts:{}", self.0.display())
    }
}

impl Output for File {
    fn path(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn is_streamed(&self) -> bool {
        true
    }

    fn open(&self, opened: &mut Opened, _: &OpenOptions, _: &About) -> Result<(), RunError> {
        opened.tee.add(Rows, Total { path: self.0.clone(), rows: 0 });
        opened.publications.push(Box::new(Streamed));
        Ok(())
    }
}

struct Rows;

impl Encode for Rows {
    type Part = u64;

    fn encode(&self, batch: &Batch) -> u64 {
        batch.num_rows() as u64
    }
}

struct Total {
    path: PathBuf,
    rows: u64,
}

impl Sink for Total {
    type Part = u64;

    fn write(&mut self, rows: u64) -> Result<(), OutputError> {
        self.rows += rows;
        Ok(())
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let written = std::fs::write(&self.path, format!("{}\n", self.rows));
        written.map_err(|error| OutputError::io(&self.path, error))?;
        Ok(Receipt { target: format!("counts:{}", self.path.display()), rows: self.rows, ..Receipt::default() })
    }
}
