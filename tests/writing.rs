//! How outputs are written: directly to devices and descriptors, through links, and in place on mounted volumes.

use std::path::Path;
use std::process::{Command, Stdio};

use reenact::recording::Recording;

use crate::command_line::{Ended, files_in, reenact};
use crate::exhausted::limited;

/// Two ticks of five rows.
pub const RUN: &str = "$R run dev --for 4s --quiet";

/// Runs a script in a folder; `$R` is the program.
pub fn script(folder: &Path, text: &str) -> Ended {
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {text}")])
        .env("R", env!("CARGO_BIN_EXE_reenact"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended::of(output)
}

#[expect(clippy::print_stderr, reason = "a test that did not run is not one that passed")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Returns whether a test can have its own mounts on this machine.
pub fn has_mounts() -> bool {
    let tried = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        skipped("`unshare -m` fails, so the test cannot have its own mounts");
    }
    has
}

/// Runs a script with its own mounts.
pub fn mounted(folder: &Path, text: &str) -> Ended {
    let output = Command::new("unshare")
        .args(["-m", "bash", "-c", &format!("set -o pipefail; {text}")])
        .env("R", env!("CARGO_BIN_EXE_reenact"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended::of(output)
}

/// Runs a script with its own mounts and devices, so that a mistake cannot replace the machine's `/dev/null`.
pub fn with_devices(folder: &Path, text: &str) -> Ended {
    let devices = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s /proc/self/fd /dev/fd && \
                   ln -s fd/1 /dev/stdout && ln -s fd/2 /dev/stderr";
    mounted(folder, &format!("{devices} || exit 99; {text}"))
}

pub fn lock(folder: &Path) {
    std::fs::write(folder.join("s.yaml"), "scenario: 1\nuse: dev\nclock: {run: 4s}\n").unwrap();
    let ended = reenact(folder, &["lock", "s.yaml"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

pub fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(String::from).collect()
}

fn no_leftover(folder: &Path) {
    let left: Vec<String> = files_in(folder).into_iter().filter(|name| name.contains(".reenact-")).collect();
    assert_eq!(left, [""; 0]);
}

/// Checks a dataset against its manifest and returns the number of its rows.
pub fn rows_of(dataset: &Path) -> usize {
    let recording = Recording::open(dataset).unwrap();
    recording.batches().unwrap().map(|batch| batch.unwrap().num_rows()).sum()
}

#[test]
fn a_descriptor_is_written_at_its_position() {
    if !has_mounts() {
        return;
    }
    // The flags, the redirection that opens `f`, and the redirection of the lines before and after the run.
    for (name, opened, redirected) in [
        ("--out ndjson:/dev/stdout", "> f", ""),
        ("--out ndjson:/dev/stdout --force", "> f", ""),
        ("--out ndjson:/dev/stdout", ">> f", ""),
        ("--out ndjson:/proc/self/fd/1", "> f", ""),
        ("--out ndjson:/dev/fd/3", "3> f", ">&3"),
        ("--out ndjson:/dev/fd/3 --force", "3>> f", ">&3"),
        ("--out ndjson:/dev/stderr --force", "2> f", ">&2"),
        ("--out ndjson:linked", "> f", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/stdout", dir.path().join("linked")).unwrap();
        if opened.contains(">>") {
            std::fs::write(dir.path().join("f"), "zero\n").unwrap();
        }
        let text = format!("{{ echo first {redirected}; {RUN} {name}; echo last {redirected}; }} {opened}");
        let ended = with_devices(dir.path(), &text);
        assert_eq!(ended.status, 0, "{text}: {}", ended.stderr);
        let lines = lines(&dir.path().join("f"));
        let expected = if opened.contains(">>") { 13 } else { 12 };
        assert_eq!(lines.len(), expected, "{text}: {lines:?}");
        assert_eq!(lines[expected - 12], "first", "{text}");
        assert!(lines[expected - 11..expected - 1].iter().all(|line| line.starts_with('{')), "{text}");
        assert_eq!(lines[expected - 1], "last", "{text}");
        assert_eq!(files_in(dir.path()), ["f", "linked"], "{text}");
    }
}

#[test]
fn labels_and_reports_are_written_to_descriptors_and_pipes() {
    if !has_mounts() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    lock(dir.path());
    let before = files_in(dir.path());
    let run = "$R run dev --for 1h --quiet --out ndjson:/dev/null";
    for (text, begins) in [
        (format!("{run} --labels /dev/stderr --force 2> f"), "{\"incident_id\""),
        (format!("{run} --labels /dev/stdout > f"), "{\"incident_id\""),
        (format!("{run} --labels >(cat > g); while [ ! -s g ]; do sleep .01; done; cat g > f; rm g"), "{"),
        ("$R verify --quiet --junit /dev/stdout > f".into(), "<?xml"),
        ("$R verify --quiet --junit /dev/fd/3 3> f".into(), "<?xml"),
        // reenact does not read the FIFO first, so its reader gets the report.
        ("mkfifo p; cat p > f & $R verify --quiet --junit p; wait; rm p".into(), "<?xml"),
        ("ln -s /dev/stdout l; $R verify --quiet --junit l > f; [ -L l ]; rm l".into(), "<?xml"),
        (format!("{RUN} --out ndjson:/dev/stdout | head -n 1 > f"), "{\"type\""),
        (format!("mkfifo p; cat p > f & {RUN} --out ndjson:p; wait; rm p"), "{\"type\""),
    ] {
        let ended = with_devices(dir.path(), &text);
        assert_eq!(ended.status, 0, "{text}: {}", ended.stderr);
        let written = std::fs::read_to_string(dir.path().join("f")).unwrap();
        assert!(written.starts_with(begins), "{text}: {written:?}");
        let mut expected = before.clone();
        expected.insert(0, "f".into());
        assert_eq!(files_in(dir.path()), expected, "{text}");
    }
}

#[test]
fn a_device_is_not_replaced_by_a_file() {
    if !has_mounts() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    lock(dir.path());
    assert_eq!(script(dir.path(), &format!("{RUN} --out ndjson:d/")).status, 0);
    for write in [
        "$R verify s.yaml --junit /dev/null",
        "$R run dev --for 4s --out ndjson:/dev/null --labels /dev/null --force",
        "$R replay d/ --max-speed --out ndjson:/dev/null --force",
    ] {
        let ended = with_devices(dir.path(), &format!("{write} && [ -c /dev/null ]"));
        assert_eq!(ended.status, 0, "{write}: {}", ended.stderr);
    }
}

#[test]
fn links_are_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["far", "near"] {
        std::fs::create_dir(dir.join(folder)).unwrap();
    }
    lock(&dir.join("near"));
    let lock = files_in(&dir.join("near")).into_iter().find(|name| name.ends_with(".lock")).unwrap();
    std::fs::rename(dir.join("near").join(&lock), dir.join("far/locked")).unwrap();
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
    for (name, target) in [
        (&*format!("near/{lock}"), "../far/locked"),
        ("near/x.ndjson", "../far/x"),
        ("near/l", "../far/l"),
        ("near/r.xml", "../far/r"),
        ("near/d", "../far/d"),
        ("near/twice", "x.ndjson"),
    ] {
        link(target, name);
    }
    // The targets do not exist at first, and exist in the second pass.
    for force in [&[][..], &["--force"]] {
        for arguments in [
            &["run", "dev", "--for", "4s", "--out", "ndjson:near/twice", "--labels", "near/l"][..],
            &["run", "dev", "--for", "4s", "--out", "ndjson:near/d/"],
        ] {
            let ended = reenact(dir, &[arguments, force].concat());
            assert_eq!(ended.status, 0, "{arguments:?} {force:?}: {}", ended.stderr);
        }
        for arguments in [["lock", "s.yaml"].as_slice(), &["verify", "--junit", "r.xml"]] {
            let ended = reenact(&dir.join("near"), arguments);
            assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
        }
        let links = [&*lock, "x.ndjson", "l", "r.xml", "d", "twice"];
        assert!(links.iter().all(|name| dir.join("near").join(name).is_symlink()), "{force:?}");
        assert_eq!(files_in(&dir.join("far")), ["d", "l", "locked", "r", "x"], "{force:?}");
        assert_eq!(lines(&dir.join("far/x")).len(), 10);
        assert_eq!(rows_of(&dir.join("far/d")), 10);
        no_leftover(&dir.join("near"));
    }
    // The checks apply to the target of a link.
    let ended = reenact(dir, &["run", "dev", "--for", "4s", "--out", "ndjson:near/d/"]);
    assert_eq!((ended.status, ended.stderr.contains("already exists")), (2, true), "{}", ended.stderr);
    link("loop", "loop");
    let ended = reenact(dir, &["run", "dev", "--for", "4s", "--out", "ndjson:loop"]);
    assert_eq!((ended.status, ended.stderr.contains("symbolic links")), (2, true), "{}", ended.stderr);
}

#[test]
fn an_empty_directory_becomes_the_dataset() {
    for out in ["parquet:d/", "csv:d/./", "ndjson:d/../d/"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        let ended = reenact(dir.path(), &["run", "dev", "--for", "4s", "--out", out]);
        assert_eq!(ended.status, 0, "{out}: {}", ended.stderr);
        assert_eq!(rows_of(&dir.path().join("d")), 10, "{out}");
        assert_eq!(files_in(dir.path()), ["d"], "{out}");
        let ended = reenact(dir.path(), &["export", "d/", "--as", "nab", "d"]);
        assert_eq!(ended.status, 2, "{}", ended.stderr);
        std::fs::create_dir(dir.path().join("e")).unwrap();
        let ended = reenact(dir.path(), &["export", "d/", "--as", "nab", "e"]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert_eq!(files_in(&dir.path().join("e")), ["data", "labels"]);
    }
    // The working directory stays the same directory.
    let dir = tempfile::tempdir().unwrap();
    for force in ["", "--force"] {
        let text = format!("{RUN} --out parquet:./ {force} && ls && [ -e manifest.json ]");
        let ended = script(dir.path(), &text);
        assert_eq!(ended.status, 0, "{force}: {}", ended.stderr);
        assert_eq!(rows_of(dir.path()), 10);
        no_leftover(dir.path());
    }
}

#[test]
fn a_mounted_volume_is_filled_in_place() {
    if !has_mounts() {
        return;
    }
    for (mount, format) in [
        ("mount -t tmpfs none d", "parquet"),
        ("mount -t tmpfs none d && mkdir d/lost+found", "ndjson"),
        ("mkdir e && mount --bind e d", "csv"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        let run = format!("$R run dev --quiet --out {format}:d/ --for");
        let ended = mounted(
            dir.path(),
            &format!(
                "{mount} && {run} 1m && [ -e d/manifest.json ] && {run} 4s; [ $? = 2 ] && {run} 4s --force \
                 && cp -r d copied && touch d/mine && {run} 8s --force; [ $? = 2 ] && [ -e d/mine ] && ls -A d >&2 \
                 && $R export copied/ --as nab x && mkdir y && mount -t tmpfs none y && $R export copied/ --as nab y"
            ),
        );
        assert_eq!(ended.status, 0, "{mount}: {}", ended.stderr);
        assert_eq!(
            rows_of(&dir.path().join("copied")),
            10,
            "{mount}: the second run did not replace the first"
        );
        assert!(!ended.stderr.contains(".reenact-partial"), "{mount}: {}", ended.stderr);
        assert!(!ended.stderr.contains("os error"), "{mount}: {}", ended.stderr);
    }
    // A file that is a mount point cannot be replaced. reenact refuses it before it renders anything.
    let dir = tempfile::tempdir().unwrap();
    let text = "touch x far && mount --bind far x && $R run production --out ndjson:x --force --no-labels";
    let ended = mounted(dir.path(), text);
    assert_eq!((ended.status, ended.stderr.contains("is a mount point")), (2, true), "{}", ended.stderr);
    lock(dir.path());
    let ended = mounted(dir.path(), "mount --bind s.lock s.lock && $R lock s.yaml");
    let message = "`s.lock` is a mount point";
    assert!(ended.status != 0 && ended.stderr.contains(message), "{}", ended.stderr);
    assert!(!ended.stderr.contains("cannot write"), "{}", ended.stderr);
}

/// reenact neither reads nor changes folders that a file system has in its root, such as `lost+found`.
#[test]
fn an_unreadable_lost_and_found_does_not_stop_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = "$R run dev --for 4s --quiet --out ndjson:./";
    let text = format!("mkdir d && cd d && mkdir lost+found && chmod 0 lost+found && {run} && {run} --force");
    let ended = limited(dir.path(), &text).unwrap_or_else(|| script(dir.path(), &text));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(rows_of(&dir.path().join("d")), 10);
}

#[test]
fn a_fifo_next_to_an_output_is_refused() {
    for (fifo, flags) in [("x.manifest.json", ""), ("x.labels.ndjson", "--no-labels")] {
        let dir = tempfile::tempdir().unwrap();
        let run = "timeout 60 $R run dev --for 4s --force --out ndjson:x.ndjson";
        let ended = script(dir.path(), &format!("mkfifo {fifo} && {run} {flags}"));
        assert_eq!(ended.status, 2, "{fifo}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), [fifo]);
    }
}

/// A directory in a lower layer of an overlay file system cannot be renamed. Containers use such file systems.
#[test]
fn a_dataset_in_a_lower_layer_is_replaced() {
    if !has_mounts() {
        return;
    }
    let layers = "mkdir v && mount -t tmpfs none v && mkdir v/lower v/upper v/work m && \
                  mkdir v/lower/e && $R run dev --for 1m --quiet --out parquet:v/lower/d/ && \
                  mount -t overlay none -o lowerdir=v/lower,upperdir=v/upper,workdir=v/work m || exit 99";
    let dir = tempfile::tempdir().unwrap();
    let run = "$R run dev --for 4s --quiet --out parquet:m";
    let ended = mounted(dir.path(), &format!("{layers}; {run}/d/ --force && {run}/e/ && cp -r m copied"));
    if ended.status == 99 {
        skipped("no overlay file system");
        return;
    }
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(files_in(&dir.path().join("copied")), ["d", "e"]);
    for name in ["d", "e"] {
        assert_eq!(rows_of(&dir.path().join("copied").join(name)), 10, "{name}");
    }
}

/// A run that is killed while it fills a directory in place leaves no dataset, and the next run fills it again.
#[test]
fn a_partially_filled_directory_is_not_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let run = format!("{RUN} --out ndjson:./");
    assert_eq!(script(dir.path(), &run).status, 0);
    let partial = dir.path().join(".reenact-partial");
    std::fs::create_dir_all(partial.join("old")).unwrap();
    for name in ["manifest.json", "labels.ndjson"] {
        std::fs::rename(dir.path().join(name), partial.join(name)).unwrap();
    }
    assert!(Recording::open(dir.path()).is_err());
    let ended = script(dir.path(), &run);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    std::fs::write(dir.path().join("mine"), "").unwrap();
    assert_eq!(script(dir.path(), &format!("{run} --force")).status, 2);
    std::fs::remove_file(dir.path().join("mine")).unwrap();
    let ended = script(dir.path(), &format!("{run} --force"));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(rows_of(dir.path()), 10);
    no_leftover(dir.path());
}
