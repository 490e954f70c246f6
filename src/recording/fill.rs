//! A directory that can't be renamed is filled: files are moved into it one by one.

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
    /// Moves files into a directory one by one, its manifest last: it is not a dataset until then.
    pub(super) fn fill(&self, old: &Inventory) -> Result<Replaced, Reason> {
        let mut moved = Vec::new();
        let filled = self.move_all(old, &mut moved);
        if let Err(error) = filled {
            for (from, to) in moved.iter().rev() {
                // What can't be moved back stays in the partial directory, which is kept.
                let _ = fs::create_dir_all(parent(from)).and_then(|()| rename_new(to, from));
                self.remove_empty(parent(to));
            }
            self.remove_empty(&self.temporary.join(OLD));
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => Reason::Appeared(self.place.clone()),
                _ => self.io(error),
            });
        }
        // If it can't be removed, the next run tries again.
        let _ = fs::remove_dir_all(&self.temporary);
        Ok(Replaced::Gone)
    }

    fn move_all(&self, old: &Inventory, moved: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
        let aside = self.temporary.join(OLD);
        let mut files = Vec::new();
        list(&self.temporary, &mut files)?;
        // False comes before true.
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
        // Folders that are used again may hold something that appeared just now.
        let _ = old.remove_folders(&self.place);
        // Others' folders in a volume, such as `lost+found`, may not be readable.
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

    /// Removes a folder that files were moved out of, and those that held nothing but it.
    fn remove_empty(&self, folder: &Path) {
        let folders = folder.ancestors().take_while(|it| *it != self.place && *it != self.temporary);
        // One that holds something else stays, and so do those that hold it.
        let _ = folders.map(fs::remove_dir).find(Result::is_err);
    }
}

/// All files below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { list(&entry.path(), files)? } else { files.push(entry.path()) }
    }
    Ok(())
}

/// Whether a directory can't be renamed and has to be filled: a mount point, or one of a lower layer.
pub(super) fn needs_filling(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::partial::Found;
    use crate::recording::publish::tests::write_dataset;

    /// The old files come back if the new ones can't be moved in.
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
