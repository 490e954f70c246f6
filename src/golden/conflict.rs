//! Reads a lock file with a merge conflict: which entries the two sides have.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::entry::{Entry, PLAIN};
use super::lock::{END, VERSION, Wrong};

/// The beginning of the first line of a conflict.
const BEGIN: &str = "<<<<<<< ";

/// The beginnings of the lines before and after the common ancestor of both sides, which git writes only in some
/// configurations.
const BASE: [&str; 2] = ["|||||||", "======="];

/// Returns the number of the line at which the first conflict begins.
pub(super) fn first(text: &str) -> Option<usize> {
    text.lines().position(|line| line.starts_with(BEGIN)).map(|i| i + 1)
}

#[derive(Deserialize)]
struct FlagsLine {
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct VersionLine {
    version: u32,
}

/// Returns the flags of all entries that either side has.
///
/// Git starts and ends a conflict at any line, so neither side has to be valid TOML. Single lines are enough: a header
/// contains the entry's name, and the line `flags` its flags.
///
/// # Errors
/// If not all of them can be determined.
pub(super) fn flags(text: &str) -> Result<BTreeSet<Vec<String>>, Wrong> {
    let (mut flags, mut names, mut is_whole) = (BTreeSet::new(), BTreeSet::new(), false);
    for (number, line) in sides(text) {
        let wrong = |error: toml::de::Error| Wrong::of_line(number, error.message());
        match line.split_once('=').map(|(key, _)| key.trim()) {
            Some("version") => {
                let VersionLine { version } = toml::from_str(line).map_err(wrong)?;
                if version != VERSION {
                    return Err(Wrong::Version(version));
                }
            }
            Some("flags") => {
                let line: FlagsLine = toml::from_str(line).map_err(wrong)?;
                flags.insert(line.flags);
            }
            _ if line == END => is_whole = true,
            _ if line.starts_with('[') => {
                let header: toml::Table = toml::from_str(line).map_err(wrong)?;
                names.extend(header.into_iter().map(|(name, _)| name));
            }
            _ => {}
        }
    }
    if !is_whole {
        return Err(Wrong::cut_off());
    }
    let known: BTreeSet<String> = flags.iter().map(|flags| Entry::name_of(flags)).collect();
    match names.into_iter().find(|name| name != PLAIN && !known.contains(name)) {
        Some(name) => Err(Wrong::other_flags(&name)),
        None => Ok(flags),
    }
}

/// Returns the text without the headers and the flags of an entry, so that neither side has it any more. The entry's
/// other lines stay until the lock is renewed, which rewrites the whole file.
pub(super) fn without(text: &str, flags: &[String]) -> String {
    let name = Entry::name_of(flags);
    let is_its = |line: &&str| {
        let line = line.trim();
        toml::from_str::<FlagsLine>(line).is_ok_and(|line| line.flags == flags)
            || (line.starts_with('[')
                && toml::from_str::<toml::Table>(line).is_ok_and(|it| it.contains_key(&name)))
    };
    text.split_inclusive('\n').filter(|line| !is_its(line)).collect()
}

/// Returns the lines with their numbers, without the lines of the common ancestor.
fn sides(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let [begin, end] = BASE;
    let mut is_base = false;
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(move |(_, line)| {
        is_base = line.starts_with(begin) || (is_base && !line.starts_with(end));
        !is_base
    })
}
