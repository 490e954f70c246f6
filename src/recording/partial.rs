use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::RECORDS;
use super::manifest::{MANIFEST, Manifest, SCENARIO};
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
    /// Another run holds the lock.
    #[error("another run is writing `{0}`")]
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
            PathProblem::InTheMaking(_) => "wait until it ends, or choose another path",
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
        let lawful = || match is_there(place) {
            true if !force => Err(PathProblem::Exists(place.into())),
            true if !is_dataset(place) => Err(PathProblem::Foreign(place.into())),
            replaces => Ok(replaces),
        };
        lawful()?;
        let temporary = beside(place, "partial")?;
        let make = |path: &Path| fs::create_dir(path).and_then(|()| File::open(path));
        let lock = claim(&temporary, place, make)?;
        let mut partial = Partial { temporary, place: place.into(), replaces: false, _lock: lock };
        let put_back = put_back(place).map_err(|source| PathProblem::Io { path: place.into(), source });
        match put_back.and_then(|()| lawful()) {
            Ok(replaces) => partial.replaces = replaces,
            Err(problem) => {
                partial.discard();
                return Err(problem);
            }
        }
        Ok(partial)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written, or can't be made.
    pub fn file(place: &Path, force: bool) -> Result<(Partial, File), PathProblem> {
        if place.is_dir() {
            return Err(PathProblem::IsDirectory(place.into()));
        }
        let replaces = is_there(place);
        if replaces && !force {
            return Err(PathProblem::Exists(place.into()));
        }
        let temporary = beside(place, "partial")?;
        let file = claim(&temporary, place, |path| File::create_new(path))?;
        // Both handles share one lock.
        let lock = file.try_clone().map_err(|source| PathProblem::Io { path: place.into(), source })?;
        Ok((Partial { temporary, place: place.into(), replaces, _lock: lock }, file))
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
    for _ in 0..TRIES {
        match make(temporary) {
            Ok(made) => match lock(&made, temporary).map_err(io)? {
                Lock::Ours => return Ok(made),
                Lock::Another => return Err(PathProblem::InTheMaking(place.into())),
                Lock::Moved => {}
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let Ok(left) = File::open(temporary) else { continue };
                match lock(&left, temporary).map_err(io)? {
                    Lock::Ours => remove(temporary).map_err(io)?,
                    Lock::Another => return Err(PathProblem::InTheMaking(place.into())),
                    Lock::Moved => {}
                }
            }
            // Another run took away just now what was made here just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent(temporary).is_dir() => {}
            Err(error) => return Err(io(error)),
        }
    }
    Err(PathProblem::InTheMaking(place.into()))
}

enum Lock {
    Ours,
    Another,
    /// It is locked, and has this name no longer.
    Moved,
}

fn lock(file: &File, path: &Path) -> io::Result<Lock> {
    match file.try_lock() {
        Ok(()) if is_same(file, path) => Ok(Lock::Ours),
        Ok(()) => Ok(Lock::Moved),
        Err(TryLockError::WouldBlock) => Ok(Lock::Another),
        Err(TryLockError::Error(error)) => Err(error),
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
    let is_ours = manifest.is_some_and(|text| serde_json::from_slice::<Manifest>(&text).is_ok());
    let known = |name: &OsStr| {
        let is_table = |record: &RecordType| name == record.name() || *name == *csv_name(*record);
        RecordType::ALL.iter().any(is_table)
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
