//! The output `ndjson:` to standard output, a file or a directory; also the file of `--labels`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::Directory;
use super::{Output, OutputFormat, Wrong};
use crate::output::{NdjsonEncode, NdjsonSink};
use crate::recording::{self, Destination, FileOutput, Format, LabelSink, Partial};
use crate::run::about::About;
use crate::run::checks::{check_is_manifest, replaced};
use crate::run::error::RunError;
use crate::run::open::Opened;
use crate::run::options::OpenOptions;
use crate::run::publication::{FilePublication, LabelsPublication, Streamed};

/// Lines of JSON to standard output, to a file or to a directory.
pub(super) struct Ndjson;

impl OutputFormat for Ndjson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn forms(&self) -> Vec<String> {
        ["ndjson:-", "ndjson:FILE[.gz|.zst]", "ndjson:DIR/"].map(String::from).into()
    }

    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong> {
        if place.ends_with('/') {
            return Ok(Arc::new(Directory::new(Format::NDJSON, place)));
        }
        let is_stdout =
            place == "-" || Destination::of(Path::new(place)).is_ok_and(|place| place.is_stdout());
        Ok(if is_stdout { Arc::new(Stdout) } else { Arc::new(File(place.into())) })
    }
}

/// Standard output, under any name.
#[derive(Clone, Copy, Debug)]
pub(in crate::run) struct Stdout;

impl fmt::Display for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ndjson:-")
    }
}

impl Output for Stdout {
    fn path(&self) -> Option<&Path> {
        Some(Path::new("-"))
    }

    fn is_streamed(&self) -> bool {
        true
    }

    fn open(&self, opened: &mut Opened, options: &OpenOptions, _: &About) -> Result<(), RunError> {
        opened.tee.add(NdjsonEncode::default(), NdjsonSink::stdout(options.stop.clone()));
        opened.publications.push(Box::new(Streamed));
        Ok(())
    }
}

/// A file, compressed if its name ends in `.gz` or `.zst`.
#[derive(Clone, Debug)]
struct File(PathBuf);

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ndjson:{}", self.0.display())
    }
}

impl Output for File {
    fn path(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn is_streamed(&self) -> bool {
        Destination::of(&self.0).is_ok_and(|place| place.is_direct())
    }

    fn is_file(&self) -> bool {
        true
    }

    fn open(&self, opened: &mut Opened, options: &OpenOptions, about: &About) -> Result<(), RunError> {
        let (path, target) = (&*self.0, self.to_string());
        let (partial, file) = match FileOutput::open(path, options.force, options.stop.clone())? {
            FileOutput::Partial(partial, file) => (partial, file),
            FileOutput::Direct(file) => {
                let sink = NdjsonSink::file(file, path.into(), target)?;
                opened.tee.add(NdjsonEncode::default(), sink);
                opened.publications.push(Box::new(Streamed));
                return Ok(());
            }
        };
        if let Err(error) = recording::add_file(&mut opened.tee, file, path, target, about.is_rendered) {
            partial.discard();
            return Err(error.into());
        }
        let (mut labels, mut manifest, mut stale) = (None, None, Vec::new());
        let mut open_beside = || {
            let place = recording::labels_path(path);
            if options.no_labels {
                stale.extend(replaced(Some(place), options.force)?);
                stale.extend(replaced(recording::old_labels_path(path), options.force)?);
            } else {
                labels = Some(Partial::file(&place, options.force)?);
            }
            let place = recording::manifest_path(path);
            check_is_manifest(&place)?;
            match about.is_rendered {
                true => manifest = Some(Partial::file(&place, options.force)?),
                false => stale.extend(replaced(Some(place), options.force)?),
            }
            Ok::<_, RunError>(())
        };
        let opened_beside = open_beside();
        let labels = labels.map(|(partial, file)| {
            let place = partial.place().to_path_buf();
            (partial, LabelSink::lines(file, place))
        });
        opened.publications.push(Box::new(FilePublication { partial, labels, manifest, stale }));
        opened_beside
    }
}

/// Adds the labels file that `--labels` names.
pub(in crate::run) fn add_labels(
    opened: &mut Opened,
    path: &Path,
    options: &OpenOptions,
) -> Result<(), RunError> {
    let publication = match FileOutput::open(path, options.force, options.stop.clone())? {
        FileOutput::Direct(file) => {
            let labels = LabelSink::lines(file, path.into());
            LabelsPublication::new(labels, None)
        }
        FileOutput::Partial(partial, file) => {
            let labels = LabelSink::lines(file, path.into());
            LabelsPublication::new(labels, Some(partial))
        }
    };
    opened.publications.push(Box::new(publication));
    Ok(())
}
