//! reenact never quotes a file that is not a scenario, and `use` reads only files that are named like a scenario.

use std::path::Path;
use std::process::Command;

use crate::command_line::{Ended, with_input};
use crate::locks::SCENARIO;

const SECRET: &str = "hunter2";

fn reenact(folder: &Path, arguments: &[&str]) -> Ended {
    let mut program = Command::new("timeout");
    let program = program.args(["20", env!("CARGO_BIN_EXE_reenact")]).args(arguments).current_dir(folder);
    Ended::of(program.env("PASSWORD", SECRET).output().unwrap())
}

/// Texts with a secret. None of them is a scenario.
fn secrets() -> Vec<(&'static str, String)> {
    vec![
        ("a mapping", format!("password: {SECRET}\n")),
        ("keys that scenarios have", format!("name: {SECRET}\nseed: {SECRET}\nclock: {{run: {SECRET}}}\n")),
        ("a key", format!("{SECRET}: 1\n")),
        ("words", format!("{SECRET}\n")),
        ("a list", format!("- {SECRET}\n")),
        ("not YAML", format!("a: [{SECRET}\nb: c: d\n")),
        ("an alias", format!("a: *{SECRET}\n")),
        ("a tab", format!("a:\n\t{SECRET}: 1\n")),
        ("twice", format!("{SECRET}: 1\n{SECRET}: 2\n")),
        ("an environment", format!("HOME=/root\0PASSWORD={SECRET}\0")),
        ("a table of users", format!("root:{SECRET}:0:0:root:/root:/bin/bash\n")),
        ("a file of others", format!("services:\n  db: {{password: {SECRET}}}\n# scenario: 1\n")),
    ]
}

fn assert_no_secret(what: &str, ended: &Ended) {
    assert!(
        !ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET),
        "{what}: {}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn a_text_that_is_not_a_scenario_is_not_quoted() {
    for (what, text) in secrets() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::write(dir.join("secret.yaml"), &text).unwrap();
        std::fs::write(dir.join("user.yaml"), "scenario: 1\nuse: ./secret.yaml\n").unwrap();
        std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
        assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
        std::fs::copy(dir.join("s.lock"), dir.join("secret.lock")).unwrap();
        std::fs::copy(dir.join("s.lock"), dir.join("user.lock")).unwrap();
        for name in ["secret.yaml", "user.yaml"] {
            for arguments in [
                &["check", name][..],
                &["check", name, "--json"],
                &["check", name, "--format", "github"],
                &["check", name, "--seed", "8"],
                &["plan", name],
                &["run", name, "--json"],
                &["lock", name],
                &["verify", name],
                &["verify", name, "--json", "--full"],
                &["verify", name, "--junit", "r.xml"],
                &["verify", "--format", "github"],
            ] {
                let ended = reenact(dir, arguments);
                assert_eq!(ended.status, 2, "{what}, {arguments:?}: {}", ended.stderr);
                assert_no_secret(&format!("{what}, {arguments:?}"), &ended);
                let output = format!("{}{}", ended.stdout, ended.stderr);
                assert!(output.contains("secret.yaml` is not a scenario"), "{what}, {arguments:?}: {output}");
            }
            let report = std::fs::read_to_string(dir.join("r.xml")).unwrap();
            assert!(!report.contains(SECRET) && report.contains("is not a scenario"), "{what}: {report}");
        }
        assert_no_secret(what, &with_input(dir, &["check", "-"], text.as_bytes()));
    }
}

#[test]
fn a_scenario_is_quoted_even_if_it_is_not_yaml() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["scenario: 1\nuse: [dev\n", "scenario: 1\nuse: dev\nsede: 7\n", "scenario: 1\nclock: 5\n"] {
        std::fs::write(dir.path().join("s.yaml"), text).unwrap();
        let ended = reenact(dir.path(), &["check", "s.yaml"]);
        assert!(
            ended.status == 2
                && ended.stderr.contains("1 |") | ended.stderr.contains("2 |") | ended.stderr.contains("3 |"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn use_reads_only_regular_files_named_like_a_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(Command::new("mkfifo").arg(dir.join("pipe.yaml")).status().unwrap().success());
    std::os::unix::fs::symlink("/proc/self/environ", dir.join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.join("zero.yaml")).unwrap();
    std::fs::write(dir.join("plain"), SCENARIO).unwrap();
    for (used, words) in [
        ("/proc/self/environ", "does not end in `.yaml` or `.yml`"),
        ("/dev/stdin", "does not end in `.yaml` or `.yml`"),
        ("./plain", "does not end in `.yaml` or `.yml`"),
        ("./pipe.yaml", "it is not a regular file"),
        ("./zero.yaml", "it is not a regular file"),
        ("./link.yaml", "is not a scenario"),
    ] {
        std::fs::write(dir.join("s.yaml"), format!("scenario: 1\nuse: [dev, \"{used}\"]\n")).unwrap();
        for verb in ["check", "plan", "lock"] {
            let ended = reenact(dir, &[verb, "s.yaml"]);
            assert_eq!(ended.status, 2, "{verb} {used}: {}", ended.stderr);
            assert!(ended.stderr.contains(words), "{verb} {used}: {}", ended.stderr);
            assert_no_secret(used, &ended);
        }
    }
    // A file that the user names may have any name. It is still not quoted.
    assert_no_secret("named", &reenact(dir, &["check", "/proc/self/environ"]));
    assert_no_secret("named", &reenact(dir, &["verify", "/proc/self/environ"]));
    // A search of a folder takes only regular files for scenarios and locks.
    std::fs::remove_file(dir.join("s.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("pipe.lock")).status().unwrap().success());
    for arguments in [&["verify"][..], &["lock", "."], &["check", "."]] {
        let ended = reenact(dir, arguments);
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert_no_secret("a folder", &ended);
    }
}

/// A lock cannot name files. A path in it is only a name.
#[test]
fn no_path_in_a_lock_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["lock", "s.yaml"]).status, 0);
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    for (text, name) in [
        (lock.replace("[plain", "[\"/proc/self/environ\""), "s.lock"),
        (lock.replace("[plain]", "[plain]\nflags = [\"--set\", \"use=/proc/self/environ\"]"), "s.lock"),
        (
            format!(
                "# What the scenarios of this folder gave\nversion = 1\n{}",
                &lock[lock.find("\n[plain]").unwrap()..lock.find("\n[plain.checksum]").unwrap()]
            )
            .replace("[plain", "[\"/proc/self/environ\""),
            "reenact.lock",
        ),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
        for arguments in [
            &["verify", "--junit", "r.xml"][..],
            &["verify", "--full"],
            &["verify", "--update"],
            &["lock", "."],
            &["diff", name, "."],
        ] {
            assert_no_secret(name, &reenact(dir, arguments));
        }
        assert!(!std::fs::read_to_string(dir.join("r.xml")).unwrap().contains(SECRET));
    }
}
