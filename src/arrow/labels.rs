//! Converts labels to an Arrow batch, and the columns of such a batch back to text.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};

use super::LENGTHS_AGREE;
use super::columns::timestamps;
use super::schema::described;
use crate::label::{COLUMNS, Label};
use crate::time::SimTime;

/// Converts labels to an Arrow batch with the columns of [`COLUMNS`].
pub fn labels_to_arrow(labels: &[Label]) -> RecordBatch {
    let text = |value: fn(&Label) -> &str| -> ArrayRef {
        Arc::new(labels.iter().map(|l| Some(value(l))).collect::<StringArray>())
    };
    let moments = |value: fn(&Label) -> SimTime| timestamps(&labels.iter().map(value).collect::<Vec<_>>());
    let doubles = |value: fn(&Label) -> f64| -> ArrayRef {
        Arc::new(labels.iter().map(|l| Some(value(l))).collect::<Float64Array>())
    };
    // In the order of `COLUMNS`.
    let columns: Vec<ArrayRef> = vec![
        text(|l| &l.incident_id),
        text(|l| &l.kind),
        text(|l| &l.severity),
        doubles(|l| l.severity_value),
        text(|l| l.source.name()),
        Arc::new(labels.iter().map(|l| Some(l.benign)).collect::<BooleanArray>()),
        text(|l| l.role.name()),
        text(|l| &l.entity_type),
        text(|l| &l.entity),
        text(|l| l.metric.name()),
        moments(|l| l.cause_start),
        moments(|l| l.cause_end),
        moments(|l| l.effect_start),
        moments(|l| l.effect_end),
        moments(|l| l.peak_at),
        doubles(|l| l.peak_deviation as f64 / l.metric.units() as f64),
        doubles(Label::snr),
        Arc::new(labels.iter().map(|l| l.parent_id.as_deref()).collect::<StringArray>()),
        text(|l| &l.root_entity),
    ];
    let field = |((name, about), array): (&(&str, &str), &ArrayRef)| {
        described(Field::new(*name, array.data_type().clone(), *name == "parent_id"), about)
    };
    let schema = Schema::new(COLUMNS.iter().zip(&columns).map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).expect(LENGTHS_AGREE)
}

/// Returns the rows of a batch of labels as texts, in the order of [`COLUMNS`].
///
/// # Errors
/// The message names the column that is missing or has another type.
pub fn labels_from_arrow(batch: &RecordBatch) -> Result<Vec<Vec<String>>, String> {
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for (name, _) in COLUMNS {
        let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
        columns.push(texts(column).ok_or_else(|| format!("its column `{name}` has the wrong type"))?);
    }
    let row = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Returns the values of a column as NDJSON writes them, except for the decimals of numbers. Returns `None` if the
/// column has an unknown type or a time that a record cannot have.
fn texts(column: &ArrayRef) -> Option<Vec<String>> {
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
