//! Reads keys as they are pressed, without waiting for a line.

use std::io::{IsTerminal as _, Read as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};

/// The terminal's modes before this program changed them. It is global because there is only one terminal, and a
/// signal may end the program while the modes are changed.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The keys of the terminal. Dropping it restores the terminal.
pub(super) struct Keys(());

impl Keys {
    /// Whether standard input is a terminal, and this program is in its foreground. Reading keys stops a program in the
    /// background.
    pub(super) fn are_there() -> bool {
        let stdin = std::io::stdin();
        stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
    }

    /// Takes control of the terminal, if there is one.
    pub(super) fn listen() -> Option<Keys> {
        if !Keys::are_there() {
            return None;
        }
        take()?;
        Some(Keys(()))
    }

    /// Returns the next key that was pressed, without waiting. A shell that had the terminal while the program was
    /// stopped has reset its modes, so they are set again. In the background, the program may not read keys.
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

    /// Restores the terminal, if it was taken.
    pub(super) fn release() {
        let modes = before().take();
        // In the background, the shell has already set its own modes, and changing them would stop the program.
        if let Some(modes) = modes.filter(|_| Keys::are_there()) {
            // Ignore errors: a terminal that is gone needs no modes.
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

/// Takes control of the terminal, and stores its modes.
fn take() -> Option<()> {
    let stdin = std::io::stdin();
    let mut before = before();
    let modes = tcgetattr(&stdin).ok()?;
    let mut ours = modes.clone();
    ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    // A read returns what is available, and does not wait.
    ours.special_codes[SpecialCodeIndex::VMIN] = 0;
    ours.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&stdin, OptionalActions::Now, &ours).ok()?;
    *before = Some(modes);
    Some(())
}
