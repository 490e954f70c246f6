//! Determines which files in a directory reenact wrote. Only those may be replaced or deleted.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST, Manifest, SCENARIO};
use super::publish::OLD;

/// A folder that file systems create in the root of a volume.
const LOST_AND_FOUND: &str = "lost+found";

/// The contents of a directory that is about to become a dataset.
#[derive(Debug)]
pub(super) enum Contents {
    /// Nothing.
    Nothing,
    /// A dataset and nothing else.
    Dataset(Inventory),
    /// Something else, with a description.
    Foreign(String),
}

/// The files and folders of a dataset, by their paths inside it.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Contents {
    /// Examines a directory. `partial` is the path that runs write to before they publish the directory; if it is
    /// inside the directory, it is ignored.
    ///
    /// If a run was killed while it moved its files into the directory one by one, `partial` contains two manifests:
    /// the run's own and the old one.
    pub(super) fn of(directory: &Path, partial: &Path) -> io::Result<Contents> {
        let is_inside = partial.parent() == Some(directory);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            if !(is_inside && (Some(&*name) == partial.file_name() || name == LOST_AND_FOUND)) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Ok(Contents::Nothing);
        }
        let mut inventory = Inventory::default();
        match Manifest::read(directory) {
            Ok(manifest) => inventory.add(&manifest),
            Err(error) => {
                let old = partial.join(OLD);
                let left = if old.is_dir() { [partial, &old].map(Manifest::read).into() } else { Vec::new() };
                if left.iter().all(Result::is_err) {
                    return Ok(Contents::Foreign(error.to_string()));
                }
                left.iter().flatten().for_each(|manifest| inventory.add(manifest));
            }
        }
        names.sort();
        for name in names {
            if let Some(foreign) = inventory.foreign(directory, Path::new(&name))? {
                let reason = format!("its manifest does not list `{}`", foreign.display());
                return Ok(Contents::Foreign(reason));
            }
        }
        Ok(Contents::Dataset(inventory))
    }
}

/// Returns the dataset that lists this file as one of its own, if there is one.
pub fn dataset_of(file: &Path) -> Option<PathBuf> {
    let lists = |directory: &&Path| {
        let (Ok(manifest), Ok(name)) = (Manifest::read(directory), file.strip_prefix(directory)) else {
            return false;
        };
        let mut inventory = Inventory::default();
        inventory.add(&manifest);
        inventory.files.contains(name)
    };
    // Parquet parts are in a folder of their entity type.
    file.ancestors().skip(1).take(2).find(lists).map(Path::to_path_buf)
}

impl Inventory {
    fn add(&mut self, manifest: &Manifest) {
        let parts = manifest.parts.iter().map(|part| &part.path);
        let files = parts.chain(manifest.labels.iter().map(|labels| &labels.path)).map(PathBuf::from);
        for file in files.chain([SCENARIO, MANIFEST].map(PathBuf::from)) {
            let folders = file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
            self.folders.extend(folders.map(Path::to_path_buf));
            self.files.insert(file);
        }
    }

    /// Returns the first path that is not listed with its name and type: this one or one below it.
    fn foreign(&self, directory: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
        let kind = directory.join(path).symlink_metadata()?.file_type();
        if kind.is_file() && self.files.contains(path) {
            return Ok(None);
        }
        if !(kind.is_dir() && self.folders.contains(path)) {
            return Ok(Some(path.into()));
        }
        for entry in fs::read_dir(directory.join(path))? {
            if let Some(foreign) = self.foreign(directory, &path.join(entry?.file_name()))? {
                return Ok(Some(foreign));
            }
        }
        Ok(None)
    }

    /// Deletes the listed files and folders from a directory. The manifest is the last file that is deleted.
    ///
    /// # Errors
    /// If something can't be deleted, or if a folder contains other files. Those are kept.
    pub(super) fn remove(&self, directory: &Path) -> io::Result<()> {
        let manifest = Path::new(MANIFEST);
        let others = self.files.iter().map(PathBuf::as_path).filter(|file| *file != manifest);
        for file in others.chain([manifest]) {
            gone(fs::remove_file(directory.join(file)))?;
        }
        self.remove_folders(directory)
    }

    /// Returns the files, the manifest first: without it the directory is not a dataset.
    pub(super) fn manifest_first(&self) -> impl Iterator<Item = &Path> {
        let (manifest, others): (Vec<&Path>, Vec<&Path>) =
            self.files.iter().map(PathBuf::as_path).partition(|file| *file == Path::new(MANIFEST));
        manifest.into_iter().chain(others)
    }

    /// Deletes the listed folders.
    ///
    /// # Errors
    /// If a folder can't be deleted, or contains other files.
    pub(super) fn remove_folders(&self, directory: &Path) -> io::Result<()> {
        // Reverse order: a folder sorts before the folders inside it.
        for folder in self.folders.iter().rev() {
            gone(fs::remove_dir(directory.join(folder)))?;
        }
        Ok(())
    }
}

/// Ignores the error that a file to delete does not exist.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
