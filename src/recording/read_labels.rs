use std::fs::File;
use std::path::Path;

use serde_json::Value;

use super::error::{RecordingError, listed};
use super::lines;
use super::unique::Unique;
use crate::label::{COLUMNS, Label};
use crate::schema::Schema;

/// The rows of a labels file, told apart by its name: `.ndjson`, `.csv`, `.parquet`. All rows that are no labels are
/// reported.
pub(super) fn read_labels(
    path: &Path,
    schema: &Schema,
    digest: Option<&str>,
) -> Result<Vec<Label>, RecordingError> {
    let numbered =
        |rows: Vec<Fields>| (1..).map(|row| format!("row {row}")).zip(rows.into_iter().map(Ok)).collect();
    let rows: Vec<Placed> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => numbered(from_csv(path)?),
        Some("parquet") => numbered(from_parquet(path, digest)?),
        _ => from_lines(path)?,
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

/// A row as texts in the order of `COLUMNS`.
type Fields = Vec<String>;

/// A row with its place, or what is wrong with it.
type Placed = (String, Result<Fields, String>);

fn from_lines(path: &Path) -> Result<Vec<Placed>, RecordingError> {
    let mut rows = Vec::new();
    let (mut lines_left, mut line) = (lines::open(path)?, String::new());
    for number in 1.. {
        if !lines::next(&mut lines_left, &mut line, path, number)? {
            break;
        }
        rows.push((format!("line {number}"), from_line(&line)));
    }
    Ok(rows)
}

fn from_line(line: &str) -> Result<Fields, String> {
    let Unique(row): Unique<String, Value> =
        serde_json::from_str(line).map_err(|error| lines::json_mistake(&error))?;
    let field = |(column, _): &(&str, &str)| match row.get(*column) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) => Ok(String::new()),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(format!("its `{column}` is neither a text nor a number"))
        }
        Some(other) => Ok(other.to_string()),
        None => Err(format!("it has no `{column}`")),
    };
    COLUMNS.iter().map(field).collect()
}

fn from_csv(path: &Path) -> Result<Vec<Fields>, RecordingError> {
    let damaged = |reason: String| RecordingError::Damaged { path: path.into(), reason };
    let file = File::open(path).map_err(|source| RecordingError::Io { path: path.into(), source })?;
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|error| damaged(lines::csv_mistake(&error)))?;
    if !header.iter().eq(COLUMNS.iter().map(|(column, _)| *column)) {
        return Err(damaged("its first line does not name the columns of labels".into()));
    }
    let row = |row: csv::Result<csv::StringRecord>| {
        row.map(|row| row.iter().map(String::from).collect())
            .map_err(|error| damaged(lines::csv_mistake(&error)))
    };
    reader.records().map(row).collect()
}

#[cfg(feature = "parquet")]
fn from_parquet(path: &Path, digest: Option<&str>) -> Result<Vec<Fields>, RecordingError> {
    use super::read_parquet::ParquetFile;

    let file = ParquetFile { path: path.into(), digest: digest.map(String::from) };
    let damaged = |reason: String| RecordingError::Damaged { path: path.into(), reason };
    let builder = file.open()?;
    let mut batches = file.guarded(|| builder.build())?;
    let mut rows = Vec::new();
    while let Some(batch) = file.guarded(|| batches.next().transpose())? {
        let mut columns = Vec::with_capacity(COLUMNS.len());
        for (name, _) in COLUMNS {
            let column = batch.column_by_name(name);
            let column = column.ok_or_else(|| damaged(format!("it has no column `{name}`")))?;
            columns.push(texts(column).ok_or_else(|| damaged(format!("its `{name}` has another type")))?);
        }
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column[row].clone()).collect());
        }
    }
    Ok(rows)
}

/// A column's values as NDJSON writes them, but for the decimals of numbers.
#[cfg(feature = "parquet")]
fn texts(column: &arrow_array::ArrayRef) -> Option<Vec<String>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, TimestampMicrosecondType};

    use crate::time::SimTime;

    if let Some(texts) = column.as_string_opt::<i32>() {
        return Some(texts.iter().map(|text| text.unwrap_or_default().into()).collect());
    }
    if let Some(moments) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        let moments = moments.values().iter().map(|time| SimTime(time.div_euclid(1_000)));
        return moments.map(|moment| moment.is_recordable().then(|| moment.to_string())).collect();
    }
    if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        return Some(numbers.values().iter().map(f64::to_string).collect());
    }
    column
        .as_boolean_opt()
        .map(|values| values.iter().map(|value| (value == Some(true)).to_string()).collect())
}

#[cfg(not(feature = "parquet"))]
fn from_parquet(path: &Path, _: Option<&str>) -> Result<Vec<Fields>, RecordingError> {
    let reason = "this program was built without Parquet".into();
    Err(RecordingError::Foreign { path: path.into(), reason })
}
