//! `reenact.lock`, one lock for a whole folder as earlier versions wrote it, is split into one lock for each scenario.

use std::path::Path;

use crate::command_line::{files_in, reenact};
use crate::locks::{SCENARIO, locked};

/// Returns a lock for a whole folder, as an earlier version wrote it.
pub fn old_lock(folder: &Path, names: &[&str]) -> String {
    let mut old = String::from(
        "# What the scenarios of this folder gave when they were locked.\n\
         # `reenact verify` compares, `reenact lock FILE` renews an entry.\nversion = 1\n",
    );
    for name in names {
        let lock = std::fs::read_to_string(folder.join("s.lock")).unwrap();
        let entry = &lock[lock.find("[plain]").unwrap()..lock.find("\n[plain.checksum]").unwrap()];
        old += &format!("\n{}", entry.replace("[plain", &format!("[\"{name}\"")));
    }
    old
}

#[test]
fn a_lock_of_an_earlier_version_is_split() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    locked(dir);
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    std::fs::write(dir.join("t.yaml"), SCENARIO).unwrap();
    std::fs::write(dir.join("reenact.lock"), old_lock(dir, &["s.yaml", "t.yaml"])).unwrap();
    std::fs::remove_file(dir.join("s.lock")).unwrap();
    for arguments in
        [&["verify"][..], &["verify", "s.yaml"], &["verify", "reenact.lock"], &["diff", "reenact.lock", "."]]
    {
        let ended = reenact(dir, arguments);
        let words = "`reenact.lock` was written by an earlier version, for a whole folder\n  = help: run `reenact lock .` to split it";
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.status, 1, "{arguments:?}");
    }
    let ended = reenact(dir, &["lock", "s.yaml"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("reenact.lock: split into 2 lock files"), "{}", ended.stderr);
    assert_eq!(files_in(dir), ["s.lock", "s.yaml", "t.lock", "t.yaml"]);
    assert_eq!(std::fs::read_to_string(dir.join("t.lock")).unwrap(), lock);
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "2 scenarios unchanged\n");
    // Entries whose name leads out of the folder, or whose scenario is missing, stay in the old lock.
    let outside = dir.join("in");
    std::fs::create_dir(&outside).unwrap();
    let names = ["../s.yaml", "/proc/self/environ", "gone.yaml", "..", "u.yaml"];
    std::fs::write(outside.join("reenact.lock"), old_lock(dir, &names)).unwrap();
    std::fs::write(outside.join("u.yaml"), SCENARIO).unwrap();
    let ended = reenact(dir, &["lock", "in"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("kept, because its entries `..`, `../s.yaml`, `/proc/self/environ`, `gone.yaml`"),
        "{}",
        ended.stderr
    );
    assert_eq!(files_in(&outside), ["reenact.lock", "u.lock", "u.yaml"]);
    assert!(reenact(dir, &["lock", "--prune"]).stderr.contains("in/reenact.lock: removed"));
    assert_eq!(files_in(&outside), ["u.lock", "u.yaml"]);
}
