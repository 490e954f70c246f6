//! Full disks, and low limits of threads, files and memory: outputs are complete or missing, and nothing panics.

use std::path::Path;
use std::process::Command;

use crate::command_line::{Ended, files_in, reenact};
use crate::writing::{has_mounts, lock, mounted, script, skipped};

/// Runs the program with a limit of the file size, which has the effect of a full disk.
fn on_a_full_disk(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new("bash")
        .args(["-c", "ulimit -f 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_reenact")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Ended::of(output)
}

#[test]
fn a_full_disk_fails_every_output_and_leaves_no_files() {
    for outputs in [
        &["ndjson:x.ndjson"][..],
        &["ndjson:x.ndjson.gz"],
        &["ndjson:x.ndjson.zst"],
        &["ndjson:d/"],
        &["csv:d/"],
        &["parquet:d/"],
        &["parquet:d/", "ndjson:x.ndjson"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut arguments = vec!["run", "production", "--for", "1h"];
        arguments.extend(outputs.iter().flat_map(|out| ["--out", out]));
        let ended = on_a_full_disk(dir.path(), &arguments);
        assert_eq!(ended.status, 3, "{outputs:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("cannot write"), "{outputs:?}: {}", ended.stderr);
        assert_eq!(files_in(dir.path()), Vec::<String>::new(), "{outputs:?}");
    }
    let ended = reenact(Path::new("."), &["run", "dev", "--out", "ndjson:/dev/full"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
}

/// Writes each kind of output to a volume with almost no free space.
#[test]
fn a_full_volume_stays_unchanged() {
    if !has_mounts() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(script(dir.path(), "$R run dev --for 2h --quiet --out ndjson:d/").status, 0);
    lock(dir.path());
    for (prepared, write) in [
        ("true", "$R init v/mine"),
        ("cp s.yaml v/", "$R lock v/s.yaml"),
        ("true", "$R verify s.yaml --junit v/r.xml"),
        ("true", "$R export d/ --as nab v/nab"),
        ("true", "$R export d/ --as tsb-ad v/tsb"),
        ("true", "$R export d/ --as timeeval v/timeeval"),
        ("true", "$R export d/ --as openmetrics v/om"),
        ("true", "$R run dev --for 2h --out parquet:v/d/ --labels v/l"),
        ("true", "$R run dev --for 2h --out csv:v/d/"),
        ("true", "$R run dev --for 2h --out ndjson:v/"),
        ("true", "$R run dev --for 2h --out ndjson:v/x.ndjson.gz"),
        ("true", "$R replay d/ --max-speed --out ndjson:v/x.ndjson"),
    ] {
        let text = format!(
            "mkdir -p v && mount -t tmpfs -o size=64k none v && {prepared} && ! cat /dev/zero > v/lost+found && \
             ls -lA v > before; {write}; echo $? > status; ls -lA v > after; cmp before after"
        );
        let ended = mounted(dir.path(), &text);
        assert_eq!(ended.status, 0, "{write}: {}", ended.stderr);
        let status = std::fs::read_to_string(dir.path().join("status")).unwrap();
        assert_eq!(status, "3\n", "{write}: {}", ended.stderr);
    }
}

/// Runs a script as a user without other processes, so that limits on processes apply. Returns `None` unless the tests
/// run as root.
pub fn limited(folder: &Path, text: &str) -> Option<Ended> {
    if script(folder, "[ $(id -u) = 0 ]").status != 0 {
        return None;
    }
    // Another user cannot read root's folders, so the script copies the program. This process must not copy it: a child
    // of another test could inherit the open file, which then could not be executed.
    let user = "setpriv --reuid 61234 --regid 61234 --clear-groups";
    let copied = "[ -e reenact ] || cp \"$R\" reenact; chmod -R a+rwX .; export R=$PWD/reenact";
    Some(script(folder, &format!("{copied}; {user} bash -c '{text}'")))
}

#[test]
fn low_limits_of_threads_and_files_cause_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let prepared =
        "$R run dev --for 1h --quiet --out parquet:p/ --out ndjson:n/ --out csv:c/ --out ndjson:x.ndjson.gz";
    assert_eq!(script(dir.path(), prepared).status, 0);
    let before = files_in(dir.path());
    let mut succeeded = 0;
    for verb in [
        "run dev --for 1h --out parquet:o/ --out ndjson:o.ndjson --threads 4",
        "run dev --for 1h --out csv:o/ --threads 4",
        "replay p/ --max-speed --out ndjson:o.ndjson",
        "replay c/ --max-speed --out ndjson:o.ndjson",
        "replay x.ndjson.gz --speed 1e9 --out ndjson:o.ndjson",
        "diff p/ n/",
        "export p/ --as openmetrics o",
        "export c/ --as timeeval o",
    ] {
        for limit in
            ["-u 1", "-u 2", "-u 3", "-n 4", "-n 5", "-n 6", "-n 7", "-n 8", "-n 9", "-n 10", "-n 12"]
        {
            let Some(ended) = limited(dir.path(), &format!("ulimit {limit}; exec $R {verb}")) else {
                skipped("limits on processes apply only to other users, and only root can run as one");
                return;
            };
            let what = format!("ulimit {limit}; {verb}: {}", ended.stderr);
            assert!([0, 2, 3].contains(&ended.status), "{} {what}", ended.status);
            for word in ["panicked", "damaged", "RUST_BACKTRACE"] {
                assert!(!ended.stderr.contains(word), "{what}");
            }
            assert!(ended.status == 0 || ended.stderr.starts_with("error: "), "{what}");
            succeeded += usize::from(ended.status == 0);
            let mut after = files_in(dir.path());
            after.retain(|name| name != "reenact" && !(ended.status == 0 && name.starts_with('o')));
            assert_eq!(after, before, "{what}");
            assert_eq!(script(dir.path(), "rm -rf o o.*").status, 0);
        }
    }
    assert!(succeeded > 20, "only {succeeded} commands succeeded");
}
