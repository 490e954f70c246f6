use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

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
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds `again` unset.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again));
            let _ = flag::register(signal, Arc::clone(&again));
            let _ = flag::register_usize(signal, Arc::clone(&signals.asked), signal as usize);
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
