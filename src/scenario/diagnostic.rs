//! The mistakes of a scenario and their places in its texts, and the search for similar names.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A value with its place. Two of them are equal if their values are equal.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// The place where it is written.
    pub place: Place,
}

impl<T> At<T> {
    /// Changes the value and keeps the place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &At<T>) -> bool {
        self.value == other.value
    }
}

/// A part of a source: bytes `start … end` of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the source.
    pub source: u32,
    /// The first byte.
    pub start: u32,
    /// The first byte after it.
    pub end: u32,
}

/// A text that contains values: a file, a preset or a flag.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// The values of a text with a higher rank win.
    rank: u32,
}

/// All texts of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    next_rank: u32,
}

impl Sources {
    /// Adds a text and returns its number.
    pub fn add(&mut self, name: &str, text: &str) -> u32 {
        self.list.push(Source { name: name.into(), text: text.into(), rank: self.next_rank });
        self.next_rank += 1;
        (self.list.len() - 1) as u32
    }

    /// Drops a text that messages must not quote. Its name stays.
    pub(super) fn blank(&mut self, source: u32) {
        if let Some(source) = self.list.get_mut(source as usize) {
            source.text = Arc::default();
        }
    }

    /// Gives a text the highest rank so far. Call it once all texts that it uses have been read.
    pub(super) fn rank_last(&mut self, source: u32) {
        if let Some(source) = self.list.get_mut(source as usize) {
            source.rank = self.next_rank;
            self.next_rank += 1;
        }
    }

    /// Whether the value at `place` wins over the value at `other`.
    pub fn is_later(&self, place: Place, other: Place) -> bool {
        self.order(place) > self.order(other)
    }

    fn order(&self, place: Place) -> (u32, Place) {
        (self.list.get(place.source as usize).map_or(0, |source| source.rank), place)
    }

    /// Returns the text at a place.
    pub(super) fn text(&self, place: Place) -> Option<&str> {
        self.get(place).map(|(source, range)| &source.text[range])
    }

    pub(super) fn get(&self, place: Place) -> Option<(&Source, Range<usize>)> {
        let source = self.list.get(place.source as usize)?;
        let end = floor_boundary(&source.text, place.end as usize);
        let start = floor_boundary(&source.text, (place.start as usize).min(end));
        Some((source, start..end))
    }
}

/// Returns the last character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Returns the line and the column of a byte. Both count from 1; columns are in characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The severity of a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The scenario cannot be rendered.
    Error,
    /// The scenario can be rendered, but perhaps not as intended.
    Warning,
}

/// A mistake in a scenario: what is wrong, where it is, and what to do next.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Whether it is an error or a warning.
    pub level: Level,
    /// What is wrong, as a sentence that begins in lower case.
    pub message: String,
    /// Where it is.
    pub place: Option<Place>,
    /// The text under the underline.
    pub label: String,
    /// Another place that conflicts with this one, with the text under it.
    pub related: Option<(Place, String)>,
    /// What to do.
    pub help: Vec<String>,
    /// Whether it was found while decoding the resolved file. Decoding the file again finds it again.
    pub(super) from_reading: bool,
    /// Whether a variable could not be replaced. Other mistakes of the same value follow from this one.
    pub(super) of_variable: bool,
    /// The place of that value.
    pub(super) value: Option<Place>,
    /// Whether it may be a mistake only because a text could not be read. It is not reported, and neither
    /// are the mistakes that follow from it.
    pub(super) is_hidden: bool,
}

impl Diagnostic {
    /// Returns an error at a place.
    pub fn error(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            message: message.into(),
            place: Some(place),
            label: String::new(),
            related: None,
            help: Vec::new(),
            from_reading: false,
            of_variable: false,
            value: None,
            is_hidden: false,
        }
    }

    /// Returns an error about something that has no place in a text.
    pub fn placeless(message: impl Into<String>) -> Diagnostic {
        Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) }
    }

    /// Returns a warning at a place.
    pub fn warning(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..Diagnostic::error(place, message) }
    }

    /// Sets the text under the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Adds a line of help: what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }

    /// Sets another place that conflicts with this one.
    #[must_use]
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Diagnostic {
        self.related = Some((place, label.into()));
        self
    }

    /// Adds a suggestion: the one of `names` that is nearest to `name`, if one is near enough.
    #[must_use]
    pub fn nearest<'a>(self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match nearest(name, names) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Returns the one of `names` that the user probably meant, if one is near enough.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A text that is longer than any name is not a mistyped name.
    if name.len() > MOST_LETTERS {
        return None;
    }
    let distance = |other: &str| strsim::osa_distance(&name.to_lowercase(), &other.to_lowercase());
    let near = names.into_iter().take(MOST_NEAR).map(|other| (distance(other), other)).min();
    near.filter(|(distance, _)| *distance <= 1 + name.len() / 4 && *distance < name.len())
        .map(|(_, near)| near)
}

/// All mistakes of a scenario, in the order of the file, with the texts that they refer to.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub(super) sources: Sources,
    pub(super) list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts the mistakes into the order of the texts. Drops duplicates and mistakes that only follow from
    /// others.
    pub fn new(sources: Sources, mut list: Vec<Diagnostic>) -> Diagnostics {
        // Presets and files that `use` names come before the user's own file, and flags come after it.
        list.sort_by_key(|d| d.place.map(|place| sources.order(place)));
        let is_of_variable = |d: &&Diagnostic| d.of_variable;
        let unknown: BTreeSet<Option<Place>> = list.iter().filter(is_of_variable).map(|d| d.value).collect();
        list.retain(|d| d.of_variable || d.place.is_none() || !unknown.contains(&d.place));
        list.retain(|d| !d.is_hidden);
        list.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        Diagnostics { sources, list }
    }

    /// Returns the mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Returns the number of mistakes of a level.
    pub fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|d| d.level == level).count()
    }

    /// Returns the first thousand mistakes, each with the name of its text, its line and its column. Lines
    /// and columns count from 1; columns are in characters.
    pub fn located(&self) -> impl Iterator<Item = (&Diagnostic, Option<(&str, usize, usize)>)> {
        self.list.iter().take(MOST_LOCATED).map(|diagnostic| {
            let found = diagnostic.place.and_then(|place| self.sources.get(place));
            let place = found.map(|(source, range)| {
                let (line, column) = line_and_column(&source.text, range.start);
                (source.name.as_str(), line, column)
            });
            (diagnostic, place)
        })
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.render(super::Style::Plain).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    /// Wraps a single mistake that has no place.
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics::new(Sources::default(), vec![diagnostic])
    }
}

/// The maximum number of mistakes that `located` returns: it counts the lines before each.
const MOST_LOCATED: usize = 1_000;

/// The maximum number of names that a message lists.
const MOST_NAMES: usize = 20;

/// The maximum number of names that the search for the nearest one compares.
const MOST_NEAR: usize = 10_000;

/// The maximum length, in bytes, of a text that can be a mistyped name.
const MOST_LETTERS: usize = 200;

/// Returns names as messages list them: `` `a`, `b` ``. After 20 names, `…` replaces the rest.
pub fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    first.join(", ") + more
}

/// Returns a number with its noun: `1 incident`, `2 incidents`.
///
/// ```
/// use reenact::scenario::count;
/// assert_eq!([count(1, "server"), count(2, "server")], ["1 server", "2 servers"]);
/// ```
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
