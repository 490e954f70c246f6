//! Makes text from outside safe for a terminal or a shell.
//!
//! Input: any text. Output: the same text without anything that a terminal would obey instead of showing it, or the
//! text as one shell word. Text that is already safe does not change.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// Returns the text with unsafe characters escaped in the form `\u{1b}`: each control character except `\n` and
/// `\t`, and each character that changes the direction of text.
///
/// ```
/// use reenact::printable::printable;
/// assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
/// assert_eq!(printable("two\n\tlines, grün"), "two\n\tlines, grün");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    match text.contains(is_unsafe) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), shown)),
    }
}

/// Like `printable`, for a text with colours of our own: sequences such as `ESC [ 1 ; 31 m` stay.
///
/// Text from outside has to be made printable before it is coloured.
pub fn printable_but_colours(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(escape) = rest.find('\u{1b}') {
        let (before, after) = rest.split_at(escape);
        safe.push_str(&printable(before));
        let colour = colour(after).unwrap_or(0);
        match colour {
            0 => safe = shown(safe, '\u{1b}'),
            _ => safe.push_str(&after[..colour]),
        }
        rest = &after[colour.max(1)..];
    }
    safe.push_str(&printable(rest));
    Cow::Owned(safe)
}

/// Returns JSON with the characters escaped that its writer leaves as they are and that a terminal would obey.
///
/// They occur only inside strings, since all other parts of JSON are ASCII.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        match is_unsafe(c) {
            // None of these characters needs a surrogate pair.
            true => write!(safe, "\\u{:04x}", u32::from(c)).expect("a string takes all"),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Returns a text as one shell word, in quotes if it needs them.
///
/// ```
/// use reenact::printable::shell_word;
/// assert_eq!(shell_word("severity=low"), "severity=low");
/// assert_eq!(shell_word("it's here"), r"'it'\''s here'");
/// ```
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/%+@".contains(c);
    match !text.is_empty() && text.chars().all(is_bare) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', "'\\''"))),
    }
}

/// Returns a path as one shell word, for a command that a message suggests. It never reads as a flag.
pub fn shell_path(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    shell_word(&text).into_owned()
}

fn shown(mut text: String, c: char) -> String {
    match is_unsafe(c) {
        true => write!(text, "\\u{{{:x}}}", u32::from(c)).expect("a string takes all"),
        false => text.push(c),
    }
    text
}

/// Whether a terminal does anything with a character other than showing it in its place.
fn is_unsafe(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

/// The length in bytes of the colour sequence at the start of a text.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    rest[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        for (text, shown) in [
            ("", ""),
            ("plain\n\ttext", "plain\n\ttext"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\rb\u{8}", "a\\u{d}b\\u{8}"),
            ("\u{202e}txt\u{2066}", "\\u{202e}txt\\u{2066}"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
    }

    #[test]
    fn only_colours_of_our_own_are_left() {
        for (text, shown) in [
            ("\u{1b}[1;31merror\u{1b}[0m: a", "\u{1b}[1;31merror\u{1b}[0m: a"),
            ("\u{1b}[m", "\u{1b}[m"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{1b}[1", "\\u{1b}[1"),
            ("\u{1b}\u{1b}[1mx\u{9b}", "\\u{1b}\u{1b}[1mx\\u{9b}"),
        ] {
            assert_eq!(printable_but_colours(text), shown, "{text:?}");
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a\u{9b}": ["\u{1b}[2J", "\u{7f}", "\u{202e}", "ü"]});
        let text = format!("{value:#}");
        let safe = printable_json(&text);
        assert!(!safe.contains(is_unsafe), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
