use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A value with its place; equal when the values are.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub place: Place,
}

impl<T> At<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &At<T>) -> bool {
        self.value == other.value
    }
}

/// A piece of a source: bytes `start … end` of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the source.
    pub source: u32,
    /// The first byte.
    pub start: u32,
    /// The first byte after.
    pub end: u32,
}

/// A text that values come from: a file, a preset, a flag.
#[derive(Clone, Debug)]
pub struct Source {
    /// As messages call it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Texts of a higher rank win.
    rank: u32,
}

/// All texts of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    next_rank: u32,
}

impl Sources {
    /// Takes in a text and gives its number.
    pub fn add(&mut self, name: &str, text: &str) -> u32 {
        self.list.push(Source { name: name.into(), text: text.into(), rank: self.next_rank });
        self.next_rank += 1;
        (self.list.len() - 1) as u32
    }

    /// Forgets a text that must not be quoted; its name stays.
    pub(super) fn blank(&mut self, source: u32) {
        if let Some(source) = self.list.get_mut(source as usize) {
            source.text = Arc::default();
        }
    }

    /// Places a text after all that are there: what it uses has been read.
    pub(super) fn rank_last(&mut self, source: u32) {
        if let Some(source) = self.list.get_mut(source as usize) {
            source.rank = self.next_rank;
            self.next_rank += 1;
        }
    }

    /// Whether what stands at `place` wins over what stands at `other`.
    pub fn is_later(&self, place: Place, other: Place) -> bool {
        self.order(place) > self.order(other)
    }

    fn order(&self, place: Place) -> (u32, Place) {
        (self.list.get(place.source as usize).map_or(0, |source| source.rank), place)
    }

    /// What is written at a place.
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

/// The last character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// The line and the column of a byte, both from 1, columns in characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing can be rendered.
    Error,
    /// It can, but perhaps not as meant.
    Warning,
}

/// A mistake in a scenario: what, where, what next.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How much it matters.
    pub level: Level,
    /// What is wrong, in a sentence that begins in lower case.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// What stands under the underline.
    pub label: String,
    /// Another place that is at odds with this one.
    pub beside: Option<(Place, String)>,
    /// What to do.
    pub help: Vec<String>,
    /// Found while decoding the resolved file, so found again when it is decoded again.
    pub(super) from_reading: bool,
    /// A variable could not be put in: whatever else is told of the same value follows from it.
    pub(super) of_variable: bool,
    /// Where that value stands.
    pub(super) value: Option<Place>,
    /// It may be none, had all texts been read: not told, nor what follows from it.
    pub(super) is_hidden: bool,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            message: message.into(),
            place: Some(place),
            label: String::new(),
            beside: None,
            help: Vec::new(),
            from_reading: false,
            of_variable: false,
            value: None,
            is_hidden: false,
        }
    }

    /// An error of something that has no place in a text.
    pub fn placeless(message: impl Into<String>) -> Diagnostic {
        Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) }
    }

    /// A warning at a place.
    pub fn warning(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..Diagnostic::error(place, message) }
    }

    /// What stands under the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// What to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }

    /// The other of two places at odds.
    #[must_use]
    pub fn beside(mut self, place: Place, label: impl Into<String>) -> Diagnostic {
        self.beside = Some((place, label.into()));
        self
    }

    /// Offers the nearest of the names that there are, if one is near.
    #[must_use]
    pub fn nearest<'a>(self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match nearest(name, names) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// The name that was probably meant, if one is near.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What is longer than any name is none that was mistyped.
    if name.len() > MOST_LETTERS {
        return None;
    }
    let distance = |other: &str| strsim::osa_distance(&name.to_lowercase(), &other.to_lowercase());
    let near = names.into_iter().take(MOST_NEAR).map(|other| (distance(other), other)).min();
    near.filter(|(distance, _)| *distance <= 1 + name.len() / 4 && *distance < name.len())
        .map(|(_, near)| near)
}

/// Every mistake of a scenario, in the order of the file, with the texts to show them in.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub(super) sources: Sources,
    pub(super) list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Puts the list into the order of the texts.
    pub fn new(sources: Sources, mut list: Vec<Diagnostic>) -> Diagnostics {
        // Presets and what `use` names come before the user's own file, and flags after it.
        list.sort_by_key(|d| d.place.map(|place| sources.order(place)));
        let is_of_variable = |d: &&Diagnostic| d.of_variable;
        let unknown: BTreeSet<Option<Place>> = list.iter().filter(is_of_variable).map(|d| d.value).collect();
        list.retain(|d| d.of_variable || d.place.is_none() || !unknown.contains(&d.place));
        list.retain(|d| !d.is_hidden);
        list.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        Diagnostics { sources, list }
    }

    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|d| d.level == level).count()
    }

    /// Each of the first thousand with the name of its text, its line and its column: both from 1, columns
    /// in characters.
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
    /// One that has no place.
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics::new(Sources::default(), vec![diagnostic])
    }
}

/// Mistakes whose lines are counted.
const MOST_LOCATED: usize = 1_000;

/// Names that are listed in a message, at most.
const MOST_NAMES: usize = 20;

/// Names to choose from that are looked at for the nearest, at most.
const MOST_NEAR: usize = 10_000;

/// Letters of a text that a name may have been meant by, at most.
const MOST_LETTERS: usize = 200;

/// Names as a message lists them: `` `a`, `b` ``; the first of many.
pub fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    first.join(", ") + more
}

/// `1 incident`, `2 incidents`.
///
/// ```
/// use reenact::scenario::count;
/// assert_eq!([count(1, "server"), count(2, "server")], ["1 server", "2 servers"]);
/// ```
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
