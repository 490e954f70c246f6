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

/// Whether someone wants the run to stop: Ctrl-C, a termination, or the end of its terminal.
///
/// The first signal is an ordinary answer, the second ends the program at once.
#[derive(Debug, Default)]
pub(super) struct Signals {
    asked: Stop,
}

impl Signals {
    /// Listens from now on. Where that is not possible, signals do what they always do.
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

    /// Listens where no thread can be started. A second signal then leaves the terminal as it is.
    fn listen_without_a_thread(&self) {
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in wanted() {
            // In this order: the first one that comes must not end the program.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))
                .and_then(|_| flag::register(signal, Arc::clone(&is_second)))
                .and_then(|_| flag::register_usize(signal, self.flag(), signal as usize));
        }
    }

    /// What becomes the number of the signal that asks to stop.
    pub(super) fn flag(&self) -> Stop {
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

/// What is said of a run that can't begin or go on; if a signal stopped it, its exit status says so.
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

/// Makes a file that grows beyond `ulimit -f` an error of its write: by default the signal ends the program, which
/// would leave unfinished files.
pub(super) fn make_size_limits_errors() {
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// Held while small files are written.
static WRITING: Mutex<()> = Mutex::new(());

/// How long a signal waits for a file to be complete. A second is far more than one takes, and a FIFO without a reader
/// would be waited for without end.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Does something that a signal does not cut short: it ends the program before or after it.
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

/// Calls `act` for each signal that asks to stop, on a thread of its own; whether there is one.
fn hear(act: impl Fn(i32) + Send + 'static) -> bool {
    let (begun, has_begun) = mpsc::channel();
    let started = apart(move || {
        // Registered only where there is a thread that takes them: else they would do nothing at all.
        let Ok(mut heard) = Heard::new(wanted()) else { return };
        let _ = begun.send(());
        heard.forever().for_each(act);
    });
    started.is_ok() && has_begun.recv().is_ok()
}

/// The signals that ask to stop. One that is ignored from the start stays so: `nohup` asks for that.
fn wanted() -> Vec<i32> {
    let signals = [Some(SIGINT), Some(SIGTERM), Some(SIGHUP).filter(|signal| !is_ignored(*signal))];
    signals.into_iter().flatten().collect()
}

/// Whether a signal was ignored when the program began, where the system says so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
