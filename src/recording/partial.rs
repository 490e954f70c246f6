//! Creates, locks and discards unfinished outputs, and cleans up after killed runs.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::destination::{Destination, parent};
use super::inventory::{Contents, Inventory};
use super::manifest::MANIFEST;
use super::path_problem::PathProblem;
use super::publish::show_foreign;
use super::rename::rename_new;
use crate::output::{Direct, Stop};

/// An unfinished file or directory. It is written next to its final name under a lock, and renamed when it is complete.
///
/// A killed run leaves its file without a lock, and the next run removes it.
#[derive(Debug)]
pub struct Partial {
    pub(super) temporary: PathBuf,
    /// The final path, after all symbolic links are followed.
    pub(super) place: PathBuf,
    pub(super) sort: Sort,
    force: bool,
    /// The lock, which lasts until the output is published or discarded.
    pub(super) _lock: File,
}

/// The type of an output, which decides what it may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Directory,
    File,
}

/// What exists at the final path and will be replaced.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    File,
    EmptyDirectory,
    Dataset(Inventory),
}

/// The name of the partial output inside a directory that is filled in place.
const INSIDE: &str = ".reenact-partial";

impl Sort {
    /// Returns what exists at a path now, if it may be replaced.
    fn found(self, place: &Path, partial: &Path, force: bool) -> Result<Found, PathProblem> {
        // Links were followed earlier, so this link has appeared since.
        if place.is_symlink() {
            return Err(PathProblem::Exists(place.into()));
        }
        let contents = match (self, Destination::of(place)?) {
            (_, Destination::Missing(_)) => return Ok(Found::Nothing),
            (Sort::File, Destination::Directory(_)) => return Err(PathProblem::IsDirectory(place.into())),
            (Sort::File, Destination::File(_)) if !force => return Err(PathProblem::Exists(place.into())),
            (Sort::File, Destination::File(_)) if is_mount_point(place) => {
                return Err(PathProblem::IsMounted(place.into()));
            }
            (Sort::File, Destination::File(_)) => return Ok(Found::File),
            (Sort::File, _) => return Err(PathProblem::NotAFile(place.into())),
            (Sort::Directory, Destination::Directory(_)) => Contents::of(place, partial),
            (Sort::Directory, _) => return Err(PathProblem::NotADirectory(place.into())),
        };
        match contents.map_err(|source| PathProblem::io(place, source))? {
            Contents::Nothing => Ok(Found::EmptyDirectory),
            Contents::Dataset(old) if force => Ok(Found::Dataset(old)),
            Contents::Dataset(_) => Err(PathProblem::Exists(place.into())),
            Contents::Foreign(reason) => Err(PathProblem::Foreign { path: place.into(), reason }),
        }
    }
}

/// A file to write, of any type that its path leads to.
pub enum FileOutput {
    /// A device, a FIFO or an open file of a process. Written data cannot be taken back.
    Direct(Direct),
    /// A regular file, which appears at its path when it is complete.
    Partial(Partial, File),
}

impl FileOutput {
    /// Opens a file for writing. `stop` ends the wait for the reader of a pipe.
    ///
    /// # Errors
    /// If the file exists and may not be replaced, is being written by another run, or can't be created; or if `stop`
    /// is set.
    pub fn open(path: &Path, force: bool, stop: Option<Stop>) -> Result<FileOutput, PathProblem> {
        match Destination::of(path)?.open(stop) {
            Some(opened) => opened.map(FileOutput::Direct).map_err(|source| PathProblem::io(path, source)),
            None => Partial::file(path, force).map(|(partial, file)| FileOutput::Partial(partial, file)),
        }
    }

    /// Writes a complete file with these bytes, or nothing.
    ///
    /// # Errors
    /// If it can't be written. An existing regular file then stays as it was.
    pub fn write(path: &Path, force: bool, bytes: &[u8]) -> Result<(), PathProblem> {
        let io = |source| PathProblem::io(path, source);
        let (partial, mut file) = match FileOutput::open(path, force, None)? {
            FileOutput::Direct(mut file) => return file.write_all(bytes).map_err(io),
            FileOutput::Partial(partial, file) => (partial, file),
        };
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
            partial.discard();
            return Err(io(error));
        }
        partial.publish()
    }
}

impl Partial {
    /// Starts a dataset directory.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written by another run, or can't be created.
    pub fn directory(path: &Path, force: bool) -> Result<Partial, PathProblem> {
        let place = match Destination::of(path)? {
            Destination::Missing(place) | Destination::Directory(place) => place,
            _ => return Err(PathProblem::NotADirectory(path.into())),
        };
        let make = |path: &Path| {
            fs::create_dir(path)?;
            File::open(path).inspect_err(|_| drop(fs::remove_dir(path)))
        };
        let is_there = place.is_dir();
        // Keep a directory that the user names `.`: it is the working directory of other processes.
        if is_there && (path.file_name().is_none() || is_mount_point(&place)) {
            return Partial::begin(Sort::Directory, &place, place.join(INSIDE), force, make)
                .map(|(it, _)| it);
        }
        match Partial::begin(Sort::Directory, &place, sibling_path(&place, "partial")?, force, make) {
            // The directory may be writable even if its parent folder is not.
            Err(PathProblem::Io { source, .. }) if is_there && is_refused(&source) => {
                Partial::begin(Sort::Directory, &place, place.join(INSIDE), force, make)
            }
            begun => begun,
        }
        .map(|(partial, _)| partial)
    }

    /// Starts a regular file.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is not a regular file, is being written by another run, or can't be
    /// created.
    pub fn file(path: &Path, force: bool) -> Result<(Partial, File), PathProblem> {
        let place = match Destination::of(path)? {
            Destination::Missing(place) | Destination::File(place) | Destination::Directory(place) => place,
            _ => return Err(PathProblem::NotAFile(path.into())),
        };
        let temporary = sibling_path(&place, "partial")?;
        Partial::begin(Sort::File, &place, temporary, force, |path| File::create_new(path))
    }

    fn begin(
        sort: Sort,
        place: &Path,
        temporary: PathBuf,
        force: bool,
        make: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<(Partial, File), PathProblem> {
        sort.found(place, &temporary, force)?;
        let io = |source| PathProblem::io(place, source);
        let made = claim(&temporary, place, make)?;
        // Both handles share one lock.
        let lock = match made.try_clone() {
            Ok(lock) => lock,
            Err(error) => {
                // If no more files can be opened, removing a directory needs the descriptor of `made`.
                drop(made);
                let _ = remove(&temporary);
                return Err(io(error));
            }
        };
        let partial = Partial { temporary, place: place.into(), sort, force, _lock: lock };
        // This run now has the lock, so look again: another run may have ended a moment ago.
        let found = put_back(place).map_err(io).and_then(|()| partial.found());
        // The replacement gets the permissions of what it replaces.
        let found = found.and_then(|found| match found {
            Found::Nothing => Ok(()),
            _ => fs::metadata(place).and_then(|old| made.set_permissions(old.permissions())).map_err(io),
        });
        match found {
            Ok(()) => Ok((partial, made)),
            Err(problem) => {
                partial.discard();
                Err(problem)
            }
        }
    }

    /// Returns what it would replace now.
    pub(super) fn found(&self) -> Result<Found, PathProblem> {
        self.sort.found(&self.place, &self.temporary, self.force)
    }

    /// Returns the final path.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Whether it is written inside the directory that it becomes.
    pub(super) fn is_in_place(&self) -> bool {
        self.temporary.parent() == Some(&self.place)
    }

    /// Removes the unfinished output.
    pub fn discard(self) {
        let Partial { temporary, _lock, .. } = self;
        if remove(&temporary).is_ok() {
            return;
        }
        // If no more files can be opened, free the lock's descriptor: removing a directory opens it. A name with the
        // process id needs no lock.
        let mut own = temporary.clone().into_os_string();
        own.push(format!("-{}", std::process::id()));
        if rename_new(&temporary, own.as_ref()).is_ok() {
            drop(_lock);
            if remove(own.as_ref()).is_err() {
                // If this fails, the next run tries again.
                let _ = rename_new(own.as_ref(), &temporary);
            }
        }
    }
}

/// How often to try a name that other runs take and release at the same moment.
const TRIES: u32 = 100;

/// Creates and locks `temporary`, after removing what a killed run left under this name.
fn claim(
    temporary: &Path,
    place: &Path,
    make: impl Fn(&Path) -> io::Result<File>,
) -> Result<File, PathProblem> {
    let io = |source| PathProblem::io(place, source);
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
                    Err(source) => return Err(PathProblem::io(temporary, source)),
                };
                match lock(&left, temporary) {
                    Lock::Ours => clear(temporary, place).map_err(io)?,
                    Lock::Another => return Err(PathProblem::InTheMaking(place.into())),
                    Lock::Unknown => return Err(PathProblem::Left(temporary.into())),
                    Lock::Moved => {}
                }
            }
            // Another run has just removed what was created here; or the folder was deleted but is still open, for
            // example as a working directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent(temporary).is_dir() => {
                gone = Some(error);
                continue;
            }
            Err(error) => return Err(io(error)),
        }
    }
    Err(gone.map_or_else(|| PathProblem::InTheMaking(place.into()), io))
}

/// Removes what a killed run left. If the leftover is a dataset directory to which others have added files since, it is
/// kept under a visible name.
fn clear(temporary: &Path, place: &Path) -> io::Result<()> {
    if is_there(&temporary.join(super::publish::OLD)) {
        // The run was killed while it filled the directory, which is a dataset only once it has its manifest.
        if !is_there(&place.join(MANIFEST))
            && let Contents::Dataset(half) = Contents::of(place, temporary)?
        {
            half.remove(place)?;
        }
    } else if is_there(&temporary.join(MANIFEST)) {
        show_foreign(temporary, place);
    }
    if is_there(temporary) { remove(temporary) } else { Ok(()) }
}

enum Lock {
    Ours,
    Another,
    /// The file is locked, but no longer has this name.
    Moved,
    /// The file system does not support locks, or not on directories.
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

/// Whether a path still leads to this open file.
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

/// Whether a file or directory is mounted at this path, so that nothing else can get its name.
fn is_mount_point(place: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        let wanted = StatxAttributes::MOUNT_ROOT;
        match statx(CWD, place, AtFlags::empty(), StatxFlags::empty()) {
            Ok(meta) if meta.stx_attributes_mask.contains(wanted) => {
                return meta.stx_attributes.contains(wanted);
            }
            _ => {}
        }
    }
    is_on_another_device(place)
}

#[cfg(unix)]
fn is_on_another_device(place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(place) != device(parent(place))
}

#[cfg(not(unix))]
fn is_on_another_device(_: &Path) -> bool {
    false
}

/// Whether an error says that this program may not write into a folder.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Completes or reverts the replacement of a dataset after a run was killed during it. This is needed on file systems
/// that cannot exchange two names.
fn put_back(place: &Path) -> io::Result<()> {
    let Ok(old) = sibling_path(place, "old") else { return Ok(()) };
    match (is_there(&old), is_there(place)) {
        (false, _) => Ok(()),
        (true, false) => fs::rename(&old, place),
        (true, true) => {
            show_foreign(&old, place);
            if is_there(&old) { remove(&old) } else { Ok(()) }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether anything exists at this path, including a dangling link.
pub(super) fn is_there(place: &Path) -> bool {
    place.symlink_metadata().is_ok()
}

/// Returns `.NAME.reenact-partial` or `.NAME.reenact-old`, next to the final name.
pub(super) fn sibling_path(place: &Path, what: &str) -> Result<PathBuf, PathProblem> {
    let name = place.file_name().ok_or_else(|| PathProblem::Nameless(place.into()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".reenact-{what}"));
    Ok(parent(place).join(hidden))
}
