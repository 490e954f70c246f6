//! Parses YAML into a tree whose values know their place in the text, within limits on size and depth.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::diagnostic::{At, Diagnostic, Place, Sources};

/// A YAML value with its place. Numbers keep their type. Nothing is interpreted yet.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The place where it is written.
    pub place: Place,
}

/// The types of YAML values.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value: `key:` alone, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, duplicate keys included.
    Map(Vec<(At<String>, Node)>),
}

/// The maximum size of a text, in bytes.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// The maximum number of levels of nesting.
const MAX_DEPTH: usize = 32;
/// The maximum number of keys and values.
const MAX_NODES: usize = 500_000;
/// The maximum number of values that aliases expand to, all together.
const MAX_ALIAS_EVENTS: usize = 100_000;

/// Reads a YAML text into a tree.
pub(super) fn parse(name: &str, text: &str, sources: &mut Sources) -> Result<Node, Diagnostic> {
    if text.len() > MAX_BYTES {
        let source = sources.add(name, "");
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Diagnostic::error(Place { source, start: 0, end: 0 }, message)
            .help("shorten the scenario, or split it into several files with `use`"));
    }
    // A byte order mark is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = sources.add(name, text);
    tree(text, Place { source, start: 0, end: text.len() as u32 })
}

/// Reads a text into a tree. `place` is the place of the text in its source.
pub(super) fn tree(text: &str, place: Place) -> Result<Node, Diagnostic> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            // Maps and lists have an event at their start and one at their end.
            max_events: 3 * MAX_NODES,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIAS_EVENTS,
        },
        strict_booleans: true,
        // `1_000`, `010` and `.inf` are numbers only for some readers. Here they are texts, and an error reports them
        // where a number is expected.
        underscored_numbers_as_strings: true,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(node(root, place)),
        Err(error) => {
            let at = error.location().map_or(0, |at| byte_at(text, at.line(), at.column()));
            let words = first_line(&error);
            // For a tab, the parser reports where the surrounding text begins. Point at the tab itself.
            let tab = words.contains("tab").then(|| first_tab(text, at as usize)).flatten();
            let glued = words.contains("mapping values").then(|| glued_key(text, at as usize)).flatten();
            let start = place.start + tab.or(glued).map_or(at, |found| found as u32);
            let found = format!("this is not valid YAML: {words}");
            let found = Diagnostic::error(Place { start, end: start, ..place }, found);
            let line = error.location().and_then(|at| text.lines().nth(at.line().saturating_sub(1) as usize));
            let remedy = match glued {
                Some(_) => Some(SPACE_AFTER_COLON),
                None => remedy(&words, line.unwrap_or_default()),
            };
            Err(remedy.map_or(found.clone(), |remedy| found.help(remedy)))
        }
    }
}

/// Returns the first tab in the indentation of a line, from the line of byte `from` on.
fn first_tab(text: &str, from: usize) -> Option<usize> {
    let mut start = text[..from].rfind('\n').map_or(0, |i| i + 1);
    for line in text[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

const SPACE_AFTER_COLON: &str = "put a space after the `:` of each key";

/// Returns the byte of a colon without a space after it, in the line above byte `at`. Without the space, YAML reads
/// the key and the value as one text.
fn glued_key(text: &str, at: usize) -> Option<usize> {
    let line_start = text[..at].rfind('\n')?;
    let above_start = text[..line_start].rfind('\n').map_or(0, |i| i + 1);
    let above = &text[above_start..line_start];
    let colon = above.find(':')?;
    let is_glued = !above.contains(": ") && !above[colon + 1..].trim().is_empty();
    is_glued.then_some(above_start + colon)
}

/// Returns what to do about a message of the parser, given the line that the message is about.
fn remedy(words: &str, line: &str) -> Option<&'static str> {
    let has = |part: &str| words.contains(part);
    let colons = line.matches(": ").count() + usize::from(line.trim_end().ends_with(':'));
    Some(match () {
        () if line.contains("${") => "between `{` and `}`, a variable needs quotes: `\"${name}\"`",
        () if has("tab") || line.trim_start_matches(' ').starts_with('\t') => {
            "YAML is indented with spaces, not with tabs"
        }
        () if has("unknown anchor") || has("anchor or alias") => {
            "a text that begins with `*` or `&` needs quotes: `\"*\"`"
        }
        () if has("simple key") => SPACE_AFTER_COLON,
        () if has("mapping values are not allowed") && colons > 1 => {
            "put quotes around a text that contains `: `"
        }
        () if has("mapping values are not allowed") || has("block mapping") || has("block collection") => {
            "start all keys of a mapping in the same column, and do the same with all `- ` of a list"
        }
        () if has("flow") => {
            "close each `{` with `}` and each `[` with `]`, and separate the items with commas"
        }
        () if has("quoted scalar") => "close the quotes",
        () => return None,
    })
}

/// Returns the parser's message without its own description of the place.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    // Replace messages of the library that refer to its own API.
    for (theirs, ours) in [
        ("Depth", "it is nested deeper than 32 levels"),
        ("alias replay", "its aliases expand to more than 100000 values"),
        ("recursion limit", "it is nested deeper than 32 levels"),
        ("Nodes", "it contains more than 500000 values"),
        ("Events", "it contains more than 500000 values"),
        ("budget", "it is larger than the maximum size of a scenario"),
        ("from_str_multiple", "it contains more than one document"),
        ("recursive references", "an alias refers to itself"),
        ("null into string", "a key is empty"),
    ] {
        if line.contains(theirs) {
            return ours.into();
        }
    }
    line.trim_start_matches("error: ").trim_end_matches('.').to_string()
}

/// Returns the byte at a line and column. Both count from 1; columns are in characters. (Errors of the
/// scanner have no byte offset.)
fn byte_at(text: &str, line: u64, column: u64) -> u32 {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let within: usize =
        text[before..].chars().take(column.saturating_sub(1) as usize).map(char::len_utf8).sum();
    (before + within) as u32
}

/// Returns the place of a location in its source. `within` is the place of the parsed text.
fn place_of(location: &Location, within: Place) -> Place {
    let span = location.span();
    let start = within.start + span.byte_offset().unwrap_or(0) as u32;
    let length = span.byte_len().unwrap_or(0) as u32;
    Place { start, end: start + length, ..within }
}

fn node(raw: Spanned<Raw>, within: Place) -> Node {
    let place = place_of(&raw.referenced, within);
    let value = match raw.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, within)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                let place = place_of(&key.referenced, within);
                (At { value: key.value, place }, node(value, within))
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { value, place }
}

enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.into())))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
