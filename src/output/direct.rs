//! What is written directly: a pipe, a device, an open file of another program.
//!
//! A pipe whose reader takes nothing blocks its writer for ever. Where a stop can be asked for, it ends the wait.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pace;

/// Not 0 when somebody wants to stop: the number of the signal.
pub type Stop = Arc<AtomicUsize>;

/// Whether somebody wants to stop.
pub(crate) fn is_asked(stop: Option<&Stop>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed) != 0)
}

/// An open file that is written directly.
#[derive(Debug)]
pub struct Direct {
    file: File,
    /// None where a write may block for as long as it takes.
    stop: Option<Stop>,
    /// When the stop was first noticed.
    asked_at: Option<Instant>,
    /// Nothing more is written: its reader took nothing after the stop.
    is_stalled: bool,
}

/// The reader took nothing after a stop was asked for.
#[derive(Debug, thiserror::Error)]
#[error("its reader took nothing after the stop")]
pub(crate) struct Stalled;

/// What a pipe takes at once when `poll` says that it has room: a page, and `PIPE_BUF`.
const AT_ONCE: usize = 4_096;

/// How often it is asked whether somebody wants to stop.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// After a stop a reader may take nothing for so long.
const SILENCE: Duration = Duration::from_secs(1);

/// After a stop all that is left has to be taken within this time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Direct {
    /// `stop` ends a write whose reader takes nothing.
    pub fn new(file: File, stop: Option<Stop>) -> Direct {
        // A regular file never blocks.
        let stop = stop.filter(|_| !file.metadata().is_ok_and(|meta| meta.is_file()));
        Direct { file, stop, asked_at: None, is_stalled: false }
    }

    /// Makes what was written durable; a pipe or a device has nothing to sync.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn sync(&self) -> io::Result<()> {
        if self.file.metadata().is_ok_and(|meta| meta.is_file()) { self.file.sync_all() } else { Ok(()) }
    }

    /// Waits until there is room, and no longer than a stop allows.
    fn wait_for_reader(&mut self) -> io::Result<()> {
        let mut silent_since = None;
        loop {
            let has_room = has_room(&self.file, LOOK);
            if is_asked(self.stop.as_ref()) {
                let now = pace::wall();
                let asked_at = *self.asked_at.get_or_insert(now);
                let silent_since = *silent_since.get_or_insert(now);
                self.is_stalled |= now - asked_at >= PATIENCE || !has_room && now - silent_since >= SILENCE;
            }
            match (self.is_stalled, has_room) {
                (true, _) => return Err(io::Error::other(Stalled)),
                (false, true) => return Ok(()),
                (false, false) => {}
            }
        }
    }
}

impl From<File> for Direct {
    fn from(file: File) -> Direct {
        Direct::new(file, None)
    }
}

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_none() {
            return self.file.write(bytes);
        }
        self.wait_for_reader()?;
        self.file.write(&bytes[..bytes.len().min(AT_ONCE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a write of [`AT_ONCE`] bytes would not block, now or within this time.
#[cfg(unix)]
fn has_room(file: &File, within: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let within = Timespec { tv_sec: 0, tv_nsec: i64::from(within.subsec_nanos()) as _ };
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&within)) {
        Ok(ready) => ready > 0,
        // The write tells what is wrong.
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

#[cfg(not(unix))]
fn has_room(_: &File, _: Duration) -> bool {
    true
}
