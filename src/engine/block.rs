//! `fill`: computes the grid states of one block, from an equilibrium one hour before it.

use super::acting::Acting;
use super::blend::{Blend, CellCauses, End, fill_in};
use super::models::{MODELS, Model, Signals, Strip, builtin};
use super::overlay::Overlay;
use super::twin::{Before, Fleet as Here, NoObserver, Observer, Twin};
use super::world::{Constants, Scene, View, World};
use crate::fleet::{Entity, Fleet};
use crate::kinds::FULL;
use crate::noise::{STRIP, STRIP_SPAN};
use crate::plan::{Incident, Plan, Reach};
use crate::schema::TypeId;
use crate::time::{BLOCK, BlockId, CELL, SimTime, Span};

/// The length of the warm-up: states are stepped from an equilibrium this long before their block. It is 9 times
/// the longest time constant (temperature with its fan, 400 s), and at least 12 times every other one.
pub const WARM_UP: Span = Span::minutes(60);

/// Two hours of grid values for a whole fleet, or the requested part of them.
#[derive(Clone, Debug)]
pub struct Block {
    id: BlockId,
    /// The number of values at a grid point, by entity type.
    widths: Vec<usize>,
    /// The incidents that act in the block or its warm-up, in the order (cause_start, id).
    incidents: Vec<Incident>,
    /// For each grid point, its place among the values. Points that no row of the run needs have none.
    places: Vec<Option<u32>>,
    /// The number of points that have a place.
    kept: u32,
    /// Values of the fleet with all of its incidents.
    values: Values,
    /// For each cell, the blends of entities with causes that come or go within it.
    blends: Vec<Vec<Blend>>,
}

/// Values of all entities at one or several grid points, by entity type. Within a type they are ordered by point,
/// then by entity.
#[derive(Clone, Debug)]
struct Values(Vec<Vec<i32>>);

impl Values {
    /// No values yet.
    fn new() -> Values {
        Values(vec![Vec::new(); MODELS.len()])
    }

    /// The values of an entity at the first point.
    fn of(&self, entity: Entity) -> &[i32] {
        let (id, index) = (entity.type_id().index(), entity.index() as usize);
        let width = MODELS[id].width();
        &self.0[id][index * width..(index + 1) * width]
    }
}

/// The number of values of a fleet at a grid point, by entity type.
fn values_of_a_point(fleet: &Fleet) -> impl Iterator<Item = usize> {
    fleet.entities.types().zip(MODELS).map(|((_, tags), model)| tags.len() * model.width())
}

impl Block {
    /// The block's number.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The incidents that act in the block or its warm-up, in the order (cause_start, id).
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// The values of all entities of a type at a grid point, entity by entity.
    pub(super) fn values(&self, id: TypeId, point: usize) -> &[i32] {
        let place = self.places.get(point).copied().flatten();
        let place =
            place.expect("rows are requested only at ticks of the run, in the part that was filled") as usize;
        let width = self.widths[id.index()];
        &self.values.0[id.index()][place * width..(place + 1) * width]
    }

    /// The blends of a cell, in the order (entity, from).
    pub(super) fn blends(&self, cell: usize) -> &[Blend] {
        &self.blends[cell]
    }

    /// The states at a grid point, by entity type and entity, in sixteenths of their quantum.
    pub fn states(&self, point: usize) -> impl Iterator<Item = i32> + '_ {
        let of_type = move |(id, model): (TypeId, &&'static dyn Model)| {
            let (values, width) = (self.values(id, point), model.width().max(1));
            let states = model.states();
            values.chunks_exact(width).flat_map(move |values| states.iter().map(move |place| values[*place]))
        };
        builtin().ids().zip(MODELS).flat_map(of_type)
    }
}

/// The approximate size of a block of a plan in memory, in bytes.
pub fn block_bytes(plan: &Plan) -> u64 {
    let ticks = (BLOCK.0 / plan.clock().step().0 + 1) as u64;
    // Rare ticks need only the grid points on either side.
    let points = (2 * ticks).min((BLOCK.0 / CELL.0) as u64 + 1);
    points * (values_of_a_point(plan.fleet()).sum::<usize>() * size_of::<i32>()) as u64
}

/// Computes a block's grid up to the end of the cell that contains `last`, or up to the block's end.
///
/// The state at the block's start is defined as the equilibrium 60 min before it, stepped forward cell by cell with
/// incidents. So every computation of a block produces the same bits.
pub fn fill(plan: &Plan, id: BlockId, last: SimTime) -> Block {
    fill_with_observer(plan, id, last, &mut NoObserver)
}

/// Fills a block like `fill`, and also computes the baselines that `observer` follows.
pub fn fill_with_observer(plan: &Plan, id: BlockId, last: SimTime, observer: &mut impl Observer) -> Block {
    let end = SimTime(last.0.div_euclid(CELL.0) * CELL.0) + CELL;
    let end = end.min(id.end()).max(id.start() + CELL);
    let mut grid = Grid::new(plan, id, observer);
    grid.reserve(end);
    let mut moment = id.start() - WARM_UP;
    grid.begin(moment);
    while moment <= end {
        grid.step(moment, end);
        moment = moment + CELL;
    }
    grid.block
}

/// The state of `fill` between two cells.
struct Grid<'a, O> {
    plan: &'a Plan,
    constants: Constants,
    signals: Signals,
    strip: Strip,
    strip_start: SimTime,
    world: World,
    /// What each incident can touch within a cell.
    reaches: Vec<Reach>,
    acting: Acting,
    /// The index of the first incident that has not begun yet.
    upcoming: usize,
    /// How far each incident is on at the grid point (0–1).
    strengths: Vec<f64>,
    twins: Vec<Twin>,
    overlays: [Overlay; 2],
    /// Blends of the cell that begins at the grid point computed last.
    cell: Vec<Blend>,
    /// Values at the grid point computed last.
    here: Values,
    /// Values at the grid point before it.
    before: Values,
    observer: &'a mut O,
    block: Block,
}

impl<'a, O: Observer> Grid<'a, O> {
    fn new(plan: &'a Plan, id: BlockId, observer: &'a mut O) -> Grid<'a, O> {
        let fleet = plan.fleet();
        let incidents = plan.incidents_between(id.start() - WARM_UP, id.end());
        let points = (BLOCK.0 / CELL.0) as usize + 1;
        let reach = |incident: &Incident| {
            Reach::within_a_cell(fleet, incident.changes.iter().map(|(entity, _)| *entity))
        };
        Grid {
            plan,
            constants: Constants::new(fleet),
            signals: Signals::new(fleet),
            strip: Strip::default(),
            strip_start: SimTime(i64::MIN),
            world: World::new(fleet),
            reaches: incidents.iter().map(reach).collect(),
            acting: Acting::default(),
            upcoming: 0,
            strengths: vec![0.0; incidents.len()],
            twins: Vec::new(),
            overlays: [Overlay::new(fleet), Overlay::new(fleet)],
            cell: Vec::new(),
            here: Values::new(),
            before: Values::new(),
            observer,
            block: Block {
                id,
                widths: values_of_a_point(fleet).collect(),
                incidents,
                places: Vec::with_capacity(points),
                kept: 0,
                values: Values::new(),
                blends: Vec::with_capacity(points - 1),
            },
        }
    }

    /// Reserves memory for the values of the block up to `end` at once. Growth would temporarily double it.
    fn reserve(&mut self, end: SimTime) {
        let clock = self.plan.clock();
        let (from, to) = (clock.tick_at_or_after(self.block.id.start()), clock.tick_at_or_after(end));
        let cells = ((end - self.block.id.start()).0 / CELL.0) as u64;
        // A tick needs the grid points on either side. The first and the last point are always kept.
        let points = (cells + 1).min(2 * (to.0 - from.0) + 2) as usize;
        for (values, width) in self.block.values.0.iter_mut().zip(&self.block.widths) {
            values.reserve_exact(points * width);
        }
    }

    /// Prepares what a grid point needs before its flows: the inputs, the acting incidents, and how far each is on.
    fn look(&mut self, moment: SimTime) {
        let first = SimTime(moment.0.div_euclid(STRIP_SPAN.0) * STRIP_SPAN.0);
        if first != self.strip_start {
            self.signals.strip(self.plan.fleet(), first, &mut self.strip);
            self.strip_start = first;
        }
        // An incident acts here if it acts in the cell before or after the point, or begins at the end of the cell
        // after it.
        let incidents = &self.block.incidents;
        let over = |index: &u32| incidents[*index as usize].end() <= moment - CELL;
        let begins = |index: usize| incidents.get(index).is_some_and(|next| next.start() <= moment + CELL);
        if begins(self.upcoming) || self.acting.incidents().iter().any(over) {
            let mut acting: Vec<u32> =
                self.acting.incidents().iter().copied().filter(|index| !over(index)).collect();
            for index in self.acting.incidents().iter().filter(|index| over(index)) {
                self.strengths[*index as usize] = 0.0;
            }
            while begins(self.upcoming) {
                acting.push(self.upcoming as u32);
                if self.observer.begins(self.upcoming as u32, &incidents[self.upcoming]) {
                    self.twins.push(Twin::new(self.upcoming as u32));
                }
                self.upcoming += 1;
            }
            acting.retain(|index| !over(index));
            self.acting = Acting::new(incidents, acting);
        }
        for index in self.acting.incidents() {
            let on = incidents[*index as usize].envelope.at(moment) as f64;
            self.strengths[*index as usize] = on * (1.0 / FULL as f64);
        }
    }

    /// Starts at the equilibrium: each state at the fixed point of its own inputs.
    fn begin(&mut self, moment: SimTime) {
        self.look(moment);
        self.point(moment, moment, true);
    }

    /// Computes the grid point at `moment`: completes the cell before it, begins the cell after it, and moves the
    /// states to the next grid point.
    fn step(&mut self, moment: SimTime, end: SimTime) {
        self.look(moment);
        self.point(moment, end, false);
    }

    fn point(&mut self, moment: SimTime, end: SimTime, is_first: bool) {
        let k = ((moment - self.strip_start).0 / CELL.0) as usize;
        debug_assert!(k < STRIP, "a grid point is in its strip");
        let scene = Scene {
            fleet: self.plan.fleet(),
            constants: &self.constants,
            incidents: &self.block.incidents,
            acting: &self.acting,
            moment,
            kills_at: moment,
            servers: self.strip.servers(k),
            instances: self.strip.instances(k),
        };
        let strengths = &self.strengths;
        let strength = |cause: u32| strengths[cause as usize];
        self.world.flow(&scene, strength);
        let first = self.block.id.start();
        // Rows are rendered only in cells that contain a tick, so only these cells have values and blends.
        let completes = moment > first && self.has_tick(moment - CELL);
        let begins = !is_first && moment >= first && moment < end && self.has_tick(moment);
        let mut before = std::mem::take(&mut self.cell);
        std::mem::swap(&mut self.here, &mut self.before);
        if !is_first && moment >= first {
            let keeps = completes || begins || moment == first || moment == end;
            self.block.places.push(keeps.then_some(self.block.kept));
            if keeps {
                self.block.kept += 1;
                for (id, model) in MODELS.iter().enumerate() {
                    let here = &mut self.here.0[id];
                    here.resize(self.block.widths[id], 0);
                    model.all_values(&scene, View::of(&self.world), &strength, here);
                    self.block.values.0[id].extend_from_slice(here);
                }
            }
        }
        let view = View::of(&self.world);
        let causes = |cell: SimTime| CellCauses {
            incidents: &self.block.incidents,
            reaches: &self.reaches,
            acting: self.acting.incidents(),
            cell,
            without: None,
        };
        if completes {
            fill_in(&mut before, End::Next, &scene, view, &strength, &mut self.overlays[1]);
        }
        if begins {
            self.cell = causes(moment).blends(None);
            fill_in(&mut self.cell, End::Start, &scene, view, &strength, &mut self.overlays[1]);
        }
        if is_first {
            self.world.settle(&scene);
        } else {
            self.world.advance(&scene);
        }
        if !self.twins.is_empty() {
            let values = |entity: Entity, end: End| match end {
                End::Start => self.before.of(entity),
                End::Next => self.here.of(entity),
            };
            let here = Here {
                world: &self.world,
                before: completes.then(|| Before {
                    causes: causes(moment - CELL),
                    blends: &before,
                    values: &values,
                }),
                after: begins.then(|| (causes(moment), &self.cell[..])),
            };
            for twin in &mut self.twins {
                twin.step(&scene, &here, &strength, is_first, &mut self.overlays, self.observer);
            }
            let is_acting = |index: u32| self.block.incidents[index as usize].end() > moment;
            self.twins.retain(|twin| is_acting(twin.incident()) || !twin.is_over());
        }
        if moment > first {
            self.block.blends.push(before);
        }
        self.world.go_on();
    }

    /// Whether the cell that begins at a grid point contains a tick of the run.
    fn has_tick(&self, cell: SimTime) -> bool {
        let clock = self.plan.clock();
        let next = clock.tick_at_or_after(cell);
        next < clock.tick_at_or_after(cell + CELL) && next.0 < clock.num_ticks()
    }
}
