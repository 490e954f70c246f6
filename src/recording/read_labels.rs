//! Reads and validates a labels file of any format. Other file extensions are read as NDJSON.

use std::path::Path;

use super::error::{RecordingError, listed};
use super::formats::{FORMATS, label_lines};
use crate::label::Label;
use crate::schema::Schema;

/// Reads the rows of a labels file. The extension `.ndjson`, `.csv` or `.parquet` determines the format. The error
/// lists the rows that are not valid labels.
pub(super) fn read_labels(
    path: &Path,
    schema: &Schema,
    digest: Option<&str>,
) -> Result<Vec<Label>, RecordingError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = FORMATS.iter().find(|format| extension == Some(format.name()));
    let rows = match (format, extension) {
        (Some(format), _) => format.label_rows(path, digest)?,
        (None, Some("parquet")) => {
            let reason = "this program was built without Parquet".into();
            return Err(RecordingError::Foreign { path: path.into(), reason });
        }
        // The file is compressed, or has a name of an earlier version.
        (None, _) => label_lines(path)?,
    };
    let (mut labels, mut mistakes) = (Vec::with_capacity(rows.len()), Vec::new());
    for (place, fields) in rows {
        match fields.and_then(|fields| Label::from_fields(&fields, schema)) {
            Ok(label) => labels.push(label),
            Err(reason) => mistakes.push(format!("{place}: {reason}")),
        }
    }
    if mistakes.is_empty() {
        return Ok(labels);
    }
    Err(RecordingError::Damaged { path: path.into(), reason: listed(mistakes) })
}
