//! The commands in the README, the docs and the help texts run exactly as shown.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command_line::stdout_of;

/// Creates a folder with the files that the examples name: the repository's scenarios, a user's scenario, datasets.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copied = Command::new("cp").arg("-r").arg(root.join("scenarios")).arg(dir.path()).status().unwrap();
    assert!(copied.success());
    stdout_of(dir.path(), &["init", "hot-rack"]);
    std::fs::copy(dir.path().join("hot-rack.yaml"), dir.path().join("scenario.yaml")).unwrap();
    stdout_of(dir.path(), &["run", "hot-rack.yaml", "--for", "2m", "--out", "ndjson:out/"]);
    let example = "scenarios/examples/hot-rack.yaml";
    stdout_of(dir.path(), &["run", example, "--out", "ndjson:before/", "--out", "parquet:after/"]);
    dir
}

/// Runs a line in a shell with the program on the `PATH`. Returns what failed.
fn fails(folder: &Path, line: &str) -> Option<String> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_reenact"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .env("PATH", path)
        .env("HOME", folder)
        .current_dir(folder)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| format!("`{line}` ends with {}:\n{words}", output.status))
}

/// Whether these tests skip a line: `tests/broker.rs` tests brokers, and builds take minutes.
fn is_left_out(line: &str) -> bool {
    line.contains("kafka:") || line.starts_with("scripts/") || line.starts_with("cargo ")
}

/// Returns a line without the explanation that follows the command.
fn command(line: &str) -> &str {
    let line = line.split("    ").next().unwrap_or(line);
    line.split("  #").next().unwrap_or(line).trim()
}

#[test]
fn the_examples_in_every_help_text_run_as_shown() {
    let verbs = stdout_of(Path::new("."), &["--help"]);
    let verbs: Vec<&str> = verbs
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // The continuation of a long description is indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() >= 11, "{verbs:?}");
    let mut wrong = Vec::new();
    for verb in verbs {
        let help = stdout_of(Path::new("."), &[verb, "--help"]);
        let lines = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
        let examples: Vec<&str> =
            lines.filter(|line| line.starts_with("  reenact ")).map(str::trim).map(command).collect();
        if examples.is_empty() {
            wrong.push(format!("`reenact {verb} --help` has no example"));
        }
        for line in examples.into_iter().filter(|line| !is_left_out(line)) {
            wrong.extend(fails(folder().path(), line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_console_examples_of_the_docs_run_as_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for page in ["README.md", "docs/scenario.md", "docs/golden.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        // Later commands of a page need the files of earlier ones.
        let here = tempfile::tempdir().unwrap();
        let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest));
        let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(command);
        for line in lines.filter(|line| !is_left_out(line)) {
            wrong.extend(fails(here.path(), line).map(|words| format!("{page}: {words}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
