//! Converts batches to Arrow, column by column: timestamps, tags, numbers and text columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::SchemaRef;

use super::LENGTHS_AGREE;
use crate::batch::{Batch, NULL};
use crate::schema::{Metric, TypeId};
use crate::time::SimTime;

/// Converts the rows of one entity type to an Arrow batch. `schema` is the result of [`super::schema_of`] for that
/// type.
pub fn to_arrow(batch: &Batch, id: TypeId, schema: &SchemaRef) -> RecordBatch {
    let (table, entity_type) = (batch.table(id), &batch.schema()[id]);
    let entity = Int32Array::from_iter_values(table.entities().iter().map(|entity| *entity as i32));
    let only = Int32Array::from_iter_values(std::iter::repeat_n(0, table.num_rows()));
    let mut columns = vec![coded(&only, [entity_type.record()]), timestamps(table.timestamps())];
    let tags = batch.entities().of(id).columns();
    columns.extend(tags.map(|tag| coded(&entity, tag.iter().map(|value| &**value))));
    let metrics = entity_type.metrics().iter().zip(table.numbers());
    columns.extend(metrics.map(|(metric, values)| numbers(metric, values)));
    columns.extend(entity_type.enums().iter().zip(table.enums()).map(|(column, codes)| {
        let keys = Int32Array::from_iter_values(codes.iter().map(|code| i32::from(*code)));
        coded(&keys, column.values().iter().map(|value| &**value))
    }));
    RecordBatch::try_new(Arc::clone(schema), columns).expect(LENGTHS_AGREE)
}

/// Builds a dictionary column from indices and the texts that they refer to. Columns with the same indices share one
/// array of indices.
fn coded<'a>(keys: &Int32Array, values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    let values = Arc::new(StringArray::from_iter_values(values));
    Arc::new(DictionaryArray::try_new(keys.clone(), values).expect("indices are those of the values"))
}

pub(super) fn timestamps(moments: &[SimTime]) -> ArrayRef {
    let microseconds = moments.iter().map(|moment| moment.0 * 1_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds).with_timezone("UTC"))
}

fn numbers(metric: &Metric, values: &[i64]) -> ArrayRef {
    // Both numbers are exact, so the quotient is the double nearest to the decimal.
    let units = metric.units() as f64;
    let has_nulls = values.contains(&NULL);
    let present = || values.iter().map(|value| (*value != NULL).then_some(*value));
    match (metric.decimals() == 0, has_nulls) {
        (true, false) => Arc::new(Int64Array::from_iter_values(values.iter().copied())),
        (true, true) => Arc::new(present().collect::<Int64Array>()),
        (false, false) => {
            Arc::new(Float64Array::from_iter_values(values.iter().map(|value| *value as f64 / units)))
        }
        (false, true) => {
            Arc::new(present().map(|value| value.map(|value| value as f64 / units)).collect::<Float64Array>())
        }
    }
}
