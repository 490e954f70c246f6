use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::RECORDS;
use super::manifest::{FORMAT, MANIFEST, Manifest, SCENARIO};
use crate::batch::RecordType;
use crate::output::csv_name;

/// A file or directory in the making: written beside its final name under a lock, renamed when it is whole.
///
/// What a killed run left has no lock any more, and the next run takes it away.
#[derive(Debug)]
pub struct Partial {
    temporary: PathBuf,
    place: PathBuf,
    replaces: bool,
    /// Held until it is published or discarded.
    _lock: File,
}

/// What an output is, which decides what it may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Directory,
    File,
}

impl Sort {
    /// Whether something is replaced, if that is lawful.
    fn replaces(self, place: &Path, force: bool) -> Result<bool, PathProblem> {
        match (self, is_there(place)) {
            (_, false) => Ok(false),
            (Sort::File, true) if place.is_dir() => Err(PathProblem::IsDirectory(place.into())),
            (_, true) if !force => Err(PathProblem::Exists(place.into())),
            (Sort::Directory, true) if !is_dataset(place) => Err(PathProblem::Foreign(place.into())),
            _ => Ok(true),
        }
    }
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
    /// A directory stands where a file should.
    #[error("`{0}` is a directory")]
    IsDirectory(PathBuf),
    /// Another run holds the lock.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// Something is left that may be in use: this file system has no locks.
    #[error("`{0}` is there, and this file system does not tell whether another run is writing it")]
    Left(PathBuf),
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
            PathProblem::InTheMaking(_) => "wait until it ends, or choose another path",
            PathProblem::Left(_) => "remove it if no run does, or choose another path",
            PathProblem::Nameless(_) => "name the file or directory to write",
            PathProblem::Io { .. } => "make its folder, or choose a path that may be written",
        }
    }
}

impl Partial {
    /// Begins a dataset directory.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written, or can't be made.
    pub fn directory(place: &Path, force: bool) -> Result<Partial, PathProblem> {
        let make = |path: &Path| fs::create_dir(path).and_then(|()| File::open(path));
        Partial::begin(Sort::Directory, place, force, make).map(|(partial, _)| partial)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written, or can't be made.
    pub fn file(place: &Path, force: bool) -> Result<(Partial, File), PathProblem> {
        Partial::begin(Sort::File, place, force, |path| File::create_new(path))
    }

    fn begin(
        sort: Sort,
        place: &Path,
        force: bool,
        make: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<(Partial, File), PathProblem> {
        sort.replaces(place, force)?;
        let io = |source| PathProblem::Io { path: place.into(), source };
        let temporary = beside(place, "partial")?;
        let made = claim(&temporary, place, make)?;
        // Both handles share one lock.
        let lock = made.try_clone().map_err(io)?;
        let mut partial = Partial { temporary, place: place.into(), replaces: false, _lock: lock };
        // Now that nobody else writes it: what another run has just ended is there.
        match put_back(place).map_err(io).and_then(|()| sort.replaces(place, force)) {
            Ok(replaces) => {
                partial.replaces = replaces;
                Ok((partial, made))
            }
            Err(problem) => {
                partial.discard();
                Err(problem)
            }
        }
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
        // Under a lock too, or the next run would take what is being removed for a leftover.
        let old = File::open(&self.place)?;
        let _ = old.try_lock();
        if exchange(&self.temporary, &self.place).is_ok() {
            // The old one has the temporary name now; if it can't be removed, the next run tries again.
            let _ = remove(&self.temporary);
            return Ok(());
        }
        // A file system that can't exchange two names. If this is the end, the next run puts it back.
        let old = beside(&self.place, "old").map_err(io::Error::other)?;
        fs::rename(&self.place, &old)?;
        fs::rename(&self.temporary, &self.place)
            .or_else(|error| fs::rename(&old, &self.place).and(Err(error)))?;
        let _ = remove(&old);
        Ok(())
    }

    /// Takes it away again.
    pub fn discard(self) {
        // Nothing can be done about what can't be removed; the next run tries again.
        let _ = remove(&self.temporary);
    }
}

/// How often a name is tried that other runs take and give up at the same moment.
const TRIES: u32 = 100;

/// Makes `temporary` and locks it; what a killed run left under this name is taken away first.
fn claim(
    temporary: &Path,
    place: &Path,
    make: impl Fn(&Path) -> io::Result<File>,
) -> Result<File, PathProblem> {
    let io = |source| PathProblem::Io { path: place.into(), source };
    let mut gone = None;
    for _ in 0..TRIES {
        match make(temporary) {
            Ok(made) => match lock(&made, temporary) {
                Lock::Ours | Lock::Unknown => return Ok(made),
                Lock::Another => return Err(PathProblem::InTheMaking(place.into())),
                Lock::Moved => {}
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let left = match File::open(temporary) {
                    Ok(left) => left,
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there(temporary) => continue,
                    Err(source) => return Err(PathProblem::Io { path: temporary.into(), source }),
                };
                match lock(&left, temporary) {
                    Lock::Ours => remove(temporary).map_err(io)?,
                    Lock::Another => return Err(PathProblem::InTheMaking(place.into())),
                    Lock::Unknown => return Err(PathProblem::Left(temporary.into())),
                    Lock::Moved => {}
                }
            }
            // Another run took away just now what was made here just now; or the folder was deleted and is still open,
            // as a working directory is.
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent(temporary).is_dir() => {
                gone = Some(error);
                continue;
            }
            Err(error) => return Err(io(error)),
        }
    }
    Err(gone.map_or_else(|| PathProblem::InTheMaking(place.into()), io))
}

enum Lock {
    Ours,
    Another,
    /// It is locked, and has this name no longer.
    Moved,
    /// This file system has no locks, or none on directories.
    Unknown,
}

fn lock(file: &File, path: &Path) -> Lock {
    match file.try_lock() {
        Ok(()) if is_same(file, path) => Lock::Ours,
        Ok(()) => Lock::Moved,
        Err(TryLockError::WouldBlock) => Lock::Another,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

/// Whether a path still names an open file.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => id(open) == id(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Gives two names to each other's owners, so that at no moment one of them is missing.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ends what a run was killed in while it replaced a dataset without `exchange`.
fn put_back(place: &Path) -> io::Result<()> {
    let Ok(old) = beside(place, "old") else { return Ok(()) };
    match (is_there(&old), is_there(place)) {
        (false, _) => Ok(()),
        (true, false) => fs::rename(&old, place),
        (true, true) => remove(&old),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether anything has this name, a dangling link too.
fn is_there(place: &Path) -> bool {
    place.symlink_metadata().is_ok()
}

/// Whether a directory is a dataset of ours with nothing of anybody else's in it.
fn is_dataset(place: &Path) -> bool {
    let manifest = fs::read(place.join(MANIFEST)).ok();
    let manifest = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    let is_ours = manifest.is_some_and(|manifest| manifest.format == FORMAT);
    let names = |folder: &Path| -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    };
    let is_part = |name: &OsString| {
        let number = name.to_str().and_then(|name| name.strip_prefix("part-")?.strip_suffix(".parquet"));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_known = |name: &OsString| {
        if RecordType::ALL.iter().any(|record| *name == *record.name()) {
            return names(&place.join(name)).is_ok_and(|parts| parts.iter().all(is_part));
        }
        let labels = ["ndjson", "csv", "parquet"].map(|format| format!("labels.{format}"));
        let tables = RecordType::ALL.map(csv_name);
        let files = [MANIFEST, SCENARIO, RECORDS].into_iter();
        files.chain(labels.iter().chain(&tables).map(String::as_str)).any(|file| *name == *file)
    };
    is_ours && names(place).is_ok_and(|names| names.iter().all(is_known))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `.NAME.reenact-partial` or `.NAME.reenact-old`, beside the final name.
fn beside(place: &Path, what: &str) -> Result<PathBuf, PathProblem> {
    let name = place.file_name().ok_or_else(|| PathProblem::Nameless(place.into()))?;
    Ok(parent(place).join(format!(".{}.reenact-{what}", name.to_string_lossy())))
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
