//! Renders mistakes as text for people, in the style of rustc.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as Title, Origin, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Level, Place, Source, line_and_column};
use crate::printable::{printable, printable_but_colours};

/// The maximum number of mistakes that are shown. The user fixes the first ones first.
const MOST_SHOWN: usize = 200;

/// The maximum size, in bytes, of the lines that are shown with a mistake. People do not write longer lines.
const MOST_BYTES: usize = 20_000;

/// Two places are shown in one piece if they span at most this number of lines.
const NEAR_LINES: usize = 100;

/// Whether rendered text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text without colours.
    Plain,
    /// Text with colours, as ANSI escape sequences.
    Coloured,
}

impl Diagnostics {
    /// Renders the mistakes as text for people, with colours if `style` says so.
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let mut text = String::new();
        for diagnostic in self.list.iter().take(MOST_SHOWN) {
            let diagnostic = diagnostic.printable();
            text.push_str(&renderer.render(&[self.group(&diagnostic)]));
            if diagnostic.place.is_none() {
                // The renderer draws help next to the lines of a source. Here there are none, so add it by hand.
                diagnostic.help.iter().for_each(|help| text.push_str(&format!("\n  = help: {help}")));
            }
            text.push_str("\n\n");
        }
        if self.list.len() > MOST_SHOWN {
            text.push_str(&format!("… and {} more\n", self.list.len() - MOST_SHOWN));
        }
        // The renderer keeps some control characters in the lines of a source.
        printable_but_colours(&text).into_owned()
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = match diagnostic.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let mut group = Group::with_title(title.primary_title(diagnostic.message.as_str()));
        let main = diagnostic.place.map(|place| (place, diagnostic.label.as_str(), AnnotationKind::Primary));
        let related = diagnostic.related.as_ref();
        let related = related.map(|(place, label)| (*place, label.as_str(), AnnotationKind::Context));
        group = match (main, related) {
            (Some(main), Some(related)) if self.are_near(main.0, related.0) => {
                self.element(group, &[main, related])
            }
            _ => main.into_iter().chain(related).fold(group, |group, one| self.element(group, &[one])),
        };
        for help in diagnostic.help.iter().filter(|_| diagnostic.place.is_some()) {
            group = group.element(Title::HELP.message(help.as_str()));
        }
        group
    }

    /// Whether two places can be shown in one piece of text.
    fn are_near(&self, a: Place, b: Place) -> bool {
        let (Some((source, a_range)), Some((_, b_range))) = (self.sources.get(a), self.sources.get(b)) else {
            return false;
        };
        let between = a_range.start.min(b_range.start)..a_range.end.max(b_range.end);
        a.source == b.source && source.text[between].lines().count() <= NEAR_LINES
    }

    /// Adds the lines of one source with their annotations. Adds only the place if the lines are too long.
    fn element<'a>(&'a self, group: Group<'a>, said: &[(Place, &'a str, AnnotationKind)]) -> Group<'a> {
        let found = said.iter().filter_map(|(place, ..)| self.sources.get(*place));
        let (start, end) =
            found.clone().fold((usize::MAX, 0), |(a, b), (_, range)| (a.min(range.start), b.max(range.end)));
        let Some((source, first)) = found.clone().next() else { return group };
        let lines = lines_around(source, start..end);
        // An empty text, or one that must not be quoted, has no lines to show.
        if lines.len() > MOST_BYTES || source.text.is_empty() {
            let (line, column) = line_and_column(&source.text, first.start);
            return group.element(Origin::path(printable(&source.name)).line(line).char_column(column));
        }
        let mut snippet = Snippet::source(&source.text[lines.clone()])
            .path(printable(&source.name))
            .line_start(line_and_column(&source.text, lines.start).0);
        for ((_, text, kind), (_, range)) in said.iter().zip(found) {
            let within = range.start - lines.start..range.end - lines.start;
            snippet = snippet.annotation(kind.span(within).label((!text.is_empty()).then_some(*text)));
        }
        group.element(snippet)
    }
}

impl Diagnostic {
    /// Returns a copy with text that is safe to print. The renderer itself makes the lines of a source safe.
    fn printable(&self) -> Diagnostic {
        let safe = |text: &String| printable(text).into_owned();
        Diagnostic {
            message: safe(&self.message),
            label: safe(&self.label),
            related: self.related.as_ref().map(|(place, label)| (*place, safe(label))),
            help: self.help.iter().map(safe).collect(),
            ..self.clone()
        }
    }
}

/// Returns the range of the whole lines that contain a range.
fn lines_around(source: &Source, range: Range<usize>) -> Range<usize> {
    let text = &source.text;
    let start = text[..range.start].rfind('\n').map_or(0, |i| i + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |i| range.end + i);
    start..end
}
