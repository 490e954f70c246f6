//! Finds the scenario that an argument names: a file, standard input, a dataset or a preset.

use std::path::Path;

use super::status::Failure;
use crate::recording::{MANIFEST, Manifest, Recording, SCENARIO};
use crate::scenario::{Scenario, is_path, read_from};

/// A scenario that a command names, and the manifest of the dataset that it comes from.
pub(super) struct Named {
    pub scenario: Scenario,
    pub manifest: Option<Manifest>,
}

/// Reads a scenario from a file, from `-`, from a dataset directory, or from a preset by name. A name that contains a
/// `/` or ends in `.yaml` or `.yml` is a file.
pub(super) fn read(name: &str) -> Result<Named, Failure> {
    if name == "-" {
        let text = read_from(std::io::stdin()).map_err(|error| {
            Failure::input(format!("cannot read standard input: {error}"), "pass a scenario as text")
        })?;
        return Ok(Named { scenario: Scenario::read("standard input", &text), manifest: None });
    }
    let path = Path::new(name);
    if path.is_dir() && (name.contains('/') || Scenario::preset(name).is_err()) {
        return dataset(path);
    }
    if is_path(name) {
        return Ok(Named { scenario: Scenario::open(path)?, manifest: None });
    }
    match Scenario::preset(name) {
        Ok(scenario) => Ok(Named { scenario, manifest: None }),
        Err(_) if path.is_file() => {
            let help = format!("write `./{name}` to read the file with this name");
            Err(Failure::input(format!("preset `{name}` does not exist"), help))
        }
        Err(none) => {
            let file = [format!("{name}.yaml"), format!("{name}.yml")]
                .into_iter()
                .find(|file| Path::new(file).is_file());
            Err(file.map_or_else(
                || none.into(),
                |file| {
                    Failure::input(
                        format!("preset `{name}` does not exist"),
                        format!("did you mean the file `{file}`?"),
                    )
                },
            ))
        }
    }
}

fn dataset(path: &Path) -> Result<Named, Failure> {
    if !path.join(MANIFEST).is_file() {
        let message = format!("`{}` is a directory without a `{MANIFEST}`", path.display());
        return Err(Failure::input(message, "name a scenario file, or a dataset directory"));
    }
    let recording = Recording::open(path)?;
    let scenario = Scenario::open(path.join(SCENARIO))?;
    Ok(Named { scenario, manifest: recording.manifest().cloned() })
}
