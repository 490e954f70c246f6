//! Connects datasets and single files to the outputs of a run, and writes their manifests.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::formats::Format;
use super::manifest::{MANIFEST, Manifest, SCENARIO};
use crate::batch::Batch;
use crate::digest;
use crate::output::{
    Encode, NdjsonEncode, NdjsonSink, OutputError, Receipt, Sink, TableOptions, Tee, WrittenPart,
};
use crate::schema::Schema;

/// Adds the records of an unfinished dataset directory to the outputs of a run. `target` is the directory's name in the
/// receipt; `schema` contains the types of the records.
///
/// # Errors
/// If a file can't be created.
pub fn add_dataset(
    tee: &mut Tee,
    format: Format,
    directory: &Path,
    target: String,
    schema: &Schema,
    options: &TableOptions,
) -> Result<(), OutputError> {
    format.0.add(tee, directory, target, schema, options)
}

/// Adds a file of lines to the outputs of a run. If it has a manifest, a digest is computed over its rows. `target` is
/// the file's name in the receipt.
///
/// # Errors
/// If compression can't be started.
pub fn add_file(
    tee: &mut Tee,
    file: File,
    path: &Path,
    target: String,
    has_manifest: bool,
) -> Result<(), OutputError> {
    let sink = NdjsonSink::file(file, path.into(), target)?;
    match has_manifest {
        true => add(tee, NdjsonEncode::default(), sink, name_of(path)),
        false => tee.add(NdjsonEncode::default(), sink),
    }
    Ok(())
}

/// Returns a file's name as a manifest states it.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes a manifest into an open file; `path` is its name in messages.
///
/// # Errors
/// If it can't be written.
pub fn write_manifest(file: &mut File, path: &Path, manifest: &Manifest) -> Result<(), OutputError> {
    let written = file.write_all(&json(manifest)).and_then(|()| file.sync_all());
    written.map_err(|error| OutputError::io(path, error))
}

fn json(manifest: &Manifest) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
    json.push(b'\n');
    json
}

/// Completes a directory that already contains its records and labels: writes the scenario, then the manifest.
///
/// # Errors
/// If a file can't be written, or if a part or the labels file is missing.
pub fn complete(directory: &Path, scenario_yaml: &str, manifest: &Manifest) -> Result<(), OutputError> {
    let parts = manifest.parts.iter().map(|part| &part.path);
    for name in parts.chain(manifest.labels.iter().map(|labels| &labels.path)) {
        // On Unix, deleting a part while it is being written causes no write error.
        let path = directory.join(name);
        fs::metadata(&path).map_err(|error| OutputError::io(&path, error))?;
    }
    for (name, bytes) in [(SCENARIO, scenario_yaml.as_bytes()), (MANIFEST, &json(manifest)[..])] {
        let (path, unfinished) = (directory.join(name), directory.join(format!(".{name}")));
        // If the run is killed here, no partial manifest may be left: reenact would not recognise the directory as its
        // own.
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        });
        written.map_err(|error| OutputError::io(&path, error))?;
    }
    Ok(())
}

/// Adds an output with a digest over its rows. `part` is the file that contains the rows if the sink names no parts.
pub(super) fn add<E, S>(tee: &mut Tee, encode: E, sink: S, part: String)
where
    E: Encode + Send + 'static,
    E::Part: 'static,
    S: Sink<Part = E::Part> + 'static,
{
    tee.add(DigestedEncode(encode), DigestedSink { sink, part, digest: blake3::Hasher::new() });
}

/// Encodes a batch in a format, together with the bytes of its rows that digests are computed over.
struct DigestedEncode<E>(E);

impl<E: Encode> Encode for DigestedEncode<E> {
    type Part = (E::Part, Vec<u8>);

    fn encode(&self, batch: &Batch) -> Self::Part {
        (self.0.encode(batch), digest::batch_bytes(batch))
    }
}

struct DigestedSink<S> {
    sink: S,
    part: String,
    digest: blake3::Hasher,
}

impl<S: Sink> Sink for DigestedSink<S> {
    type Part = (S::Part, Vec<u8>);

    fn write(&mut self, (part, row_bytes): Self::Part) -> Result<(), OutputError> {
        self.digest.update(&row_bytes);
        self.sink.write(part)
    }

    fn finish(self) -> Result<Receipt, OutputError> {
        let mut receipt = self.sink.finish()?;
        receipt.digest = Some(self.digest.finalize().to_hex().to_string());
        if receipt.parts.is_empty() {
            let (rows, bytes) = (receipt.rows, receipt.bytes);
            receipt.parts.push(WrittenPart { path: self.part, rows, bytes, file_digest: None });
        }
        Ok(receipt)
    }
}
