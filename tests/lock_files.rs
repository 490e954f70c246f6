//! One lock for each scenario: renames, merges, scenarios without a lock, locks without a scenario, entries under
//! flags, locks of earlier versions.

use std::path::Path;
use std::process::Command;

use crate::command_line::{Ended, files_in, reenact, stdout_of};
use crate::locks::{SCENARIO, locked};

pub fn git(folder: &Path, arguments: &[&str]) -> Ended {
    let settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
    let mut git = Command::new("git");
    let git = git.args(settings).args(arguments).current_dir(folder);
    Ended::of(
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").output().unwrap(),
    )
}

pub fn fine(ended: Ended) -> String {
    assert_eq!(ended.status, 0, "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

pub fn commit(folder: &Path) {
    fine(git(folder, &["add", "-A"]));
    fine(git(folder, &["commit", "-qm", "change"]));
}

/// Creates a git repository with two locked scenarios on branch `main`.
pub fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fine(git(dir.path(), &["init", "-q", "-b", "main"]));
    for (name, seed) in [("k.yaml", "seed: 1"), ("s.yaml", "seed: 6")] {
        std::fs::write(dir.path().join(name), SCENARIO.replace("seed: 6", seed)).unwrap();
    }
    fine(reenact(dir.path(), &["lock", "."]));
    commit(dir.path());
    dir
}

/// Makes a change on each of two branches. They merge in both directions without a conflict, and `verify` succeeds.
fn merges(what: &str, one: &dyn Fn(&Path), other: &dyn Fn(&Path), scenarios: &str) {
    for [ours, theirs] in [["one", "other"], ["other", "one"]] {
        let dir = repository();
        let dir = dir.path();
        for (branch, change) in [("one", one), ("other", other)] {
            fine(git(dir, &["checkout", "-q", "-b", branch, "main"]));
            change(dir);
            commit(dir);
        }
        fine(git(dir, &["checkout", "-q", ours]));
        let merged = git(dir, &["merge", "-q", "--no-edit", theirs]);
        assert_eq!(merged.status, 0, "{what}, {theirs} into {ours}: {}", merged.stdout);
        let ended = reenact(dir, &["verify", "--full"]);
        assert_eq!((ended.status, &*ended.stderr), (0, scenarios), "{what}, {theirs} into {ours}");
    }
}

#[test]
fn branches_that_lock_different_scenarios_merge() {
    let change = |name: &'static str, seed: &'static str| {
        move |dir: &Path| {
            std::fs::write(dir.join(name), SCENARIO.replace("seed: 6", seed)).unwrap();
            fine(reenact(dir, &["lock", name]));
        }
    };
    // Two new scenarios, two changed scenarios, a new scenario and a changed one.
    merges("new", &change("a.yaml", "seed: 5"), &change("b.yaml", "seed: 7"), "4 scenarios unchanged\n");
    merges("changed", &change("k.yaml", "seed: 5"), &change("s.yaml", "seed: 7"), "2 scenarios unchanged\n");
    merges("both", &change("k.yaml", "seed: 5"), &change("l.yaml", "seed: 7"), "3 scenarios unchanged\n");
}

#[test]
fn branches_that_add_different_entries_to_a_lock_merge() {
    let flags =
        |seed: &'static str| move |dir: &Path| drop(fine(reenact(dir, &["lock", "s.yaml", "--seed", seed])));
    let dir = repository();
    let dir = dir.path();
    flags("5")(dir);
    commit(dir);
    for (branch, seed) in [("one", "3"), ("other", "7")] {
        fine(git(dir, &["checkout", "-q", "-b", branch, "main"]));
        flags(seed)(dir);
        commit(dir);
    }
    fine(git(dir, &["merge", "-q", "--no-edit", "one"]));
    let ended = reenact(dir, &["verify", "--full"]);
    assert_eq!((ended.status, &*ended.stderr), (0, "5 scenarios unchanged (3 with flags)\n"));
}

/// Both branches change one scenario. git reports a conflict, `verify` names it, and `lock` resolves it, as
/// `docs/golden.md` says.
#[test]
fn a_conflict_in_a_lock_is_named_and_renewed() {
    let dir = repository();
    let dir = dir.path();
    for (branch, old, new) in [("one", "severity: 2", "severity: 1"), ("other", "at: 2m", "at: 3m")] {
        fine(git(dir, &["checkout", "-q", "-b", branch, "main"]));
        let text = SCENARIO.replace(old, new);
        std::fs::write(dir.join("s.yaml"), text).unwrap();
        fine(reenact(dir, &["lock", "s.yaml"]));
        commit(dir);
    }
    assert_ne!(git(dir, &["merge", "-q", "--no-edit", "one"]).status, 0);
    std::fs::write(
        dir.join("s.yaml"),
        SCENARIO.replace("severity: 2", "severity: 1").replace("at: 2m", "at: 3m"),
    )
    .unwrap();
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 2);
    for words in ["cannot read `s.lock`: it contains a merge conflict at line", "`reenact lock s.yaml`"] {
        assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
    }
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "2 scenarios unchanged\n");
}

/// Both branches add the same lock, so that the conflict begins in its first line.
#[test]
fn a_conflict_in_the_first_line_is_named_too() {
    let dir = tempfile::tempdir().unwrap();
    locked(dir.path());
    let lock = std::fs::read_to_string(dir.path().join("s.lock")).unwrap();
    let conflict = format!("<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> other\n");
    std::fs::write(dir.path().join("s.lock"), conflict).unwrap();
    let ended = reenact(dir.path(), &["verify", "--allow-unlocked"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("it contains a merge conflict at line 1"), "{}", ended.stderr);
}

#[test]
fn verify_reports_a_renamed_scenario_whose_lock_was_not_renamed() {
    let dir = repository();
    let dir = dir.path();
    fine(git(dir, &["mv", "s.yaml", "t.yaml"]));
    for flags in [&["verify"][..], &["verify", "--allow-unlocked", "--quick"]] {
        let ended = reenact(dir, flags);
        assert_eq!(ended.status, 1);
        assert!(
            ended.stderr.contains(
                "`s.yaml` was renamed to `t.yaml`, but its lock file was not\n  = help: rename it with `git mv s.lock t.lock`"
            ),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.ends_with("1 scenario unchanged, 1 renamed\n"), "{}", ended.stderr);
    }
    // The old lock is the only trace of the rename, so it is kept.
    let ended = reenact(dir, &["lock", "--prune"]);
    assert!(ended.stderr.contains("s.lock: kept") && dir.join("s.lock").exists(), "{}", ended.stderr);
    // A new lock would lack the entries under flags and would hide the rename from `verify`.
    for path in [".", "t.yaml", "./t.yaml"] {
        let ended = reenact(dir, &["lock", path]);
        assert_eq!((ended.status, dir.join("t.lock").exists()), (2, false), "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains("renamed to") && ended.stderr.contains("mv"), "{}", ended.stderr);
    }
    fine(git(dir, &["mv", "s.lock", "t.lock"]));
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "2 scenarios unchanged\n");
}

#[test]
fn missing_locks_and_missing_scenarios_are_named() {
    let dir = repository();
    let dir = dir.path();
    // A file that another file uses is a part of it, and so are the files that it uses in turn.
    std::fs::create_dir(dir.join("parts")).unwrap();
    std::fs::write(dir.join("parts/base.yaml"), "scenario: 1\nuse: ../parts/deep.yml\nseed: 3\n").unwrap();
    std::fs::write(dir.join("parts/deep.yml"), "scenario: 1\nuse: dev\nclock: {run: 1m}\n").unwrap();
    std::fs::write(dir.join("of-parts.yaml"), "scenario: 1\nuse: ./parts/base.yaml\n").unwrap();
    std::fs::write(dir.join("compose.yaml"), "services: {web: {image: nginx}}\n").unwrap();
    std::fs::write(dir.join("Cargo.lock"), "version = 4\n").unwrap();
    stdout_of(dir, &["run", "dev", "--for", "2s", "--out", "ndjson:data/"]);
    let ended = reenact(dir, &["verify"]);
    assert_eq!(
        (ended.status, &*ended.stderr),
        (
            1,
            "error: `of-parts.yaml` has no lock file\n  = help: lock it with `reenact lock of-parts.yaml`\n\
             2 scenarios unchanged, 1 without a lock file\n"
        )
    );
    assert_eq!(reenact(dir, &["verify", "of-parts.yaml"]).status, 1);
    let allowed = reenact(dir, &["verify", "--allow-unlocked"]);
    assert_eq!((allowed.status, &*allowed.stderr), (0, "2 scenarios unchanged, 1 without a lock file\n"));
    // A lock without its first line does not count as a lock. `--allow-unlocked` does not accept it either.
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    std::fs::write(dir.join("s.lock"), lock.replacen("# reenact lock\n", "", 1)).unwrap();
    let ended = reenact(dir, &["verify", "--allow-unlocked"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("`s.lock` is not a lock file of reenact"), "{}", ended.stderr);
    std::fs::write(dir.join("s.lock"), &lock).unwrap();
    // Locking a folder locks its scenarios. It ignores parts and other files.
    fine(reenact(dir, &["lock", "."]));
    assert_eq!(reenact(dir, &["verify"]).stderr, "3 scenarios unchanged\n");
    assert_eq!(files_in(&dir.join("parts")), ["base.yaml", "deep.yml"]);
    std::fs::remove_file(dir.join("s.yaml")).unwrap();
    let ended = reenact(dir, &["verify", "--allow-unlocked"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.contains("`s.lock` has no scenario: neither `s.yaml` nor `s.yml` exists"),
        "{}",
        ended.stderr
    );
    let ended = reenact(dir, &["lock", "--prune", "."]);
    assert_eq!((ended.status, &*ended.stderr), (0, "s.lock: removed\n1 lock file removed\n"));
    assert_eq!(std::fs::read_to_string(dir.join("Cargo.lock")).unwrap(), "version = 4\n");
    assert_eq!(reenact(dir, &["verify"]).stderr, "2 scenarios unchanged\n");
}

/// In a circle, no file counts as a part of another one.
#[test]
fn files_that_use_each_other_are_not_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (name, used) in [("a", "b"), ("b", "a"), ("self", "self"), ("of", "a")] {
        std::fs::write(dir.join(format!("{name}.yaml")), format!("scenario: 1\nuse: ./{used}.yaml\n"))
            .unwrap();
    }
    let named = |dir: &Path| {
        let ended = reenact(dir, &["verify"]);
        assert_eq!(ended.status, 1, "{}", ended.stderr);
        let lines = ended.stderr.lines().filter_map(|line| line.strip_prefix("error: `")?.split_once('`'));
        lines.map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(named(dir), ["of.yaml", "self.yaml"]);
    std::fs::remove_file(dir.join("of.yaml")).unwrap();
    assert_eq!(named(dir), ["a.yaml", "b.yaml", "self.yaml"]);
}

#[test]
fn lock_never_overwrites_foreign_files_or_shares_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["Cargo.yaml", "x.yaml", "x.yml"] {
        std::fs::write(dir.join(name), SCENARIO).unwrap();
    }
    std::fs::write(dir.join("Cargo.lock"), "version = 4\n").unwrap();
    for (arguments, words) in [
        (&["lock", "Cargo.yaml"][..], "`Cargo.lock` is not a lock file of reenact"),
        (&["verify", "Cargo.lock"], "`Cargo.lock` is not a lock file of reenact"),
        (&["lock", "x.yml"], "`x.yml` and `x.yaml` would share the lock file `x.lock`"),
        (&["lock", "x.yaml"], "`x.yaml` and `x.yml` would share the lock file `x.lock`"),
        (&["lock", "dev"], "`dev` does not end in `.yaml` or `.yml`"),
        (&["lock", "x.yaml", "--start", "now"], "a lock file cannot contain `--start now`"),
        (&["lock", "--prune", "--seed", "8"], "`--prune` cannot be combined"),
    ] {
        let ended = reenact(dir, arguments);
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: no `{words}` in {}", ended.stderr);
    }
    assert_eq!(files_in(dir), ["Cargo.lock", "Cargo.yaml", "x.yaml", "x.yml"]);
    assert_eq!(std::fs::read_to_string(dir.join("Cargo.lock")).unwrap(), "version = 4\n");
    std::fs::remove_file(dir.join("x.yaml")).unwrap();
    fine(reenact(dir, &["lock", "x.yml"]));
    assert_eq!(reenact(dir, &["verify", "x.yml"]).stderr, "1 scenario unchanged\n");
    std::fs::write(dir.join("x.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["verify", "x.yml"]).status, 2);
}

#[test]
fn entries_under_flags_are_rendered_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    locked(dir);
    let flags = ["--seed", "8", "--set", "anomalies.hot.severity=low", "--set", "about=two words"];
    fine(reenact(dir, &[&["lock", "s.yaml"], &flags[..]].concat()));
    // Their order does not matter.
    let turned = ["--set", "about=two words", "--set", "anomalies.hot.severity=low", "--seed", "8"];
    fine(reenact(dir, &[&["lock", "s.yaml"], &turned[..]].concat()));
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    let header = "[\"--seed 8 --set 'about=two words' --set anomalies.hot.severity=low\"]";
    assert_eq!(lock.matches(header).count(), 1, "{lock}");
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "2 scenarios unchanged (1 with flags)\n");
    // A change that affects only one entry is reported only for that entry.
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("severity: 2", "severity: 1.9")).unwrap();
    let ended = reenact(dir, &["verify", "--junit", "r.xml"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.starts_with("s.yaml: differs: 1 of 2 incidents"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 scenario unchanged, 1 different"), "{}", ended.stderr);
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("seed: 6\n", "").replace("run: 10m", "run: 9m"))
        .unwrap();
    let ended = reenact(dir, &["verify"]);
    assert!(ended.stderr.contains("s.yaml --seed 8 --set 'about=two words' --set "), "{}", ended.stderr);
    // `lock` renews all entries, and names flags that no longer fit.
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert_eq!(reenact(dir, &["verify"]).status, 0);
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("id: hot", "id: warm")).unwrap();
    let ended = reenact(dir, &["lock", "s.yaml"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("anomalies.hot.severity"), "{}", ended.stderr);
}

#[test]
fn a_lock_with_flags_that_lock_refuses_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    locked(dir);
    let path = dir.join("s.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    for flags in [
        &["--start", "now"][..],
        &["--help"],
        &["--backfill"],
        &["--out", "ndjson:x"],
        &["--set", "use=./x.yaml"],
    ] {
        let mut read = reenact::golden::Lock::read(&path).unwrap().unwrap();
        let mut entry = read.entries()[0].clone();
        entry.flags = flags.iter().map(|flag| (*flag).to_string()).collect();
        read.insert(entry.sealed());
        std::fs::write(&path, read.to_toml()).unwrap();
        let ended = reenact(dir, &["verify"]);
        assert_eq!(ended.status, 2, "{flags:?}: {}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), files_in(dir).len()), ("", 2), "{flags:?}");
        std::fs::write(&path, &lock).unwrap();
    }
}

#[test]
fn update_renews_only_changed_entries_and_names_them() {
    let dir = repository();
    let dir = dir.path();
    let before = std::fs::read(dir.join("k.lock")).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("severity: 2", "severity: 1")).unwrap();
    std::fs::write(dir.join("new.yaml"), SCENARIO).unwrap();
    let ended = reenact(dir, &["verify", "--update"]);
    // A scenario without a lock does not get one, and is still named.
    assert_eq!(ended.status, 1);
    for words in
        ["s.yaml: updated\ndiffers: 1 of 2 incidents", "incident hot: snr 2.1", "`new.yaml` has no lock file"]
    {
        assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
    }
    assert_eq!(std::fs::read(dir.join("k.lock")).unwrap(), before);
    assert!(!dir.join("new.lock").exists());
    assert_eq!(reenact(dir, &["verify", "--full", "--allow-unlocked"]).status, 0);
}

#[test]
fn github_annotations_name_the_file_and_the_reason() {
    let dir = repository();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("severity: 2", "severity: 1")).unwrap();
    std::fs::write(dir.join("broken.yaml"), SCENARIO.replace("target: srv-002", "target: srv-099")).unwrap();
    std::fs::copy(dir.join("s.lock"), dir.join("broken.lock")).unwrap();
    std::fs::write(dir.join("new.yaml"), SCENARIO).unwrap();
    let ended = reenact(dir, &["verify", "--format", "github"]);
    assert_eq!(ended.status, 2);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stdout);
    assert!(lines[0].starts_with("::error file=broken.yaml,line=6,col="), "{}", lines[0]);
    assert!(lines[1].starts_with("::error file=new.yaml::`new.yaml` has no lock file"), "{}", lines[1]);
    assert!(lines[2].starts_with("::error file=s.yaml::s.yaml: differs: 1 of 2 incidents"), "{}", lines[2]);
    let checked = reenact(dir, &["check", ".", "--format", "github"]);
    assert_eq!(checked.status, 2);
    assert_eq!(checked.stdout.lines().next().unwrap(), lines[0]);
    assert!(
        checked.stderr.contains("k.yaml: ok") && checked.stderr.contains("new.yaml: ok"),
        "{}",
        checked.stderr
    );
}
