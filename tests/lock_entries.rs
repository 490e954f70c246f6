//! Entries under flags that no longer fit, entries of both sides of a merge, and locks with a damaged first line.

use std::path::Path;

use reenact::golden::Lock;

use crate::command_line::{Ended, reenact};
use crate::lock_files::{commit, fine, git, repository};
use crate::lock_search::follow;
use crate::locks::SCENARIO;

const LOW: [&str; 4] = ["lock", "s.yaml", "--set", "anomalies.hot.severity=low"];

/// Returns the flags of all entries of a lock.
fn flags(lock: &Path) -> Vec<String> {
    let lock = Lock::read(lock).unwrap().unwrap();
    lock.entries().iter().map(|entry| entry.flags.join(" ")).collect()
}

fn check(ended: &Ended, status: i32, words: &[&str]) {
    assert_eq!(ended.status, status, "{}{}", ended.stdout, ended.stderr);
    for words in words {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.contains(words), "no `{words}` in {all}");
    }
}

#[test]
fn an_outdated_entry_is_reported_with_a_remedy() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &LOW));
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "8"]));
    let before = std::fs::read(dir.join("s.lock")).unwrap();
    // `k.yaml` is invalid, and an entry does not fit `s.yaml`. Both are reported, and nothing is written.
    std::fs::write(dir.join("k.yaml"), SCENARIO.replace("srv-002", "srv-099")).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("id: hot", "id: warm")).unwrap();
    let remedy = "`reenact lock s.yaml --remove --set anomalies.hot.severity=low`";
    let entry = "the entry `--set anomalies.hot.severity=low` of `s.lock` does not fit `s.yaml`";
    let all = reenact(dir, &["lock", "."]);
    check(&all, 2, &["server `srv-099` does not exist", entry, "no anomaly has the id `hot`", remedy]);
    assert!(!all.stderr.contains("the command line"), "{}", all.stderr);
    assert_eq!(std::fs::read(dir.join("s.lock")).unwrap(), before);
    let one = reenact(dir, &["lock", "s.yaml", "--json"]);
    let event: serde_json::Value = serde_json::from_str(&one.stderr).unwrap();
    assert!(event["message"].as_str().unwrap().contains(entry), "{event}");
    assert!(event["help"].to_string().contains("--remove"), "{event}");
    assert_eq!(event["found"][0]["file"], "an entry of s.lock", "{event}");
    check(&reenact(dir, &["verify", "s.yaml"]), 2, &[entry, remedy]);
    let github = reenact(dir, &["verify", "s.yaml", "--format", "github"]);
    assert!(github.stdout.contains("::error file=s.lock::"), "{}", github.stdout);
    // The suggested command fixes the problem.
    fine(follow(dir, &one_line(&reenact(dir, &["lock", "s.yaml"])), "reenact lock s.yaml --remove"));
    assert_eq!(flags(&dir.join("s.lock")), ["", "--seed 8"]);
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert_eq!(reenact(dir, &["verify", "s.yaml"]).stderr, "2 scenarios unchanged (1 with flags)\n");
}

fn one_line(ended: &Ended) -> String {
    ended.stderr.replace('\n', " ")
}

#[test]
fn a_mistake_in_a_scenario_is_not_attributed_to_entries() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &LOW));
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("srv-002", "srv-099")).unwrap();
    let ended = reenact(dir, &["lock", "s.yaml"]);
    check(&ended, 2, &["server `srv-099` does not exist"]);
    assert_eq!(ended.stderr.matches("srv-099`").count(), 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains("s.lock"), "{}", ended.stderr);
}

#[test]
fn an_entry_with_outdated_flags_is_named() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &["lock", "s.yaml", "--servers", "3"]));
    let pools = "scenario: 1\nuse: dev\nfleet: {servers: {a: {count: 4}}}\nclock: {run: 1m}\n";
    std::fs::write(dir.join("s.yaml"), pools).unwrap();
    let ended = reenact(dir, &["lock", "s.yaml"]);
    check(
        &ended,
        2,
        &["the entry `--servers 3` of `s.lock` does not fit `s.yaml`", "`--servers` cannot be combined with"],
    );
    fine(follow(dir, &ended.stderr, "reenact lock s.yaml --remove"));
    fine(reenact(dir, &["lock", "s.yaml"]));
}

#[test]
fn only_an_entry_under_flags_can_be_removed() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "8", "--set", "about=two words"]));
    let before = std::fs::read(dir.join("s.lock")).unwrap();
    for (arguments, words) in [
        (&["lock", "s.yaml", "--remove"][..], "`--remove` requires the flags of an entry"),
        (&["lock", "s.yaml", "--remove", "--seed", "9"], "`s.lock` has no entry `--seed 9`"),
        (&["lock", "s.yaml", "--remove", "--seed", "9"], "`--seed 8 --set 'about=two words'`"),
        (&["lock", "t.yaml", "--remove", "--seed", "9"], "`t.lock` does not exist"),
        (&["lock", ".", "--remove", "--seed", "9"], "does not end in `.yaml` or `.yml`"),
        (&["lock", "--prune", "--remove", "--seed", "9"], "cannot be used with"),
    ] {
        check(&reenact(dir, arguments), 2, &[words]);
    }
    assert_eq!(std::fs::read(dir.join("s.lock")).unwrap(), before);
    let remove = ["lock", "s.yaml", "--remove", "--set", "about=two words", "--seed", "8", "--json"];
    let removed: serde_json::Value = serde_json::from_str(&fine(reenact(dir, &remove))).unwrap();
    assert_eq!(removed[0]["lock"], "s.lock");
    assert_eq!(flags(&dir.join("s.lock")), [""]);
}

/// Both branches add an entry and change the scenario. `lock` alone resolves the conflict.
#[test]
fn a_renewed_conflict_has_the_entries_of_both_sides() {
    for style in ["merge", "diff3", "zdiff3"] {
        let dir = conflict(style);
        let dir = dir.path();
        let text = std::fs::read_to_string(dir.join("s.lock")).unwrap();
        assert!(text.contains("<<<<<<< "), "{style}: {text}");
        let solved = SCENARIO.replace("severity: 2", "severity: 1").replace("at: 2m", "at: 3m");
        std::fs::write(dir.join("s.yaml"), solved).unwrap();
        // `lock` with flags and `--update` renew only single entries, and would lose the others.
        let ended = reenact(dir, &["lock", "s.yaml", "--seed", "9"]);
        check(&ended, 2, &["it contains a merge conflict", "`reenact lock s.yaml`"]);
        check(
            &reenact(dir, &["verify", "--update"]),
            2,
            &["it contains a merge conflict", "`reenact lock s.yaml`"],
        );
        assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), text);
        fine(follow(dir, &ended.stderr, "reenact lock"));
        assert_eq!(flags(&dir.join("s.lock")), ["", "--seed 3", "--seed 5", "--seed 7"], "{style}");
        let all = "5 scenarios unchanged (3 with flags)\n";
        assert_eq!(reenact(dir, &["verify", "--full"]).stderr, all, "{style}");
    }
}

fn conflict(style: &str) -> tempfile::TempDir {
    let dir = repository();
    let folder = dir.path();
    fine(reenact(folder, &["lock", "s.yaml", "--seed", "5"]));
    commit(folder);
    for (branch, old, new, seed) in
        [("one", "severity: 2", "severity: 1", "3"), ("other", "at: 2m", "at: 3m", "7")]
    {
        fine(git(folder, &["checkout", "-q", "-b", branch, "main"]));
        std::fs::write(folder.join("s.yaml"), SCENARIO.replace(old, new)).unwrap();
        fine(reenact(folder, &["lock", "s.yaml"]));
        fine(reenact(folder, &["lock", "s.yaml", "--seed", seed]));
        commit(folder);
    }
    let style = format!("merge.conflictStyle={style}");
    assert_ne!(git(folder, &["-c", &style, "merge", "-q", "--no-edit", "one"]).status, 0);
    dir
}

/// One side removes an incident, and the other adds an entry for it.
#[test]
fn an_outdated_entry_can_be_removed_from_a_conflict() {
    let dir = repository();
    let dir = dir.path();
    fine(git(dir, &["checkout", "-q", "-b", "one"]));
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("at: 125s", "at: 130s")).unwrap();
    for arguments in [&["lock", "s.yaml"][..], &LOW, &["lock", "s.yaml", "--seed", "8"]] {
        fine(reenact(dir, arguments));
    }
    commit(dir);
    fine(git(dir, &["checkout", "-q", "-b", "other", "main"]));
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("id: hot", "id: warm")).unwrap();
    fine(reenact(dir, &["lock", "s.yaml"]));
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "9"]));
    commit(dir);
    assert_ne!(git(dir, &["merge", "-q", "--no-edit", "one"]).status, 0);
    let solved = SCENARIO.replace("id: hot", "id: warm").replace("at: 125s", "at: 130s");
    std::fs::write(dir.join("s.yaml"), solved).unwrap();
    let ended = reenact(dir, &["lock", "s.yaml"]);
    check(&ended, 2, &["the entry `--set anomalies.hot.severity=low` of `s.lock` does not fit"]);
    fine(follow(dir, &ended.stderr, "reenact lock s.yaml --remove"));
    check(&reenact(dir, &["verify"]), 2, &["it contains a merge conflict"]);
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert_eq!(flags(&dir.join("s.lock")), ["", "--seed 8", "--seed 9"]);
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "4 scenarios unchanged (2 with flags)\n");
}

#[test]
fn a_conflict_over_a_whole_lock_keeps_both_sides_entries() {
    let dir = repository();
    let dir = dir.path();
    let plain = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    fine(reenact(dir, &LOW));
    let low = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    std::fs::write(dir.join("s.lock"), &plain).unwrap();
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "8"]));
    let eight = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    let whole = format!("<<<<<<< HEAD\n{low}=======\n{eight}>>>>>>> other\n");
    for text in [whole.clone(), whole.replace('\n', "\r\n")] {
        std::fs::write(dir.join("s.lock"), text).unwrap();
        fine(reenact(dir, &["lock", "s.yaml"]));
        assert_eq!(flags(&dir.join("s.lock")), ["", "--seed 8", "--set anomalies.hot.severity=low"]);
    }
    // reenact keeps a lock if its entries cannot be determined, or if a later version wrote it.
    for (old, new, words) in [
        ("flags = [\"--seed\", \"8\"]\n", "", "the flags of the entry `--seed 8` do not match its name"),
        ("flags = [\"--seed\", \"8\"]", "flags = [\"--seed\", ", "line "),
        ("version = 2", "version = 3", "has version 3"),
    ] {
        let damaged = whole.replacen(old, new, 1);
        assert_ne!(damaged, whole);
        std::fs::write(dir.join("s.lock"), &damaged).unwrap();
        check(&reenact(dir, &["lock", "s.yaml"]), 2, &[words]);
        assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), damaged);
    }
}

#[test]
fn a_byte_order_mark_in_a_lock_is_removed() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &LOW));
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    std::fs::write(dir.join("s.lock"), format!("\u{feff}{lock}")).unwrap();
    assert_eq!(reenact(dir, &["verify", "--full"]).stderr, "3 scenarios unchanged (1 with flags)\n");
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), lock);
}

#[test]
fn a_lock_without_its_first_line_is_kept() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &LOW));
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    for first in ["", "# reenct lock\n", "\n"] {
        let damaged = lock.replacen("# reenact lock\n", first, 1);
        std::fs::write(dir.join("s.lock"), &damaged).unwrap();
        let help = "if it is a lock file, write `# reenact lock` above its first line, then run `reenact lock s.yaml`";
        for (arguments, status) in [
            (&["lock", "s.yaml"][..], 2),
            (&["lock", "."], 2),
            (&["verify"], 1),
            (&["verify", "--update"], 1),
        ] {
            check(&reenact(dir, arguments), status, &["`s.lock` is not a lock file of reenact", help]);
            assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), damaged);
        }
        std::fs::write(dir.join("s.lock"), format!("# reenact lock\n{damaged}")).unwrap();
        fine(reenact(dir, &["lock", "s.yaml"]));
        assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), lock);
    }
}
