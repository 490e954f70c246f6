//! Parses the value of `--out`, and suggests a correction if it is not valid.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::error::RunError;
use super::outputs::{NOT_BUILT, Output, Stdout, Wrong, outputs};
#[cfg(feature = "kafka")]
use crate::output::KafkaTarget;
use crate::recording::Format;

/// An output: `FORMAT:WHERE`, split at the first colon.
#[derive(Clone, Debug)]
pub struct Target(pub(super) Arc<dyn Output>);

impl Target {
    /// Parses an output in the notation of the command line.
    ///
    /// ```
    /// use reenact::run::Target;
    /// assert!(Target::parse("ndjson:-").is_ok_and(|target| target.is_stdout()));
    /// assert!(Target::parse("ndjson:out/").is_ok_and(|target| target.dataset().is_some()));
    /// assert!(Target::parse("out/").is_err());
    /// ```
    ///
    /// # Errors
    /// If the format is missing or unknown, or can't be written there.
    pub fn parse(text: &str) -> Result<Target, RunError> {
        let wrong = |message: String, help: String| RunError::Target { message, help };
        let names = || outputs().map(|format| format.name()).chain(NOT_BUILT.iter().copied());
        if let Some((format, _)) = text.split_once(':')
            && format.len() > 1
            && format.chars().all(|c| c.is_ascii_alphabetic() || " -_".contains(c))
            && !names().any(|name| name == format)
            && !text.contains(":9")
        {
            let is_meant = |name: &&str| name.eq_ignore_ascii_case(format.trim());
            let help = match names().find(is_meant) {
                Some(name) => format!("write `{name}:`"),
                None => format!("available formats: {}", listed(names(), "and")),
            };
            return Err(wrong(format!("`{format}` is not an output format"), help));
        }
        let known = |(format, _): &(&str, &str)| names().any(|name| name == *format);
        let Some((name, place)) = text.split_once(':').filter(known) else {
            let (text, help) = match text.contains('@') {
                // The text may be a broker's address with a password.
                true => ("with an `@`".into(), "write `kafka:HOST:PORT/TOPIC`, or `ndjson:FILE`".into()),
                false => (format!("`{text}`"), suggestion(text)),
            };
            return Err(wrong(format!("the output {text} has no format"), help));
        };
        let Some(format) = outputs().find(|format| format.name() == name) else {
            let help = format!("build reenact with the cargo feature `{name}`");
            return Err(wrong(format!("this program was built without `{name}`"), help));
        };
        if place.is_empty() {
            let help = format!("write `{name}:{}`", format.example());
            return Err(wrong(format!("the output `{text}` has no destination"), help));
        }
        match format.parse(place) {
            Ok(output) => Ok(Target(output)),
            Err(Wrong { message, help }) => Err(wrong(message, help)),
        }
    }

    /// Returns standard output.
    pub fn stdout() -> Target {
        Target(Arc::new(Stdout))
    }

    /// Sets client settings of librdkafka, if the output has such a client.
    #[must_use]
    pub fn with_settings(self, settings: &[(String, String)]) -> Target {
        self.0.with_settings(settings).map_or(self, Target)
    }

    /// Whether the output is standard output, under any name.
    pub fn is_stdout(&self) -> bool {
        self.path() == Some(Path::new("-"))
    }

    /// Whether data cannot be taken back once it is written, so that a stopped run has nothing to remove. This applies
    /// to standard output, a FIFO and a device.
    pub fn is_streamed(&self) -> bool {
        self.0.is_streamed()
    }

    /// Whether the output is a file with labels and a manifest next to it.
    pub fn is_file(&self) -> bool {
        self.0.is_file()
    }

    /// Returns the format, if the output is a dataset directory.
    pub fn dataset(&self) -> Option<Format> {
        self.0.dataset()
    }

    /// Returns the path that the output writes; `-` for standard output, `None` for a topic.
    pub fn path(&self) -> Option<&Path> {
        self.0.path()
    }

    /// Returns the topic, if the output is one.
    #[cfg(feature = "kafka")]
    pub fn topic(&self) -> Option<&KafkaTarget> {
        self.0.topic()
    }

    /// Returns each form of an output for the help: `ndjson:-`, `parquet:DIR/`, …
    pub fn forms() -> impl Iterator<Item = String> {
        outputs().flat_map(|format| format.forms())
    }
}

/// Shows the output as the command line writes it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Joins names as in `a`, `b` and `c`, with `before_last` as the word before the last one.
fn listed<'a>(names: impl Iterator<Item = &'a str>, before_last: &str) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} {before_last} {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Suggests the output that the user probably meant.
fn suggestion(text: &str) -> String {
    match text {
        "-" => "write `ndjson:-`".into(),
        _ if text.ends_with('/') => {
            let all: Vec<String> = Format::all().map(|format| format!("{}:{text}", format.name())).collect();
            format!("write {}", listed(all.iter().map(String::as_str), "or"))
        }
        _ if [".gz", ".zst"].iter().any(|end| text.ends_with(end)) => format!("write `ndjson:{text}`"),
        _ if text.ends_with("json") || text.ends_with("jsonl") => format!("write `ndjson:{text}`"),
        _ if text.contains(":9") => format!("write `kafka:{text}`"),
        _ => {
            let all: Vec<String> = Target::forms().collect();
            format!("write {}", listed(all.iter().map(String::as_str), "or"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_output_names_the_right_one() {
        for (text, help) in [
            ("xml:o/", "available formats: `ndjson`"),
            ("CSV:o/", "write `csv:`"),
            ("tsb-ad:o/", "available formats: `ndjson`"),
            ("csv:-", "write `csv:DIR/`, or `ndjson:-` for standard output"),
            ("csv:o", "write `csv:o/`"),
            ("csv:", "write `csv:out/`"),
            ("o/", "write `ndjson:o/`"),
            ("-", "write `ndjson:-`"),
        ] {
            let error = Target::parse(text).unwrap_err();
            let RunError::Target { help: found, .. } = &error else { panic!("{text}: {error}") };
            assert!(found.starts_with(help), "{text}: {found}");
        }
        assert_eq!(Target::parse("ndjson:/").unwrap().to_string(), "ndjson:/");
    }
}
