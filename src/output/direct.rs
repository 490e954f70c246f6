//! What is written directly: a pipe, a device, an open file of another program.
//!
//! A pipe blocks its writer while the reader takes nothing. If the run can be stopped, the stop ends this wait.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pace;

/// The number of the signal that requested a stop; 0 before one did.
pub type Stop = Arc<AtomicUsize>;

/// Whether a stop was requested.
pub(crate) fn is_asked(stop: Option<&Stop>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed) != 0)
}

/// An open file that is written directly.
#[derive(Debug)]
pub struct Direct {
    file: File,
    /// None if a write may block without a limit.
    stop: Option<Stop>,
    /// When the stop was first noticed.
    asked_at: Option<Instant>,
    /// Nothing more is written: its reader took nothing after the stop.
    is_stalled: bool,
}

/// The reader took nothing after a stop was requested.
#[derive(Debug, thiserror::Error)]
#[error("its reader took nothing after the stop")]
pub(crate) struct Stalled;

/// What a pipe takes at once when `poll` says that it has room: a page, and `PIPE_BUF`.
const AT_ONCE: usize = 4_096;

/// How often a wait looks for a requested stop.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The longest time after a stop in which a reader may take nothing.
const SILENCE: Duration = Duration::from_secs(1);

/// After a stop the reader has this long to take what is left.
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

/// Standard output as a file; none if the system refuses a second descriptor.
#[cfg(unix)]
pub(crate) fn stdout_file() -> Option<File> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().ok().map(File::from)
}

#[cfg(not(unix))]
pub(crate) fn stdout_file() -> Option<File> {
    None
}

/// Whether a write of [`AT_ONCE`] bytes would not block, now or within this time.
#[cfg(unix)]
fn has_room(file: &File, within: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let within = Timespec { tv_sec: 0, tv_nsec: i64::from(within.subsec_nanos()) as _ };
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&within)) {
        Ok(ready) => ready > 0,
        // The write reports what is wrong.
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

#[cfg(not(unix))]
fn has_room(_: &File, _: Duration) -> bool {
    true
}
