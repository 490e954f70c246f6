//! A text and all that its `use` names, merged: later ones win, then the text itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{At, Diagnostic, Place, Sources, quoted};
use super::merge::{Entries, drop_duplicates, merge};
use super::node::{self, MAX_BYTES, Node, Value};
use super::outline::is_scenario;

/// The scenarios shipped inside the program: ordinary YAML, with no privilege.
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

/// Texts that a scenario can be made of: a few files that use each other twice would else be read
/// without end.
const MOST_FILES: usize = 100;

/// How large they are together, in bytes.
const MOST_BYTES: usize = 2 * MAX_BYTES;

/// What to do about a text that has nothing of a scenario.
const BEGIN: &str =
    "begin it with `scenario: 1` and `use: dev`; the preset then gives everything that is not written";

/// Reads a text as far as a scenario may be long, and one byte more.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    read_from(File::open(path)?)
}

/// The same of a regular file: reading a device or a pipe may have effects, or never end.
pub(crate) fn read_regular(path: &Path) -> io::Result<String> {
    let metadata = path.metadata()?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    read_text(path)
}

/// The same of whatever can be read.
pub fn read_from(source: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8");
    // A text that was cut within a character is told to be too long.
    match std::str::from_utf8(&bytes) {
        Err(error) if bytes.len() > MAX_BYTES && error.error_len().is_none() => {
            bytes.truncate(error.valid_up_to());
            bytes.resize(MAX_BYTES + 1, b' ');
        }
        _ => {}
    }
    String::from_utf8(bytes).map_err(not_text)
}

/// The text of a regular file in another encoding, as far as it takes to see whether it is a scenario.
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

/// A text, and what `use` names in it relative to `folder`.
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
    // The version stands first, whatever came before.
    let mut entries = entries.unwrap_or_default();
    entries.sort_by_key(|(key, _)| key.value != "scenario");
    Merged { root: Node { value: Value::Map(entries), place }, is_whole }
}

/// Texts laid over each other.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub root: Node,
    /// All of them could be read: what seems to be missing is missing.
    pub is_whole: bool,
}

struct Loader<'a> {
    sources: &'a mut Sources,
    mistakes: &'a mut Vec<Diagnostic>,
    /// The files whose `use` is being followed, with the names that messages have for them.
    open: Vec<(PathBuf, String)>,
    read: usize,
    bytes: usize,
    is_whole: bool,
}

impl Loader<'_> {
    /// The entries of a text over those of what it uses; none where it could not be read. `used_at` is where
    /// another text names it.
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
            let message = "a scenario is a mapping of keys to values";
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

    /// The tree of a text, or the number of its source where it could not be read. A text that is not a
    /// scenario is not quoted.
    fn tree(&mut self, name: &str, text: &str, used_at: Option<Place>) -> Result<Node, u32> {
        let read = node::parse(name, text, self.sources);
        let source = match &read {
            Ok(node) => node.place.source,
            Err(mistake) => mistake.place.unwrap_or_default().source,
        };
        // A text that is too long says so by its length alone.
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

    /// The names that `use` gives: one, or a list.
    fn names(&mut self, node: Node) -> Vec<At<String>> {
        match node.value {
            Value::Text(value) => vec![At { value, place: node.place }],
            Value::List(items) => items.into_iter().flat_map(|item| self.names(item)).collect(),
            _ => {
                self.mistakes.push(
                    Diagnostic::error(
                        node.place,
                        "`use` takes a preset's name, a file's path, or a list of them",
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
                let message = format!("more than {MOST_FILES} files are used");
                let error = Diagnostic::error(name.place, message);
                self.mistakes.push(error.help("use each file once, where it is needed"));
            }
            return None;
        }
        let text = name.value.as_str();
        if text.contains("${") {
            let error = Diagnostic::error(name.place, "`use` is read before there are variables");
            self.mistakes.push(error.help("name the file"));
            return None;
        }
        let entries = match is_path(text) {
            true if !is_yaml(Path::new(text)) => {
                let message = format!("`use` names `{text}`, which does not end in `.yaml` or `.yml`");
                let error = Diagnostic::error(name.place, message);
                self.mistakes.push(error.help("name a scenario file, or a preset"));
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
            let message = format!("files use each other in a circle: {} → {shown}", circle.join(" → "));
            self.mistakes.push(Diagnostic::error(name.place, message).help("take one of them out"));
            return None;
        }
        let text = match read_regular(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read `{shown}`: {}", reason(&error));
                let error = Diagnostic::error(name.place, message);
                self.mistakes.push(error.help("paths are relative to the file that says `use`"));
                return None;
            }
        };
        self.bytes += text.len();
        if self.bytes > MOST_BYTES {
            let message =
                format!("the files that are used are larger than {} MiB together", MOST_BYTES >> 20);
            self.mistakes
                .push(Diagnostic::error(name.place, message).help("use each once, where it is needed"));
            return None;
        }
        self.open.push((real, shown.clone()));
        let folder = path.parent().unwrap_or(Path::new(""));
        let entries = self.layer(&shown, &text, folder, Some(name.place)).0;
        self.open.pop();
        entries
    }

    /// The entries that another text takes over: not the version, which each text says for itself, nor
    /// what it is called and teaches.
    fn without_own(&mut self, mut entries: Entries) -> Entries {
        entries.retain(|(key, _)| key.value != "name" && key.value != "about");
        if let Some(i) = entries.iter().position(|(key, _)| key.value == "scenario") {
            let (_, version) = entries.remove(i);
            if let Err(mistake) = super::words::version(&version) {
                self.mistakes.push(mistake);
            }
        }
        entries
    }
}

/// A path as it is shown: without the `./` that only says that it is one.
fn relative(path: &str) -> &str {
    match path.strip_prefix("./") {
        Some(rest) if !rest.starts_with('/') => rest,
        _ => path,
    }
}

/// How the name of a scenario file ends after its last dot, the usual way first.
pub(crate) const ENDINGS: [&str; 6] = ["yaml", "yml", "YAML", "YML", "Yaml", "Yml"];

/// Whether `use` or a command means a file by this name, and not a preset: what has a `/` or ends in
/// `.yaml` or `.yml`.
pub fn is_path(name: &str) -> bool {
    name.contains('/')
        || ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|it| it.ends_with('.')))
}

/// Whether a path ends as a scenario's does.
pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ENDINGS.iter().any(|ending| extension == *ending))
}

/// The text of a preset.
pub(super) fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| *text)
}

/// What is told of a name that no preset has, where it is written if it is.
pub(super) fn no_preset(name: &str, place: Option<Place>) -> Diagnostic {
    let error = |message: String| match place {
        Some(place) => Diagnostic::error(place, message),
        None => Diagnostic::placeless(message),
    };
    if NOT_YET.contains(&name) {
        return error(format!("the preset `{name}` is not there yet"))
            .help("`reenact presets` lists what there is");
    }
    let names = || PRESETS.iter().map(|(preset, _)| *preset);
    let (there, error) =
        (format!("there is {}", quoted(names())), error(format!("no preset is called `{name}`")));
    // Without a place there is nothing to write a label under.
    let error = if place.is_some() { error.label(there) } else { error.help(there) };
    error.nearest(name, names())
}

/// The words of an error without its number.
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
