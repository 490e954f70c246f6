//! Locks, scenarios and folders that cannot be read, and how messages name them.

use crate::command_line::reenact;
use crate::exhausted::limited;
use crate::lock_files::{fine, repository};
use crate::locks::SCENARIO;
use crate::old_locks::old_lock;
use crate::writing::skipped;

#[test]
fn unreadable_files_in_a_folder_are_reported() {
    let dir = repository();
    let dir = dir.path();
    // A link to itself cannot be read, not even by root.
    std::os::unix::fs::symlink("round.yaml", dir.join("round.yaml")).unwrap();
    std::os::unix::fs::symlink("other", dir.join("other")).unwrap();
    let ended = reenact(dir, &["verify", "--quiet", "--junit", "r.xml"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("error: cannot read `round.yaml`: "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("`other`"), "{}", ended.stderr);
    let report = std::fs::read_to_string(dir.join("r.xml")).unwrap();
    assert!(report.contains("tests=\"3\" failures=\"1\"") && report.contains("round.yaml"), "{report}");
    let ended = reenact(dir, &["verify", "--json"]);
    let output: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &output["same"], &output["unreadable"]), (2, &2.into(), &1.into()));
    assert_eq!(output["scenarios"][1]["scenario"], "round.yaml", "{output}");
    let ended = reenact(dir, &["check", ".", "--json"]);
    let output: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, output.as_array().unwrap().len()), (2, 3), "{output}");
    assert_eq!((&output[2]["scenario"], &output[2]["errors"]), (&"round.yaml".into(), &1.into()));
    let ended = reenact(dir, &["check", ".", "--quiet"]);
    assert!(ended.stderr.contains("error: cannot read `round.yaml`: "), "{}", ended.stderr);
    // `lock` only warns about the file.
    let ended = reenact(dir, &["lock", "--prune", "--json"]);
    assert_eq!(ended.status, 0);
    assert!(ended.stderr.starts_with("{\"event\":\"warning\""), "{}", ended.stderr);
}

#[test]
fn locks_and_folders_without_permission_are_unreadable() {
    // The user can change permissions only of its own files.
    let own = "mkdir own; cp -r k.* s.* below own; cd own";
    for (closed, named, verdicts) in [
        // `s.yaml` does not count as a scenario without a lock.
        ("chmod 0 s.lock", "s.lock", "1 scenario unchanged, 1 without a lock file, 1 unreadable\n"),
        ("chmod 0 below", "below", "2 scenarios unchanged, 1 unreadable\n"),
        // The names in the folder can be listed, but its files cannot be read.
        ("chmod 444 below", "below/c.yaml", "2 scenarios unchanged, 1 unreadable\n"),
    ] {
        let dir = repository();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("below/c.yaml"), SCENARIO).unwrap();
        let Some(ended) = limited(dir.path(), &format!("{own}; {closed}; exec $R verify --allow-unlocked"))
        else {
            return skipped("root can read everything, and only root can run as another user");
        };
        assert_eq!(ended.status, 2, "{closed}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("cannot read `{named}`")), "{closed}: {}", ended.stderr);
        assert!(!ended.stderr.contains("is not a lock"), "{closed}: {}", ended.stderr);
        assert!(ended.stderr.ends_with(verdicts), "{closed}: {}", ended.stderr);
    }
}

#[test]
fn an_unreadable_lock_is_not_replaced_by_a_split() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["s.yaml", "loop.yaml"] {
        std::fs::write(dir.join(name), SCENARIO).unwrap();
    }
    fine(reenact(dir, &["lock", "s.yaml"]));
    std::fs::write(dir.join("reenact.lock"), old_lock(dir, &["s.yaml", "loop.yaml"])).unwrap();
    std::os::unix::fs::symlink("loop.lock", dir.join("loop.lock")).unwrap();
    for arguments in [["lock", "s.yaml"], ["verify", "loop.yaml"], ["verify", "loop.lock"]] {
        let ended = reenact(dir, &arguments);
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("cannot read `loop.lock`: "), "{arguments:?}: {}", ended.stderr);
    }
    assert!(dir.join("reenact.lock").is_file() && dir.join("loop.lock").is_symlink());
}

#[test]
fn scenarios_that_are_too_large_are_reported() {
    let dir = repository();
    let dir = dir.path();
    let large = "# more\n".repeat((16 << 20) / 7 + 1);
    std::fs::write(dir.join("s.yaml"), format!("{SCENARIO}{large}")).unwrap();
    std::fs::write(dir.join("new.yaml"), format!("{SCENARIO}{large}")).unwrap();
    std::fs::write(dir.join("other.yaml"), format!("services: {{}}\n{large}")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 2);
    for words in [
        "`new.yaml` has no lock file",
        "larger than 16 MiB",
        "1 scenario unchanged, 1 without a lock file, 1 unreadable\n",
    ] {
        assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
    }
    let ended = reenact(dir, &["check", "."]);
    assert_eq!(ended.status, 2);
    assert_eq!(ended.stderr.matches("larger than 16 MiB").count(), 2, "{}", ended.stderr);
    assert!(!ended.stderr.contains("other.yaml"), "{}", ended.stderr);
}

#[test]
fn commands_name_scenarios_that_end_in_yml() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yml"), SCENARIO).unwrap();
    fine(reenact(dir, &["lock", "s.yml"]));
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    for (bad, verb) in [
        (lock.replace("rows = 1500", "rows = 1501"), &["diff", "s.lock", "s.lock"][..]),
        (lock.replace("rows = 1500", "<<<<<<< HEAD"), &["verify"][..]),
    ] {
        std::fs::write(dir.join("s.lock"), bad).unwrap();
        let ended = reenact(dir, verb);
        assert_ne!(ended.status, 0);
        assert!(ended.stderr.contains("`reenact lock s.yml`"), "{verb:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains(".yaml"), "{verb:?}: {}", ended.stderr);
    }
    std::fs::write(dir.join("s.lock"), lock).unwrap();
    std::fs::rename(dir.join("s.yml"), dir.join("t.yml")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert!(ended.stderr.contains("`s.yml` was renamed to `t.yml`"), "{}", ended.stderr);
}

#[test]
fn mistakes_of_an_unreadable_scenario_have_all_json_keys() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    for arguments in [
        &["check", "gone.yaml", "--json"][..],
        &["check", "s.yaml", "--json", "--set", "no.a=1", "--set", "no.b=2"],
    ] {
        let ended = reenact(dir.path(), arguments);
        let output: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let found = output[0]["found"].as_array().unwrap();
        assert_eq!((ended.status, &output[0]["errors"]), (2, &found.len().into()), "{output}");
        assert!(!found.is_empty());
        for mistake in found {
            for key in ["level", "message", "label", "help", "file", "line", "column"] {
                assert!(mistake.get(key).is_some(), "{arguments:?}: no `{key}` in {mistake}");
            }
        }
    }
}
