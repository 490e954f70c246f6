//! Maps the columns of an entity type to Arrow fields: data types, descriptions and units.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::schema::{EntityType, Metric};

/// Returns the Arrow schema of each entity type, in the order of the schema.
pub fn fields_of(schema: &crate::schema::Schema) -> Vec<SchemaRef> {
    schema.types().iter().map(schema_of).collect()
}

/// Returns the Arrow schema of an entity type. The metadata of each field contains its description, and for a metric
/// also its unit.
pub fn schema_of(entity_type: &EntityType) -> SchemaRef {
    let mut fields = Vec::new();
    for (name, about) in EntityType::FIRST_COLUMNS {
        let data_type = if name == "timestamp" { timestamp() } else { dictionary() };
        fields.push(described(Field::new(name, data_type, false), about));
    }
    for tag in entity_type.tags() {
        fields.push(described(Field::new(tag.name(), dictionary(), false), tag.about()));
    }
    for metric in entity_type.metrics() {
        let field = described(Field::new(metric.name(), number(metric), true), metric.about());
        fields.push(with(field, "unit", metric.unit()));
    }
    for column in entity_type.enums() {
        fields.push(described(Field::new(column.name(), dictionary(), false), column.about()));
    }
    Arc::new(Schema::new(fields))
}

/// Adds a description to the metadata of a field.
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

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn number(metric: &Metric) -> DataType {
    if metric.decimals() == 0 { DataType::Int64 } else { DataType::Float64 }
}
