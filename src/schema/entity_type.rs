//! Describes the columns of an entity type: tags, metrics and text columns.

use std::sync::Arc;

use super::Metric;

/// A kind of entity, such as `server`, and the columns of its records: the record type, the event time, tags, metrics,
/// then text columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityType {
    name: Arc<str>,
    plural: Arc<str>,
    record: Arc<str>,
    tags: Vec<Tag>,
    metrics: Vec<Arc<Metric>>,
    enums: Vec<EnumColumn>,
}

/// A text column that has the same value in all rows of an entity. The first tag of a type is the entity's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    name: Arc<str>,
    about: Arc<str>,
}

/// A text column with values from a fixed list. Unlike a tag, the value can change from row to row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumColumn {
    name: Arc<str>,
    about: Arc<str>,
    values: Vec<Arc<str>>,
}

impl EntityType {
    /// The columns that every type has before its tags, as (name, description).
    pub const FIRST_COLUMNS: [(&str, &str); 2] =
        [("type", "the record type"), ("timestamp", "event time, start + tick × step")];

    /// Creates a type with this name. Its records have the `type` given as `record`. It has no tags and no metrics yet.
    pub fn new(name: &str, record: &str) -> EntityType {
        let (tags, metrics, enums) = (Vec::new(), Vec::new(), Vec::new());
        EntityType {
            name: name.into(),
            plural: format!("{name}s").into(),
            record: record.into(),
            tags,
            metrics,
            enums,
        }
    }

    /// Sets the plural of the name. Without it, the plural is the name with an `s`.
    #[must_use]
    pub fn with_plural(mut self, plural: &str) -> EntityType {
        self.plural = plural.into();
        self
    }

    /// Adds a tag with this name and a short description.
    #[must_use]
    pub fn tag(mut self, name: &str, about: &str) -> EntityType {
        self.tags.push(Tag { name: name.into(), about: about.into() });
        self
    }

    /// Adds a metric.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> EntityType {
        self.metrics.push(Arc::new(metric));
        self
    }

    /// Adds a text column with this name, a short description, and all its values.
    ///
    /// # Panics
    /// If there are more than 256 values.
    #[must_use]
    pub fn enum_column(mut self, name: &str, about: &str, values: &[&str]) -> EntityType {
        assert!(values.len() <= 256, "a row has one byte for a value of `{name}`");
        let values = values.iter().map(|value| Arc::from(*value)).collect();
        self.enums.push(EnumColumn { name: name.into(), about: about.into(), values });
        self
    }

    /// The name in labels and messages, such as `server`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plural of the name in messages, such as `servers`.
    pub fn plural(&self) -> &str {
        &self.plural
    }

    /// The same name, as a shared pointer.
    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The value of the field `type` of its records, such as `server_metric`.
    pub fn record(&self) -> &str {
        &self.record
    }

    /// The tag columns. The first one contains the name of the entity.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The numeric columns.
    pub fn metrics(&self) -> &[Arc<Metric>] {
        &self.metrics
    }

    /// The text columns with values that can change from row to row.
    pub fn enums(&self) -> &[EnumColumn] {
        &self.enums
    }

    /// The names of all columns, in their order.
    pub fn columns(&self) -> Vec<&str> {
        let first = EntityType::FIRST_COLUMNS.into_iter().map(|(name, _)| name);
        let tags = self.tags.iter().map(Tag::name);
        let metrics = self.metrics.iter().map(|metric| metric.name());
        let enums = self.enums.iter().map(EnumColumn::name);
        first.chain(tags).chain(metrics).chain(enums).collect()
    }
}

impl Tag {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A short description of the column.
    pub fn about(&self) -> &str {
        &self.about
    }
}

impl EnumColumn {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A short description of the column.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// All values. A row stores the index of one.
    pub fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    /// Returns the message for a text that is not one of the values.
    pub(crate) fn unknown(&self, value: &str) -> String {
        format!("`{}` is not a valid {}", value.escape_debug(), self.name)
    }

    /// Returns the index of a value; `None` if it is not in the list.
    pub fn index_of(&self, value: &str) -> Option<u8> {
        self.values.iter().position(|known| **known == *value).map(|index| index as u8)
    }
}
