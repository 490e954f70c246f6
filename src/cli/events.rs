//! Reports what happens while a verb works: as text on standard error, or with `--json` as one object per line.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::status::{Failure, Outcome};
use super::{Summary, Words, to_stderr};
use crate::output::{ErrorEvent, Event, EventListener};
use crate::pace;
use crate::player::Status;
use crate::printable::printable_json;

/// The time between two reports of progress.
const PROGRESS: Duration = Duration::from_secs(1);

impl Words {
    /// Reports an event. With `--quiet`, it reports only errors and the event `end`, which scripts request.
    pub(super) fn emit(self, event: &Event) {
        let is_needed = matches!(event, Event::Error(_) | Event::End(_));
        if self.quiet && !is_needed {
            return;
        }
        if self.json { emit_json(event) } else { emit_words(event) }
    }

    /// Reports a warning.
    pub(super) fn warn(self, message: impl std::fmt::Display) {
        self.emit(&Event::Warning(message.to_string()));
    }

    /// Reports a negative answer, with exit status 1.
    pub(super) fn no(self, message: String) {
        let exit_status = Outcome::No.status();
        self.emit(&Event::Error(ErrorEvent { message, exit_status, ..ErrorEvent::default() }));
    }

    /// Returns the function that reports events of the library; `None` with `--quiet`.
    pub(super) fn event_listener(self) -> Option<EventListener> {
        let listener: EventListener = if self.json { emit_json } else { emit_words };
        (!self.quiet).then_some(listener)
    }

    /// Reports the summary of a run with `--json`: as the event `end`, and on standard output unless records go there.
    pub(super) fn end(self, stream: Summary, summary: impl FnOnce() -> Value) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let summary = summary();
        self.emit(&Event::End(summary.clone()));
        self.json(stream, || summary)
    }
}

fn emit_words(event: &Event) {
    let words = event.to_string();
    if !words.is_empty() {
        to_stderr(&format!("{words}\n"));
    }
}

fn emit_json(event: &Event) {
    to_stderr(&format!("{}\n", printable_json(&event.to_json().to_string())));
}

/// Reports the progress of a run, for scripts.
pub(super) struct Ticker {
    words: Words,
    next: Instant,
}

impl Ticker {
    /// Returns a ticker with `--json`. People see a bar or a status line instead.
    pub(super) fn new(words: Words) -> Option<Ticker> {
        (words.json && !words.quiet).then(|| Ticker { words, next: pace::wall() + PROGRESS })
    }

    /// Reports the status, at most once per second.
    pub(super) fn tick(&mut self, status: &Status) {
        let now = pace::wall();
        if now < self.next || status.sent == 0 {
            return;
        }
        self.next = now + PROGRESS;
        self.words.emit(&Event::Progress {
            rows: status.sent,
            event_time: status.event,
            acknowledged: status.acknowledged,
            lag: status.speed.map(|_| status.lag),
        });
    }
}

/// Whether arguments that could not be parsed contain `--json`.
pub(super) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Returns the event for arguments that could not be parsed: what is wrong as the message, and the rest as help.
pub(super) fn usage(text: &str) -> Event {
    let mut parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let message = parts.next().unwrap_or_default();
    Event::Error(ErrorEvent {
        message: message.strip_prefix("error: ").unwrap_or(message).into(),
        help: parts.map(String::from).collect(),
        exit_status: Outcome::Input.status(),
        ..ErrorEvent::default()
    })
}
