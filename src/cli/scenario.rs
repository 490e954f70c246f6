use std::io::Read;
use std::path::Path;

use super::status::Failure;
use crate::recording::{MANIFEST, Manifest, Recording, SCENARIO};
use crate::scenario::{PRESETS, Scenario};

/// A scenario as a command names it, and the manifest of the dataset it comes from.
pub(super) struct Named {
    pub scenario: Scenario,
    pub manifest: Option<Manifest>,
}

/// Reads a file, `-`, a dataset directory, or a preset by name: what has a `/` or ends in `.yaml`
/// is a file.
pub(super) fn read(name: &str) -> Result<Named, Failure> {
    if name == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| {
            Failure::input(format!("cannot read standard input: {error}"), "give a scenario as text")
        })?;
        return Ok(Named { scenario: Scenario::read("standard input", &text), manifest: None });
    }
    let path = Path::new(name);
    if path.is_dir() && (name.contains('/') || Scenario::preset(name).is_none()) {
        return dataset(path);
    }
    if name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
        return Ok(Named { scenario: file(path)?, manifest: None });
    }
    if let Some(scenario) = Scenario::preset(name) {
        return Ok(Named { scenario, manifest: None });
    }
    let list = PRESETS.iter().map(|(preset, _)| format!("`{preset}`")).collect::<Vec<_>>().join(", ");
    let help = match path.is_file() {
        true => format!("write `./{name}` for the file of this name"),
        false => format!("this version has {list}; a file's name ends in `.yaml` or has a `/`"),
    };
    Err(Failure::input(format!("no preset is called `{name}`"), help))
}

fn file(path: &Path) -> Result<Scenario, Failure> {
    crate::scenario(path).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; `reenact run dev` needs no file",
            std::io::ErrorKind::InvalidData => "a scenario is YAML text in UTF-8",
            _ => "check the path",
        };
        Failure::input(format!("cannot read `{}`: {error}", path.display()), help)
    })
}

fn dataset(path: &Path) -> Result<Named, Failure> {
    if !path.join(MANIFEST).is_file() {
        let message = format!("`{}` is a directory without a `{MANIFEST}`", path.display());
        return Err(Failure::input(message, "name a scenario file, or a dataset directory"));
    }
    let recording = Recording::open(path)?;
    let scenario = file(&path.join(SCENARIO))?;
    Ok(Named { scenario, manifest: recording.manifest().cloned() })
}
