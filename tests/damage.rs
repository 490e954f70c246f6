//! Recordings with random damage. reenact never panics on them, and never returns other rows without an error.
//!
//! `DAMAGES=N DAMAGES_FROM=M cargo test --release --test promises -- damage` tries N cases from seed M on.

use std::path::{Path, PathBuf};

use reenact::label::Label;
use reenact::recording::{Recording, Selection};
use reenact::run::{OpenOptions, Target};
use reenact::time::Span;

use crate::common::{label_lines, lines_of, ndjson};

/// A run with labels that is small enough to be damaged many times.
fn run() -> reenact::run::Run {
    let run = reenact::preset("dev").unwrap().plan().unwrap().run();
    let start = run.first_event();
    let at = |text: &str| Some(start + Span::parse(text).unwrap());
    run.between(at("36m50s"), at("37m10s")).unwrap()
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Returns the bytes with one random change.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = random.below(bytes.len());
    let length = 1 + random.below(16);
    let end = (at + length).min(bytes.len());
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => bytes[at..end].fill(0),
        5 => drop(bytes.splice(at..at, (0..length).map(|_| random.next() as u8))),
        _ => {
            // A digit becomes another digit, so that the result is still well-formed.
            let digits: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let digit = digits[random.below(digits.len())];
                bytes[digit] = b'0' + (bytes[digit] - b'0' + 1 + random.below(9) as u8) % 10;
            }
        }
    }
    bytes
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in crate::command_line::files_in(folder) {
        let path = folder.join(name);
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_damaged_dataset_never_panics_or_silently_returns_other_rows() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (cases, from) = (number("DAMAGES").unwrap_or(1_500), number("DAMAGES_FROM").unwrap_or(0));
    let dir = tempfile::tempdir().unwrap();
    let run = run();
    let rows = ndjson(&run, 1);
    let labels: Vec<Label> = run.labels().collect();
    assert!(labels.len() > 3);
    let labels = label_lines(&labels);
    let (mut refused, mut unharmed) = (0, 0);
    for format in ["ndjson", "csv", "parquet"] {
        let place = dir.path().join(format);
        let target = Target::parse(&format!("{format}:{}/", place.display())).unwrap();
        run.write(&[target], &OpenOptions::default()).unwrap();
        let files: Vec<(PathBuf, Vec<u8>)> =
            all_files(&place).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        for seed in from..from + cases / 3 {
            let mut random = Random(seed);
            let (path, whole) = &files[random.below(files.len())];
            std::fs::write(path, damaged(whole, &mut random)).unwrap();
            let read = Recording::open(&place).and_then(|recording| {
                let some = Selection { from: Some(run.first_event() + Span(5_000)), ..Selection::default() };
                let _ = recording.select(&some).and_then(lines_of);
                let labels = recording.labels()?.unwrap_or_default();
                Ok((lines_of(recording.batches()?)?, labels))
            });
            match read {
                Ok((found, found_labels)) => {
                    unharmed += 1;
                    let name = path.strip_prefix(dir.path()).unwrap().display();
                    assert!(found == rows, "other rows: {name}, DAMAGES_FROM={seed}");
                    assert!(
                        label_lines(&found_labels) == labels,
                        "other labels: {name}, DAMAGES_FROM={seed}"
                    );
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        !error.to_string().contains("cannot be decoded as Parquet"),
                        "{error}, DAMAGES_FROM={seed}"
                    );
                }
            }
            std::fs::write(path, whole).unwrap();
        }
    }
    // Damage to scenario.yaml, or to the window in the manifest, changes no row.
    assert!(refused > 2 * unharmed, "{refused} refused, {unharmed} unharmed");
}

#[test]
fn a_damaged_parquet_file_alone_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("d");
    let target = Target::parse(&format!("parquet:{}/", place.display())).unwrap();
    run().write(&[target], &OpenOptions::default()).unwrap();
    let whole = std::fs::read(place.join("server_metric/part-00000.parquet")).unwrap();
    let alone = dir.path().join("alone.parquet");
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (cases, from) = (number("DAMAGES").unwrap_or(500), number("DAMAGES_FROM").unwrap_or(0));
    for seed in from..from + cases {
        std::fs::write(&alone, damaged(&whole, &mut Random(seed))).unwrap();
        let _ = Recording::open(&alone).and_then(|recording| lines_of(recording.batches()?));
    }
}

#[test]
fn a_dataset_without_parts_is_compared_with_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let ended = |arguments: &[&str]| crate::command_line::reenact(dir.path(), arguments);
    for format in ["ndjson", "csv", "parquet"] {
        let out = format!("{format}:{format}/");
        assert_eq!(ended(&["run", "dev", "--for", "30s", "--quiet", "--out", &out]).status, 0);
        let path = dir.path().join(format).join("manifest.json");
        let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        manifest["parts"] = serde_json::json!([]);
        std::fs::write(&path, manifest.to_string()).unwrap();
        for verb in [&["export", format, "--as", "tsb-ad", "ex"][..], &["diff", format, format]] {
            let ended = ended(verb);
            assert_eq!(ended.status, 2, "{verb:?}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("its rows do not match the digest in its manifest"),
                "{verb:?}: {}",
                ended.stderr
            );
        }
    }
}
