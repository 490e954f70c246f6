//! Merges a text with everything that its `use` names. Later names win over earlier ones, and the text itself wins
//! over all of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{At, Diagnostic, Place, Sources, quoted};
use super::merge::{Entries, drop_duplicates, merge};
use super::node::{self, MAX_BYTES, Node, Value};
use super::outline::is_scenario;

/// The scenarios that are shipped inside the program. They are ordinary YAML without special features.
pub const PRESETS: &[(&str, &str)] = &[
    ("normal", include_str!("../../scenarios/presets/normal.yaml")),
    ("chaos", include_str!("../../scenarios/presets/chaos.yaml")),
    ("temperature", include_str!("../../scenarios/presets/temperature.yaml")),
    ("network", include_str!("../../scenarios/presets/network.yaml")),
    ("production", include_str!("../../scenarios/presets/production.yaml")),
    ("dev", include_str!("../../scenarios/presets/dev.yaml")),
];

/// Presets of the language that this version does not have yet.
const NOT_YET: [&str; 1] = ["week"];

/// The maximum number of names in `use` that are followed. A chain of files that each use the next one twice would
/// otherwise be read exponentially often.
const MOST_FILES: usize = 100;

/// The maximum size of all used files together, in bytes.
const MOST_BYTES: usize = 2 * MAX_BYTES;

/// The help for a text that is not a scenario at all.
const BEGIN: &str = "begin the file with `scenario: 1` and `use: dev`; the preset provides everything that the file does not set";

/// Reads a text file, at most one byte more than the maximum size of a scenario.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    read_from(File::open(path)?)
}

/// Reads a text file like `read_text`, but only a regular file: reading a device or a pipe may have side effects,
/// or never end.
pub(crate) fn read_regular(path: &Path) -> io::Result<String> {
    let metadata = path.metadata()?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    read_text(path)
}

/// Reads UTF-8 text from any source, at most one byte more than the maximum size of a scenario.
pub fn read_from(source: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    // If the limit cuts a character in two, the text still counts as too large, and not as invalid UTF-8.
    match std::str::from_utf8(&bytes) {
        Err(error) if bytes.len() > MAX_BYTES && error.error_len().is_none() => {
            bytes.truncate(error.valid_up_to());
            bytes.resize(MAX_BYTES + 1, b' ');
        }
        _ => {}
    }
    String::from_utf8(bytes).map_err(not_text)
}

/// Reads a regular file that is not UTF-8, well enough to see whether it is a scenario. Decodes UTF-16 if there is a
/// byte order mark, and otherwise replaces invalid bytes.
pub(crate) fn read_other_encoding(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64).read_to_end(&mut bytes)?;
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| -> String {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    Ok(match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// Merges a text with everything that its `use` names, relative to `folder`.
pub(super) fn resolve(
    name: &str,
    text: &str,
    folder: &Path,
    sources: &mut Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Merged {
    let mut loader = Loader { sources, mistakes, open: Vec::new(), read: 0, bytes: 0, is_whole: true };
    let own = folder.join(Path::new(name).file_name().unwrap_or_default());
    loader.open.push((own.canonicalize().unwrap_or(own), name.into()));
    let (entries, place) = loader.layer(name, text, folder, None);
    let is_whole = loader.is_whole && entries.is_some();
    // The version comes first, whatever the order of the texts.
    let mut entries = entries.unwrap_or_default();
    entries.sort_by_key(|(key, _)| key.value != "scenario");
    Merged { root: Node { value: Value::Map(entries), place }, is_whole }
}

/// The merged tree of several texts.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub root: Node,
    /// Whether all texts could be read. If so, a key that seems to be missing is really missing.
    pub is_whole: bool,
}

struct Loader<'a> {
    sources: &'a mut Sources,
    mistakes: &'a mut Vec<Diagnostic>,
    /// The files whose `use` is being followed, each with its name in messages.
    open: Vec<(PathBuf, String)>,
    read: usize,
    bytes: usize,
    is_whole: bool,
}

impl Loader<'_> {
    /// Returns the entries of a text, merged over those of everything that it uses, and the place of the text. The
    /// entries are `None` if the text could not be read. `used_at` is the place where another text names this one.
    fn layer(
        &mut self,
        name: &str,
        text: &str,
        folder: &Path,
        used_at: Option<Place>,
    ) -> (Option<Entries>, Place) {
        let mut own = match self.tree(name, text, used_at) {
            Ok(node) => node,
            Err(source) => return (None, Place { source, start: 0, end: 0 }),
        };
        drop_duplicates(&mut own, self.mistakes);
        let place = own.place;
        let Value::Map(mut entries) = own.value else {
            let message = "a scenario must be a mapping of keys to values";
            self.mistakes.push(Diagnostic::error(place, message).help(BEGIN));
            return (None, place);
        };
        let used = entries.iter().position(|(key, _)| key.value == "use").map(|i| entries.remove(i).1);
        let mut base = Vec::new();
        for name in used.map(|node| self.names(node)).unwrap_or_default() {
            match self.used(&name, folder) {
                Some(layer) => merge(&mut base, layer, ""),
                None => self.is_whole = false,
            }
        }
        merge(&mut base, entries, "");
        self.sources.rank_last(place.source);
        (Some(base), place)
    }

    /// Returns the tree of a text, or the number of its source if the text could not be read. Messages do not quote a
    /// text that is not a scenario.
    fn tree(&mut self, name: &str, text: &str, used_at: Option<Place>) -> Result<Node, u32> {
        let read = node::parse(name, text, self.sources);
        let source = match &read {
            Ok(node) => node.place.source,
            Err(mistake) => mistake.place.unwrap_or_default().source,
        };
        // If a text is too large, that is the only error, whether it is a scenario or not.
        if text.len() > MAX_BYTES || is_scenario(text, read.as_ref().ok()) {
            return read.map_err(|mistake| {
                self.mistakes.push(mistake);
                source
            });
        }
        self.sources.blank(source);
        let message = format!("`{name}` is not a scenario: it has no `scenario:` at its top level");
        let place = used_at.unwrap_or(Place { source, start: 0, end: 0 });
        let help =
            if used_at.is_some() { "begin each file that `use` names with `scenario: 1`" } else { BEGIN };
        self.mistakes.push(Diagnostic::error(place, message).help(help));
        Err(source)
    }

    /// Returns the names in a `use`: one name, or a list.
    fn names(&mut self, node: Node) -> Vec<At<String>> {
        match node.value {
            Value::Text(value) => vec![At { value, place: node.place }],
            Value::List(items) => items.into_iter().flat_map(|item| self.names(item)).collect(),
            _ => {
                self.mistakes.push(
                    Diagnostic::error(
                        node.place,
                        "`use` must be the name of a preset, the path of a file, or a list of these",
                    )
                    .help("write `use: dev`, or `use: ./base.yaml`"),
                );
                Vec::new()
            }
        }
    }

    fn used(&mut self, name: &At<String>, folder: &Path) -> Option<Entries> {
        self.read += 1;
        if self.read > MOST_FILES {
            if self.read == MOST_FILES + 1 {
                let message = format!("the scenario uses more than {MOST_FILES} files");
                let error = Diagnostic::error(name.place, message);
                self.mistakes.push(error.help("name each file only once"));
            }
            return None;
        }
        let text = name.value.as_str();
        if text.contains("${") {
            let error = Diagnostic::error(name.place, "`use` cannot contain variables");
            self.mistakes.push(error.help("write the name of the preset or the path of the file"));
            return None;
        }
        let entries = match is_path(text) {
            true if !is_yaml(Path::new(text)) => {
                let message = format!("`use` names `{text}`, which does not end in `.yaml` or `.yml`");
                let error = Diagnostic::error(name.place, message);
                self.mistakes.push(error.help("write the path of a scenario file, or the name of a preset"));
                None
            }
            true => self.file(name, &folder.join(relative(text))),
            false => self.preset(name),
        };
        entries.map(|entries| self.without_own(entries))
    }

    fn preset(&mut self, name: &At<String>) -> Option<Entries> {
        let Some(text) = preset(&name.value) else {
            self.mistakes.push(no_preset(&name.value, Some(name.place)));
            return None;
        };
        self.layer(&format!("preset {}", name.value), text, Path::new(""), Some(name.place)).0
    }

    fn file(&mut self, name: &At<String>, path: &Path) -> Option<Entries> {
        let shown = path.display().to_string();
        let real = path.canonicalize().unwrap_or_else(|_| path.into());
        if let Some(first) = self.open.iter().position(|(open, _)| *open == real) {
            let circle: Vec<&str> = self.open[first..].iter().map(|(_, name)| name.as_str()).collect();
            let message = format!("files use each other in a cycle: {} → {shown}", circle.join(" → "));
            self.mistakes.push(Diagnostic::error(name.place, message).help(format!("remove `{shown}` here")));
            return None;
        }
        let text = match read_regular(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read `{shown}`: {}", reason(&error));
                let error = Diagnostic::error(name.place, message);
                self.mistakes
                    .push(error.help("check the path; it is relative to the file that contains `use`"));
                return None;
            }
        };
        self.bytes += text.len();
        if self.bytes > MOST_BYTES {
            let message = format!("the files in `use` are larger than {} MiB in total", MOST_BYTES >> 20);
            self.mistakes.push(
                Diagnostic::error(name.place, message).help("name each file only once, or use smaller files"),
            );
            return None;
        }
        self.open.push((real, shown.clone()));
        let folder = path.parent().unwrap_or(Path::new(""));
        let entries = self.layer(&shown, &text, folder, Some(name.place)).0;
        self.open.pop();
        entries
    }

    /// Removes the entries that do not apply to a text that uses this one: `name`, `about`, and the version, which
    /// every text has itself. Reports a version that this program does not read.
    fn without_own(&mut self, mut entries: Entries) -> Entries {
        entries.retain(|(key, _)| key.value != "name" && key.value != "about");
        if let Some(i) = entries.iter().position(|(key, _)| key.value == "scenario") {
            let (_, version) = entries.remove(i);
            if let Err(mistake) = super::values::version(&version) {
                self.mistakes.push(mistake);
            }
        }
        entries
    }
}

/// Returns a path as messages show it: without the leading `./`, which only marks it as a path.
fn relative(path: &str) -> &str {
    match path.strip_prefix("./") {
        Some(rest) if !rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The extensions of scenario files. The usual one comes first.
pub(crate) const ENDINGS: [&str; 6] = ["yaml", "yml", "YAML", "YML", "Yaml", "Yml"];

/// Whether a name in `use` or in a command means a file and not a preset. It does if it contains a `/` or ends in
/// `.yaml` or `.yml`.
pub fn is_path(name: &str) -> bool {
    name.contains('/')
        || ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|it| it.ends_with('.')))
}

/// Whether a path has the extension of a scenario file.
pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ENDINGS.iter().any(|ending| extension == *ending))
}

/// Returns the text of a preset.
pub(super) fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| *text)
}

/// Returns the error for a name that no preset has. `place` is the place of the name, if it is written in a text.
pub(super) fn no_preset(name: &str, place: Option<Place>) -> Diagnostic {
    let error = |message: String| match place {
        Some(place) => Diagnostic::error(place, message),
        None => Diagnostic::placeless(message),
    };
    if NOT_YET.contains(&name) {
        return error(format!("preset `{name}` is not implemented yet"))
            .help("`reenact presets` lists the available presets");
    }
    let names = || PRESETS.iter().map(|(preset, _)| *preset);
    let (there, error) =
        (format!("the presets are {}", quoted(names())), error(format!("preset `{name}` does not exist")));
    // Without a place there is nothing to write a label under.
    let error = if place.is_some() { error.label(there) } else { error.help(there) };
    error.nearest(name, names())
}

/// Returns the message of an error without its number, beginning in lower case.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_scenario_without_a_mistake() {
        for (name, text) in PRESETS {
            let (mut sources, mut mistakes) = (Sources::default(), Vec::new());
            resolve(name, text, Path::new(""), &mut sources, &mut mistakes);
            assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        }
    }
}
