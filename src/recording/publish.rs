//! Gives complete outputs their final names. Nothing that appeared in the meantime is replaced, and no complete output
//! is lost.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::destination::parent;
use super::fill::needs_filling;
use super::inventory::{Contents, Inventory};
use super::partial::{Found, Partial, Sort, is_there, sibling_path};
use super::path_problem::{PathProblem, PublishError, Reason};
use super::rename::{exchange, rename_new};

/// The folder in a partial directory that contains the old dataset's files while files are moved one by one.
pub(super) const OLD: &str = "old";

/// How often to try names that other programs take at the same moment.
const TRIES: u32 = 1_000;

/// What a rename replaced.
#[derive(Debug)]
pub(super) enum Replaced {
    Nothing,
    /// A file, which now has the temporary name. The lock keeps the next run from removing it as a leftover.
    File {
        _lock: Option<File>,
    },
    /// Something that no longer exists.
    Gone,
}

/// Gives outputs that belong together their final names, in this order. Then removes the `stale` files, which belonged
/// to the replaced outputs.
///
/// # Errors
/// If an output can't get its name. The earlier ones then give up theirs, and all are kept under similar names.
pub fn publish_together(partials: Vec<Partial>, stale: &[PathBuf]) -> Result<(), PublishError> {
    let mut reason = partials.iter().find_map(|partial| partial.found().err()).map(Reason::of);
    let mut published = Vec::new();
    let mut left = Vec::new();
    for partial in partials {
        if reason.is_none() {
            match partial.rename() {
                Ok(replaced) => {
                    published.push((partial, replaced));
                    continue;
                }
                Err(why) => reason = Some(why),
            }
        }
        left.push(partial);
    }
    let Some(reason) = reason else {
        // If one file can't be removed, the others are removed anyway.
        let old = published.iter().map(|(partial, replaced)| partial.remove_replaced(replaced));
        let stale = stale.iter().map(|path| remove_stale(path));
        let removed = old.chain(stale).fold(Ok(()), Result::and);
        let folders: BTreeSet<PathBuf> =
            published.iter().map(|(partial, _)| parent(&partial.place).into()).collect();
        // Syncing opens the folder. If few files can be opened, this needs the descriptor of a lock.
        drop(published);
        let synced = folders.iter().try_for_each(|folder| sync_folder(folder));
        return removed.and(synced).map_err(PublishError::new);
    };
    for (partial, replaced) in published {
        if partial.take_back(&replaced) {
            left.push(partial);
        }
    }
    Err(PublishError { reason, kept: keep(&left) })
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), Reason> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| Reason::Io { path: folder.into(), source })
}

/// Removes a file that belonged to a replaced output, unless something else has its name now.
fn remove_stale(path: &Path) -> Result<(), Reason> {
    match path.is_file().then(|| fs::remove_file(path)) {
        Some(Err(source)) if source.kind() != io::ErrorKind::NotFound => {
            Err(Reason::Stale { path: path.into(), source })
        }
        _ => Ok(()),
    }
}

/// Gives complete outputs names that no run deletes. If that fails, they keep their temporary names.
fn keep(partials: &[Partial]) -> Vec<PathBuf> {
    let names =
        |number| -> Vec<PathBuf> { partials.iter().map(|partial| partial.kept_name(number)).collect() };
    let is_free = |names: &Vec<PathBuf>| !names.iter().any(|name| is_there(name));
    let names = (1..TRIES).map(names).find(is_free).unwrap_or_default();
    let keep = |(i, partial): (usize, &Partial)| match names.get(i) {
        Some(name) if rename_new(&partial.temporary, name).is_ok() => name.clone(),
        _ => partial.temporary.clone(),
    };
    // An output that another program has removed is not listed.
    partials.iter().enumerate().map(keep).filter(|place| is_there(place)).collect()
}

impl Partial {
    /// Gives a small file, which can be created again, its final name.
    ///
    /// # Errors
    /// If it can't get the name. The file is then removed.
    pub fn publish(self) -> Result<(), PathProblem> {
        match self.rename() {
            Ok(replaced) => {
                self.remove_replaced(&replaced)?;
                let Partial { place, _lock, .. } = self;
                drop((replaced, _lock));
                Ok(sync_folder(parent(&place))?)
            }
            Err(reason) => {
                self.discard();
                Err(reason.into())
            }
        }
    }

    /// Removes a file that was replaced.
    fn remove_replaced(&self, replaced: &Replaced) -> Result<(), Reason> {
        match replaced {
            Replaced::File { .. } => remove_stale(&self.temporary),
            Replaced::Nothing | Replaced::Gone => Ok(()),
        }
    }

    /// Gives up the final name. Returns whether that was possible.
    fn take_back(&self, replaced: &Replaced) -> bool {
        match replaced {
            Replaced::Nothing => rename_new(&self.place, &self.temporary).is_ok(),
            Replaced::File { .. } => exchange(&self.temporary, &self.place).is_ok(),
            Replaced::Gone => false,
        }
    }

    pub(super) fn io(&self, source: io::Error) -> Reason {
        Reason::Io { path: self.place.clone(), source }
    }

    /// Returns the name for keeping an output: `d-1`, `x-1.ndjson`, `x-1.labels.ndjson`. Files that belong together
    /// still match.
    fn kept_name(&self, number: u32) -> PathBuf {
        if self.is_in_place() {
            return self.place.join(format!("reenact-{number}"));
        }
        numbered(&self.place, number)
    }

    fn rename(&self) -> Result<Replaced, Reason> {
        for _ in 0..TRIES {
            let found = self.found().map_err(Reason::of)?;
            let renamed = match (self.sort, found) {
                (_, Found::Nothing) => {
                    self.sync_tree()?;
                    rename_new(&self.temporary, &self.place).map(|()| Replaced::Nothing)
                }
                (Sort::File, _) => self.replace_file(),
                (Sort::Directory, Found::Dataset(old)) => return self.replace(&old),
                (Sort::Directory, _) => return self.fill_empty(),
            };
            match renamed {
                // Another program was faster, so look again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_there(&self.temporary) => {}
                renamed => return renamed.map_err(|source| self.io(source)),
            }
        }
        Err(Reason::Appeared(self.place.clone()))
    }

    /// Exchanges the new file with the old one, which gets the temporary name, so that the exchange can be reverted.
    fn replace_file(&self) -> io::Result<Replaced> {
        let lock = File::open(&self.place).ok().filter(|old| old.try_lock().is_ok());
        match exchange(&self.temporary, &self.place) {
            Ok(()) if self.temporary.symlink_metadata().is_ok_and(|old| old.is_file()) => {
                Ok(Replaced::File { _lock: lock })
            }
            // A directory of another program now has the name. It must not stay under the temporary name, which the
            // next run clears.
            Ok(()) => {
                exchange(&self.temporary, &self.place)?;
                Err(io::ErrorKind::AlreadyExists.into())
            }
            // The file system cannot exchange two names.
            Err(_) => fs::rename(&self.temporary, &self.place).map(|()| Replaced::Gone),
        }
    }

    fn sync_tree(&self) -> Result<(), Reason> {
        if self.sort == Sort::File {
            return Ok(());
        }
        sync_tree(&self.temporary).map_err(|source| self.io(source))
    }

    /// Replaces an empty directory, atomically where possible.
    fn fill_empty(&self) -> Result<Replaced, Reason> {
        self.sync_tree()?;
        if self.is_in_place() {
            return self.fill(&Inventory::default());
        }
        match fs::rename(&self.temporary, &self.place) {
            Ok(()) => Ok(Replaced::Nothing),
            Err(error) if needs_filling(&error) => self.fill(&Inventory::default()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(Reason::Changed { path: self.place.clone(), why: "it is no longer empty".into() })
            }
            Err(source) => Err(self.io(source)),
        }
    }

    /// Replaces a dataset, atomically where possible, and then removes the old one.
    fn replace(&self, old: &Inventory) -> Result<Replaced, Reason> {
        self.sync_tree()?;
        if self.is_in_place() {
            return self.fill(old);
        }
        // Lock the old dataset too. Otherwise the next run could treat it as a leftover while it is being removed.
        let lock = File::open(&self.place).map_err(|source| self.io(source))?;
        let _ = lock.try_lock();
        let (temporary, place) = (&self.temporary, &self.place);
        let aside = match exchange(temporary, place) {
            Ok(()) => temporary.clone(),
            Err(error) if needs_filling(&error) => return self.fill(old),
            Err(_) => {
                // The file system cannot exchange two names. If the program is killed here, the next run restores the
                // old name.
                let aside = sibling_path(place, "old").map_err(Reason::of)?;
                fs::rename(place, &aside).map_err(|source| self.io(source))?;
                let renamed = rename_new(temporary, place);
                renamed.or_else(|error| fs::rename(&aside, place).and(Err(error))).map_err(|e| self.io(e))?;
                aside
            }
        };
        // Files that appeared in the old dataset until a moment ago must not be deleted.
        match Contents::of(&aside, &self.temporary) {
            Ok(Contents::Foreign(why)) => {
                let back = match aside == *temporary {
                    true => exchange(temporary, place),
                    false => fs::rename(place, temporary).and_then(|()| fs::rename(&aside, place)),
                };
                if back.is_ok() {
                    return Err(Reason::Changed { path: place.clone(), why });
                }
                // The new dataset keeps the name. The old one, with the files that appeared in it, gets a visible name.
            }
            // If it can't be removed, the next run tries again.
            _ => drop(old.remove(&aside).and_then(|()| fs::remove_dir(&aside))),
        }
        show_foreign(&aside, place);
        Ok(Replaced::Gone)
    }
}

/// Gives a removed dataset a visible name if other programs wrote files into it at the last moment.
pub(super) fn show_foreign(aside: &Path, place: &Path) {
    if matches!(Contents::of(aside, aside), Ok(Contents::Foreign(_))) {
        let mut names = (1..TRIES).map(|number| numbered(place, number));
        // If all names are taken, it stays where it is.
        let _ = names.find(|name| rename_new(aside, name).is_ok());
    }
}

/// Inserts a number before the first dot of the name that is not its first character.
fn numbered(place: &Path, number: u32) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let end = name.char_indices().skip(1).find(|(_, c)| *c == '.').map_or(name.len(), |(at, _)| at);
    place.with_file_name(format!("{}-{number}{}", &name[..end], &name[end..]))
}

/// Makes the entries of a directory durable. Its files were synced when they were closed.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::recording::MANIFEST;

    /// Writes a directory that is a dataset according to its manifest.
    pub fn write_dataset(directory: &Path) {
        let manifest = serde_json::json!({
            "format": 1, "program": "", "epoch": 0, "name": "", "scenario_digest": "", "seed": 1,
            "clock": {"start": "", "run": "", "step": ""}, "window": {"from": "", "to": ""}, "shard": null,
            "without": [], "parts": [{"path": "t/records", "rows": 0}], "digest": "", "labels": null, "incidents": {},
        });
        fs::create_dir_all(directory.join("t")).unwrap();
        fs::write(directory.join("t/records"), "").unwrap();
        fs::write(directory.join(MANIFEST), manifest.to_string()).unwrap();
    }

    /// The moment is too short for an integration test.
    #[test]
    fn what_appears_between_the_last_look_and_the_exchange_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("d");
        write_dataset(&place);
        let partial = Partial::directory(&place, true).unwrap();
        write_dataset(partial.path());
        let Ok(Found::Dataset(old)) = partial.found() else { panic!("it is a dataset") };
        fs::write(place.join("notes"), "mine").unwrap();
        let reason = partial.replace(&old).unwrap_err();
        assert!(matches!(reason, Reason::Changed { .. }), "{reason}");
        assert!(place.join("notes").exists() && place.join(MANIFEST).exists());
        assert!(partial.path().join(MANIFEST).exists());
        fs::remove_file(place.join("notes")).unwrap();
        assert!(matches!(partial.replace(&old).unwrap(), Replaced::Gone));
        assert!(place.join("t/records").exists() && !partial.path().exists());
    }

    /// The moment is too short for an integration test.
    #[test]
    fn a_directory_that_takes_the_name_of_a_replaced_file_gets_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        fs::write(&place, "old").unwrap();
        let (partial, _) = Partial::file(&place, true).unwrap();
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("notes"), "mine").unwrap();
        assert_eq!(partial.replace_file().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(place.join("notes").exists() && partial.path().is_file());
    }

    #[test]
    fn what_belongs_together_gets_the_same_number() {
        for (name, expected) in [
            ("d", "d-3"),
            ("x.ndjson.gz", "x-3.ndjson.gz"),
            ("x.labels.ndjson", "x-3.labels.ndjson"),
            (".x.ndjson", ".x-3.ndjson"),
        ] {
            assert_eq!(numbered(&Path::new("a.b").join(name), 3), Path::new("a.b").join(expected));
        }
    }
}
