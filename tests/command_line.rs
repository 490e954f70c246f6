//! The program as users call it: data on stdout, messages on stderr, the exit status.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::assert_same;

pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program in a folder.
pub fn reenact(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended::of(output)
}

/// Runs the program with something on its standard input.
pub fn with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // The input is written on another thread, so that reading the output does not wait for it.
        scope.spawn(move || stdin.write_all(input).unwrap());
        Ended::of(child.wait_with_output().unwrap())
    })
}

impl Ended {
    pub fn of(output: std::process::Output) -> Ended {
        Ended {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program, which must succeed, and returns its standard output.
pub fn stdout_of(folder: &Path, arguments: &[&str]) -> String {
    let ended = reenact(folder, arguments);
    assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The example that the README shows.
pub fn hot_rack() -> String {
    format!("{}/scenarios/examples/hot-rack.yaml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_closed_pipe_is_success() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
        .args(["run", "dev", "--for", "48h"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 20];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"{\"type\":\"server_metr");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn run_without_a_scenario_means_normal() {
    let here = Path::new(".");
    let normal = stdout_of(here, &["run", "normal", "--for", "2s"]);
    assert_eq!(stdout_of(here, &["run", "--for", "2s"]), normal);
    assert_eq!(normal.lines().count(), 2 * 15);
}

#[test]
fn flags_change_the_counts_of_servers_and_services() {
    let here = Path::new(".");
    let lines = stdout_of(here, &["run", "dev", "--servers", "7", "--services", "4", "--for", "2s"]);
    assert_eq!(lines.lines().count(), 11);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.yaml"), crate::common::BUSY).unwrap();
    let ended = reenact(dir.path(), &["run", "s.yaml", "--servers", "7"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("`--set fleet.servers.web.count=3`"), "{}", ended.stderr);
}

#[test]
fn presets_and_kinds_are_listed() {
    let here = Path::new(".");
    let presets = stdout_of(here, &["presets"]);
    for (name, _) in reenact::scenario::PRESETS {
        assert!(presets.lines().any(|line| line == *name), "{name}: {presets}");
    }
    assert!(presets.contains("20 servers, 12 service instances; a tick every 1s for 1h"), "{presets}");
    let kinds = stdout_of(here, &["kinds"]);
    for kind in reenact::kinds::KINDS {
        assert!(kinds.lines().any(|line| line == kind.name()), "{kinds}");
    }
    assert!(kinds.contains("with: {leak: 1.5GB/h}"), "{kinds}");
}

#[test]
fn several_outputs_contain_the_same_rows_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    let printed = stdout_of(dir.path(), &["run", &hot_rack(), "--for", "10m"]);
    let outs =
        ["--out", "ndjson:a/", "--out", "ndjson:b.ndjson", "--out", "parquet:c/", "--labels", "l.ndjson"];
    let mut arguments = vec!["run", "--for", "10m"];
    let example = hot_rack();
    arguments.push(&example);
    arguments.extend(outs);
    stdout_of(dir.path(), &arguments);
    assert_eq!(
        files_in(dir.path()),
        ["a", "b.labels.ndjson", "b.manifest.json", "b.ndjson", "c", "l.ndjson"]
    );
    assert_eq!(
        files_in(&dir.path().join("a")),
        ["labels.ndjson", "manifest.json", "records.ndjson", "scenario.yaml"]
    );
    assert_eq!(
        files_in(&dir.path().join("c")),
        ["application_metric", "labels.parquet", "manifest.json", "scenario.yaml", "server_metric"]
    );
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    assert_same(printed.as_bytes(), &read("a/records.ndjson"), "the dataset");
    assert_same(printed.as_bytes(), &read("b.ndjson"), "the file");
    assert_eq!(read("a/labels.ndjson"), read("b.labels.ndjson"));
    let manifest = |name: &str| -> serde_json::Value { serde_json::from_slice(&read(name)).unwrap() };
    assert_eq!(manifest("a/manifest.json")["digest"], manifest("c/manifest.json")["digest"]);
    // The manifest next to a file differs from the manifest of a dataset only in the names of its files.
    let mut of_file = manifest("b.manifest.json");
    assert_eq!(
        (&of_file["parts"][0]["path"], &of_file["labels"]["path"]),
        (&"b.ndjson".into(), &"b.labels.ndjson".into())
    );
    of_file["parts"][0]["path"] = "records.ndjson".into();
    of_file["labels"]["path"] = "labels.ndjson".into();
    assert_eq!(of_file, manifest("a/manifest.json"));
}

#[test]
fn existing_outputs_are_kept_without_force() {
    let dir = tempfile::tempdir().unwrap();
    let write = |extra: &[&str]| {
        let mut arguments =
            vec!["run", "dev", "--for", "1m", "--out", "ndjson:a/", "--out", "ndjson:b.ndjson"];
        arguments.extend(extra);
        reenact(dir.path(), &arguments)
    };
    assert_eq!(write(&[]).status, 0);
    let before = std::fs::read(dir.path().join("b.ndjson")).unwrap();
    let again = write(&["--seed", "9"]);
    assert_eq!(again.status, 2, "{}", again.stderr);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(std::fs::read(dir.path().join("b.ndjson")).unwrap(), before);
    assert_eq!(write(&["--seed", "9", "--force"]).status, 0);
    assert_ne!(std::fs::read(dir.path().join("b.ndjson")).unwrap(), before);
    assert_eq!(files_in(dir.path()), ["a", "b.labels.ndjson", "b.manifest.json", "b.ndjson"]);
    // A directory that is not a dataset, or that contains other files too, is never replaced.
    for (file, text) in [("x.txt", "mine"), ("manifest.json", "{\"name\": \"my app\"}")] {
        std::fs::create_dir(dir.path().join("mine")).unwrap();
        std::fs::write(dir.path().join("mine").join(file), text).unwrap();
        let foreign =
            reenact(dir.path(), &["run", "dev", "--for", "1m", "--out", "parquet:mine/", "--force"]);
        assert_eq!(foreign.status, 2, "{}", foreign.stderr);
        assert_eq!(files_in(&dir.path().join("mine")), [file]);
        std::fs::remove_dir_all(dir.path().join("mine")).unwrap();
    }
    std::fs::write(dir.path().join("a/notes.txt"), "mine").unwrap();
    let noted = reenact(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:a/", "--force"]);
    assert_eq!(noted.status, 2, "{}", noted.stderr);
    assert!(files_in(&dir.path().join("a")).contains(&"notes.txt".to_string()));
}

#[test]
fn two_outputs_at_one_path_are_refused_in_any_spelling() {
    let dir = tempfile::tempdir().unwrap();
    for outs in [
        &["--out", "ndjson:a", "--out", "ndjson:./a"][..],
        &["--out", "ndjson:q", "--labels", "q"],
        &["--out", "ndjson:z.ndjson", "--out", "ndjson:z"],
        &["--out", "ndjson:-", "--out", "ndjson:-"],
    ] {
        let ended = reenact(dir.path(), &[&["run", "dev", "--for", "4s"][..], outs].concat());
        assert_eq!(ended.status, 2, "{outs:?}");
        assert!(ended.stderr.contains("two outputs have the same path"), "{outs:?}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), [""; 0], "{outs:?}");
    }
}

#[test]
fn invalid_output_paths_are_reported_before_rendering() {
    let dir = tempfile::tempdir().unwrap();
    for out in
        ["ndjson:none/x.ndjson", "parquet:none/there/", "out/", "ndjson:", "parquet:x", "xml:out/", "csv:out"]
    {
        let ended = reenact(dir.path(), &["run", "dev", "--out", "ndjson:fine/", "--out", out]);
        assert_eq!(ended.status, 2, "{out}: {}", ended.stderr);
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains("help: "),
            "{out}: {}",
            ended.stderr
        );
        assert_eq!(files_in(dir.path()), [""; 0], "{out}");
    }
}

#[test]
fn a_full_disk_exits_with_3_and_leaves_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let ended = reenact(dir.path(), &["run", "dev", "--out", "ndjson:/dev/full", "--out", "parquet:pq/"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(files_in(dir.path()), [""; 0]);
}

#[test]
fn special_files_are_written_directly() {
    let dir = tempfile::tempdir().unwrap();
    let ended = reenact(dir.path(), &["run", "dev", "--for", "1m", "--out", "ndjson:/dev/null"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

#[test]
fn for_selects_a_window_and_extends_short_runs() {
    let dir = tempfile::tempdir().unwrap();
    let example = hot_rack();
    let whole = stdout_of(dir.path(), &["run", &example]);
    let short = stdout_of(dir.path(), &["run", &example, "--for", "10m"]);
    assert_eq!(short.lines().count(), 600 * 5);
    assert!(whole.starts_with(&short));
    let long = stdout_of(dir.path(), &["run", &example, "--for", "2h10m"]);
    assert_eq!(long.lines().count(), 7_800 * 5);
    assert!(long.starts_with(&whole));
}

#[test]
fn plan_prints_a_readable_summary() {
    let printed = stdout_of(Path::new("."), &["plan", &hot_rack()]);
    insta::assert_snapshot!(printed, @"
    hot-rack
      Teaches the smallest useful scenario: cooling fails at one server of the preset `dev`, and half an hour later a dependency of a service on another one slows down.

    clock   2026-01-05T08:00:00.000Z for 2h, a tick every 1s
    stream  3 servers and 2 service instances: 36000 records, 14.4 MB as NDJSON
    memory  about 40.3 MB

    placement
      srv-001  R01 marseille-1  (no instances)
      srv-002  R02 marseille-2  api-gateway-1
      srv-003  R03 marseille-1  user-service-1

    calls
      api-gateway-1 → user-service-1 × 0.5

    timeline
      2026-01-05T08:40:00.000Z       40m  `hot`: temperature_high on srv-002 for 25m, severity high
          snr 2.01, visible in 2 metrics of srv-002; differs from the baseline on srv-002, api-gateway-1 (2 entities in reach)
      2026-01-05T09:10:00.000Z     1h10m  `slow`: latency_spike on user-service-1 for 10m, severity medium
          snr 1.04, visible in 8 metrics of api-gateway-1, user-service-1; differs from the baseline on api-gateway-1, user-service-1 (4 entities in reach)
    ");
}

#[test]
fn plan_json_has_differences_and_background_incidents() {
    let here = Path::new(".");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&stdout_of(here, arguments)).unwrap()
    };
    let plan = json(&["plan", &hot_rack(), "--json"]);
    assert_eq!((&plan["records"], &plan["scheduled"]), (&36_000.into(), &2.into()));
    let hot = &plan["timeline"][0];
    assert_eq!(
        (&hot["id"], &hot["targets"][0], &hot["reach"]),
        (&"hot".into(), &"srv-002".into(), &2.into())
    );
    assert!((hot["seen"]["snr"].as_f64().unwrap() - 2.0).abs() < 0.1, "{hot}");
    let differing = &hot["seen"]["differing"];
    assert_eq!(differing["first"], serde_json::json!(["srv-002", "api-gateway-1"]));
    assert!(differing["cells"].as_u64().unwrap() > 150, "{hot}");
    let drawn = json(&["plan", "chaos", "--json", "--background", "--from", "0s", "--to", "2m"]);
    let listed = drawn["background"]["incidents"].as_array().unwrap();
    assert!(
        listed.len() > 5 && listed.iter().all(|it| it["id"].as_str().unwrap().starts_with("bg.")),
        "{drawn}"
    );
    let printed = stdout_of(here, &["plan", "chaos", "--background", "--to", "2m"]);
    assert!(listed.iter().all(|it| printed.contains(it["id"].as_str().unwrap())), "{printed}");
}

#[test]
fn check_prints_mistakes_as_github_annotations_and_json() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scenario: 1\nuse: dev\nsede: 7\nanomalies:\n  - {kind: cpu_spike, target: srv-001, at: 1m, for: 1s}\n";
    std::fs::write(dir.path().join("s.yaml"), text).unwrap();
    let ended = reenact(dir.path(), &["check", "s.yaml", "--format", "github"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("::error file=s.yaml,line=3,col=1::a scenario has no key `sede`"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("::warning file=s.yaml,line=5,col=53::"), "{lines:?}");
    let json = reenact(dir.path(), &["check", "s.yaml", "--json"]);
    let checked: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&checked[0]["errors"], &checked[0]["warnings"]), (&1.into(), &1.into()));
    assert_eq!((&checked[0]["found"][0]["line"], json.status), (&3.into(), 2));
    // Warnings alone are printed, and fail the check only with `--strict`.
    std::fs::write(dir.path().join("s.yaml"), text.replace("sede", "seed")).unwrap();
    assert_eq!(reenact(dir.path(), &["check", "s.yaml"]).status, 0);
    assert_eq!(reenact(dir.path(), &["check", "--strict", "s.yaml"]).status, 2);
    // An unreadable file does not prevent the others from being checked.
    let both = reenact(dir.path(), &["check", "nothing.yaml", "s.yaml"]);
    assert!(both.status == 2 && both.stderr.contains("shorter than the step"), "{}", both.stderr);
}

#[test]
fn shipped_scenarios_pass_a_strict_check() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = reenact(root, &["check", "--strict", "scenarios"]);
    assert_eq!(checked.status, 0, "{}", checked.stderr);
}

#[test]
fn the_json_summary_is_never_mixed_with_records() {
    let dir = tempfile::tempdir().unwrap();
    let summary = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let ended = reenact(dir.path(), &["run", "dev", "--for", "10s", "--out", "ndjson:d/", "--json"]);
    assert_eq!(summary(&ended.stdout)["outputs"][0]["rows"], 25);
    let ended = reenact(dir.path(), &["run", "dev", "--for", "10s", "--json"]);
    assert_eq!(ended.stdout.lines().count(), 25);
    let end = ended.stderr.lines().last().unwrap();
    assert_eq!(summary(end)["outputs"][0]["target"], "ndjson:-");
    for arguments in [
        &["presets", "--json"][..],
        &["kinds", "--json"],
        &["init", "x", "--json"],
        &["lock", "x.yaml", "--json"],
        &["verify", "--json"],
    ] {
        summary(&stdout_of(dir.path(), arguments));
    }
}

#[test]
fn unimplemented_verbs_are_refused() {
    for verb in ["record", "view", "score"] {
        let ended = reenact(Path::new("."), &[verb, "a", "--limit", "3"]);
        assert_eq!(ended.status, 2);
        assert!(ended.stderr.contains("is not implemented yet"), "{}", ended.stderr);
    }
}
