//! Reads text files line by line, decompressed, and words the mistakes in a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::error::RecordingError;
use crate::time::{SimTime, is_leap_second};

/// The lines of a file or of standard input.
pub(super) type Lines = Box<dyn BufRead + Send>;

/// The number of bytes that are read at once.
const READ: usize = 1 << 18;

/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// Opens a file of lines; `-` is standard input. Compression is detected from the first bytes.
pub(super) fn open(path: &Path) -> Result<Lines, RecordingError> {
    let io = |source| RecordingError::Io { path: path.into(), source };
    let plain: Box<dyn Read + Send> = match path.as_os_str() == STDIN {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(io)?),
    };
    let mut plain = BufReader::with_capacity(READ, plain);
    let begin = plain.fill_buf().map_err(io)?;
    if begin.starts_with(&[0x1f, 0x8b]) {
        let unpacked = flate2::bufread::MultiGzDecoder::new(plain);
        Ok(Box::new(BufReader::with_capacity(READ, unpacked)))
    } else if begin.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let unpacked = zstd::Decoder::with_buffer(plain).map_err(io)?;
        Ok(Box::new(BufReader::with_capacity(READ, unpacked)))
    } else {
        Ok(Box::new(plain))
    }
}

/// The largest number of bytes in a line: more than any record or label has.
const LONGEST: u64 = 1 << 16;

/// The byte order mark. UTF-8 does not need it, but some programs write it.
pub(super) const MARK: char = '\u{feff}';

/// Reads line `number` of a file into `text`. Returns `false` at the end of the file.
pub(super) fn next(
    lines: &mut impl BufRead,
    text: &mut String,
    path: &Path,
    number: u64,
) -> Result<bool, RecordingError> {
    text.clear();
    let damaged = |reason: String| RecordingError::Damaged {
        path: path.into(),
        reason: format!("line {number}: {reason}"),
    };
    match lines.take(LONGEST).read_line(text) {
        Ok(length) if length as u64 == LONGEST => {
            Err(damaged("it is longer than the longest valid row".into()))
        }
        Ok(_) => {
            // Some programs begin a file with a byte order mark.
            if number == 1 && text.starts_with(MARK) {
                text.drain(..MARK.len_utf8());
            }
            Ok(!text.is_empty())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(damaged("it is not UTF-8 text".into()))
        }
        // Without an error code of the system, the error comes from the decompressor.
        Err(error) if error.raw_os_error().is_none() => {
            Err(damaged(format!("it cannot be decompressed: {error}")))
        }
        Err(source) => Err(RecordingError::Io { path: path.into(), source }),
    }
}

/// Parses the event time of a record.
pub(super) fn timestamp(text: &str) -> Result<SimTime, String> {
    let moment = SimTime::parse(text).filter(|moment| moment.is_recordable());
    moment.ok_or_else(|| match is_leap_second(text) {
        true => "its `timestamp` is a leap second, which cannot be represented".into(),
        false => "its `timestamp` is not an RFC 3339 time between 1970 and 9999".into(),
    })
}

/// Describes a mistake in a line of JSON. Removes the line number, which is always 1 for the parser.
pub(super) fn json_mistake(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column", " at column")
}

/// Describes a mistake in a line of CSV, with its line number.
pub(super) fn csv_mistake(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line}: it has {len} fields, but the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("line {}: it is not UTF-8 text", pos.as_ref().map_or(0, csv::Position::line))
        }
        _ => error.to_string(),
    }
}
