use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, TimeUnit};

use crate::batch::{Metric, RecordType};

/// The columns of a record type, each with what it means and its unit as field metadata.
pub(super) fn schema(record: RecordType) -> Arc<Schema> {
    static SCHEMAS: LazyLock<Vec<Arc<Schema>>> = LazyLock::new(|| RecordType::ALL.map(made).into());
    Arc::clone(&SCHEMAS[record as usize])
}

fn made(record: RecordType) -> Arc<Schema> {
    let mut fields = Vec::new();
    for (name, about) in record.identity() {
        let data_type = if *name == "timestamp" { timestamp() } else { dictionary() };
        fields.push(described(Field::new(*name, data_type, false), about));
    }
    for metric in record.metrics() {
        let field = described(Field::new(metric.name(), number(*metric), true), metric.about());
        fields.push(with(field, "unit", metric.unit()));
    }
    for column in record.enums() {
        fields.push(described(Field::new(column.name, dictionary(), false), column.about));
    }
    Arc::new(Schema::new(fields))
}

/// The field with what it means in its metadata.
pub(super) fn described(field: Field, about: &str) -> Field {
    with(field, "description", about)
}

fn with(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.into(), value.into());
    field.with_metadata(metadata)
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn number(metric: Metric) -> DataType {
    if metric.decimals() == 0 { DataType::Int64 } else { DataType::Float64 }
}
