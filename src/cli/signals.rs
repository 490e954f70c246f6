//! Handles signals: asks a run to stop, and delays the end of the program until small files are complete.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals as Heard;
use signal_hook::low_level::exit;

use super::keys::Keys;
use super::status::{Failure, Outcome};
use crate::output::Stop;
use crate::run::RunError;
use crate::threads::apart;

/// Whether the run was asked to stop: by Ctrl-C, by a termination signal, or by the end of its terminal.
///
/// The first signal only sets a flag. The second one ends the program at once.
#[derive(Debug, Default)]
pub(super) struct Signals {
    asked: Stop,
}

impl Signals {
    /// Starts to listen. If that is not possible, signals keep their default effect.
    pub(super) fn listen() -> Signals {
        let signals = Signals::default();
        let asked = signals.flag();
        let is_heard = hear(move |signal| {
            if asked.swap(signal as usize, Ordering::Relaxed) != 0 {
                Keys::release();
                exit(128 + signal);
            }
        });
        if !is_heard {
            signals.listen_without_a_thread();
        }
        signals
    }

    /// Listens without a thread, if none can be started. Then a second signal does not restore the terminal.
    fn listen_without_a_thread(&self) {
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in wanted() {
            // The order matters: the first signal must not end the program.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))
                .and_then(|_| flag::register(signal, Arc::clone(&is_second)))
                .and_then(|_| flag::register_usize(signal, self.flag(), signal as usize));
        }
    }

    /// Returns the flag that becomes the number of the signal that asks to stop.
    pub(super) fn flag(&self) -> Stop {
        Arc::clone(&self.asked)
    }

    /// Returns the signal that asked to stop, if there was one.
    pub(super) fn asked(&self) -> Option<u8> {
        match self.asked.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as u8),
        }
    }
}

/// Returns the failure of a run that cannot begin or continue. If a signal stopped it, the exit status says so.
pub(super) fn stopped(error: RunError, signals: Option<&Signals>) -> Failure {
    let signal = match error {
        RunError::Stopped | RunError::Output(_) => signals.and_then(Signals::asked),
        _ => None,
    };
    let failure = Failure::from(error);
    match signal {
        Some(signal) => failure.with(Outcome::Stopped(signal)),
        None => failure,
    }
}

/// Turns a file that grows beyond `ulimit -f` into a write error. By default, the signal ends the program, which would
/// leave unfinished files.
pub(super) fn make_size_limits_errors() {
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// Locked while small files are written.
static WRITING: Mutex<()> = Mutex::new(());

/// How many times a signal pauses for `PAUSE` until a file is complete. A second in total is far more than a file
/// takes. Without a limit, a FIFO without a reader would block the signal endlessly.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Runs `write` without interruption: a signal ends the program before or after it.
pub(super) fn whole<T>(write: impl FnOnce() -> T) -> T {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        hear(|signal| {
            for _ in 0..PATIENCE {
                if let Ok(_nothing_is_half_written) = WRITING.try_lock() {
                    exit(128 + signal);
                }
                std::thread::sleep(PAUSE);
            }
            exit(128 + signal);
        });
    });
    let _held = WRITING.lock();
    write()
}

/// Calls `act` for each signal that asks to stop, on its own thread. Returns whether this thread could start.
fn hear(act: impl Fn(i32) + Send + 'static) -> bool {
    let (begun, has_begun) = mpsc::channel();
    let started = apart(move || {
        // Register signals only on a thread that handles them. Otherwise they would have no effect at all.
        let Ok(mut heard) = Heard::new(wanted()) else { return };
        let _ = begun.send(());
        heard.forever().for_each(act);
    });
    started.is_ok() && has_begun.recv().is_ok()
}

/// Returns the signals that ask to stop. SIGHUP stays ignored if it was ignored from the start, as `nohup` wants.
fn wanted() -> Vec<i32> {
    let signals = [Some(SIGINT), Some(SIGTERM), Some(SIGHUP).filter(|signal| !is_ignored(*signal))];
    signals.into_iter().flatten().collect()
}

/// Whether a signal was ignored when the program began, if the system reports it.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
