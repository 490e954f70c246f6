use std::fmt::Write;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::Words;
use crate::run::Progress;

/// Whether somebody looks at a terminal that nothing else is written to or read from.
pub(super) fn is_watched(to_stdout: bool, from_stdin: bool, words: Words) -> bool {
    let is_shared = to_stdout && std::io::stdout().is_terminal();
    !(words.quiet || words.json || is_shared || from_stdin) && std::io::stderr().is_terminal()
}

/// A bar on a terminal: event time, records a second, how long it will take.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar for so many records. There is none where stderr is no terminal, where records go to the
    /// same terminal, where the scenario comes from standard input, or where nobody wants words.
    pub(super) fn new(rows: u64, to_stdout: bool, from_stdin: bool, words: Words) -> Bar {
        if !is_watched(to_stdout, from_stdin, words) {
            return Bar(None);
        }
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            // A bar that can't be written is missed by nobody.
            let _ = write!(out, "{:.1} M", state.per_sec() / 1e6);
        };
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {rate} records/s, {eta} to go")
                .expect("the template is a lawful one")
                .with_key("rate", rate);
        Bar(Some(ProgressBar::new(rows).with_style(style)))
    }

    /// No bar.
    pub(super) fn none() -> Bar {
        Bar(None)
    }

    pub(super) fn advance(&self, progress: &Progress) {
        if let Bar(Some(bar)) = self {
            bar.set_message(progress.event_time.to_string());
            bar.set_position(progress.rows);
        }
    }

    /// Takes it away, so that words that follow stand alone.
    pub(super) fn finish(self) {
        if let Bar(Some(bar)) = self {
            bar.finish_and_clear();
        }
    }
}
