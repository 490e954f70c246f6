//! The contents of `manifest.json`: how it is read, checked and compared with other manifests.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::RecordingError;
use super::lines::MARK;
use super::unique::Unique;
use crate::output::WrittenPart;
use crate::time::{SimTime, Span, Tick, Window};

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";

/// The scenario's file name.
pub const SCENARIO: &str = "scenario.yaml";

/// The version of the directory's layout.
pub const FORMAT: u32 = 1;

/// The largest file, in bytes, that is read as a manifest: about 400,000 parts.
const MAX_BYTES: u64 = 64 << 20;

/// The prefix of the keys of facts.
pub(super) const FACT: &str = "reenact.";

/// The manifest of a dataset directory: what the directory contains and which run wrote it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Manifest {
    /// The version of the layout.
    pub format: u32,
    /// The program and its version: `reenact 0.1.0`.
    pub program: String,
    /// The version of the generated values.
    pub epoch: u32,
    /// The scenario's name.
    pub name: String,
    /// BLAKE3 of the resolved scenario as canonical JSON.
    pub scenario_digest: String,
    /// The seed.
    pub seed: u64,
    /// The clock of the whole run.
    pub clock: ClockFacts,
    /// The requested part of the run.
    pub window: WindowFacts,
    /// The shard, such as `2/3`, if the dataset contains only this shard of the window.
    #[serde(deserialize_with = "Option::deserialize")]
    pub shard: Option<String>,
    /// The incidents that `--without` left out.
    pub without: Vec<String>,
    /// The files that contain records.
    pub parts: Vec<Part>,
    /// BLAKE3 of all rows in stream order.
    pub digest: String,
    /// The labels; null if they were left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub labels: Option<LabelFacts>,
    /// The number of labelled incidents, by kind.
    #[serde(deserialize_with = "unique")]
    pub incidents: BTreeMap<String, u64>,
}

/// The part of a manifest that is read before all others.
#[derive(Deserialize)]
struct Version {
    format: Option<u64>,
}

fn unique<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u64>, D::Error> {
    Unique::deserialize(deserializer).map(|Unique(map)| map)
}

impl Manifest {
    /// Whether the manifest lists a part with this path.
    pub(super) fn has_part(&self, path: &str) -> bool {
        self.parts.iter().any(|part| part.path == path)
    }

    /// Reads the manifest of a dataset directory.
    ///
    /// # Errors
    /// If there is no manifest, or if it is not valid.
    pub fn read(directory: &Path) -> Result<Manifest, RecordingError> {
        Manifest::read_file(&directory.join(MANIFEST))?.ok_or_else(|| RecordingError::Foreign {
            path: directory.into(),
            reason: format!("it has no `{MANIFEST}`"),
        })
    }

    /// Reads a manifest; `None` if the file does not exist.
    ///
    /// # Errors
    /// If the manifest is not valid.
    pub fn read_file(path: &Path) -> Result<Option<Manifest>, RecordingError> {
        let damaged = |reason: String| RecordingError::Damaged { path: path.into(), reason };
        // Reading a FIFO would block, and a file that is not a manifest may be too large for memory.
        match std::fs::metadata(path) {
            Ok(meta) if !meta.is_file() => return Err(damaged("it is not a regular file".into())),
            Ok(meta) if meta.len() > MAX_BYTES => {
                return Err(damaged(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
            }
            _ => {}
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(damaged("it is not UTF-8 text".into()));
            }
            Err(source) => return Err(RecordingError::Io { path: path.into(), source }),
        };
        let text = text.trim_start_matches(MARK);
        let version: Version = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let Some(found) = version.format else {
            return Err(damaged("its `format` is missing".into()));
        };
        if found != u64::from(FORMAT) {
            return Err(RecordingError::OtherFormat { path: path.into(), found });
        }
        // Parse the text directly: in a JSON value, the last of two equal keys would silently win.
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let paths = manifest.parts.iter().map(|part| &part.path);
        let mut paths = paths.chain(manifest.labels.iter().map(|labels| &labels.path));
        let is_inside = |path: &&String| {
            Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        match paths.find(|path| !is_inside(path)) {
            Some(outside) => Err(damaged(format!("its part `{outside}` is outside its directory"))),
            None => Ok(Some(manifest)),
        }
    }

    /// Returns the ticks that the dataset contains; `None` if the manifest's clock, window and shard are inconsistent.
    pub(super) fn ticks(&self) -> Option<Window> {
        let start = SimTime::parse(&self.clock.start)?;
        let step = Span::parse(&self.clock.step).filter(|step| step.0 > 0)?;
        let tick = |text: &str| {
            let after = SimTime::parse(text)? - start;
            u64::try_from(after.0.div_euclid(step.0)).ok().map(Tick)
        };
        let window = Window::new(tick(&self.window.from)?, tick(&self.window.to)?)?;
        let Some(shard) = &self.shard else { return Some(window) };
        let (i, n) = shard.split_once('/')?;
        let (i, n): (u64, u64) = (i.parse().ok()?, n.parse().ok()?);
        (1..=n).contains(&i).then(|| window.shard(i, n)).flatten()
    }

    /// Returns the first property that shows that the other manifest belongs to another run; `None` if both belong to
    /// the same run.
    pub(super) fn differs_in_run(&self, other: &Manifest) -> Option<&'static str> {
        let same = [
            ("scenario", self.scenario_digest == other.scenario_digest),
            ("epoch", self.epoch == other.epoch),
            ("seed", self.seed == other.seed),
            ("clock", self.clock == other.clock),
            ("window", self.window == other.window),
            ("list of incidents left out", self.without == other.without),
            ("presence of labels", self.labels.is_some() == other.labels.is_some()),
        ];
        same.into_iter().find(|(_, is_same)| !is_same).map(|(what, _)| what)
    }

    /// Returns what is known about a run before its first record, by key, for file formats that can store metadata.
    pub fn facts(&self) -> Vec<(String, String)> {
        let shard = self.shard.clone().unwrap_or_else(|| "1/1".into());
        let facts = [
            ("format", self.format.to_string()),
            ("program", self.program.clone()),
            ("epoch", self.epoch.to_string()),
            ("scenario", self.name.clone()),
            ("scenario_digest", self.scenario_digest.clone()),
            ("seed", self.seed.to_string()),
            ("start", self.clock.start.clone()),
            ("run", self.clock.run.clone()),
            ("step", self.clock.step.clone()),
            ("from", self.window.from.clone()),
            ("to", self.window.to.clone()),
            ("shard", shard),
            ("without", self.without.join(" ")),
        ];
        facts.map(|(key, fact)| (format!("{FACT}{key}"), fact)).into()
    }

    /// Whether the window covers the whole run.
    pub fn covers_the_run(&self) -> bool {
        let start = SimTime::parse(&self.clock.start);
        let end = start.zip(Span::parse(&self.clock.run)).map(|(start, run)| start + run);
        self.window.from == self.clock.start && SimTime::parse(&self.window.to) >= end
    }

    /// Whether ticks or incidents of the scenario are missing.
    pub fn is_of_a_part(&self) -> bool {
        !self.covers_the_run() || self.shard.is_some() || !self.without.is_empty()
    }
}

/// A clock in the notation of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ClockFacts {
    /// The moment of tick 0.
    pub start: String,
    /// The length of the run.
    pub run: String,
    /// The time between two ticks.
    pub step: String,
}

/// A half-open window of event time.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct WindowFacts {
    /// The moment of the first tick.
    pub from: String,
    /// The first moment after the window.
    pub to: String,
}

/// A file that contains records.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Part {
    /// Its path inside the directory.
    pub path: String,
    /// The number of its rows.
    pub rows: u64,
    /// BLAKE3 of the file's bytes, for Parquet files only. It is checked before any row is decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_digest: Option<String>,
}

impl From<&WrittenPart> for Part {
    fn from(part: &WrittenPart) -> Part {
        Part { path: part.path.clone(), rows: part.rows, file_digest: part.file_digest.clone() }
    }
}

/// The labels file.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct LabelFacts {
    /// Its path inside the directory.
    pub path: String,
    /// The number of its rows.
    pub rows: u64,
    /// BLAKE3 of the rows as lines of `labels.ndjson`.
    pub digest: String,
    /// BLAKE3 of the file's bytes, for Parquet files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_digest: Option<String>,
}
