use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::formats::Format;
use super::manifest::{MANIFEST, Manifest, SCENARIO};
use crate::batch::Batch;
use crate::digest;
use crate::output::{
    Encode, Fan, NdjsonEncode, NdjsonSink, OutputError, Receipt, Sink, TableOptions, WrittenPart,
};
use crate::schema::Schema;

/// Adds the records of a dataset directory that is in the making to the outputs of a run. `target` is how
/// the receipt calls the directory, `schema` has the types of the records.
///
/// # Errors
/// If a file can't be made.
pub fn add_dataset(
    fan: &mut Fan,
    format: Format,
    directory: &Path,
    target: String,
    schema: &Schema,
    options: &TableOptions,
) -> Result<(), OutputError> {
    format.0.add(fan, directory, target, schema, options)
}

/// Adds a file of lines to the outputs of a run, with a digest over its rows where a manifest will say it. `target` is
/// how the receipt calls the file.
///
/// # Errors
/// If compression can't begin.
pub fn add_file(
    fan: &mut Fan,
    file: File,
    path: &Path,
    target: String,
    has_manifest: bool,
) -> Result<(), OutputError> {
    let sink = NdjsonSink::file(file, path.into(), target)?;
    match has_manifest {
        true => add(fan, NdjsonEncode::default(), sink, name_of(path)),
        false => fan.add(NdjsonEncode::default(), sink),
    }
    Ok(())
}

/// As a manifest has it.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes a manifest into an open file; `path` is how messages call it.
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

/// Completes a directory whose records and labels are written: scenario, manifest.
///
/// # Errors
/// If a file can't be written.
pub fn complete(directory: &Path, scenario_yaml: &str, manifest: &Manifest) -> Result<(), OutputError> {
    let parts = manifest.parts.iter().map(|part| &part.path);
    for name in parts.chain(manifest.labels.iter().map(|labels| &labels.path)) {
        // A part may be deleted while it is written, without an error.
        let path = directory.join(name);
        fs::metadata(&path).map_err(|error| OutputError::io(&path, error))?;
    }
    for (name, bytes) in [(SCENARIO, scenario_yaml.as_bytes()), (MANIFEST, &json(manifest)[..])] {
        let (path, unfinished) = (directory.join(name), directory.join(format!(".{name}")));
        // A run that is killed here must not leave a half manifest: that would not be known to be its own.
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        });
        written.map_err(|error| OutputError::io(&path, error))?;
    }
    Ok(())
}

/// `part` is the file that holds the rows of a sink that names none.
pub(super) fn add<E, S>(fan: &mut Fan, encode: E, sink: S, part: String)
where
    E: Encode + Send + 'static,
    E::Part: 'static,
    S: Sink<Part = E::Part> + 'static,
{
    fan.add(DigestedEncode(encode), DigestedSink { sink, part, digest: blake3::Hasher::new() });
}

/// A format, and beside it the rows as digests see them.
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
