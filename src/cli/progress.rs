//! Shows the progress of a run on standard error, and decides when to show nothing.

use std::fmt::Write;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::Words;
use crate::run::Progress;

/// Whether to show progress: the user wants text, and standard error is a terminal with no other input or output.
pub(super) fn is_watched(to_stdout: bool, from_stdin: bool, words: Words) -> bool {
    let is_shared = to_stdout && std::io::stdout().is_terminal();
    !(words.quiet || words.json || is_shared || from_stdin) && std::io::stderr().is_terminal()
}

/// A progress bar on a terminal: event time, records per second, remaining time.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Returns a bar for a number of records. It shows nothing with `--quiet` or `--json`, if standard error is not
    /// a terminal, if records go to the same terminal, or if the scenario comes from standard input.
    pub(super) fn new(rows: u64, to_stdout: bool, from_stdin: bool, words: Words) -> Bar {
        if !is_watched(to_stdout, from_stdin, words) {
            return Bar(None);
        }
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            // Ignore errors: the run does not depend on the bar.
            let _ = write!(out, "{:.1} M", state.per_sec() / 1e6);
        };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}%, {rate} records/s, {eta} left")
            .expect("the template is valid")
            .with_key("rate", rate);
        Bar(Some(ProgressBar::new(rows).with_style(style)))
    }

    /// Returns a bar that shows nothing.
    pub(super) fn none() -> Bar {
        Bar(None)
    }

    pub(super) fn advance(&self, progress: &Progress) {
        if let Bar(Some(bar)) = self {
            bar.set_message(progress.event_time.to_string());
            bar.set_position(progress.rows);
        }
    }

    /// Removes the bar, so that later text begins on an empty line.
    pub(super) fn finish(self) {
        if let Bar(Some(bar)) = self {
            bar.finish_and_clear();
        }
    }
}
