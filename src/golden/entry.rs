//! One entry of a lock file: its facts, its checksum and its lines as text.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Deserialize;

use crate::printable::shell_word;

/// The name of the entry without flags.
pub(super) const PLAIN: &str = "plain";

/// The number of hexadecimal digits of a checksum.
const DIGITS: usize = 32;

/// What a scenario produced with the given flags.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The flags, in pairs such as `--seed`, `8`; empty in the plain entry.
    #[serde(default)]
    pub flags: Vec<String>,
    /// BLAKE3 of the resolved scenario as canonical JSON.
    pub scenario: String,
    /// The version of the generated values.
    pub epoch: u32,
    /// The number of rows of all entity types.
    pub rows: u64,
    /// BLAKE3 of all rows in stream order.
    pub stream: String,
    /// BLAKE3 of the labels as lines.
    pub labels: String,
    /// The incidents by id; empty if there are more than 2,000.
    #[serde(default)]
    pub incidents: BTreeMap<String, IncidentLine>,
    /// The incidents by kind; empty unless there are more than 2,000.
    #[serde(default)]
    pub kinds: BTreeMap<String, KindLine>,
    /// The series by entity and column. If there are more than 2,000, there is one line per entity instead.
    #[serde(default)]
    pub series: BTreeMap<String, SeriesLine>,
    /// Digests over all rows of each UTC hour.
    #[serde(default)]
    pub hours: BTreeMap<String, String>,
    /// The checksum in the lock file; `None` if the entry was not read from one.
    #[serde(default)]
    pub checksum: Option<Checksum>,
}

/// The last part of an entry.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// The first 32 digits of BLAKE3 over the entry's other lines.
    pub blake3: String,
}

/// The facts of an incident.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IncidentLine {
    /// Its kind.
    pub kind: String,
    /// The entity at which it started.
    pub entity: String,
    /// When it started.
    pub cause_start: String,
    /// When it ended.
    pub cause_end: String,
    /// The largest SNR of its `cause` rows.
    pub snr: String,
    /// The first 16 digits of BLAKE3 over all its labels as lines.
    pub digest: String,
}

/// A summary of the incidents of a kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct KindLine {
    /// The number of incidents.
    pub incidents: u64,
    /// The first 16 digits of BLAKE3 over the digests of the incidents' labels, in the order of the incidents' ids.
    pub digest: String,
}

/// A summary of a series.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SeriesLine {
    /// The number of its rows.
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

impl Entry {
    /// Returns the name in the lock: `plain`, or the flags in shell notation.
    ///
    /// ```
    /// let flags = ["--seed", "8", "--set", "anomalies.hot.about=two words"].map(String::from).to_vec();
    /// let entry = reenact::golden::Entry { flags, ..Default::default() };
    /// assert_eq!(entry.name(), "--seed 8 --set 'anomalies.hot.about=two words'");
    /// ```
    pub fn name(&self) -> String {
        Entry::name_of(&self.flags)
    }

    /// Returns the name of the entry with these flags.
    pub fn name_of(flags: &[String]) -> String {
        if flags.is_empty() {
            return PLAIN.into();
        }
        flags.iter().map(|flag| shell_word(flag)).collect::<Vec<_>>().join(" ")
    }

    /// Whether the checksum matches the lines, so that neither a user nor a merge has changed one of them.
    pub fn is_intact(&self) -> bool {
        self.checksum.as_ref().is_some_and(|checksum| checksum.blake3 == self.computed())
    }

    /// Returns the entry with the checksum of its current lines.
    #[must_use]
    pub fn sealed(self) -> Entry {
        let checksum = Some(Checksum { blake3: self.computed() });
        Entry { checksum, ..self }
    }

    /// Computes the checksum over the lines as reenact writes them. Comments, empty lines and line endings of the file
    /// do not affect it.
    fn computed(&self) -> String {
        let mut text = String::new();
        self.write_facts(&mut text).expect("a string takes all");
        blake3::hash(text.as_bytes()).to_hex()[..DIGITS].to_string()
    }

    /// Appends its lines.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        self.write_facts(out)?;
        let computed = || Checksum { blake3: self.computed() };
        let checksum = self.checksum.clone().unwrap_or_else(computed);
        writeln!(out, "\n[{}.checksum]\nblake3 = {}", self.header(), quoted(&checksum.blake3))
    }

    fn header(&self) -> String {
        if self.flags.is_empty() { PLAIN.into() } else { quoted(&self.name()) }
    }

    fn write_facts(&self, out: &mut String) -> fmt::Result {
        let name = self.header();
        writeln!(out, "\n[{name}]")?;
        if !self.flags.is_empty() {
            let flags: Vec<String> = self.flags.iter().map(|flag| quoted(flag)).collect();
            writeln!(out, "flags = [{}]", flags.join(", "))?;
        }
        writeln!(out, "scenario = {}", quoted(&self.scenario))?;
        writeln!(out, "epoch = {}\nrows = {}", self.epoch, self.rows)?;
        writeln!(out, "stream = {}\nlabels = {}", quoted(&self.stream), quoted(&self.labels))?;
        writeln!(out, "\n[{name}.incidents]")?;
        for (id, incident) in &self.incidents {
            writeln!(out, "{} = {incident}", quoted(id))?;
        }
        if !self.kinds.is_empty() {
            writeln!(out, "\n[{name}.kinds]")?;
        }
        for (kind, KindLine { incidents, digest }) in &self.kinds {
            let (kind, digest) = (quoted(kind), quoted(digest));
            writeln!(out, "{kind} = {{ incidents = {incidents}, digest = {digest} }}")?;
        }
        writeln!(out, "\n[{name}.series]")?;
        for (series, line) in &self.series {
            writeln!(out, "{} = {line}", quoted(series))?;
        }
        writeln!(out, "\n[{name}.hours]")?;
        for (hour, digest) in &self.hours {
            writeln!(out, "{} = {}", quoted(hour), quoted(digest))?;
        }
        Ok(())
    }
}

impl fmt::Display for IncidentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = [
            ("kind", &self.kind),
            ("entity", &self.entity),
            ("cause_start", &self.cause_start),
            ("cause_end", &self.cause_end),
            ("snr", &self.snr),
            ("digest", &self.digest),
        ];
        let facts = facts.map(|(key, value)| format!("{key} = {}", quoted(value)));
        write!(f, "{{ {} }}", facts.join(", "))
    }
}

impl fmt::Display for SeriesLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ rows = {}, ", self.rows)?;
        for (key, value) in [("min", &self.min), ("mean", &self.mean), ("max", &self.max)] {
            // Texts have no range.
            if !value.is_empty() {
                write!(f, "{key} = {}, ", quoted(value))?;
            }
        }
        write!(f, "digest = {} }}", quoted(&self.digest))
    }
}

/// Returns a TOML basic string. Its escapes are those of JSON, except for one character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
