//! Writes directly to a pipe, a device or an open file of another program.
//!
//! A write to a pipe blocks while the reader reads nothing. If the run can be stopped, a stop ends this wait.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pace;

/// The number of the signal that requested a stop; 0 if there was none yet.
pub type Stop = Arc<AtomicUsize>;

/// Whether a stop was requested.
pub(crate) fn is_asked(stop: Option<&Stop>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed) != 0)
}

/// An open file that is written directly.
#[derive(Debug)]
pub struct Direct {
    file: File,
    /// `None` if a write may block without a limit.
    stop: Option<Stop>,
    /// When the stop was first noticed.
    asked_at: Option<Instant>,
    /// Whether the reader has read nothing after the stop. Nothing more is written then.
    is_stalled: bool,
}

/// The reader read nothing after a stop was requested.
#[derive(Debug, thiserror::Error)]
#[error("its reader did not read anything after the stop was requested")]
pub(crate) struct Stalled;

/// The number of bytes that a pipe takes without blocking when `poll` reports room: one page, which is also `PIPE_BUF`.
const AT_ONCE: usize = 4_096;

/// How often a wait checks for a requested stop.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long after a stop a reader may read nothing at all.
const SILENCE: Duration = Duration::from_secs(1);

/// How long after a stop a reader may take to read the rest.
const PATIENCE: Duration = Duration::from_secs(10);

impl Direct {
    /// Wraps an open file. A requested `stop` ends a write that waits for its reader.
    pub fn new(file: File, stop: Option<Stop>) -> Direct {
        // A regular file never blocks.
        let stop = stop.filter(|_| !file.metadata().is_ok_and(|meta| meta.is_file()));
        Direct { file, stop, asked_at: None, is_stalled: false }
    }

    /// Syncs a regular file to disk. Does nothing for a pipe or a device.
    ///
    /// # Errors
    /// If the file system reports an error.
    pub fn sync(&self) -> io::Result<()> {
        if self.file.metadata().is_ok_and(|meta| meta.is_file()) { self.file.sync_all() } else { Ok(()) }
    }

    /// Waits until the reader has made room. After a stop, waits only as long as `SILENCE` and `PATIENCE` allow.
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

/// Returns standard output as a file; `None` if the system refuses a second descriptor.
#[cfg(unix)]
pub(crate) fn stdout_file() -> Option<File> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().ok().map(File::from)
}

#[cfg(not(unix))]
pub(crate) fn stdout_file() -> Option<File> {
    None
}

/// Whether a write of [`AT_ONCE`] bytes does not block, now or within this time.
#[cfg(unix)]
fn has_room(file: &File, within: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let within = Timespec { tv_sec: 0, tv_nsec: i64::from(within.subsec_nanos()) as _ };
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&within)) {
        Ok(ready) => ready > 0,
        // Other errors count as room, because the write then reports them.
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

#[cfg(not(unix))]
fn has_room(_: &File, _: Duration) -> bool {
    true
}
