//! The vocabulary of a run: its entity types, and the columns of their records.
//!
//! A schema is a value. Everything that writes, reads or compares records loops over it and names no entity type.
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

/// An entity type, by its place in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u16);

impl TypeId {
    /// The type at this place of a schema, counted from 0.
    pub const fn new(index: u16) -> TypeId {
        TypeId(index)
    }

    /// Its place in the schema, counted from 0: also that of its rows among those of one tick.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A metric, by the place of its entity type in the schema and its own place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId {
    entity_type: TypeId,
    column: u16,
}

impl MetricId {
    /// The metric at this place of an entity type, counted from 0.
    pub const fn new(entity_type: TypeId, column: u16) -> MetricId {
        MetricId { entity_type, column }
    }

    /// The entity type that has it.
    pub const fn entity_type(self) -> TypeId {
        self.entity_type
    }

    /// Its place among the metrics of its entity type, counted from 0.
    pub const fn column(self) -> usize {
        self.column as usize
    }
}

/// The entity types of a run, in the order in which their rows follow each other within a tick.
// Invariant: no two types have the same name or the same record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    types: Vec<EntityType>,
}

impl Schema {
    /// These types, in stream order.
    ///
    /// # Panics
    /// If two of them have the same name or the same record, or one has no tag, or two columns of the same name.
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

    /// The entity type whose records have this `type`, such as `server_metric`.
    pub fn record_named(&self, record: &str) -> Option<TypeId> {
        self.ids().find(|id| self[*id].record() == record)
    }

    /// The metric of an entity type with this name.
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
