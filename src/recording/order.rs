//! Detects event times that go back in a file of lines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::RecordingError;
use crate::batch::Batch;
use crate::time::SimTime;

/// The place where the event times of a file go back. In a dataset they never do: its digest covers the rows in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoesBack {
    /// The file.
    pub path: PathBuf,
    /// The first line with an earlier time than its previous line.
    pub line: u64,
    /// The time of the previous line.
    pub from: SimTime,
    /// The time of this line.
    pub to: SimTime,
    /// The number of lines so far that have an earlier time than their previous line.
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

/// Records where the times of a recording go back, up to the row that was read last.
#[derive(Clone, Debug, Default)]
pub struct Order(Arc<Mutex<Option<GoesBack>>>);

impl Order {
    /// Returns the first such place with the number of such lines so far; `None` if times never went back.
    pub fn found(&self) -> Option<GoesBack> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<GoesBack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on the batches of a file with one row per line, and watches the order of their times.
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
