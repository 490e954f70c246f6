//! Reads a scenario from its source, sets values in it, and writes it out.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::diagnostic::{At, Diagnostic, Diagnostics, Place, Sources, quoted};
use super::layers::{self, read_text, reason};
use super::node::{self, Node, Value};
use super::{Scenario, merge, read, write};

impl Scenario {
    /// Reads a scenario from a text. Messages call the text `name`. If `name` is a path, the names in `use`
    /// are relative to its folder.
    ///
    /// This never fails. `plan` reports what could not be read, together with the mistakes that only the
    /// whole scenario can show.
    pub fn read(name: &str, text: &str) -> Scenario {
        let mut sources = Sources::default();
        let mut mistakes = Vec::new();
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let merged = layers::resolve(name, text, folder, &mut sources, &mut mistakes);
        read::scenario(merged, sources, mistakes)
    }

    /// Reads a scenario file, like `read` reads a text.
    ///
    /// # Errors
    /// If the file can't be read as text.
    pub fn open(path: impl AsRef<Path>) -> Result<Scenario, Diagnostics> {
        let path = path.as_ref();
        match read_text(path) {
            Ok(text) => Ok(Scenario::read(&path.display().to_string(), &text)),
            Err(error) => {
                let message = format!("cannot read `{}`: {}", path.display(), reason(&error));
                let help = match error.kind() {
                    ErrorKind::NotFound => {
                        "check the path; `reenact presets` lists the presets, which need no file"
                    }
                    ErrorKind::InvalidData => "a scenario must be YAML text in UTF-8",
                    ErrorKind::IsADirectory => "write the path of a scenario file in it",
                    _ => "check the path",
                };
                Err(Diagnostic::placeless(message).help(help).into())
            }
        }
    }

    /// Returns a preset: a scenario that is shipped inside the program.
    ///
    /// # Errors
    /// If no preset has this name.
    pub fn preset(name: &str) -> Result<Scenario, Diagnostics> {
        match layers::preset(name) {
            Some(text) => Ok(Scenario::read(&format!("preset {name}"), text)),
            None => Err(layers::no_preset(name, None).into()),
        }
    }

    /// Sets the value at a path of the file. A path consists of keys with a dot between them; entries of
    /// `anomalies` are found by their `id`. The value is read as YAML.
    ///
    /// # Errors
    /// If there is no such path, or the value is not valid YAML. `plan` reports a value that does not fit there.
    ///
    /// ```
    /// let scenario = reenact::preset("dev")?.set("clock.step", "1s")?.set("background.kinds", "[cpu_spike]")?;
    /// assert_eq!(scenario.keys.clock.unwrap().value.step.unwrap().value.0, 1_000);
    /// assert!(reenact::preset("dev")?.set("anomalies.leak.severity", "high").is_err());
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn set(self, path: &str, value: &str) -> Result<Scenario, Diagnostics> {
        let known = self.mistakes.iter().filter(|mistake| !mistake.from_reading).count();
        let set = self.overridden("set", &format!("{path}="), path, value);
        match set.mistakes.iter().filter(|mistake| !mistake.from_reading).nth(known) {
            Some(mistake) => Err(Diagnostics::new(set.sources.clone(), vec![mistake.clone()])),
            None => Ok(set),
        }
    }

    /// Sets a value like `set`. Messages show the text `words` + `value`, such as `--seed 7`, as a file that is
    /// called `source`. `plan` reports every mistake at its place in this text.
    #[must_use]
    pub(crate) fn overridden(mut self, source: &str, words: &str, path: &str, value: &str) -> Scenario {
        let text = format!("{words}{value}");
        let source = self.sources.add(source, &text);
        let place = |start: usize, end: usize| Place { source, start: start as u32, end: end as u32 };
        let (start, length) = words.rfind(path).map_or((0, words.trim_end().len()), |i| (i, path.len()));
        let path = At { value: path.to_string(), place: place(start, start + length) };
        let set = node::tree(value, place(words.len(), text.len()))
            .and_then(|node| check_path(&self.merged.root, &path).map(|()| node))
            .and_then(|node| merge::set(&mut self.merged.root, &path, node));
        self.mistakes.retain(|mistake| !mistake.from_reading);
        self.mistakes.extend(set.err());
        read::scenario(self.merged, self.sources, self.mistakes)
    }

    /// Whether the resolved file has a key at its top level.
    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(&self.root.value, Value::Map(entries) if entries.iter().any(|(known, _)| known.value == key))
    }

    /// Whether the resolved file is a mapping with at least one key.
    pub(crate) fn is_mapping(&self) -> bool {
        matches!(&self.root.value, Value::Map(entries) if !entries.is_empty())
    }

    /// Returns mistakes and warnings as they are shown. If a mistake is at a variable, its help shows the value of the variable.
    pub(crate) fn diagnostics(&self, mut list: Vec<Diagnostic>) -> Diagnostics {
        let put_in: BTreeMap<Place, &String> =
            self.put_in.iter().map(|(place, value)| (*place, value)).collect();
        for diagnostic in list.iter_mut().filter(|diagnostic| !diagnostic.of_variable) {
            if let Some(value) = diagnostic.place.and_then(|place| put_in.get(&place)) {
                diagnostic.help.push(format!(
                    "the value here is `{value}`: change it in `vars`, or with `--set vars.…`"
                ));
            }
        }
        Diagnostics::new(self.sources.clone(), list)
    }

    /// Whether all texts of the scenario could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.merged.is_whole
    }

    /// Returns the place at which the file begins.
    pub(crate) fn start(&self) -> Place {
        Place { end: self.root.place.start, ..self.root.place }
    }

    /// Returns the resolved scenario with its epoch pinned, as (YAML, canonical JSON).
    pub(crate) fn pinned(&self, epoch: u32) -> (String, String) {
        let mut root = self.root.clone();
        let place = self.start();
        let path = At { value: "epoch".to_string(), place };
        // This cannot fail: a scenario that was planned is a mapping.
        let _ = merge::set(&mut root, &path, Node { value: Value::Int(epoch.into()), place });
        let kinds = self.keys.background.as_ref().and_then(|text| text.value.kinds.as_ref());
        if let Some(At { value: kinds, place }) = kinds.filter(|kinds| kinds.value.is_all) {
            let place = *place;
            // `all` may mean more kinds in another version, so list those of this one.
            let path = At { value: "background.kinds".to_string(), place };
            let names = kinds.weights.iter().map(|(name, _)| Value::Text(name.value.clone()));
            let list = Value::List(names.map(|value| Node { value, place }).collect());
            let _ = merge::set(&mut root, &path, Node { value: list, place });
        }
        (write::yaml(&root), write::canonical_json(&root))
    }

    /// Returns the resolved scenario as YAML, without `use`.
    pub fn to_yaml(&self) -> String {
        write::yaml(&self.root)
    }

    /// Returns the resolved scenario as canonical JSON. Comments and line ends do not change it.
    pub fn canonical_json(&self) -> String {
        write::canonical_json(&self.root)
    }
}

/// Refuses a path that cannot be set, or that would have no effect.
fn check_path(merged: &Node, path: &At<String>) -> Result<(), Diagnostic> {
    if path.value == "use" {
        let error = Diagnostic::error(path.place, "`use` cannot be set");
        return Err(error.help("give the preset or the file as the scenario"));
    }
    let Some(variable) = path.value.strip_prefix("vars.") else { return Ok(()) };
    let Value::Map(entries) = &merged.value else { return Ok(()) };
    let names: Vec<&str> =
        match entries.iter().find(|(key, _)| key.value == "vars").map(|(_, vars)| &vars.value) {
            Some(Value::Map(vars)) => vars.iter().map(|(name, _)| name.value.as_str()).collect(),
            _ => Vec::new(),
        };
    if names.contains(&variable) {
        return Ok(());
    }
    let error = Diagnostic::error(path.place, format!("the scenario has no variable `{variable}`"));
    Err(match names.is_empty() {
        true => error.help("it has no `vars`: set the value itself, such as `clock.step`"),
        false => error
            .nearest(variable, names.iter().copied())
            .label(format!("`vars` has {}", quoted(names.iter().copied()))),
    })
}
