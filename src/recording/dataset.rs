use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::manifest::{MANIFEST, Manifest, Part, SCENARIO};
use crate::batch::{Batch, RecordType};
use crate::digest;
use crate::output::{Encode, NdjsonEncode, NdjsonSink, OutputError, Receipt, Sink};
#[cfg(feature = "parquet")]
use crate::output::{ParquetEncode, ParquetSink};

/// How a dataset directory holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `records.ndjson` and `labels.ndjson`.
    Ndjson,
    /// A Parquet file for each record type, and `labels.parquet`.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            #[cfg(feature = "parquet")]
            Format::Parquet => "parquet",
        }
    }

    /// The files that hold the records, given the rows of each record type.
    pub fn parts(self, rows: [u64; 2]) -> Vec<Part> {
        match self {
            Format::Ndjson => vec![Part { path: RECORDS.into(), rows: rows.iter().sum() }],
            #[cfg(feature = "parquet")]
            Format::Parquet => RecordType::ALL
                .iter()
                .zip(rows)
                .map(|(record, rows)| Part { path: format!("{}/part-00000.parquet", record.name()), rows })
                .collect(),
        }
    }
}

/// The file of an NDJSON dataset's records.
pub(super) const RECORDS: &str = "records.ndjson";

/// Records of a dataset directory, with what their digest is taken over.
#[derive(Clone, Debug)]
pub struct DatasetEncode {
    format: Format,
    lines: NdjsonEncode,
}

impl DatasetEncode {
    /// In this format.
    pub fn new(format: Format) -> DatasetEncode {
        DatasetEncode { format, lines: NdjsonEncode::default() }
    }
}

/// A batch in the directory's format, and its rows as digests see them.
pub struct DatasetPart {
    inner: Inner,
    row_bytes: Vec<u8>,
    rows: [u64; 2],
}

enum Inner {
    Ndjson(<NdjsonEncode as Encode>::Part),
    #[cfg(feature = "parquet")]
    Parquet(<ParquetEncode as Encode>::Part),
}

impl Encode for DatasetEncode {
    type Part = DatasetPart;

    fn encode(&self, batch: &Batch) -> DatasetPart {
        let inner = match self.format {
            Format::Ndjson => Inner::Ndjson(self.lines.encode(batch)),
            #[cfg(feature = "parquet")]
            Format::Parquet => Inner::Parquet(ParquetEncode.encode(batch)),
        };
        let rows = RecordType::ALL.map(|record| batch.table(record).num_rows() as u64);
        DatasetPart { inner, row_bytes: digest::batch_bytes(batch), rows }
    }
}

/// Writes the records of a dataset directory that is still in the making.
pub struct DatasetSink {
    file: Records,
    digest: blake3::Hasher,
    rows: [u64; 2],
}

enum Records {
    Ndjson(NdjsonSink),
    #[cfg(feature = "parquet")]
    Parquet(ParquetSink),
}

impl DatasetSink {
    /// Makes the files of the records; `target` is how the receipt calls the directory.
    ///
    /// # Errors
    /// If a file can't be made.
    pub fn create(format: Format, directory: &Path, target: String) -> Result<DatasetSink, OutputError> {
        let file = match format {
            Format::Ndjson => {
                let path = directory.join(RECORDS);
                let file = File::create_new(&path).map_err(|error| OutputError::io(&path, error))?;
                Records::Ndjson(NdjsonSink::file(file, path, target))
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => Records::Parquet(ParquetSink::create(directory, target)?),
        };
        Ok(DatasetSink { file, digest: blake3::Hasher::new(), rows: [0; 2] })
    }

    /// Completes a directory whose records are written: scenario, labels, manifest.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn complete(directory: &Path, scenario_yaml: &str, manifest: &Manifest) -> Result<(), OutputError> {
        let mut json = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
        json.push(b'\n');
        for (name, bytes) in [(SCENARIO, scenario_yaml.as_bytes()), (MANIFEST, &json[..])] {
            let path = directory.join(name);
            let written = File::create_new(&path).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(|error| OutputError::io(&path, error))?;
        }
        Ok(())
    }
}

impl Sink for DatasetSink {
    type Part = DatasetPart;

    fn write(&mut self, part: DatasetPart) -> Result<(), OutputError> {
        match (&mut self.file, part.inner) {
            (Records::Ndjson(sink), Inner::Ndjson(part)) => sink.write(part)?,
            #[cfg(feature = "parquet")]
            (Records::Parquet(sink), Inner::Parquet(part)) => sink.write(part)?,
            #[cfg(feature = "parquet")]
            _ => unreachable!("a sink gets what its own encoder made"),
        }
        self.digest.update(&part.row_bytes);
        self.rows[0] += part.rows[0];
        self.rows[1] += part.rows[1];
        Ok(())
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let receipt = match self.file {
            Records::Ndjson(sink) => sink.finish()?,
            #[cfg(feature = "parquet")]
            Records::Parquet(sink) => sink.finish()?,
        };
        let digest = self.digest.finalize().to_hex().to_string();
        Ok(Receipt { digest: Some(digest), rows_by_type: Some(self.rows), ..receipt })
    }
}
