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

/// A file or directory in the making: written next to its final name under a lock, renamed when it is whole.
///
/// What a killed run left has no lock any more, and the next run takes it away.
#[derive(Debug)]
pub struct Partial {
    pub(super) temporary: PathBuf,
    /// The final name, symbolic links followed to their end.
    pub(super) place: PathBuf,
    pub(super) sort: Sort,
    force: bool,
    /// Held until it is published or discarded.
    pub(super) _lock: File,
}

/// What an output is, which decides what it may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Directory,
    File,
}

/// What is replaced.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    File,
    EmptyDirectory,
    Dataset(Inventory),
}

/// In a directory that is filled in place, what is written until it is whole.
const INSIDE: &str = ".reenact-partial";

impl Sort {
    /// What is at a place now, if it may be replaced.
    fn found(self, place: &Path, partial: &Path, force: bool) -> Result<Found, PathProblem> {
        // Links were followed before: this one appeared meanwhile.
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

/// A file that is written, whatever its path leads to.
pub enum FileOutput {
    /// A device, a FIFO, an open file of a process: what is written is gone.
    Direct(Direct),
    /// A regular file, which appears when it is whole.
    Partial(Partial, File),
}

impl FileOutput {
    /// Begins to write a file. `stop` ends a wait for the reader of a pipe.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written, or can't be made; or if it is stopped.
    pub fn open(path: &Path, force: bool, stop: Option<Stop>) -> Result<FileOutput, PathProblem> {
        match Destination::of(path)?.open(stop) {
            Some(opened) => opened.map(FileOutput::Direct).map_err(|source| PathProblem::io(path, source)),
            None => Partial::file(path, force).map(|(partial, file)| FileOutput::Partial(partial, file)),
        }
    }

    /// Writes a whole file of these bytes, or none.
    ///
    /// # Errors
    /// If it can't be written; then it is as it was.
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
    /// Begins a dataset directory.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is being written, or can't be made.
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
        // A directory that is called `.` stays the same one: it is the working directory of others.
        if is_there && (path.file_name().is_none() || is_mount_point(&place)) {
            return Partial::begin(Sort::Directory, &place, place.join(INSIDE), force, make)
                .map(|(it, _)| it);
        }
        match Partial::begin(Sort::Directory, &place, beside(&place, "partial")?, force, make) {
            // It may be writable where its folder is not.
            Err(PathProblem::Io { source, .. }) if is_there && is_refused(&source) => {
                Partial::begin(Sort::Directory, &place, place.join(INSIDE), force, make)
            }
            begun => begun,
        }
        .map(|(partial, _)| partial)
    }

    /// Begins a regular file.
    ///
    /// # Errors
    /// If it exists and may not be replaced, is not a regular file, is being written, or can't be made.
    pub fn file(path: &Path, force: bool) -> Result<(Partial, File), PathProblem> {
        let place = match Destination::of(path)? {
            Destination::Missing(place) | Destination::File(place) | Destination::Directory(place) => place,
            _ => return Err(PathProblem::NotAFile(path.into())),
        };
        let temporary = beside(&place, "partial")?;
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
                // Where no file can be opened, this one is closed first.
                drop(made);
                let _ = remove(&temporary);
                return Err(io(error));
            }
        };
        let partial = Partial { temporary, place: place.into(), sort, force, _lock: lock };
        // The lock is ours, so look again: another run may just have ended.
        let found = put_back(place).map_err(io).and_then(|()| partial.found());
        // What replaces something is for the same users.
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

    /// What it would replace now.
    pub(super) fn found(&self) -> Result<Found, PathProblem> {
        self.sort.found(&self.place, &self.temporary, self.force)
    }

    /// Its final name.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where it is written for now.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Whether it is written inside the directory that it becomes.
    pub(super) fn is_in_place(&self) -> bool {
        self.temporary.parent() == Some(&self.place)
    }

    /// Takes it away again.
    pub fn discard(self) {
        let Partial { temporary, _lock, .. } = self;
        if remove(&temporary).is_ok() {
            return;
        }
        // Where no more files can be opened, the lock's is needed. Under a name of its own it needs no lock.
        let mut own = temporary.clone().into_os_string();
        own.push(format!("-{}", std::process::id()));
        if rename_new(&temporary, own.as_ref()).is_ok() {
            drop(_lock);
            if remove(own.as_ref()).is_err() {
                // The next run tries again.
                let _ = rename_new(own.as_ref(), &temporary);
            }
        }
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

/// Takes away what a killed run left. What it was replacing was a directory of others' if they have written into it
/// since.
fn clear(temporary: &Path, place: &Path) -> io::Result<()> {
    if is_there(&temporary.join(super::publish::OLD)) {
        // It was killed while it filled the directory, which is a dataset only with its manifest.
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

/// Whether a file or directory is mounted at this path, so that no other can have its name.
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

/// Whether a folder does not let this program write into it.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Ends what a run was killed in while it replaced a dataset without an exchange of names.
fn put_back(place: &Path) -> io::Result<()> {
    let Ok(old) = beside(place, "old") else { return Ok(()) };
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

/// Whether anything has this name, a dangling link too.
pub(super) fn is_there(place: &Path) -> bool {
    place.symlink_metadata().is_ok()
}

/// `.NAME.reenact-partial` or `.NAME.reenact-old`, next to the final name.
pub(super) fn beside(place: &Path, what: &str) -> Result<PathBuf, PathProblem> {
    let name = place.file_name().ok_or_else(|| PathProblem::Nameless(place.into()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".reenact-{what}"));
    Ok(parent(place).join(hidden))
}
