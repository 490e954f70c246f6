use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Heard;
use signal_hook::low_level::exit;

use super::keys::Keys;
use crate::threads::apart;

/// Whether someone wants the run to stop: Ctrl-C, or a termination.
///
/// The first signal is an ordinary answer, the second ends the program at once.
#[derive(Debug, Default)]
pub(super) struct Signals {
    asked: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on. Where that is not to be had, signals do what they always do.
    pub(super) fn listen() -> Signals {
        let signals = Signals::default();
        let asked = signals.flag();
        if let Ok(mut heard) = Heard::new([SIGINT, SIGTERM]) {
            // Whoever would end the program may be waiting for a broker.
            apart(move || {
                for signal in heard.forever() {
                    if asked.swap(signal as usize, Ordering::Relaxed) != 0 {
                        Keys::release();
                        exit(128 + signal);
                    }
                }
            });
        }
        signals
    }

    /// What becomes the number of the signal that asks to stop.
    pub(super) fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asked)
    }

    /// The signal that asked to stop, if one has.
    pub(super) fn asked(&self) -> Option<u8> {
        match self.asked.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as u8),
        }
    }
}
