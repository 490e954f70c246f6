//! How `verify` and `lock` search folders: they find each scenario once and skip none silently.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::command_line::{Ended, files_in, reenact};
use crate::lock_files::{fine, repository};
use crate::locks::SCENARIO;

/// Runs the command that a message suggests in backticks and that starts with `beginning`.
pub fn follow(folder: &Path, message: &str, beginning: &str) -> Ended {
    let command = message.split('`').skip(1).step_by(2).find(|part| part.starts_with(beginning));
    let command = command.unwrap_or_else(|| panic!("no `{beginning}…` in {message}"));
    let line = format!("reenact() {{ \"$0\" \"$@\"; }}; {command}");
    let program = ["-c", &line, env!("CARGO_BIN_EXE_reenact")];
    Ended::of(Command::new("bash").args(program).current_dir(folder).output().unwrap())
}

#[test]
fn a_scenario_that_is_named_twice_is_verified_once() {
    let dir = repository();
    let dir = dir.path();
    std::fs::write(dir.join("new.yaml"), SCENARIO).unwrap();
    symlink("s.yaml", dir.join("link.yaml")).unwrap();
    fine(reenact(dir, &["lock", "link.yaml"]));
    for (arguments, expected) in [
        (&["s.yaml", "s.yaml"][..], "1 scenario unchanged\n"),
        (&["./s.yaml", "s.lock"], "1 scenario unchanged\n"),
        (&[".", "s.yaml", "k.lock", "./new.yaml"], "3 scenarios unchanged, 1 without a lock file\n"),
        // A link has a lock of its own.
        (&["link.yaml", "s.yaml"], "2 scenarios unchanged\n"),
    ] {
        let ended = reenact(dir, &[&["verify", "--allow-unlocked"], arguments].concat());
        assert_eq!(ended.stderr, expected, "{arguments:?}");
    }
}

/// Encodes a text as UTF-16, with a byte order mark.
fn utf_16(text: &str, is_little: bool) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(|unit| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn scenarios_in_another_encoding_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let latin_1 = [&b"# f\xfcr alle\n"[..], SCENARIO.as_bytes()].concat();
    for (name, bytes) in
        [("le", utf_16(SCENARIO, true)), ("be", utf_16(SCENARIO, false)), ("latin", latin_1.clone())]
    {
        std::fs::write(dir.join(format!("{name}.yaml")), bytes).unwrap();
    }
    // Other files are not reported.
    std::fs::write(dir.join("other.yaml"), utf_16("services: {}\n", true)).unwrap();
    std::fs::write(dir.join("bytes.yaml"), [0xff, 0xfe, 0x00, 0xd8, 0x80]).unwrap();
    let ended = reenact(dir, &["verify"]);
    for name in ["le", "be", "latin"] {
        assert!(ended.stderr.contains(&format!("`{name}.yaml` has no lock file")), "{}", ended.stderr);
    }
    assert!(ended.stderr.ends_with("\n3 scenarios without a lock file\n"), "{}", ended.stderr);
    let ended = reenact(dir, &["lock", "."]);
    assert_eq!(ended.status, 2);
    assert_eq!(ended.stderr.matches("it is not UTF-8 text").count(), 3, "{}", ended.stderr);
}

#[test]
fn the_extension_of_a_scenario_may_be_uppercase() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["a.YAML", "b.Yml"] {
        std::fs::write(dir.join(name), SCENARIO).unwrap();
    }
    let ended = reenact(dir, &["verify"]);
    assert!(ended.stderr.contains("`a.YAML` has no lock file\n  = help: lock it with `reenact lock a.YAML`"));
    assert!(ended.stderr.ends_with("2 scenarios without a lock file\n"), "{}", ended.stderr);
    fine(reenact(dir, &["lock", "."]));
    assert_eq!(files_in(dir), ["a.YAML", "a.lock", "b.Yml", "b.lock"]);
    assert_eq!(reenact(dir, &["verify"]).stderr, "2 scenarios unchanged\n");
    assert_eq!(reenact(dir, &["verify", "a.YAML"]).stderr, "1 scenario unchanged\n");
    assert_eq!(fine(reenact(dir, &["lock", "--prune", "--json"])).matches(".lock").count(), 0);
    std::fs::write(dir.join("a.yml"), SCENARIO).unwrap();
    for name in ["a.YAML", "a.yml"] {
        let ended = reenact(dir, &["lock", name]);
        assert!(
            ended.status == 2 && ended.stderr.contains("would share the lock file `a.lock`"),
            "{}",
            ended.stderr
        );
    }
    std::fs::write(dir.join("c.yaml"), "scenario: 1\nuse: ./b.Yml\n").unwrap();
    assert_eq!(reenact(dir, &["check", "c.yaml"]).status, 0);
}

#[test]
fn prune_keeps_the_lock_of_a_dangling_link() {
    let dir = repository();
    let dir = dir.path();
    std::fs::rename(dir.join("s.yaml"), dir.join("elsewhere")).unwrap();
    symlink("gone/s.yaml", dir.join("s.yaml")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert_eq!(ended.status, 1);
    let words = "`s.lock` has no scenario: `s.yaml` is a link to `gone/s.yaml`, which does not exist";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert!(!ended.stderr.contains("--prune"), "{}", ended.stderr);
    let ended = reenact(dir, &["lock", "--prune"]);
    assert!(ended.stderr.contains("s.lock: kept, because `s.yaml` is a link"), "{}", ended.stderr);
    assert!(
        ended.stderr.ends_with("0 lock files removed\n") && dir.join("s.lock").exists(),
        "{}",
        ended.stderr
    );
    std::fs::remove_file(dir.join("s.yaml")).unwrap();
    assert!(reenact(dir, &["lock", "--prune"]).stderr.contains("s.lock: removed"));
}

#[test]
fn prune_keeps_the_target_of_a_linked_lock() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("locks")).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    symlink("locks/shared.lock", dir.join("s.lock")).unwrap();
    fine(reenact(dir, &["lock", "s.yaml"]));
    assert!(dir.join("s.lock").is_symlink());
    fine(reenact(dir, &["verify"]));
    fine(reenact(dir, &["lock", "--prune"]));
    assert_eq!(files_in(&dir.join("locks")), ["shared.lock"]);
    // Without the link, the lock has no scenario.
    std::fs::remove_file(dir.join("s.lock")).unwrap();
    assert_eq!(reenact(dir, &["verify"]).status, 1);
}

/// Another scenario has the same rows as an entry of the renamed one under flags.
#[test]
fn a_renamed_scenario_is_identified_by_all_its_entries() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "8"]));
    std::fs::write(dir.join("a.yaml"), SCENARIO.replace("seed: 6", "seed: 8")).unwrap();
    std::fs::rename(dir.join("s.yaml"), dir.join("z.yaml")).unwrap();
    let words = "`s.yaml` was renamed to `z.yaml`";
    let ended = reenact(dir, &["verify"]);
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert!(ended.stderr.contains("`a.yaml` has no lock file"), "{}", ended.stderr);
    // If the renamed scenario is missing, the other one is not mistaken for it.
    std::fs::remove_file(dir.join("z.yaml")).unwrap();
    let ended = reenact(dir, &["verify"]);
    assert!(!ended.stderr.contains("was renamed"), "{}", ended.stderr);
}

#[test]
fn a_lock_without_a_scenario_is_reported_and_pruned() {
    let dir = repository();
    let dir = dir.path();
    fine(reenact(dir, &["lock", "s.yaml", "--seed", "8"]));
    std::fs::remove_file(dir.join("s.yaml")).unwrap();
    std::fs::write(dir.join("t.yaml"), SCENARIO.replace("seed: 6", "seed: 5")).unwrap();
    let ended = reenact(dir, &["lock", "t.yaml"]);
    assert_eq!(ended.status, 0);
    assert!(ended.stderr.contains("warning: `s.lock` has no scenario: rename it"), "{}", ended.stderr);
    let ended = reenact(dir, &["lock", "--prune"]);
    assert!(ended.stderr.contains("s.lock: removed, including 1 entry with flags\n"), "{}", ended.stderr);
    // The other locks have their scenario.
    assert!(!reenact(dir, &["lock", "."]).stderr.contains("warning"));
}

#[test]
fn the_page_names_every_verdict() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = std::fs::read_to_string(root.join("src/cli/judged.rs")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/golden.md")).unwrap();
    let body = code.split("fn word(").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let words: Vec<&str> = body.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(words.len(), 11, "{words:?}");
    let table = page.split("### Verdicts").nth(1).expect("golden.md has a section `Verdicts`");
    for word in words {
        assert!(table.contains(&format!("| `{word}` |")), "docs/golden.md lacks the verdict `{word}`");
    }
}

#[test]
fn suggested_commands_can_be_pasted_into_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("a b")).unwrap();
    for name in ["a b/my file.yaml", "a b/it's.yaml", "-x.yaml"] {
        std::fs::write(dir.join(name), SCENARIO).unwrap();
    }
    let verify = || reenact(dir, &["verify"]).stderr;
    // Each message names one of three files, and its command fixes the problem.
    for (name, quoted) in [
        ("-x.yaml", "./-x.yaml"),
        ("a b/it's.yaml", "'a b/it'\\''s.yaml'"),
        ("a b/my file.yaml", "'a b/my file.yaml'"),
    ] {
        let found = verify();
        assert!(found.contains(&format!("`{name}` has no lock file")), "{found}");
        fine(follow(dir, &found, &format!("reenact lock {quoted}")));
        assert!(!verify().contains(&format!("`{name}` has no lock file")), "{}", verify());
    }
    let lock = std::fs::read_to_string(dir.join("a b/my file.lock")).unwrap();
    for damaged in [
        lock.replace("rows = 1500", "rows = 1501"),
        lock.replace("epoch = 0", "epoch = 7"),
        lock.replace("rows = 1500", "<<<<<<< HEAD\nrows = 1\n=======\nrows = 2\n>>>>>>> b"),
        lock.replace("# reenact lock\n", "# reenact lock\n\n[plain]\n"),
        lock.replace("# reenact lock\n", ""),
    ] {
        assert_ne!(damaged, lock);
        std::fs::write(dir.join("a b/my file.lock"), damaged).unwrap();
        let found = verify();
        assert!(found.contains("`reenact lock 'a b/my file.yaml'`"), "{found}");
        assert!(!found.contains("reenact lock a b"), "{found}");
    }
    std::fs::write(dir.join("a b/my file.lock"), lock).unwrap();
    std::fs::rename(dir.join("a b/my file.yaml"), dir.join("a b/your file.yaml")).unwrap();
    let found = verify();
    assert!(found.contains("`git mv 'a b/my file.lock' 'a b/your file.lock'`"), "{found}");
}
