use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::RecordingError;
use crate::batch::Batch;
use crate::time::SimTime;

/// Where the event times of a file go back. In a dataset they do not: its digest is over rows in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoesBack {
    /// Which file.
    pub path: PathBuf,
    /// The first line with an earlier time than the line before it.
    pub line: u64,
    /// The time of the line before it.
    pub from: SimTime,
    /// Its own time.
    pub to: SimTime,
    /// Lines with an earlier time than the line before them, so far.
    pub times: u64,
}

impl fmt::Display for GoesBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GoesBack { path, line, from, to, times } = self;
        write!(f, "the times of `{}` go back", path.display())?;
        match times {
            1 => write!(f, " in line {line}")?,
            _ => write!(f, " {times} times, first in line {line}")?,
        }
        write!(f, ": from {from} to {to}")
    }
}

/// Where the times of a recording go back, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Order(Arc<Mutex<Option<GoesBack>>>);

impl Order {
    /// The first place, and how often they did so far.
    pub fn found(&self) -> Option<GoesBack> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<GoesBack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Batches of a file of lines, each of them a row, whose order is watched.
pub(super) struct Watched<I> {
    batches: I,
    order: Order,
    path: PathBuf,
    line: u64,
    last: SimTime,
}

impl<I> Watched<I> {
    pub(super) fn new(batches: I, path: &Path, order: &Order) -> Watched<I> {
        Watched { batches, order: order.clone(), path: path.into(), line: 0, last: SimTime(i64::MIN) }
    }

    fn look(&mut self, batch: &Batch) {
        for row in batch.rows() {
            let moment = row.timestamp();
            self.line += 1;
            if moment < self.last {
                let (path, line, from) = (&self.path, self.line, self.last);
                let first = || GoesBack { path: path.clone(), line, from, to: moment, times: 0 };
                self.order.lock().get_or_insert_with(first).times += 1;
            }
            self.last = moment;
        }
    }
}

impl<I: Iterator<Item = Result<Batch, RecordingError>>> Iterator for Watched<I> {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batches.next();
        if let Some(Ok(batch)) = &next {
            self.look(batch);
        }
        next
    }
}
