//! Rules of style that no linter checks: which room may import which, the length of files, the content of
//! ARCHITECTURE.md.

mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All rooms, from left to right in the direction of data flow, each with the rooms that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("math", &[]),
    ("glob", &[]),
    ("printable", &[]),
    ("threads", &[]),
    ("time", &[]),
    ("noise", &["math", "time"]),
    ("schema", &[]),
    ("batch", &["time", "schema"]),
    ("label", &["schema", "batch", "time"]),
    ("arrow", &["math", "time", "schema", "batch", "label"]),
    ("digest", &["batch"]),
    ("kinds", &["math", "schema", "time"]),
    ("scenario", &["glob", "printable", "time", "kinds"]),
    ("fleet", &["math", "schema", "batch", "time", "scenario"]),
    ("engine/models", &["math", "schema", "batch", "time", "noise", "fleet"]),
    ("plan", &["math", "glob", "schema", "time", "label", "kinds", "scenario", "fleet", "engine/models"]),
    ("engine", &["schema", "math", "batch", "time", "noise", "kinds", "fleet", "plan"]),
    ("truth", &["math", "schema", "batch", "time", "label", "fleet", "plan", "engine"]),
    ("pipeline", &["threads", "batch", "time", "label", "plan", "engine", "truth"]),
    ("pace", &["time"]),
    ("output", &["threads", "schema", "batch", "time", "label", "arrow", "pace"]),
    ("player", &["time", "pace"]),
    (
        "recording",
        &[
            "glob",
            "threads",
            "schema",
            "engine/models",
            "batch",
            "time",
            "label",
            "arrow",
            "digest",
            "output",
        ],
    ),
    (
        "run",
        &[
            "threads",
            "schema",
            "batch",
            "time",
            "label",
            "digest",
            "plan",
            "pipeline",
            "output",
            "pace",
            "player",
            "recording",
        ],
    ),
    ("replay", &["glob", "threads", "batch", "time", "label", "output", "player", "recording", "run"]),
    (
        "golden",
        &[
            "printable",
            "schema",
            "batch",
            "time",
            "label",
            "digest",
            "scenario",
            "plan",
            "pipeline",
            "recording",
            "run",
        ],
    ),
    ("export", &["schema", "batch", "time", "label", "recording"]),
    (
        "cli",
        &[
            "fleet",
            "printable",
            "threads",
            "engine/models",
            "schema",
            "time",
            "digest",
            "pipeline",
            "kinds",
            "scenario",
            "plan",
            "output",
            "pace",
            "player",
            "truth",
            "label",
            "recording",
            "run",
            "replay",
            "golden",
            "export",
        ],
    ),
];

/// The part of the engine that rooms on the left of the engine may use.
const MODELS: &str = "engine/models";

/// The maximum number of lines of a source file. A longer file must be split by idea.
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the room of a source file: the first part of its path below `src/`.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    if below.starts_with(MODELS) {
        return MODELS.into();
    }
    below.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_string()
}

/// Returns code without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("mod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_import_only_allowed_rooms() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    for path in files(&root().join("src"), "rs") {
        let room = room(&path);
        let below = path.strip_prefix(root().join("src")).unwrap();
        let is_test =
            below.components().any(|part| ["tests", "tests.rs"].iter().any(|it| part.as_os_str() == *it));
        if room == "lib" || room == "main" || is_test {
            continue;
        }
        let allowed = rooms.get(room.as_str()).unwrap_or_else(|| {
            panic!("`src/{room}` is a new room: give it a line in ROOMS here and a row in ARCHITECTURE.md")
        });
        for part in code(&std::fs::read_to_string(&path).unwrap()).split("crate::").skip(1) {
            let used: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let is_models = part.starts_with("engine::models");
            let used = if is_models { MODELS.to_string() } else { used };
            let is_room = rooms.contains_key(used.as_str());
            assert!(
                !is_room || used == room || allowed.contains(&used.as_str()),
                "{}: `{room}` may not use `{used}`; it may use {allowed:?}. Pass the value in as an argument instead",
                path.display()
            );
        }
    }
}

#[test]
fn rooms_may_use_only_rooms_on_their_left() {
    for (i, (room, allowed)) in ROOMS.iter().enumerate() {
        for used in *allowed {
            assert!(
                ROOMS[..i].iter().any(|(left, _)| left == used),
                "`{room}` may not use `{used}`, which is not on its left"
            );
        }
    }
}

#[test]
fn architecture_names_exactly_the_existing_rooms() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (room, _) in ROOMS {
        assert!(text.contains(&format!("| `{room}` |")), "ARCHITECTURE.md has no row for `{room}`");
    }
    let named =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name));
    for name in named.take_while(|name| !name.contains('-')).take(ROOMS.len()) {
        assert!(
            ROOMS.iter().any(|(room, _)| *room == name),
            "ARCHITECTURE.md names `{name}`, and `src/` has no such room"
        );
    }
}

#[test]
fn source_files_are_at_most_400_lines_long() {
    for path in files(&root().join("src"), "rs") {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= MAX_LINES,
            "{} has {lines} lines, more than {MAX_LINES}: split it by idea",
            path.display()
        );
    }
    for path in files(&root().join("src"), "rs").into_iter().filter(|path| path.ends_with("mod.rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} must start with a module doc", path.display());
    }
}

#[test]
fn files_contain_no_banned_code() {
    // The words are split into two halves, so that the test does not find them in this file.
    let banned = [
        (concat!("#[", "ignore"), "a test that does not run checks nothing: delete it or fix it"),
        (concat!("should_", "panic"), "return an error and check it"),
        (concat!("TO", "DO"), "do it, or say in ARCHITECTURE.md why not"),
        (concat!("FIX", "ME"), "fix it"),
        (concat!("/wo", "rk/"), "do not write paths of one machine"),
        (concat!("rand::thread", "_rng"), "draw from a key"),
    ];
    for folder in ["src", "tests", "benches", "scripts", "scenarios"] {
        let folder = root().join(folder);
        if !folder.exists() {
            continue;
        }
        for extension in ["rs", "yaml", "py", "java", "md"] {
            for path in files(&folder, extension) {
                let text = std::fs::read_to_string(&path).unwrap();
                for (word, instead) in banned {
                    assert!(!text.contains(word), "{} has `{word}`: {instead}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_dependency_has_a_reason_and_a_row() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
            continue;
        }
        let Some((name, rest)) = line.split_once(" = ").filter(|_| inside) else { continue };
        assert!(
            rest.contains(" # "),
            "Cargo.toml: `{name}` needs a reason: `{name} = … # why it and not our own`"
        );
        assert!(
            architecture.contains(&format!("`{name}`")),
            "ARCHITECTURE.md has no row for the crate `{name}`"
        );
    }
}

#[test]
fn the_changelog_has_the_required_headings() {
    let text = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let first = text.lines().find(|line| line.starts_with("## "));
    assert_eq!(first, Some("## Unreleased"), "the newest changes must be at the top");
    for line in text.lines().filter(|line| line.starts_with("### ")) {
        let known = ["### Added", "### Changed", "### Fixed", "### Values"];
        assert!(known.contains(&line), "CHANGELOG.md: `{line}` is not one of {known:?}");
    }
}

#[test]
fn only_one_room_starts_threads() {
    for path in files(&root().join("src"), "rs").into_iter().filter(|path| room(path) != "threads") {
        let code = code(&std::fs::read_to_string(&path).unwrap());
        for word in ["thread::scope", "thread::spawn", "thread::Builder"] {
            assert!(!code.contains(word), "{} has `{word}`: use `threads`", path.display());
        }
    }
}
