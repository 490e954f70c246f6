//! The entity types that the program knows: one file each, listed once in [`MODELS`].
//!
//! `server` and `instance` are tables of metrics: name, unit, decimals, description, value at a grid point, row
//! with the noise of its sensor, and scale. `server_flow` and `instance_flow` compute an entity's flow from its
//! inputs, states and causes. `inputs` and `server_inputs` compute an entity's inputs, which do not depend on
//! states and causes.

#[macro_use]
mod metrics;
mod causes;
mod inputs;
mod instance;
mod instance_flow;
mod noise;
mod own_demand;
mod sensor;
mod server;
mod server_flow;
mod server_inputs;

use std::sync::{Arc, LazyLock};

pub use causes::{InstanceCauses, ServerCauses};
pub use inputs::{InstanceInputs, ServerInputs, Signals, Strip};
pub use instance::{ENDPOINTS, InstanceMetric};
pub use instance_flow::{InstanceFlow, InstanceState};
pub(crate) use noise::LATENCY_NOISE_SIGMA;
pub(crate) use own_demand::own_demand;
pub use server::ServerMetric;
pub use server_flow::{ServerFlow, ServerState};

use super::world::{Scene, View};
use crate::batch::{Columns, Entities, TagColumns};
use crate::fleet::{Entity, Fleet};
use crate::math::Key;
use crate::schema::{EntityType, MetricId, Schema};
use crate::time::{CELL, SimTime, Span};

/// All entity types, in stream order.
pub static MODELS: &[&dyn Model] = &[&server::ServerModel, &instance::InstanceModel];

/// An entity type: its columns, its entities, the contents of their rows, and the scales of its metrics.
pub trait Model: Sync {
    /// Its name and its columns.
    fn entity_type(&self) -> EntityType;

    /// Adds its entities, each with its tags.
    fn populate(&self, fleet: &Fleet, entities: &mut TagColumns);

    /// The number of values that the engine keeps per entity at a grid point; 0 if rows depend on the time alone.
    fn width(&self) -> usize {
        0
    }

    /// The servers and instances whose flows or states [`Model::values`] reads for an entity. What an incident changes on
    /// them can change this entity too. Servers and instances name none: their own neighbours are always followed.
    fn reads(&self, _fleet: &Fleet, _entity: u32) -> Vec<Entity> {
        Vec::new()
    }

    /// Computes the values of an entity at a grid point, from the flows and states in `view`, with each incident as
    /// far on as `strength` says (0–1). `out` has the type's `width`; the unit of a value is the model's choice.
    fn values(&self, _: &Scene<'_>, _: View<'_>, _entity: u32, _: &dyn Fn(u32) -> f64, _out: &mut [i32]) {}

    /// Computes the values of all entities of the type, entity by entity.
    fn all_values(&self, scene: &Scene<'_>, view: View<'_>, strength: &dyn Fn(u32) -> f64, out: &mut [i32]) {
        for (entity, out) in out.chunks_exact_mut(self.width().max(1)).enumerate() {
            self.values(scene, view, entity as u32, strength, out);
        }
    }

    /// The places of the values that are states, which an entity carries from one grid point to the next.
    fn states(&self) -> &'static [usize] {
        &[]
    }

    /// Computes the row of an entity: its stored numbers, and the indices of its texts. `values` are the grid
    /// values at this tick, with causes.
    fn row(&self, tick: &TickView<'_>, entity: usize, values: &[i64], numbers: &mut [i64], enums: &mut [u8]);

    /// Computes the rows of all entities. `values` contains their grid values, entity by entity.
    fn rows(&self, tick: &TickView<'_>, values: &[i64], columns: &mut Columns<'_>) {
        let (count, width) = (columns.len(), self.width());
        let (numbers, enums) = columns.all();
        let (mut numbers, mut enums) = (numbers.collect::<Vec<_>>(), enums.collect::<Vec<_>>());
        let (mut row, mut codes) = (vec![0; numbers.len()], vec![0; enums.len()]);
        for entity in 0..count {
            self.row(tick, entity, &values[entity * width..(entity + 1) * width], &mut row, &mut codes);
            numbers.iter_mut().zip(&row).for_each(|(column, value)| column[entity] = *value);
            enums.iter_mut().zip(&codes).for_each(|(column, code)| column[entity] = *code);
        }
    }

    /// The scale of a metric of an entity, in the metric's unit: about the p99.9 of its normal residual. It depends
    /// only on the entity's own parameters, and on the step if the value counts events of a tick. It does not
    /// depend on the run, the window or chance.
    fn scale(&self, fleet: &Fleet, entity: usize, column: usize, step: Span) -> f64;
}

/// What the rows of a tick are computed from, in addition to the grid values.
#[derive(Clone, Copy, Debug)]
pub struct TickView<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The root of all noise of the run.
    pub key: Key,
    /// The tick's event time.
    pub moment: SimTime,
    /// The distance between two ticks.
    pub step: Span,
    /// What error columns contain.
    pub errors: Errors,
}

/// The schema of all entity types.
pub fn builtin() -> &'static Arc<Schema> {
    static BUILTIN: LazyLock<Arc<Schema>> =
        LazyLock::new(|| Arc::new(Schema::new(MODELS.iter().map(|model| model.entity_type()))));
    &BUILTIN
}

/// Adds the entities of all types to a fleet.
pub fn populate(fleet: &mut Fleet) {
    let mut entities = Entities::new(Arc::clone(builtin()));
    for (id, model) in builtin().ids().zip(MODELS) {
        model.populate(fleet, entities.of_mut(id));
        for index in 0..entities.of(id).len() as u32 {
            for read in model.reads(fleet, index) {
                fleet.readers.entry(read).or_default().push(Entity::new(id, index));
            }
        }
    }
    fleet.entities = Arc::new(entities);
}

/// The scale of a metric of an entity, in the metric's unit; at least one quantum.
pub fn scale(fleet: &Fleet, entity: Entity, metric: MetricId, step: Span) -> f64 {
    let model = MODELS[metric.entity_type().index()];
    let scale = model.scale(fleet, entity.index() as usize, metric.column(), step);
    scale.max(1.0 / fleet.schema()[metric].units() as f64)
}

/// Fills the columns of rows that were just begun, row by row.
#[inline]
fn fill<T, const N: usize, const E: usize>(
    columns: &mut Columns<'_>,
    entities: impl Iterator<Item = T>,
    row: impl Fn(T) -> ([i64; N], [u8; E]),
) {
    const WHOLE: &str = "the table has the columns of its entity type";
    let (mut numbers, mut enums) = columns.all();
    let mut numbers: [&mut [i64]; N] = std::array::from_fn(|_| numbers.next().expect(WHOLE));
    let mut enums: [&mut [u8]; E] = std::array::from_fn(|_| enums.next().expect(WHOLE));
    for (place, entity) in entities.enumerate() {
        let (row, codes) = row(entity);
        numbers.iter_mut().zip(row).for_each(|(column, value)| column[place] = value);
        enums.iter_mut().zip(codes).for_each(|(column, code)| column[place] = code);
    }
}

/// The message for values of an entity that do not have the width of its type.
const WIDTH: &str = "the grid has the values of the entity type";

/// What error columns contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Counts drawn from a binomial distribution, as in records.
    Drawn,
    /// Expected counts, as labels compare them: a coincidence of two draws is not an effect.
    Expected,
}

/// The length of a grid cell in seconds.
pub(super) const CELL_S: f64 = CELL.0 as f64 / 1e3;

/// Rounds a value to sixteenths of its metric's quantum; `units` is 16 × 10^decimals.
#[inline]
fn sixteenths(value: f64, name: &str, units: i64) -> i32 {
    // The cast would turn NaN into 0. A bug must not become a plausible value.
    assert!(value >= 0.0, "`{name}` is NaN or negative: {value}");
    (value * units as f64 + 0.5) as i32
}

/// Converts sixteenths of a quantum to quanta: adds a half and shifts.
#[inline]
fn rounded(sixteenths: i64) -> i64 {
    (sixteenths + 8) >> 4
}

/// Rounds a state to a whole number of its steps: ⌊x + u⌋ with a keyed u, so that trajectories with different
/// starts meet exactly. States are never negative.
#[inline]
fn dithered(steps: f64, u: f64) -> i32 {
    assert!(steps >= 0.0, "a state is NaN or negative: {steps}");
    (steps + u).min(f64::from(i32::MAX)) as i32
}

/// Three uniform numbers (0 ≤ u < 1) from one hash.
#[inline]
fn three(bits: u64) -> [f64; 3] {
    let part = |shift: u32| ((bits >> shift) & 0x1F_FFFF) as f64 * (1.0 / (1 << 21) as f64);
    [part(43), part(22), part(1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{INSTANCE, SERVER};

    #[test]
    fn the_types_have_their_places() {
        assert_eq!(builtin().type_named("server"), Some(SERVER));
        assert_eq!(builtin().type_named("service"), Some(INSTANCE));
    }

    #[test]
    fn every_kind_has_its_carrier_in_the_schema() {
        for kind in crate::kinds::KINDS {
            let carrier = kind.carrier();
            let id = builtin().type_named(carrier.entity_type);
            let metric = id.and_then(|id| builtin().metric_of(id, carrier.metric));
            assert!(metric.is_some(), "`{}` names a carrier that no model has: {carrier:?}", kind.name());
        }
    }
}
