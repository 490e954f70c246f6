//! A writer that computes the BLAKE3 digest of a Parquet file while the file is written.

use std::fs::File;
use std::io::{self, Write};

/// A file, and the digest of the bytes written to it.
#[derive(Debug)]
pub(super) struct Hashed {
    file: File,
    digest: blake3::Hasher,
}

impl Hashed {
    pub(super) fn new(file: File) -> Hashed {
        Hashed { file, digest: blake3::Hasher::new() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn digest(&self) -> String {
        self.digest.finalize().to_hex().to_string()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
