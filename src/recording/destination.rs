//! What a path leads to. This decides how reenact writes it; all code that writes files uses this module.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::path_problem::PathProblem;
use crate::output::{Direct, LOOK, Stalled, Stop, is_asked, stdout_file};

/// What a path leads to, after all symbolic links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nothing yet. For a dangling link, this is the path that it points to.
    Missing(PathBuf),
    /// A regular file.
    File(PathBuf),
    /// A directory.
    Directory(PathBuf),
    /// A device, a FIFO or a socket. reenact writes to it directly.
    Special(PathBuf),
    /// An open file of a process, such as `/dev/stdout` or `/dev/fd/3`. reenact writes to it directly, at its current
    /// position.
    Descriptor(Descriptor),
}

/// An open file of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// `/proc/PID/fd`, or `/dev/fd`.
    folder: PathBuf,
    number: u32,
}

/// The number of links that are followed before a path counts as a loop; Linux has the same limit.
pub(super) const MOST_LINKS: usize = 40;

impl Destination {
    /// Determines what a path leads to.
    ///
    /// # Errors
    /// If the file system refuses access, or if links form a loop.
    pub fn of(path: &Path) -> Result<Destination, PathProblem> {
        let io = |source| PathProblem::io(path, source);
        let mut place = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            if let Some(descriptor) = Descriptor::at(&place) {
                return descriptor.destination();
            }
            let meta = match place.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Destination::Missing(place));
                }
                meta => meta.map_err(io)?,
            };
            if !meta.is_symlink() {
                return match () {
                    () if meta.is_dir() => named(place).map(Destination::Directory).map_err(io),
                    () if meta.is_file() => Ok(Destination::File(place)),
                    () => Ok(Destination::Special(place)),
                };
            }
            place = parent(&place).join(fs::read_link(&place).map_err(io)?);
        }
        Err(io(io::Error::other("too many symbolic links")))
    }

    /// Returns standard output, which `-` names.
    pub fn stdout() -> Destination {
        let folder = Path::new("/proc/self/fd").canonicalize().unwrap_or_else(|_| "/dev/fd".into());
        Destination::Descriptor(Descriptor { folder, number: 1 })
    }

    /// Whether reenact writes to it directly, without a temporary file that is later renamed or deleted.
    pub fn is_direct(&self) -> bool {
        matches!(self, Destination::Special(_) | Destination::Descriptor(_))
    }

    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Destination::Descriptor(descriptor) if descriptor.is_own() && descriptor.number == 1)
    }

    /// Opens a destination that is written directly; `None` for all others. Opening a FIFO waits for its reader until
    /// `stop` is set.
    pub(super) fn open(&self, stop: Option<Stop>) -> Option<io::Result<Direct>> {
        let opened = match self {
            Destination::Special(place) if stop.is_some() && is_fifo(place) => {
                open_fifo(place, stop.as_ref())
            }
            Destination::Special(place) => OpenOptions::new().write(true).open(place),
            Destination::Descriptor(descriptor) => descriptor.open(),
            _ => return None,
        };
        Some(opened.map(|file| Direct::new(file, stop)))
    }

    /// Returns the same path for all names of a file or directory, so that overlaps are detected. Returns `None` for
    /// devices, FIFOs and sockets, which several outputs may share.
    pub fn identity(&self) -> Option<PathBuf> {
        match self {
            Destination::Missing(place) | Destination::File(place) | Destination::Directory(place) => {
                Some(resolved(place))
            }
            Destination::Special(_) => None,
            Destination::Descriptor(descriptor) => {
                let place = descriptor.folder.join(descriptor.number.to_string());
                let is_file = fs::metadata(&place).is_ok_and(|meta| meta.is_file());
                let target = if is_file { fs::read_link(&place).ok() } else { None };
                Some(target.filter(|target| target.exists()).unwrap_or(place))
            }
        }
    }
}

impl Descriptor {
    /// Returns the descriptor that a path names, if it names one.
    fn at(place: &Path) -> Option<Descriptor> {
        let number: u32 = place.file_name()?.to_str()?.parse().ok()?;
        let folder = parent(place).canonicalize().ok()?;
        let parts: Vec<&str> = folder.components().filter_map(name).collect();
        match parts[..] {
            ["proc", _, "fd"] | ["proc", _, "task", _, "fd"] | ["dev", "fd"] => {
                Some(Descriptor { folder, number })
            }
            _ => None,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.number.to_string())
    }

    /// Returns the directory, if a directory is open, or else the descriptor itself.
    fn destination(self) -> Result<Destination, PathProblem> {
        let path = self.path();
        let meta = fs::metadata(&path).map_err(|source| PathProblem::io(&path, source))?;
        if meta.is_dir() {
            let place = path.canonicalize().map_err(|source| PathProblem::io(&path, source))?;
            return Ok(Destination::Directory(place));
        }
        Ok(Destination::Descriptor(self))
    }

    fn is_own(&self) -> bool {
        let own = std::process::id().to_string();
        let parts: Vec<&str> = self.folder.components().filter_map(name).collect();
        parts.first() == Some(&"dev") || parts.get(1) == Some(&&*own)
    }

    /// Opens the open file at its current position, so that nothing that others write to it before or after is
    /// overwritten.
    fn open(&self) -> io::Result<File> {
        if self.is_own()
            && let Some(shared) = shared(self.number)
        {
            return Ok(shared);
        }
        // This is a new open file with the same name, so start at the position of the descriptor.
        let info = self.folder.with_file_name("fdinfo").join(self.number.to_string());
        let info = fs::read_to_string(info).unwrap_or_default();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let flags = field("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok());
        let appends = flags.is_some_and(|flags| flags & 0o2000 != 0);
        let mut file = OpenOptions::new().write(true).append(appends).open(self.path())?;
        if let Some(position) = field("pos:").and_then(|position| position.parse().ok()) {
            // Seeking fails on a pipe, which has no position.
            let _ = file.seek(SeekFrom::Start(position));
        }
        Ok(file)
    }
}

#[cfg(unix)]
fn is_fifo(place: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(place).is_ok_and(|meta| meta.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_: &Path) -> bool {
    false
}

/// Opens a FIFO once it has a reader. A plain open would block until then and could not be stopped.
#[cfg(unix)]
fn open_fifo(place: &Path, stop: Option<&Stop>) -> io::Result<File> {
    use rustix::fs::{OFlags, fcntl_setfl};
    use std::os::unix::fs::OpenOptionsExt as _;
    let without_waiting = OFlags::NONBLOCK.bits() as _;
    loop {
        match OpenOptions::new().write(true).custom_flags(without_waiting).open(place) {
            Ok(file) => {
                fcntl_setfl(&file, OFlags::empty())?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        if is_asked(stop) {
            return Err(io::Error::other(Stalled));
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(not(unix))]
fn open_fifo(place: &Path, _: Option<&Stop>) -> io::Result<File> {
    OpenOptions::new().write(true).open(place)
}

/// Returns a second handle of an open file of this process.
#[cfg(unix)]
fn shared(number: u32) -> Option<File> {
    use std::os::fd::AsFd as _;
    match number {
        0 => io::stdin().as_fd().try_clone_to_owned().ok().map(File::from),
        1 => stdout_file(),
        2 => io::stderr().as_fd().try_clone_to_owned().ok().map(File::from),
        other => duplicate(other),
    }
}

#[cfg(not(unix))]
fn shared(_: u32) -> Option<File> {
    None
}

/// Duplicates a descriptor by its number. Linux supports this since 5.6; the standard library has no safe function for
/// it.
#[cfg(target_os = "linux")]
fn duplicate(number: u32) -> Option<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let number = i32::try_from(number).ok()?;
    pidfd_getfd(own, number, PidfdGetfdFlags::empty()).ok().map(File::from)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn duplicate(_: u32) -> Option<File> {
    None
}

fn name(part: Component<'_>) -> Option<&str> {
    match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

/// Returns the folder that contains a path; never empty.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns a path of the directory that has a last component, which `.` and `..` lack.
fn named(place: PathBuf) -> io::Result<PathBuf> {
    if place.file_name().is_some() { Ok(place) } else { place.canonicalize() }
}

/// Returns a path without links, `.` and `..`, as far as it exists.
fn resolved(place: &Path) -> PathBuf {
    let absolute = std::path::absolute(place).unwrap_or_else(|_| place.into());
    let mut known = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(known.pop()),
            part => known.push(part),
        }
        known = known.canonicalize().unwrap_or(known);
    }
    known
}
