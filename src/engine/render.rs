//! `render`: computes the rows of a chunk, in integers.
//!
//! A value is interpolated between grid points. Causes and the noise of sensors are applied, then the value is
//! rounded within its bounds. This happens only here, so that no output can change a value.

use std::sync::Arc;

use super::blend::{Blend, line};
use super::block::Block;
use super::models::{Errors, MODELS, TickView};
use crate::batch::{Batch, BatchBuilder};
use crate::plan::{Incident, Plan};
use crate::schema::{Schema, TypeId};
use crate::time::{self, CELL, Chunk, SimTime, Tick, Window};

/// The approximate number of rows in a chunk. Rendered rows should still be in the CPU cache when they are encoded.
const CHUNK_ROWS: u64 = 4_096;

/// The chunks in which a window of a plan is rendered, in order.
pub fn chunks(plan: &Plan, window: Window) -> impl Iterator<Item = Chunk> + Send + use<> {
    let ticks = (CHUNK_ROWS / plan.rows().in_a_tick()).max(1);
    time::chunks(plan.clock(), window, ticks)
}

/// Renders the rows of a chunk.
///
/// # Panics
/// If the block is not the chunk's, or is not filled far enough.
pub fn render(plan: &Plan, block: &Block, chunk: &Chunk, errors: Errors) -> Batch {
    assert_eq!(block.id(), chunk.block, "a chunk is inside its block");
    let fleet = plan.fleet();
    let ticks = (chunk.ticks.end - chunk.ticks.start) as usize;
    let entities = &fleet.entities;
    let mut batch = BatchBuilder::with_capacity(entities.schema(), |id| ticks * entities.of(id).len());
    let (rows, mut values) = (Rows::new(plan, errors), Vec::new());
    for tick in chunk.ticks.clone() {
        let moment = plan.clock().at(Tick(tick));
        rows.tick(block, moment, &mut values, &mut batch);
    }
    batch.build(Arc::clone(entities))
}

/// Renders rows.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    plan: &'a Plan,
    errors: Errors,
}

/// One row of an entity.
#[derive(Clone, Debug)]
pub struct RowValues {
    /// The grid values at its tick.
    values: Vec<i64>,
    /// The stored values of its metrics.
    pub numbers: Vec<i64>,
    enums: Vec<u8>,
}

impl RowValues {
    /// An empty row of an entity type.
    pub fn of(schema: &Schema, id: TypeId) -> RowValues {
        let (width, entity_type) = (MODELS[id.index()].width(), &schema[id]);
        RowValues {
            values: vec![0; width],
            numbers: vec![0; entity_type.metrics().len()],
            enums: vec![0; entity_type.enums().len()],
        }
    }
}

impl<'a> Rows<'a> {
    /// A renderer for the rows of a plan.
    pub fn new(plan: &'a Plan, errors: Errors) -> Rows<'a> {
        Rows { plan, errors }
    }

    /// Computes the row of an entity at a moment of a cell, from the entity's blends of that cell. `row` must be
    /// made for the entity's type.
    ///
    /// # Panics
    /// If no blend contains the moment, or `row` is for another type.
    pub fn blended(&self, incidents: &[Incident], blends: &[Blend], moment: SimTime, row: &mut RowValues) {
        let holds = |blend: &&Blend| blend.from <= moment && moment < blend.to;
        let blend = blends.iter().find(holds).expect("the blends of a cell cover all of its moments");
        blend.values(incidents, moment, moment.0.rem_euclid(CELL.0), &mut row.values);
        let (model, index) = (MODELS[blend.entity.type_id().index()], blend.entity.index() as usize);
        model.row(&self.view(moment), index, &row.values, &mut row.numbers, &mut row.enums);
    }

    fn view(&self, moment: SimTime) -> TickView<'_> {
        let (plan, errors) = (self.plan, self.errors);
        TickView { fleet: plan.fleet(), key: plan.key(), moment, step: plan.clock().step(), errors }
    }

    /// Appends the rows of a tick. For each entity type it interpolates the values between the grid points, applies
    /// causes, then calls the type's model. `values` is a buffer for the values of one type.
    fn tick(&self, block: &Block, moment: SimTime, values: &mut Vec<i64>, batch: &mut BatchBuilder) {
        let since = (moment - block.id().start()).0;
        let (cell, into_cell) = ((since / CELL.0) as usize, since % CELL.0);
        let view = self.view(moment);
        let mut blends = block.blends(cell);
        let entities = &self.plan.fleet().entities;
        for (id, model) in entities.schema().ids().zip(MODELS) {
            let grid = block.values(id, cell).iter().zip(block.values(id, cell + 1));
            values.clear();
            values.extend(grid.map(|(a, b)| line(*a, *b, into_cell)));
            let (of_type, rest) =
                blends.split_at(blends.partition_point(|blend| blend.entity.type_id() <= id));
            for blend in of_type.iter().filter(|blend| blend.from <= moment && moment < blend.to) {
                let first = blend.entity.index() as usize * model.width();
                let values = &mut values[first..first + model.width()];
                blend.values(block.incidents(), moment, into_cell, values);
            }
            blends = rest;
            let mut columns = batch.begin(id, moment, 0..entities.of(id).len() as u32);
            model.rows(&view, values, &mut columns);
        }
    }
}
