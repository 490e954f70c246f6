//! The schema of a run: its entity types and the columns of their records.
//!
//! A schema is a plain value. Code that writes, reads or compares records loops over it and names no entity type.
//!
//! ```
//! use reenact::schema::{EntityType, Metric, Schema};
//! let pump = EntityType::new("pump", "pump_metric")
//!     .tag("pump_id", "the pump")
//!     .metric(Metric::new("flow_lps", "l/s", 1, "what it delivers"));
//! let schema = Schema::new([pump]);
//! let flow = schema.metric_named("flow_lps").unwrap();
//! assert_eq!(schema[flow].decimals(), 1);
//! assert_eq!(schema[flow.entity_type()].columns(), ["type", "timestamp", "pump_id", "flow_lps"]);
//! ```

mod entity_type;
mod metric;

use std::collections::BTreeSet;
use std::ops::Index;

pub use entity_type::{EntityType, EnumColumn, Tag};
pub use metric::Metric;

/// Identifies an entity type by its position in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u16);

impl TypeId {
    /// The type at this position in a schema, counted from 0.
    pub const fn new(index: u16) -> TypeId {
        TypeId(index)
    }

    /// The position in the schema, counted from 0. The rows of one tick have the same order.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Identifies a metric by its entity type and its position in that type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId {
    entity_type: TypeId,
    column: u16,
}

impl MetricId {
    /// The metric at this position in an entity type, counted from 0.
    pub const fn new(entity_type: TypeId, column: u16) -> MetricId {
        MetricId { entity_type, column }
    }

    /// The entity type that has the metric.
    pub const fn entity_type(self) -> TypeId {
        self.entity_type
    }

    /// The position among the metrics of the entity type, counted from 0.
    pub const fn column(self) -> usize {
        self.column as usize
    }
}

/// The entity types of a run, in the order of their rows within a tick.
// Invariant: no two types have the same name or the same record type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    types: Vec<EntityType>,
}

impl Schema {
    /// Creates a schema of these types, in stream order.
    ///
    /// # Panics
    /// If two types have the same name or the same record type, a type has no tag, or a type has two columns with the
    /// same name.
    pub fn new(types: impl IntoIterator<Item = EntityType>) -> Schema {
        let types: Vec<EntityType> = types.into_iter().collect();
        for (place, one) in types.iter().enumerate() {
            let is_same = |other: &EntityType| other.name() == one.name() || other.record() == one.record();
            assert!(!types[..place].iter().any(is_same), "two entity types are called `{}`", one.name());
            assert!(!one.tags().is_empty(), "a `{}` has no tag for its name", one.name());
            let columns = one.columns();
            let different: BTreeSet<&&str> = columns.iter().collect();
            assert!(different.len() == columns.len(), "two columns of a `{}` have one name", one.name());
        }
        Schema { types }
    }

    /// The number of entity types.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is no entity type.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The ids of all entity types, in stream order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = TypeId> + Clone + use<> {
        (0..self.types.len() as u16).map(TypeId)
    }

    /// All entity types, in stream order.
    pub fn types(&self) -> &[EntityType] {
        &self.types
    }

    /// All metrics, in the order of the types and of their columns.
    pub fn metrics(&self) -> impl Iterator<Item = (MetricId, &Metric)> {
        self.ids().flat_map(|id| {
            let metrics = self[id].metrics().iter().enumerate();
            metrics.map(move |(column, metric)| (MetricId::new(id, column as u16), &**metric))
        })
    }

    /// The entity type with this name, such as `server`.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.ids().find(|id| self[*id].name() == name)
    }

    /// The entity type with this record type, such as `server_metric`.
    pub fn record_named(&self, record: &str) -> Option<TypeId> {
        self.ids().find(|id| self[*id].record() == record)
    }

    /// The metric with this name in an entity type.
    pub fn metric_of(&self, id: TypeId, name: &str) -> Option<MetricId> {
        let column = self[id].metrics().iter().position(|metric| metric.name() == name)?;
        Some(MetricId::new(id, column as u16))
    }

    /// The first metric with this name.
    pub fn metric_named(&self, name: &str) -> Option<MetricId> {
        self.metrics().find(|(_, metric)| metric.name() == name).map(|(id, _)| id)
    }
}

impl Index<TypeId> for Schema {
    type Output = EntityType;

    fn index(&self, id: TypeId) -> &EntityType {
        &self.types[id.index()]
    }
}

impl Index<MetricId> for Schema {
    type Output = Metric;

    fn index(&self, id: MetricId) -> &Metric {
        &self[id.entity_type].metrics()[id.column()]
    }
}
