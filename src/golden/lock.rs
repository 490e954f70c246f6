use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::recording::{Partial, PathProblem};

/// The lock's file name: one for each folder of scenarios.
pub const LOCK: &str = "reenact.lock";

/// The version of the lock's layout.
const VERSION: u32 = 1;

/// A lock file: an entry for each scenario file of its folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// By file name.
    pub entries: BTreeMap<String, Entry>,
}

/// What a scenario gave.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// BLAKE3 of the resolved scenario as canonical JSON.
    pub scenario: String,
    /// Which values the program made.
    pub epoch: u32,
    /// Rows of both types.
    pub rows: u64,
    /// BLAKE3 of all rows in stream order.
    pub stream: String,
    /// BLAKE3 of the labels as lines.
    pub labels: String,
    /// By id; none above 2,000 of them.
    #[serde(default)]
    pub incidents: BTreeMap<String, IncidentLine>,
    /// By kind, where there are more than 2,000 incidents.
    #[serde(default)]
    pub kinds: BTreeMap<String, KindLine>,
    /// By entity and column; above 2,000 of them by entity.
    #[serde(default)]
    pub series: BTreeMap<String, SeriesLine>,
    /// Digests over all series by UTC hour.
    #[serde(default)]
    pub hours: BTreeMap<String, String>,
}

/// An incident in clear.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IncidentLine {
    /// Its kind.
    pub kind: String,
    /// Where it began.
    pub entity: String,
    /// When.
    pub cause_start: String,
    /// Until when.
    pub cause_end: String,
    /// The largest snr among its `cause` rows.
    pub snr: String,
    /// The first 16 digits of BLAKE3 over all its labels as lines.
    pub digest: String,
}

/// The incidents of a kind in sum.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct KindLine {
    /// How many.
    pub incidents: u64,
    /// The first 16 digits of BLAKE3 over the digests of their labels, by id.
    pub digest: String,
}

/// A series in sum.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SeriesLine {
    /// Its rows.
    pub rows: u64,
    /// The smallest value; empty for texts.
    #[serde(default)]
    pub min: String,
    /// The mean, with the metric's decimals.
    #[serde(default)]
    pub mean: String,
    /// The largest value.
    #[serde(default)]
    pub max: String,
    /// The first 16 digits of BLAKE3 over times and values.
    pub digest: String,
}

/// A lock that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system said no.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be written.
    #[error("cannot write `{path}`: {source}")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of another time wrote it.
    #[error("`{path}` has version {found}, and this program reads {VERSION}")]
    OtherVersion {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another program writes it, and does not end.
    #[error("another run is writing `{0}`")]
    InTheMaking(PathBuf),
    /// It is no lock.
    #[error("`{path}` is no lock that can be read: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Written {
    version: u32,
    #[serde(flatten)]
    entries: BTreeMap<String, Entry>,
}

/// How often the lock is asked for while another program writes it, and how long in between: some ten
/// seconds, where writing takes a millisecond.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock in the making, once no other program makes it.
fn claim(path: &Path) -> Result<(Partial, File), LockError> {
    for _ in 0..TRIES {
        match Partial::file(path, true) {
            Err(PathProblem::InTheMaking(_)) => std::thread::sleep(PAUSE),
            Err(PathProblem::Io { path, source }) => return Err(LockError::Unwritable { path, source }),
            Err(other) => {
                return Err(LockError::Unwritable {
                    path: path.into(),
                    source: io::Error::other(other.to_string()),
                });
            }
            Ok(claimed) => return Ok(claimed),
        }
    }
    Err(LockError::InTheMaking(path.into()))
}

impl Lock {
    /// Reads the lock at a path; none if there is no such file.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn read(path: &Path) -> Result<Option<Lock>, LockError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(LockError::Unreadable { path: path.into(), reason: "it is no text".into() });
            }
            Err(source) => return Err(LockError::Io { path: path.into(), source }),
        };
        let unreadable = |reason: String| LockError::Unreadable { path: path.into(), reason };
        let line_of = |byte: usize| text[..byte.min(text.len())].matches('\n').count() + 1;
        if let Some(conflict) = text.find("<<<<<<< ") {
            return Err(unreadable(format!("line {} begins a conflict of a merge", line_of(conflict))));
        }
        let file: Written = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(span.start));
            unreadable(format!("line {line}: {}", error.message()))
        })?;
        if file.version != VERSION {
            return Err(LockError::OtherVersion { path: path.into(), found: file.version });
        }
        Ok(Some(Lock { entries: file.entries }))
    }

    /// Renews one entry of the lock at a path, and leaves the others as whoever writes it meanwhile has them.
    ///
    /// # Errors
    /// If it can't be read or written.
    pub fn renew(path: &Path, name: &str, entry: Entry) -> Result<(), LockError> {
        let unwritable = |source| LockError::Unwritable { path: path.into(), source };
        let (partial, mut file) = claim(path)?;
        let written = Lock::read(path).and_then(|lock| {
            let mut lock = lock.unwrap_or_default();
            lock.entries.insert(name.into(), entry);
            file.write_all(lock.to_toml().as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
        });
        match written {
            Ok(()) => partial.publish().map_err(unwritable),
            Err(error) => {
                partial.discard();
                Err(error)
            }
        }
    }

    /// As text: sorted, a line for each fact, so that it merges and reads well.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(
            "# What the scenarios of this folder gave when they were locked.\n\
             # `reenact verify` compares, `reenact lock FILE` renews an entry.\n",
        );
        // The escapes of JSON are those of a basic string, which leaves out one character.
        let quoted = |text: &str| serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
        let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a string takes all");
        line(format_args!("version = {VERSION}"));
        for (name, entry) in &self.entries {
            let name = quoted(name);
            line(format_args!("\n[{name}]"));
            line(format_args!("scenario = \"{}\"", entry.scenario));
            line(format_args!("epoch = {}", entry.epoch));
            line(format_args!("rows = {}", entry.rows));
            line(format_args!("stream = \"{}\"", entry.stream));
            line(format_args!("labels = \"{}\"", entry.labels));
            line(format_args!("\n[{name}.incidents]"));
            for (id, i) in &entry.incidents {
                line(format_args!(
                    "{} = {{ kind = \"{}\", entity = \"{}\", cause_start = \"{}\", cause_end = \"{}\", snr = \"{}\", digest = \"{}\" }}",
                    quoted(id),
                    i.kind,
                    i.entity,
                    i.cause_start,
                    i.cause_end,
                    i.snr,
                    i.digest
                ));
            }
            if !entry.kinds.is_empty() {
                line(format_args!("\n[{name}.kinds]"));
            }
            for (kind, k) in &entry.kinds {
                line(format_args!("{kind} = {{ incidents = {}, digest = \"{}\" }}", k.incidents, k.digest));
            }
            line(format_args!("\n[{name}.series]"));
            for (series, s) in &entry.series {
                let range = match s.min.is_empty() {
                    true => String::new(),
                    false => format!("min = \"{}\", mean = \"{}\", max = \"{}\", ", s.min, s.mean, s.max),
                };
                line(format_args!(
                    "{} = {{ rows = {}, {range}digest = \"{}\" }}",
                    quoted(series),
                    s.rows,
                    s.digest
                ));
            }
            line(format_args!("\n[{name}.hours]"));
            for (hour, digest) in &entry.hours {
                line(format_args!("\"{hour}\" = \"{digest}\""));
            }
        }
        out
    }
}
