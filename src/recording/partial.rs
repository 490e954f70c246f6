use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::RECORDS;
use super::manifest::{MANIFEST, Manifest, SCENARIO};
use crate::batch::RecordType;

/// A file or directory in the making: written beside its final name and renamed when it is whole.
#[derive(Debug)]
pub struct Partial {
    temporary: PathBuf,
    place: PathBuf,
    replaces: bool,
}

/// Why a path can't be written, found before anything is rendered.
#[derive(Debug, thiserror::Error)]
pub enum PathProblem {
    /// Something is there.
    #[error("`{0}` exists already")]
    Exists(PathBuf),
    /// Something is there that `--force` does not replace.
    #[error("`{0}` is no dataset of reenact, so not even `--force` replaces it")]
    Foreign(PathBuf),
    /// A directory stands where a file should, or the other way round.
    #[error("`{0}` is a directory")]
    IsDirectory(PathBuf),
    /// The temporary name is taken: another run is writing it, or one was killed.
    #[error("`{0}` is there: another run is writing this output, or one was killed while it did")]
    InTheMaking(PathBuf),
    /// The path has no last part.
    #[error("`{0}` names no file or directory")]
    Nameless(PathBuf),
    /// The file system said no.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PathProblem {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            PathProblem::Exists(_) => "choose another path, or add `--force` to replace it",
            PathProblem::Foreign(_) => "choose another path",
            PathProblem::IsDirectory(_) => "add a `/` at its end to write a dataset directory",
            PathProblem::InTheMaking(_) => "wait for the other run, or remove it if there is none",
            PathProblem::Nameless(_) => "name the file or directory to write",
            PathProblem::Io { .. } => "make its folder, or choose a path that may be written",
        }
    }
}

impl Partial {
    /// Begins a dataset directory.
    ///
    /// # Errors
    /// If it exists and may not be replaced, or can't be made.
    pub fn directory(place: &Path, force: bool) -> Result<Partial, PathProblem> {
        let replaces = is_there(place);
        if replaces && !force {
            return Err(PathProblem::Exists(place.into()));
        }
        if replaces && !is_dataset(place) {
            return Err(PathProblem::Foreign(place.into()));
        }
        let partial = Partial { temporary: beside(place)?, place: place.into(), replaces };
        partial.made(fs::create_dir(&partial.temporary))?;
        Ok(partial)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// If it exists and may not be replaced, or can't be made.
    pub fn file(place: &Path, force: bool) -> Result<(Partial, File), PathProblem> {
        if place.is_dir() {
            return Err(PathProblem::IsDirectory(place.into()));
        }
        let replaces = is_there(place);
        if replaces && !force {
            return Err(PathProblem::Exists(place.into()));
        }
        let partial = Partial { temporary: beside(place)?, place: place.into(), replaces };
        let file = partial.made(File::create_new(&partial.temporary))?;
        Ok((partial, file))
    }

    fn made<T>(&self, result: io::Result<T>) -> Result<T, PathProblem> {
        result.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => PathProblem::InTheMaking(self.temporary.clone()),
            _ => PathProblem::Io { path: self.place.clone(), source },
        })
    }

    /// Its final name.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where it is written for now.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its final name; what stood there stays until the new one is whole.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn publish(self) -> io::Result<()> {
        let folder = parent(&self.place).to_path_buf();
        let renamed = self.rename();
        if renamed.is_err() {
            self.discard();
            return renamed;
        }
        File::open(folder)?.sync_all()
    }

    fn rename(&self) -> io::Result<()> {
        if self.temporary.is_dir() {
            sync_tree(&self.temporary)?;
        }
        if !(self.replaces && self.place.is_dir()) {
            return fs::rename(&self.temporary, &self.place);
        }
        let old = self.temporary.with_extension("reenact-old");
        fs::rename(&self.place, &old)?;
        // The old one takes its name back where the new one can't.
        fs::rename(&self.temporary, &self.place)
            .or_else(|error| fs::rename(&old, &self.place).and(Err(error)))?;
        fs::remove_dir_all(&old)
    }

    /// Takes it away again.
    pub fn discard(self) {
        // Nothing can be done about a leftover that can't be removed; the next run tells of it.
        let _ = if self.temporary.is_dir() {
            fs::remove_dir_all(&self.temporary)
        } else {
            fs::remove_file(&self.temporary)
        };
    }
}

/// Whether anything has this name, a dangling link too.
fn is_there(place: &Path) -> bool {
    place.symlink_metadata().is_ok()
}

/// Whether a directory is a dataset of ours with nothing of anybody else's in it.
fn is_dataset(place: &Path) -> bool {
    let manifest = fs::read(place.join(MANIFEST)).ok();
    let is_ours = manifest.is_some_and(|text| serde_json::from_slice::<Manifest>(&text).is_ok());
    let known = |name: &OsStr| {
        let record = RecordType::ALL.iter().any(|record| name == record.name());
        record
            || [MANIFEST, SCENARIO, RECORDS].iter().any(|file| name == *file)
            || name.as_encoded_bytes().starts_with(b"labels.")
    };
    let entries =
        fs::read_dir(place).map(|mut entries| entries.all(|e| e.is_ok_and(|e| known(&e.file_name()))));
    is_ours && entries.unwrap_or(false)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `.NAME.reenact-partial` beside the final name.
fn beside(place: &Path) -> Result<PathBuf, PathProblem> {
    let name = place.file_name().ok_or_else(|| PathProblem::Nameless(place.into()))?;
    Ok(parent(place).join(format!(".{}.reenact-partial", name.to_string_lossy())))
}

/// Makes a directory's entries durable (its files were synced as they were closed).
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(directory)?.sync_all()
}
