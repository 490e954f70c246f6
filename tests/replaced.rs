//! What an output replaces, and what it keeps: files of other programs, inputs, and files that appear during the run.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command_line::{Ended, files_in, reenact};
use crate::writing::{RUN, has_mounts, lines, lock, mounted, rows_of, script, with_devices};

/// A run that has written its first tick and then waits. When it is stopped, its output is complete but shorter.
struct Waiting(Option<Child>);

impl Waiting {
    fn begin(folder: &Path, outputs: &[&str], partial: &str) -> Waiting {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reenact"))
            .args(["run", "dev", "--speed", "0.0001"])
            .args(outputs)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while std::fs::metadata(folder.join(partial)).map_or(0, |meta| meta.len()) == 0 {
            assert_eq!(child.try_wait().unwrap(), None, "the run ended before its first tick");
            std::thread::sleep(Duration::from_millis(5));
        }
        Waiting(Some(child))
    }

    fn end(mut self) -> Ended {
        let mut child = self.0.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = child.wait().unwrap().code().unwrap_or(-1);
        Ended { status, stdout: String::new(), stderr }
    }
}

/// Kills the run if the test fails.
impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|child| drop(child.kill()));
    }
}

#[test]
fn files_that_appear_during_the_run_are_kept() {
    for appears in ["x.ndjson", "x.labels.ndjson", "x.manifest.json"] {
        let dir = tempfile::tempdir().unwrap();
        let outputs = ["--out", "ndjson:x.ndjson", "--out", "ndjson:y.ndjson"];
        let run = Waiting::begin(dir.path(), &outputs, ".x.ndjson.reenact-partial");
        std::fs::write(dir.path().join(appears), "mine").unwrap();
        let ended = run.end();
        assert_eq!(ended.status, 3, "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("`{appears}` appeared while")), "{}", ended.stderr);
        assert!(ended.stderr.contains("`x-1.ndjson`"), "{}", ended.stderr);
        assert_eq!(std::fs::read(dir.path().join(appears)).unwrap(), b"mine");
        let mut expected: Vec<String> = ["x-1", "y"]
            .iter()
            .flat_map(|name| ["labels.ndjson", "manifest.json", "ndjson"].map(|end| format!("{name}.{end}")))
            .chain([appears.to_string()])
            .collect();
        expected.sort();
        assert_eq!(files_in(dir.path()), expected, "{}", ended.stderr);
        assert_eq!(lines(&dir.path().join("x-1.ndjson")).len(), 5);
        // A later run does not remove it.
        std::fs::remove_file(dir.path().join(appears)).unwrap();
        let again =
            reenact(dir.path(), &["run", "dev", "--for", "4s", "--force", "--out", "ndjson:x.ndjson"]);
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert_eq!(lines(&dir.path().join("x-1.ndjson")).len(), 5);
    }
}

#[test]
fn directories_that_appear_or_change_during_the_run_are_kept() {
    let partial = ".d.reenact-partial/records.ndjson";
    let prepare: [(&str, &[&str]); 3] = [
        ("", &["--out", "ndjson:d/"]),
        ("mkdir d", &["--out", "ndjson:d/"]),
        ("$R run dev --for 1m --quiet --out ndjson:d/", &["--out", "ndjson:d/", "--force"]),
    ];
    for (prepared, outputs) in prepare {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(script(dir.path(), prepared).status, 0);
        let run = Waiting::begin(dir.path(), outputs, partial);
        assert_eq!(script(dir.path(), "mkdir -p d && echo mine > d/notes.md").status, 0);
        let before = files_in(&dir.path().join("d"));
        let ended = run.end();
        assert_eq!(ended.status, 3, "{prepared}: {}", ended.stderr);
        assert!(ended.stderr.contains("`d-1`"), "{prepared}: {}", ended.stderr);
        assert_eq!(files_in(&dir.path().join("d")), before, "{prepared}");
        assert_eq!(rows_of(&dir.path().join("d-1")), 5, "{prepared}");
        assert_eq!(files_in(dir.path()), ["d", "d-1"], "{prepared}");
    }
}

#[test]
fn only_files_listed_in_the_manifest_are_replaced() {
    for (format, foreign) in [
        ("ndjson", "mkdir d/labels.csv && echo mine > d/labels.csv/mine"),
        ("ndjson", "echo mine > d/application_metric.csv"),
        ("ndjson", "mv d/records.ndjson mine && ln -s ../mine d/records.ndjson"),
        ("ndjson", "rm d/labels.ndjson && mkdir d/labels.ndjson"),
        ("csv", "mkdir d/server_metric"),
        ("parquet", "echo mine > d/server_metric/part-9.parquet"),
        ("parquet", "echo mine > d/labels.ndjson"),
        ("parquet", "rm -r d/server_metric && ln -s .. d/server_metric"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let run = format!("{RUN} --force --out {format}:d/");
        assert_eq!(script(dir.path(), &format!("{run} && {run} && {foreign}")).status, 0);
        let listing = |_| script(dir.path(), "ls -lR").stdout;
        let before = listing(());
        let ended = script(dir.path(), &run);
        assert_eq!(ended.status, 2, "{foreign}: {}", ended.stderr);
        assert!(ended.stderr.contains("its manifest does not list `"), "{foreign}: {}", ended.stderr);
        assert_eq!(listing(()), before, "{foreign}");
    }
}

#[test]
fn a_report_replaces_only_a_report() {
    let dir = tempfile::tempdir().unwrap();
    lock(dir.path());
    let report = dir.path().join("r.xml");
    let verify = || reenact(dir.path(), &["verify", "--junit", "r.xml"]);
    for foreign in [
        "<?xml version=\"1.0\"?>\n<project name=\"reenact verify\"/>",
        "<?xml version=\"1.0\"?>\n<testsuites><testsuite name=\"pytest\"/></testsuites>",
        "notes",
    ] {
        std::fs::write(&report, foreign).unwrap();
        let ended = verify();
        assert_eq!(ended.status, 2, "{foreign}: {}", ended.stderr);
        assert_eq!(std::fs::read_to_string(&report).unwrap(), foreign);
    }
    std::fs::write(&report, "").unwrap();
    for _ in 0..2 {
        let ended = verify();
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(std::fs::read_to_string(&report).unwrap().starts_with("<?xml"));
    }
}

#[test]
fn overlapping_outputs_are_refused_before_rendering() {
    if !has_mounts() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let prepared = "mkdir real && ln -s real linked && ln -s real/x.ndjson x && touch real/x.ndjson";
    assert_eq!(script(dir.path(), prepared).status, 0);
    let before = files_in(dir.path());
    for outputs in [
        "--out ndjson:d/ --out ndjson:d/x.ndjson",
        "--out ndjson:d/x.ndjson --out parquet:d/",
        "--out ndjson:d/ --labels d/truth.ndjson",
        "--out ndjson:d/ --out csv:./d/e/",
        "--out ndjson:linked/d/ --out ndjson:real/d/",
        "--out ndjson:real/../d/ --out ndjson:d/x.ndjson",
        "--out ndjson:x --out ndjson:real/x.ndjson",
        "--out ndjson:linked/y --labels real/y",
        "--out ndjson:y.ndjson --labels linked/../y.labels.ndjson",
        "--out ndjson:- --out ndjson:/dev/stdout",
        "--out ndjson:- --labels /dev/stdout",
    ] {
        // Rendering would take ten thousand hours of simulated time, and the test would not end.
        let ended = with_devices(dir.path(), &format!("$R run production --for 10000h --force {outputs}"));
        assert_eq!(ended.status, 2, "{outputs}: {}", ended.stderr);
        let is_reported = ended.stderr.contains("two outputs have the same path")
            || ended.stderr.contains("would be inside");
        assert!(is_reported, "{outputs}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), before, "{outputs}");
        assert_eq!(files_in(&dir.path().join("real")), ["x.ndjson"], "{outputs}");
    }
    // Standard output is redirected to one of the files.
    let ended = script(dir.path(), &format!("{RUN} --out ndjson:- --out ndjson:f --force > f"));
    assert_eq!(ended.status, 2, "{}", ended.stderr);
}

#[test]
fn inputs_of_a_command_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    lock(dir.path());
    let prepared = "cp s.yaml S.YML && cp s.yaml plain && $R run dev --for 4s --quiet --out csv:c/ --out parquet:p/ \
                    --out ndjson:x.ndjson && ln -s s.yaml linked";
    let ended = script(dir.path(), prepared);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let contents = || script(dir.path(), "find . -type f | sort | xargs sha256sum").stdout;
    let before = contents();
    for (command, reason) in [
        ("run s.yaml --out ndjson:s.yaml", "is an input of this run"),
        ("run dev --out ndjson:linked", "has the file extension of a scenario"),
        ("run dev --out ndjson:S.YML", "has the file extension of a scenario"),
        ("run dev --labels s.yaml", "has the file extension of a scenario"),
        ("run ./plain --out ndjson:plain", "is an input of this run"),
        ("run s.yaml --out ndjson:s.lock", "has the file extension of a lock file"),
        ("run dev --out ndjson:c/server_metric.csv", "belongs to the dataset"),
        ("run dev --out ndjson:x.ndjson --labels c/labels.csv", "belongs to the dataset"),
        ("run dev --out ndjson:p/manifest.json", "belongs to the dataset"),
        ("run dev --out ndjson:p/server_metric/part-00000.parquet", "belongs to the dataset"),
        ("replay c/ --max-speed --out ndjson:c/scenario.yaml", "belongs to the dataset"),
        ("replay x.ndjson --max-speed --out ndjson:x.ndjson", "is an input of this run"),
        ("replay x.ndjson --max-speed --out ndjson:./x.manifest.json", "is an input of this run"),
        ("replay x.ndjson --max-speed --labels x.labels.ndjson", "is an input of this run"),
    ] {
        for force in ["", " --force"] {
            let ended = script(dir.path(), &format!("$R {command}{force} > /dev/null"));
            assert_eq!(ended.status, 2, "{command}{force}: {}", ended.stderr);
            assert!(ended.stderr.contains(reason), "{command}{force}: {}", ended.stderr);
            assert!(contents() == before, "{command}{force}");
        }
    }
}

#[test]
fn old_files_are_restored_when_their_replacement_is_incomplete() {
    let names = ["x.labels.ndjson", "x.manifest.json", "x.ndjson"];
    for lost in names {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(script(dir.path(), &format!("{RUN} --out ndjson:x.ndjson")).status, 0);
        let read = || names.map(|name| std::fs::read(dir.path().join(name)).unwrap());
        let before = read();
        let outputs = ["--force", "--seed", "99", "--out", "ndjson:x.ndjson"];
        let run = Waiting::begin(dir.path(), &outputs, ".x.ndjson.reenact-partial");
        std::fs::remove_file(dir.path().join(format!(".{lost}.reenact-partial"))).unwrap();
        let ended = run.end();
        assert_eq!(ended.status, 3, "{lost}: {}", ended.stderr);
        assert!(read() == before, "{lost}: {}", ended.stderr);
        // The remaining new files are kept under similar names.
        let kept = names.into_iter().filter(|name| *name != lost).map(|name| name.replacen('x', "x-1", 1));
        let mut expected: Vec<String> = names.iter().map(ToString::to_string).chain(kept).collect();
        expected.sort();
        assert_eq!(files_in(dir.path()), expected, "{lost}: {}", ended.stderr);
    }
}

#[test]
fn a_dataset_with_a_lost_file_is_not_published() {
    for (format, lost) in [
        ("ndjson", "records.ndjson"),
        ("ndjson", "labels.ndjson"),
        ("csv", "server_metric.csv"),
        ("parquet", "labels.parquet"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        // A file next to it shows that the first tick is written, because Parquet writes its first bytes late.
        let outputs = ["--out", &format!("{format}:d/"), "--out", "ndjson:x.ndjson"];
        let run = Waiting::begin(dir.path(), &outputs, ".x.ndjson.reenact-partial");
        std::fs::remove_file(dir.path().join(".d.reenact-partial").join(lost)).unwrap();
        let ended = run.end();
        assert_eq!(ended.status, 3, "{format} {lost}: {}", ended.stderr);
        assert!(ended.stderr.contains(lost), "{format} {lost}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), [""; 0], "{format} {lost}");
    }
}

#[test]
fn replaced_files_keep_their_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let run = format!("{RUN} --force --out ndjson:x.ndjson --out csv:d/ --labels l");
    let text = format!(
        "umask 022; {run} && chmod 600 x.ndjson x.manifest.json l && chmod 700 d && chmod 664 x.labels.ndjson && \
         {run} && stat -c %a x.ndjson x.manifest.json l d x.labels.ndjson"
    );
    let ended = script(dir.path(), &text);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout, "600\n600\n600\n700\n664\n");
}

#[test]
fn old_labels_that_cannot_be_removed_are_named() {
    if !has_mounts() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{RUN} --out ndjson:x.ndjson; touch l; mount --bind l x.labels.ndjson; \
         $R run dev --for 8s --no-labels --force --out ndjson:x.ndjson"
    );
    let ended = mounted(dir.path(), &text);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot remove `x.labels.ndjson`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("the new output is complete"), "{}", ended.stderr);
    assert_eq!(lines(&dir.path().join("x.ndjson")).len(), 20, "{}", ended.stderr);
}
