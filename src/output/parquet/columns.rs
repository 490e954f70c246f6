use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use super::schema::schema;
use crate::batch::{Batch, Metric, NULL, RecordType, Table};
use crate::time::SimTime;

pub(super) const LENGTHS_AGREE: &str = "all columns have one value a row";

pub(super) fn arrow_batch(batch: &Batch, record: RecordType) -> RecordBatch {
    let table = batch.table(record);
    let entity = Int32Array::from_iter_values(table.entity.iter().map(|entity| *entity as i32));
    let only = Int32Array::from_iter_values(std::iter::repeat_n(0, table.num_rows()));
    let mut columns = vec![coded(&only, vec![record.name()]), timestamps(&table.timestamp)];
    let tags = batch.entities.of(record).columns();
    columns.extend(tags.map(|tag| coded(&entity, tag.iter().map(|value| &**value).collect())));
    columns.extend(record.metrics().iter().map(|metric| numbers(table, *metric)));
    columns.extend(record.enums().iter().zip(&table.enums).map(|(column, values)| {
        let keys = Int32Array::from_iter_values(values.iter().map(|value| i32::from(*value)));
        coded(&keys, column.values.to_vec())
    }));
    RecordBatch::try_new(schema(record), columns).expect(LENGTHS_AGREE)
}

/// Texts by index; columns that have the same share them.
fn coded(keys: &Int32Array, values: Vec<&str>) -> ArrayRef {
    let values = Arc::new(StringArray::from(values));
    Arc::new(DictionaryArray::try_new(keys.clone(), values).expect("indices are those of the values"))
}

pub(super) fn timestamps(moments: &[SimTime]) -> ArrayRef {
    let microseconds = moments.iter().map(|moment| moment.0 * 1_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds).with_timezone("UTC"))
}

fn numbers(table: &Table, metric: Metric) -> ArrayRef {
    let column = &table.columns[metric.column()];
    // Both are exact, so the quotient is the nearest double to the decimal.
    let units = metric.units() as f64;
    let has_nulls = column.contains(&NULL);
    let present = || column.iter().map(|value| (*value != NULL).then_some(*value));
    match (metric.decimals() == 0, has_nulls) {
        (true, false) => Arc::new(Int64Array::from_iter_values(column.iter().copied())),
        (true, true) => Arc::new(present().collect::<Int64Array>()),
        (false, false) => {
            Arc::new(Float64Array::from_iter_values(column.iter().map(|value| *value as f64 / units)))
        }
        (false, true) => {
            Arc::new(present().map(|value| value.map(|value| value as f64 / units)).collect::<Float64Array>())
        }
    }
}
