//! Checks that can refuse a run before anything is opened or created.

use std::path::{Path, PathBuf};

use super::about::About;
use super::error::RunError;
use super::options::OpenOptions;
use super::target::Target;
use crate::recording::{self, Destination, Manifest, PathProblem, RecordingError};

/// Checks everything that can be checked before anything is opened or created.
pub(super) fn check(targets: &[Target], options: &OpenOptions, about: &About) -> Result<(), RunError> {
    check_apart(targets, options)?;
    #[cfg(feature = "kafka")]
    super::topic::check_topics(targets, &about.schema, options)?;
    about.check_times()?;
    if let Some(dataset) =
        targets.iter().find(|target| target.dataset().is_some()).filter(|_| !about.is_rendered)
    {
        let message =
            format!("`{dataset}` is a dataset directory, which cannot contain replayed or shifted records");
        let help = "write `ndjson:FILE`, `ndjson:-` or `kafka:BROKERS/TOPIC`".into();
        return Err(RunError::Target { message, help });
    }
    Ok(())
}

/// Refuses outputs that have the same path or are inside each other, because they would overwrite each other. The
/// labels and the manifest next to a file count as outputs too.
fn check_apart(targets: &[Target], options: &OpenOptions) -> Result<(), RunError> {
    let mut places: Vec<(PathBuf, Destination, bool)> = Vec::new();
    let mut add = |path: &Path, is_dataset| -> Result<Destination, PathProblem> {
        let is_stdout = path == Path::new("-");
        let place = if is_stdout { Destination::stdout() } else { Destination::of(path)? };
        places.push((path.into(), place.clone(), is_dataset));
        Ok(place)
    };
    for target in targets {
        let Some(path) = target.path() else { continue };
        let place = add(path, target.dataset().is_some())?;
        if target.is_file() && !place.is_direct() {
            add(&recording::labels_path(path), false)?;
            add(&recording::manifest_path(path), false)?;
        }
    }
    options.labels.iter().try_for_each(|path| add(path, false).map(drop))?;
    let places: Vec<(PathBuf, PathBuf, bool)> = places
        .into_iter()
        .filter_map(|(path, place, is_dataset)| Some((path, place.identity()?, is_dataset)))
        .collect();
    let files = places.iter().filter(|(.., is_dataset)| !is_dataset);
    files.clone().try_for_each(|(path, place, _)| check_is_not_an_input(path, place, options))?;
    let wrong =
        |message| Err(RunError::Target { message, help: "use a different path for each output".into() });
    for (i, (path, place, is_dataset)) in places.iter().enumerate() {
        for (other, its_place, is_other_dataset) in &places[..i] {
            if place == its_place {
                return wrong(format!("two outputs have the same path: `{}`", path.display()));
            }
            let (inner, outer) = match () {
                () if *is_dataset && its_place.starts_with(place) => (other, path),
                () if *is_other_dataset && place.starts_with(its_place) => (path, other),
                () => continue,
            };
            return wrong(format!(
                "the output `{}` would be inside the dataset `{}/`",
                inner.display(),
                outer.display()
            ));
        }
    }
    Ok(())
}

/// Refuses to replace a file that this run or another one reads.
fn check_is_not_an_input(path: &Path, place: &Path, options: &OpenOptions) -> Result<(), RunError> {
    if !place.is_file() {
        return Ok(());
    }
    let has_extension = |wanted: &str| place.extension().is_some_and(|it| it.eq_ignore_ascii_case(wanted));
    let is_input = |input: &PathBuf| input.canonicalize().is_ok_and(|input| input == place);
    let what = match recording::dataset_of(place) {
        Some(dataset) => format!("belongs to the dataset `{}/`", dataset.display()),
        None if options.inputs.iter().any(is_input) => "is an input of this run".into(),
        None if has_extension("yaml") || has_extension("yml") => {
            "has the file extension of a scenario".into()
        }
        None if has_extension("lock") => "has the file extension of a lock file".into(),
        None => return Ok(()),
    };
    let message = format!("`{}` {what}, so it is not replaced, even with `--force`", path.display());
    Err(RunError::Target { message, help: "choose another path".into() })
}

/// Refuses to replace a file that has the name of a manifest but was not written by reenact.
pub(super) fn check_is_manifest(place: &Path) -> Result<(), RunError> {
    match Manifest::read_file(place) {
        Ok(_) | Err(RecordingError::OtherFormat { .. }) => Ok(()),
        // The file can't be read, so it is not known what it is.
        Err(RecordingError::Io { path, source }) => Err(PathProblem::Io { path, source }.into()),
        Err(_) => {
            let message = format!(
                "`{}` exists and is not a manifest of reenact, so it is not replaced, even with `--force`",
                place.display()
            );
            Err(RunError::Target { message, help: "choose another path, or move the file".into() })
        }
    }
}

/// Returns a file of an older recording that has to be removed once the new recording has its name.
pub(super) fn replaced(place: Option<PathBuf>, force: bool) -> Result<Option<PathBuf>, PathProblem> {
    match place.filter(|place| place.symlink_metadata().is_ok()) {
        Some(place) if place.is_dir() => Err(PathProblem::IsDirectory(place)),
        Some(place) if !force => Err(PathProblem::Exists(place)),
        Some(place) if !place.is_file() => Err(PathProblem::NotAFile(place)),
        place => Ok(place),
    }
}
