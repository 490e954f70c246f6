//! Keys as they are pressed, without waiting for a line.

use std::io::{IsTerminal as _, Read as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};

/// The terminal as it was before somebody listened to its keys. There is one, and a signal may end the program
/// while it is taken.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal's keys; it is as it was when they are dropped.
pub(super) struct Keys(());

impl Keys {
    /// Whether there is a terminal, and it is this program's: one in the background would be stopped for it.
    pub(super) fn are_there() -> bool {
        let stdin = std::io::stdin();
        stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
    }

    /// Takes the terminal, if it is there.
    pub(super) fn listen() -> Option<Keys> {
        if !Keys::are_there() {
            return None;
        }
        take()?;
        Some(Keys(()))
    }

    /// The next key that was pressed. Nothing is waited for: a shell that took the terminal back while the program
    /// was stopped has left it as shells want it, and one in the background may not look.
    pub(super) fn next(&mut self) -> Option<u8> {
        let stdin = std::io::stdin();
        if !Keys::are_there() {
            return None;
        }
        if tcgetattr(&stdin).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON)) {
            take()?;
        }
        let mut key = [0];
        let read = std::io::stdin().lock().read(&mut key).ok()?;
        (read == 1).then_some(key[0])
    }

    /// Leaves the terminal as it was, if it was taken.
    pub(super) fn release() {
        let modes = before().take();
        // In the background it is as the shell wants it, and who changes it is stopped.
        if let Some(modes) = modes.filter(|_| Keys::are_there()) {
            // One that is gone needs nothing.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        Keys::release();
    }
}

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal, and keeps how it was.
fn take() -> Option<()> {
    let stdin = std::io::stdin();
    let mut before = before();
    let modes = tcgetattr(&stdin).ok()?;
    let mut ours = modes.clone();
    ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    // A read takes what is there, and does not wait.
    ours.special_codes[SpecialCodeIndex::VMIN] = 0;
    ours.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&stdin, OptionalActions::Now, &ours).ok()?;
    *before = Some(modes);
    Some(())
}
