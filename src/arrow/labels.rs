use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};

use super::LENGTHS_AGREE;
use super::columns::timestamps;
use super::schema::described;
use crate::label::{COLUMNS, Label};
use crate::time::SimTime;

/// Labels, with the columns of [`COLUMNS`].
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
