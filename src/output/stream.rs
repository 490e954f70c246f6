//! The byte stream under the text outputs, with gzip or Zstandard compression.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use super::OutputError;
use super::direct::{Direct, Stop, stdout_file};

/// Writes bytes to a file, a pipe or standard output. Compresses them if the file's name ends in `.gz` or `.zst`.
pub(super) struct Stream {
    /// The name for messages; `-` is standard output.
    path: PathBuf,
    to: To,
    bytes: u64,
}

enum To {
    Stdout(io::Stdout),
    Plain(Direct),
    Gzip(GzEncoder<Direct>),
    Zstd(zstd::Encoder<'static, Direct>),
}

/// How a file is compressed. Its name decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(path: &Path) -> Packing {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Packing::Gzip,
            Some("zst") => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// The gzip level. Level 6 takes four times as long, and the file is a fifth smaller.
const GZIP_LEVEL: u32 = 1;

/// The Zstandard level.
const ZSTD_LEVEL: i32 = 1;

impl Stream {
    /// Writes to standard output. A requested `stop` ends a write that waits for its reader.
    pub(super) fn stdout(stop: Option<Stop>) -> Stream {
        let to = match stop.and_then(|stop| Some(Direct::new(stdout_file()?, Some(stop)))) {
            Some(direct) => To::Plain(direct),
            None => To::Stdout(io::stdout()),
        };
        Stream { path: "-".into(), to, bytes: 0 }
    }

    /// Writes to an open file. `path` is its final name.
    pub(super) fn file(file: impl Into<Direct>, path: PathBuf) -> Result<Stream, OutputError> {
        let file = file.into();
        let to = match Packing::of(&path) {
            Packing::Plain => To::Plain(file),
            Packing::Gzip => To::Gzip(GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL))),
            Packing::Zstd => {
                // The file has a single frame, because some readers stop after the first one.
                let begun = zstd::Encoder::new(file, ZSTD_LEVEL).and_then(|mut encoder| {
                    encoder.include_checksum(true)?;
                    Ok(encoder)
                });
                To::Zstd(begun.map_err(|error| OutputError::io(&path, error))?)
            }
        };
        Ok(Stream { path, to, bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let written = match &mut self.to {
            To::Stdout(stdout) => stdout.write_all(bytes),
            To::Plain(file) => file.write_all(bytes),
            To::Gzip(encoder) => encoder.write_all(bytes),
            To::Zstd(encoder) => encoder.write_all(bytes),
        };
        self.bytes += bytes.len() as u64;
        written.map_err(|error| OutputError::io(&self.path, error))
    }

    /// Closes the stream and syncs a file to disk. Returns the number of bytes written, before compression.
    pub(super) fn finish(self) -> Result<u64, OutputError> {
        let ended = match self.to {
            To::Stdout(mut stdout) => stdout.flush(),
            To::Plain(file) => file.sync(),
            To::Gzip(encoder) => encoder.finish().and_then(|file| file.sync()),
            To::Zstd(encoder) => encoder.finish().and_then(|file| file.sync()),
        };
        ended.map(|()| self.bytes).map_err(|error| OutputError::io(&self.path, error))
    }
}
