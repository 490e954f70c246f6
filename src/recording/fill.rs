//! Fills a directory that can't be renamed: moves the files into it one by one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::destination::parent;
use super::inventory::Inventory;
use super::manifest::MANIFEST;
use super::partial::Partial;
use super::path_problem::Reason;
use super::publish::{OLD, Replaced};
use super::rename::rename_new;

impl Partial {
    /// Moves the files into the directory one by one, the manifest last. Until then the directory is not a dataset.
    pub(super) fn fill(&self, old: &Inventory) -> Result<Replaced, Reason> {
        let mut moved = Vec::new();
        let filled = self.move_all(old, &mut moved);
        if let Err(error) = filled {
            for (from, to) in moved.iter().rev() {
                // A file that can't be moved back stays in the partial directory, which is kept.
                let _ = fs::create_dir_all(parent(from)).and_then(|()| rename_new(to, from));
                self.remove_empty(parent(to));
            }
            self.remove_empty(&self.temporary.join(OLD));
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => Reason::Appeared(self.place.clone()),
                _ => self.io(error),
            });
        }
        // If this fails, the next run tries again.
        let _ = fs::remove_dir_all(&self.temporary);
        Ok(Replaced::Gone)
    }

    fn move_all(&self, old: &Inventory, moved: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
        let aside = self.temporary.join(OLD);
        let mut files = Vec::new();
        list(&self.temporary, &mut files)?;
        // `false` sorts before `true`, so the manifest comes last.
        files.sort_by_key(|file| file.ends_with(MANIFEST));
        fs::create_dir(&aside)?;
        for file in old.manifest_first() {
            let (from, to) = (self.place.join(file), aside.join(file));
            fs::create_dir_all(parent(&to))?;
            match fs::rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed.map(|()| moved.push((from, to)))?,
            }
        }
        // This may fail: a folder that is still needed may contain a file that has just appeared.
        let _ = old.remove_folders(&self.place);
        // Only sync folders that this run writes. Others in a volume, such as `lost+found`, may be unreadable.
        let mut written = BTreeSet::from([self.place.clone()]);
        for from in files {
            let to = self.place.join(from.strip_prefix(&self.temporary).map_err(io::Error::other)?);
            fs::create_dir_all(parent(&to))?;
            rename_new(&from, &to)?;
            let folders = to.ancestors().skip(1).take_while(|folder| *folder != self.place);
            written.extend(folders.map(Path::to_path_buf));
            moved.push((from, to));
        }
        written.iter().rev().try_for_each(|folder| File::open(folder)?.sync_all())
    }

    /// Removes a folder after its files were moved out, and its parents that contained only this folder.
    fn remove_empty(&self, folder: &Path) {
        let folders = folder.ancestors().take_while(|it| *it != self.place && *it != self.temporary);
        // Stop at the first folder that still contains something.
        let _ = folders.map(fs::remove_dir).find(Result::is_err);
    }
}

/// Appends all files in a folder and below it.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { list(&entry.path(), files)? } else { files.push(entry.path()) }
    }
    Ok(())
}

/// Whether a directory can't be renamed and must be filled instead: it is a mount point, or belongs to a lower layer of
/// an overlay file system.
pub(super) fn needs_filling(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::partial::Found;
    use crate::recording::publish::tests::write_dataset;

    /// If the new files can't be moved in, the old ones are moved back.
    #[test]
    fn a_directory_that_cannot_be_filled_keeps_the_old_dataset() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().canonicalize().unwrap().join("d");
        write_dataset(&place);
        fs::write(place.join("t/records"), "old").unwrap();
        let partial = Partial::directory(&place.join("t/.."), true).unwrap();
        assert!(partial.is_in_place());
        write_dataset(partial.path());
        for folder in ["n", "u"] {
            fs::create_dir(partial.path().join(folder)).unwrap();
            fs::write(partial.path().join(folder).join("records"), "new").unwrap();
        }
        let Ok(Found::Dataset(old)) = partial.found() else { panic!("it is a dataset") };
        fs::write(place.join("u"), "mine").unwrap();
        partial.fill(&old).unwrap_err();
        assert_eq!(fs::read(place.join("t/records")).unwrap(), b"old");
        assert!(place.join(MANIFEST).exists() && place.join("u").is_file() && !place.join("n").exists());
        for file in ["t/records", "n/records", "u/records", MANIFEST] {
            assert!(partial.path().join(file).exists(), "{file}");
        }
        assert!(!partial.path().join(OLD).exists());
        fs::remove_file(place.join("u")).unwrap();
        assert!(matches!(partial.fill(&old).unwrap(), Replaced::Gone));
        assert_eq!(fs::read(place.join("t/records")).unwrap(), b"");
        assert!(place.join("u/records").exists() && !partial.path().exists());
    }
}
