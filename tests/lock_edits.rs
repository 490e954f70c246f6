//! reenact detects every edit of a lock: 1,000 of 1,000 random changes. `diff` and `verify` always agree.

use std::path::Path;

use reenact::golden::{Entry, Lock, every_line, take};
use reenact::scenario::Scenario;
use serde_json::Value;

use crate::command_line::reenact;
use crate::locks::{SCENARIO, locked};

/// SplitMix64, a generator that returns the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn is_fact(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// Returns the byte ranges of all fields of a lock. Each key, table name, quoted text and number is a field. Comments
/// and empty lines have none.
fn fields(text: &str) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        if is_fact(line.trim_end()) {
            let mut begin = None;
            for (i, c) in line.char_indices() {
                let is_part = c.is_alphanumeric() || "-_./:".contains(c);
                match (is_part, begin) {
                    (true, None) => begin = Some(i),
                    (false, Some(from)) => {
                        found.push(start + from..start + i);
                        begin = None;
                    }
                    _ => {}
                }
            }
        }
        start += line.len();
    }
    found
}

/// Returns another character of the same class.
fn other(c: u8, dice: &mut Dice) -> u8 {
    let sort: &[u8] = match c {
        b'0'..=b'9' => b"0123456789",
        b'a'..=b'f' => b"abcdef",
        b'g'..=b'z' => b"ghijklmnopqrstuvwxyz",
        b'A'..=b'Z' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _ => b"-_./:",
    };
    loop {
        let new = sort[dice.below(sort.len())];
        if new != c {
            return new;
        }
    }
}

/// Changes a text at random. Returns the new text and a description of the change.
fn change(text: &str, dice: &mut Dice) -> (String, String) {
    let fields = fields(text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    match dice.below(10) {
        // Remove a line.
        0 => {
            let facts: Vec<usize> = (0..lines.len()).filter(|i| is_fact(lines[*i].trim_end())).collect();
            let dropped = facts[dice.below(facts.len())];
            let rest = lines.iter().enumerate().filter(|(i, _)| *i != dropped).map(|(_, line)| *line);
            (rest.collect(), format!("without line {}: {}", dropped + 1, lines[dropped]))
        }
        // Cut off the end. Cutting off only the last line break would not damage the file.
        1 => {
            let end = dice.below(text.len() - 1);
            (text[..end].into(), format!("cut after {end} of {} bytes", text.len()))
        }
        // Add or remove a character.
        2 => {
            let field = &fields[dice.below(fields.len())];
            let at = field.start + dice.below(field.len());
            let mut bytes = text.as_bytes().to_vec();
            if field.len() > 1 && dice.below(2) == 0 {
                bytes.remove(at);
            } else {
                bytes.insert(at, bytes[at]);
            }
            (String::from_utf8(bytes).unwrap(), format!("longer or shorter: {}", &text[field.clone()]))
        }
        // Replace a character.
        _ => {
            let field = &fields[dice.below(fields.len())];
            let at = field.start + dice.below(field.len());
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = other(bytes[at], dice);
            (String::from_utf8(bytes).unwrap(), format!("changed: {}, byte {at}", &text[field.clone()]))
        }
    }
}

/// Creates a folder with the scenario and its lock, which has one plain entry and one entry under flags.
fn with_two_entries() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    locked(dir.path());
    let ended =
        reenact(dir.path(), &["lock", "s.yaml", "--seed", "8", "--set", "anomalies.hot.severity=low"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    dir
}

#[test]
fn verify_finds_a_thousand_random_changes_of_a_lock() {
    let origin = with_two_entries();
    let text = std::fs::read_to_string(origin.path().join("s.lock")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(22);
    let mut changes = Vec::new();
    for i in 0..1_000 {
        let (changed, what) = change(&text, &mut dice);
        std::fs::write(dir.path().join(format!("{i:03}.yaml")), SCENARIO).unwrap();
        std::fs::write(dir.path().join(format!("{i:03}.lock")), changed).unwrap();
        changes.push(what);
    }
    for flags in [&["verify", "--json"][..], &["verify", "--json", "--quick"]] {
        let ended = reenact(dir.path(), &[flags, &["--allow-unlocked"]].concat());
        assert_ne!(ended.status, 0);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        for (i, what) in changes.iter().enumerate() {
            let name = format!("{i:03}.");
            let verdicts: Vec<&str> = report["scenarios"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| one["scenario"].as_str().unwrap().starts_with(&name))
                .map(|one| one["verdict"].as_str().unwrap())
                .collect();
            let is_found =
                verdicts.iter().any(|verdict| ["edited", "foreign", "unreadable"].contains(verdict));
            assert!(is_found, "{flags:?} did not find change {i} ({what}): {verdicts:?}");
        }
    }
}

/// An edit with a recomputed checksum passes `verify`, but not `--full`.
#[test]
fn verify_full_finds_a_thousand_forged_changes() {
    let origin = with_two_entries();
    let text = std::fs::read_to_string(origin.path().join("s.lock")).unwrap();
    let plain = take(&Scenario::read("s.yaml", SCENARIO).plan().unwrap().run());
    let flagged = take(
        &Scenario::read("s.yaml", SCENARIO)
            .set("seed", "8")
            .and_then(|it| it.set("anomalies.hot.severity", "low"))
            .unwrap()
            .plan()
            .unwrap()
            .run(),
    );
    let path = origin.path().join("forged.lock");
    let (mut dice, mut forged) = (Dice(23), 0);
    while forged < 1_000 {
        let (changed, what) = change(&text, &mut dice);
        std::fs::write(&path, changed).unwrap();
        // A lock that cannot be read any more cannot be forged.
        let Ok(Some(lock)) = Lock::read(&path) else { continue };
        // A change of only the checksum is skipped, because forging recomputes the checksum.
        let is_checksum = |(old, new): (&Entry, &Entry)| {
            Entry { checksum: None, ..old.clone() } == Entry { checksum: None, ..new.clone() }
        };
        let original = Lock::read(&origin.path().join("s.lock")).unwrap().unwrap();
        if original.entries().iter().zip(lock.entries()).all(is_checksum) {
            continue;
        }
        forged += 1;
        let is_found = lock.entries().iter().any(|entry| {
            let now = if entry.flags.is_empty() { &plain } else { &flagged };
            every_line(entry, now).is_some()
        });
        assert!(is_found, "not found: {what}");
    }
}

/// Applies a change to the plain entry of `s.lock` and computes its checksum again.
pub fn forge(folder: &Path, change: impl Fn(&mut Entry)) {
    let path = folder.join("s.lock");
    let mut lock = Lock::read(&path).unwrap().unwrap();
    let mut entry = lock.entries()[0].clone();
    change(&mut entry);
    lock.insert(entry.sealed());
    std::fs::write(path, lock.to_toml()).unwrap();
}

#[test]
fn verify_full_names_each_forged_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    locked(dir);
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    let series = "srv-001/cpu_usage_percent";
    type Change<'a> = (&'a dyn Fn(&mut Entry), &'a str);
    let forged: [Change<'_>; 5] = [
        (
            &|entry| entry.series.get_mut(series).unwrap().mean = "99.99".into(),
            "series srv-001/cpu_usage_percent: mean ",
        ),
        (&|entry| entry.incidents.get_mut("hot").unwrap().snr = "9.999".into(), "incident hot: snr 9.999 → "),
        (&|entry| drop(entry.hours.pop_first()), "hour 2026-01-05T07: was added"),
        (&|entry| drop(entry.series.pop_last()), "series user-service-1/server_id: was added"),
        (&|entry| entry.scenario = "0".repeat(64), "the scenario has changed"),
    ];
    for (change, words) in forged {
        std::fs::write(dir.join("s.lock"), &lock).unwrap();
        forge(dir, change);
        assert_eq!(reenact(dir, &["verify"]).status, 0, "{words}: `verify` compares only totals");
        let ended = reenact(dir, &["verify", "--full"]);
        assert_eq!(ended.status, 1, "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
    }
}

#[test]
fn an_edited_lock_is_reported_with_entry_and_remedy() {
    let dir = with_two_entries();
    let dir = dir.path();
    let lock = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    let edited = lock.replacen("rows = 300", "rows = 301", 1);
    assert_ne!(edited, lock);
    std::fs::write(dir.join("s.lock"), edited).unwrap();
    // The edit is reported first, although the scenario cannot even be rendered.
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("srv-002", "srv-999")).unwrap();
    for flags in [&["verify", "s.yaml"][..], &["verify", "--quick", "s.yaml"]] {
        let ended = reenact(dir, flags);
        for words in [
            "s.yaml: the lock file was edited or merged by hand",
            "`reenact verify --full s.lock` to see which lines",
            "`reenact lock s.yaml` to renew",
        ] {
            assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
        }
    }
    std::fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    assert_eq!(reenact(dir, &["verify", "--quick"]).status, 1);
    let full = reenact(dir, &["verify", "--full", "s.lock"]);
    assert_eq!(full.status, 1);
    assert!(full.stderr.contains("rows 301 → 300") && full.stderr.contains("1 of "), "{}", full.stderr);
    let ended = reenact(dir, &["verify", "--update"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("s.yaml: updated") && ended.stderr.contains("rows 301 → 300"),
        "{}",
        ended.stderr
    );
    assert_eq!(std::fs::read_to_string(dir.join("s.lock")).unwrap(), lock);
}

#[test]
fn comments_and_line_endings_of_a_lock_do_not_matter() {
    let dir = with_two_entries();
    let path = dir.path().join("s.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    let commented = lock.replace("\n[plain.series]\n", "\n# a comment\n\n[plain.series] # another\n");
    for text in [commented.clone(), commented.replace('\n', "\r\n"), lock.replace(" = ", "  =  ")] {
        assert_ne!(text, lock);
        std::fs::write(&path, text).unwrap();
        for flags in [&["verify", "--quick"][..], &["verify"], &["verify", "--full"]] {
            let ended = reenact(dir.path(), flags);
            assert_eq!(ended.status, 0, "{flags:?}: {}", ended.stderr);
        }
    }
}

/// Whatever happens to a lock, `verify` of the scenario agrees with `diff` of the lock and the dataset of the scenario.
#[test]
fn diff_and_verify_always_agree() {
    let dir = with_two_entries();
    let dir = dir.path();
    let text = std::fs::read_to_string(dir.join("s.lock")).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "ndjson:now/"]).status, 0);
    let flags = ["--seed", "8", "--set", "anomalies.hot.severity=low"];
    assert_eq!(reenact(dir, &[&["run", "s.yaml", "--out", "ndjson:low/"], &flags[..]].concat()).status, 0);
    let agree = |what: &str, full: bool| {
        let verify = reenact(dir, if full { &["verify", "--full", "s.yaml"] } else { &["verify", "s.yaml"] });
        let diffs = [["s.yaml", "now"], ["s.lock", "low"], ["s.lock", "now"], ["now", "s.yaml"]]
            .map(|[old, new]| reenact(dir, &["diff", old, new]));
        let is_same = diffs.iter().all(|ended| ended.status == 0);
        assert_eq!(is_same, verify.status == 0, "{what}: {}{}", verify.stderr, diffs[0].stderr);
        let worst = diffs.iter().map(|ended| ended.status).max().unwrap();
        assert_eq!(worst, verify.status, "{what}: {}{}", verify.stderr, diffs[0].stderr);
    };
    agree("unchanged", false);
    let mut dice = Dice(24);
    for _ in 0..25 {
        let (changed, what) = change(&text, &mut dice);
        // Without its first line, the file is not a lock: `verify` finds a scenario without a lock, and `diff` cannot
        // read the file.
        if !changed.starts_with("# reenact lock\n") {
            continue;
        }
        std::fs::write(dir.join("s.lock"), changed).unwrap();
        agree(&what, false);
    }
    std::fs::write(dir.join("s.lock"), &text).unwrap();
    forge(dir, |entry| entry.series.first_entry().unwrap().get_mut().mean = "1".into());
    agree("forged", true);
    // A changed scenario with the same rows.
    std::fs::write(dir.join("s.lock"), &text).unwrap();
    std::fs::write(dir.join("s.yaml"), SCENARIO.replace("use: dev", "use: dev\nabout: the same")).unwrap();
    assert_eq!(reenact(dir, &["run", "s.yaml", "--out", "ndjson:now/", "--force"]).status, 0);
    agree("another text", false);
}
