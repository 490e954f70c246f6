//! Finds and reads the labels file and the manifest next to a single file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::destination::MOST_LINKS;
use super::error::{RecordingError, listed};
use super::fit;
use super::lines::STDIN;
use super::manifest::Manifest;
use super::read_labels::read_labels;
use crate::label::{self, Label};
use crate::schema::Schema;

/// Returns the path of the labels of a file: `x.labels.ndjson` next to `x.ndjson`, `x.ndjson.gz.labels.ndjson` next to
/// `x.ndjson.gz`. Two files never share one labels file.
pub fn labels_path(path: &Path) -> PathBuf {
    sidecar_path(path, ".labels.ndjson")
}

/// Returns the path of the manifest of a file: `x.manifest.json` next to `x.ndjson`, `x.ndjson.gz.manifest.json` next
/// to `x.ndjson.gz`.
pub fn manifest_path(path: &Path) -> PathBuf {
    sidecar_path(path, ".manifest.json")
}

fn sidecar_path(path: &Path, what: &str) -> PathBuf {
    let is_plain = path.extension().is_some_and(|extension| extension == "ndjson");
    let name = if is_plain { path.file_stem() } else { path.file_name() };
    let mut name = OsString::from(name.unwrap_or_default());
    name.push(what);
    path.with_file_name(name)
}

/// Returns the labels that an earlier version wrote next to a file whose name does not end in `.ndjson`. Returns `None`
/// if they do not exist or if they belong to another file.
pub fn old_labels_path(path: &Path) -> Option<PathBuf> {
    let mut stem = PathBuf::from(path.file_name().unwrap_or_default());
    if stem.extension().is_some_and(|extension| extension == "gz" || extension == "zst") {
        stem.set_extension("");
    }
    stem.set_extension("ndjson");
    let owner = path.with_file_name(stem);
    let old = labels_path(&owner);
    let is_ours = owner != path && old.is_file() && !owner.exists() && !manifest_path(&owner).exists();
    is_ours.then_some(old)
}

/// Returns the name that a file's labels and manifest are derived from. The search follows the file's symbolic links
/// and ends at the first name with one of them next to it. Without such a name, the result is the given path.
pub(super) fn real_name(path: &Path) -> PathBuf {
    let mut name = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let has_some =
            labels_path(&name).exists() || manifest_path(&name).exists() || old_labels_path(&name).is_some();
        // An open file of a process, such as `/dev/stdin`, has no files next to it.
        if has_some || name.starts_with("/dev") || name.starts_with("/proc") {
            return name;
        }
        let Ok(target) = name.read_link() else { break };
        name = name.with_file_name(target);
    }
    path.into()
}

/// Reads the manifest next to a file; `None` if there is none. Only the manifest's file name says which file it
/// describes: the name inside the manifest can be outdated.
pub(super) fn manifest_of(path: &Path) -> Result<Option<Manifest>, RecordingError> {
    if path.as_os_str() == STDIN || !path.is_file() {
        return Ok(None);
    }
    Manifest::read_file(&manifest_path(&real_name(path)))
}

/// Returns the labels next to a file; `None` if there are none. If they contradict the manifest, the contradiction is
/// appended to `damages`.
pub(super) fn labels_of(
    path: &Path,
    schema: &Arc<Schema>,
    manifest: Option<&Manifest>,
    damages: &mut Vec<RecordingError>,
) -> Result<Option<Vec<Label>>, RecordingError> {
    // Records from a pipe can be read only once, so they cannot be compared with labels first.
    if path.as_os_str() == STDIN || !path.is_file() {
        return Ok(None);
    }
    let real = real_name(path);
    let file = labels_path(&real);
    let Some(manifest) = manifest else { return labels_without_manifest(path, schema, file) };
    let contradiction = |reason: &str| RecordingError::Contradiction {
        path: file.clone(),
        other: manifest_path(&real),
        reason: reason.into(),
    };
    match &manifest.labels {
        None if file.exists() => damages.push(contradiction("the manifest describes records without labels")),
        None => {}
        Some(_) if !file.exists() => {
            damages.push(contradiction(
                "the manifest describes records with labels, but the labels are missing",
            ));
        }
        Some(facts) => {
            let labels = read_labels(&file, schema, None)?;
            let digest = blake3::hash(&label::lines(&labels)).to_hex();
            if labels.len() as u64 != facts.rows || digest.as_str() != facts.digest {
                damages.push(contradiction("its rows do not match the digest in the manifest"));
            }
            return Ok(Some(labels));
        }
    }
    Ok(None)
}

fn labels_without_manifest(
    path: &Path,
    schema: &Arc<Schema>,
    file: PathBuf,
) -> Result<Option<Vec<Label>>, RecordingError> {
    let file = if file.is_file() { Some(file) } else { old_labels_path(&real_name(path)) };
    let Some(file) = file else { return Ok(None) };
    let unfit = |reason| RecordingError::Labels { path: file.clone(), records: path.into(), reason };
    // Such labels may have been edited or written by another program, so a mistake in them is not damage.
    let labels = read_labels(&file, schema, None).map_err(|error| match error {
        RecordingError::Damaged { reason, .. } => unfit(reason),
        error => error,
    })?;
    let mistakes = fit::mistakes(&labels, schema, path)?;
    if mistakes.is_empty() { Ok(Some(labels)) } else { Err(unfit(listed(mistakes))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_files_share_labels_or_a_manifest() {
        let names = ["x.ndjson", "x.ndjson.gz", "x.ndjson.zst", "x.jsonl", "x.json", "x.gz", "d/x.ndjson"];
        let mut labels: Vec<PathBuf> = names.iter().map(|name| labels_path(Path::new(name))).collect();
        assert_eq!(labels[0], Path::new("x.labels.ndjson"));
        assert_eq!(labels[1], Path::new("x.ndjson.gz.labels.ndjson"));
        assert_eq!(manifest_path(Path::new("d/x.ndjson")), Path::new("d/x.manifest.json"));
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), names.len());
    }
}
