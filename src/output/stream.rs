use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use super::OutputError;
use super::direct::{Direct, Stop, stdout_file};

/// Bytes on their way into a file, a pipe or standard output, compressed if the file's name says so.
pub(super) struct Stream {
    /// As messages call it; `-` is standard output.
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

/// How a file is compressed, by its name.
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

/// Level of gzip: 6 takes four times as long, for a file a fifth smaller.
const GZIP_LEVEL: u32 = 1;

/// Level of Zstandard.
const ZSTD_LEVEL: i32 = 1;

impl Stream {
    /// Into standard output; `stop` ends a write whose reader takes nothing.
    pub(super) fn stdout(stop: Option<Stop>) -> Stream {
        let to = match stop.and_then(|stop| Some(Direct::new(stdout_file()?, Some(stop)))) {
            Some(direct) => To::Plain(direct),
            None => To::Stdout(io::stdout()),
        };
        Stream { path: "-".into(), to, bytes: 0 }
    }

    /// Into an open file; `path` is its final name.
    pub(super) fn file(file: impl Into<Direct>, path: PathBuf) -> Result<Stream, OutputError> {
        let file = file.into();
        let to = match Packing::of(&path) {
            Packing::Plain => To::Plain(file),
            Packing::Gzip => To::Gzip(GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL))),
            Packing::Zstd => {
                // One frame: some readers end at the first one's end.
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

    /// Ends it, durably; the bytes that were written, before compression.
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
