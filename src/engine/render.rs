//! `render`: the rows of a chunk, in integers.
//!
//! A line between grid points, causes, the noise of sensors, then a rounded value within its bounds. This happens here
//! once, so that no output can change a value.

use std::sync::Arc;

use super::blend::{Blend, line};
use super::block::Block;
use super::models::{Errors, InstanceMetric, InstanceRow, ServerMetric, ServerRow};
use crate::batch::{Batch, BatchBuilder, Columns};
use crate::fleet::{Entity, INSTANCE, Instance, SERVER};
use crate::plan::{Incident, Plan};
use crate::time::{self, CELL, Chunk, SimTime, Tick, Window};

/// Rows of a chunk, about: what is rendered should still lie in the cache when it is encoded.
const CHUNK_ROWS: u64 = 4_096;

/// The chunks that a window of a plan is rendered in, in order.
pub fn chunks(plan: &Plan, window: Window) -> impl Iterator<Item = Chunk> + Send + use<> {
    let ticks = (CHUNK_ROWS / plan.rows().in_a_tick()).max(1);
    time::chunks(plan.clock(), window, ticks)
}

/// Draws the rows of a chunk.
///
/// # Panics
/// If the block is not the chunk's, or not filled far enough.
pub fn render(plan: &Plan, block: &Block, chunk: &Chunk, errors: Errors) -> Batch {
    assert_eq!(block.id(), chunk.block, "a chunk lies inside its block");
    let fleet = plan.fleet();
    let ticks = (chunk.ticks.end - chunk.ticks.start) as usize;
    let entities = &fleet.entities;
    let mut batch = BatchBuilder::with_capacity(entities.schema(), |id| ticks * entities.of(id).len());
    let rows = Rows::new(plan, errors);
    for tick in chunk.ticks.clone() {
        let moment = plan.clock().at(Tick(tick));
        rows.tick(block, moment, &mut batch);
    }
    batch.build(Arc::clone(entities))
}

/// Draws rows of single entities.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    plan: &'a Plan,
    errors: Errors,
    step_ms: i64,
}

/// The values of one row, in the order of the schema; those of an instance fill the first places.
pub type RowValues = [i64; ServerMetric::COUNT];

/// The blends of a cell, asked for in the order of entities.
struct Blends<'a> {
    rest: &'a [Blend],
    incidents: &'a [Incident],
    moment: SimTime,
    into_cell: i64,
}

impl<'a> Blends<'a> {
    fn of(&mut self, entity: Entity) -> Option<&'a Blend> {
        while let Some((first, rest)) = self.rest.split_first() {
            if first.entity > entity {
                return None;
            }
            if first.entity == entity && first.from <= self.moment && self.moment < first.to {
                return Some(first);
            }
            self.rest = rest;
        }
        None
    }

    /// The value of each metric between the grid points, with causes.
    #[inline]
    fn values<const N: usize>(&mut self, entity: Entity, a: &[i32; N], b: &[i32; N]) -> [i64; N] {
        if !self.rest.is_empty()
            && let Some(blend) = self.of(entity)
        {
            return blend.values(self.incidents, self.moment, self.into_cell);
        }
        std::array::from_fn(|i| line(a[i], b[i], self.into_cell))
    }
}

impl<'a> Rows<'a> {
    /// The rows of a plan.
    pub fn new(plan: &'a Plan, errors: Errors) -> Rows<'a> {
        Rows { plan, errors, step_ms: plan.clock().step().0 }
    }

    /// The row of an entity at a moment of a cell, by its blends of that cell.
    ///
    /// # Panics
    /// If no blend holds the moment.
    pub fn blended(&self, incidents: &[Incident], blends: &[Blend], moment: SimTime) -> RowValues {
        let holds = |blend: &&Blend| blend.from <= moment && moment < blend.to;
        let blend = blends.iter().find(holds).expect("the blends of a cell hold all of its moments");
        let into_cell = moment.0.rem_euclid(CELL.0);
        let fleet = self.plan.fleet();
        match blend.entity {
            Entity::Server(index) => {
                let values = blend.values(incidents, moment, into_cell);
                ServerRow::new(&fleet.servers[index as usize], values, moment).numbers()
            }
            Entity::Service(index) => {
                let values = blend.values(incidents, moment, into_cell);
                let row = self.instance(&fleet.instances[index as usize], values, moment).numbers();
                let mut all = [0; ServerMetric::COUNT];
                all[..row.len()].copy_from_slice(&row);
                all
            }
        }
    }

    #[inline]
    fn instance<'b>(
        &'b self,
        instance: &'b Instance,
        values: [i64; InstanceMetric::WIDTH + 1],
        moment: SimTime,
    ) -> InstanceRow<'b> {
        InstanceRow::new((self.plan.fleet(), instance), values, moment, (self.errors, self.step_ms))
    }

    fn tick(&self, block: &Block, moment: SimTime, batch: &mut BatchBuilder) {
        let since = (moment - block.id().start()).0;
        let cell = (since / CELL.0) as usize;
        let mut blends = Blends {
            rest: block.blends(cell),
            incidents: block.incidents(),
            moment,
            into_cell: since % CELL.0,
        };
        let fleet = self.plan.fleet();
        let mut rows = batch.begin(SERVER, moment, 0..fleet.servers.len() as u32);
        let (mut numbers, []) = columns::<{ ServerMetric::COUNT }, 0>(&mut rows);
        let grid = block.servers(cell).iter().zip(block.servers(cell + 1));
        for (index, (server, (a, b))) in fleet.servers.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Server(index as u32), a, b);
            let row = ServerRow::new(server, values, moment).numbers();
            for (column, value) in numbers.iter_mut().zip(row) {
                column[index] = value;
            }
        }
        let mut rows = batch.begin(INSTANCE, moment, 0..fleet.instances.len() as u32);
        let (mut numbers, [endpoints]) = columns::<{ InstanceMetric::COUNT }, 1>(&mut rows);
        let grid = block.instances(cell).iter().zip(block.instances(cell + 1));
        for (index, (instance, (a, b))) in fleet.instances.iter().zip(grid).enumerate() {
            let values = blends.values(Entity::Service(index as u32), a, b);
            let row = self.instance(instance, values, moment);
            for (column, value) in numbers.iter_mut().zip(row.numbers()) {
                column[index] = value;
            }
            endpoints[index] = row.endpoint();
        }
    }
}

/// The columns of rows that were just begun.
fn columns<'a, const N: usize, const E: usize>(
    rows: &'a mut Columns<'_>,
) -> ([&'a mut [i64]; N], [&'a mut [u8]; E]) {
    const WHOLE: &str = "the table has the columns of its entity type";
    let (mut numbers, mut enums) = rows.all();
    (
        std::array::from_fn(|_| numbers.next().expect(WHOLE)),
        std::array::from_fn(|_| enums.next().expect(WHOLE)),
    )
}
