//! Annotations of a GitHub workflow: lines on standard output that GitHub shows next to a file's lines.

use super::status::Failure;
use crate::scenario::{Diagnostic, Level};

/// How mistakes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Text on standard error
    Text,
    /// GitHub workflow annotations on standard output
    Github,
}

/// A mistake, with the name of its text, its line and its column. Lines and columns count from 1.
pub(super) type Located<'a> = (&'a Diagnostic, Option<(&'a str, usize, usize)>);

/// Returns the annotation for a mistake in a scenario.
pub(super) fn annotation((diagnostic, place): Located<'_>) -> String {
    let place = place.map_or_else(String::new, |(file, line, column)| {
        format!(" file={},line={line},col={column}", property(file))
    });
    let more = [&diagnostic.label].into_iter().chain(&diagnostic.help).filter(|more| !more.is_empty());
    let words: Vec<&str> = [&diagnostic.message].into_iter().chain(more).map(String::as_str).collect();
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    format!("::{level}{place}::{}\n", escaped(&words.join("; ")))
}

/// Returns the annotations for a failure about a file. If it consists of mistakes in a scenario, each has its own.
pub(super) fn of_failure(file: &str, failure: &Failure) -> String {
    if let Some(lock) = failure.lock() {
        return error(&lock.display().to_string(), &failure.to_string());
    }
    match failure.diagnostics() {
        Some(diagnostics) if diagnostics.iter().any(|mistake| mistake.place.is_some()) => {
            diagnostics.located().map(annotation).collect()
        }
        _ => error(file, &failure.to_string()),
    }
}

/// Returns the annotation for a whole file.
pub(super) fn error(file: &str, text: &str) -> String {
    format!("::error file={}::{}\n", property(file), escaped(text))
}

/// Escapes the characters that have a special meaning for GitHub's runner.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
