//! Baselines next to the fleet: for each incident that a observer follows, the same fleet without it. They are
//! computed cell by cell, and only as far as they differ.

use super::blend::{Blend, CellCauses, End, fill_in, of_entity};
use super::overlay::{Overlay, States};
use super::world::{Scene, View, World};
use crate::fleet::Entity;
use crate::plan::{Incident, Reach};
use crate::time::SimTime;

/// Follows how a fleet differs from its baselines while a block is filled.
pub trait Observer {
    /// Called when an incident of the block begins, with its index. Returns whether to follow the baseline without it.
    fn begins(&mut self, index: u32, incident: &Incident) -> bool;

    /// Called for each entity and cell with rows that may differ. `with` are the entity's blends as they are,
    /// `without` its blends without the incident. Calls come in the order of cells.
    fn differs(
        &mut self,
        incidents: &[Incident],
        incident: u32,
        cell: SimTime,
        with: &[Blend],
        without: &[Blend],
    );
}

/// A observer that follows no incident.
#[derive(Clone, Copy, Debug)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn begins(&mut self, _: u32, _: &Incident) -> bool {
        false
    }

    fn differs(&mut self, _: &[Incident], _: u32, _: SimTime, _: &[Blend], _: &[Blend]) {}
}

/// The fleet without one incident.
#[derive(Clone, Debug)]
pub struct Twin {
    incident: u32,
    /// The states that differ at the grid point that is computed next.
    states: States,
    /// Blends of the cell that ends at that grid point, for all entities with rows that may differ in it; sorted.
    cell: Vec<Blend>,
}

/// The fleet itself around a grid point.
#[derive(Clone, Copy)]
pub struct Fleet<'a> {
    pub world: &'a World,
    /// The cell that ends here, if it has rows. `None` in a warm-up.
    pub before: Option<Before<'a>>,
    /// The cell that begins here, if it has rows: its causes and its blends.
    pub after: Option<(CellCauses<'a>, &'a [Blend])>,
}

/// A cell that ends at a grid point.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub causes: CellCauses<'a>,
    pub blends: &'a [Blend],
    /// For an entity that has no blends: its values at the start or the end of the cell.
    pub values: &'a dyn Fn(Entity, End) -> &'a [i32],
}

impl Twin {
    /// The baseline without an incident, which is given by its index.
    pub fn new(incident: u32) -> Twin {
        Twin { incident, states: States::default(), cell: Vec::new() }
    }

    /// The index of the incident that the baseline leaves out.
    pub fn incident(&self) -> u32 {
        self.incident
    }

    /// Whether nothing differs any more.
    pub fn is_over(&self) -> bool {
        self.states.is_empty() && self.cell.is_empty()
    }

    /// Computes what differs at the grid point: completes the cell before it, begins the cell after it, and moves
    /// on to the states of the next point. `world` must have advanced (or settled, at the start of a warm-up).
    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        fleet: &Fleet<'_>,
        strength: &impl Fn(u32) -> f64,
        is_first: bool,
        overlays: &mut [Overlay; 2],
        observer: &mut impl Observer,
    ) {
        let [overlay, scratch] = overlays;
        let without = |cause: u32| if cause == self.incident { 0.0 } else { strength(cause) };
        overlay.clear();
        overlay.put_states(scene, &self.states);
        if strength(self.incident) > 0.0 {
            for (target, _) in &scene.incidents[self.incident as usize].changes {
                overlay.look_at_entity(scene, *target);
            }
        }
        overlay.flow(scene, View::of(fleet.world), without);
        let mut differing = Vec::new();
        overlay.differing(scene.fleet, &mut differing);
        let view = View::of(fleet.world).under(overlay);
        if let Some(before) = fleet.before {
            let mut cell = std::mem::take(&mut self.cell);
            join(&mut cell, &blended(scene, &differing, before.blends), &before);
            fill_in(&mut cell, End::Next, scene, view, &without, scratch);
            for without in cell.chunk_by(|a, b| a.entity == b.entity) {
                let entity = without[0].entity;
                match of_entity(before.blends, entity) {
                    [] => {
                        let (start, end) =
                            ((before.values)(entity, End::Start), (before.values)(entity, End::Next));
                        let with = [Blend::between(entity, before.causes.cell, start, end)];
                        observer.differs(scene.incidents, self.incident, before.causes.cell, &with, without);
                    }
                    with => {
                        observer.differs(scene.incidents, self.incident, before.causes.cell, with, without)
                    }
                }
            }
        }
        self.cell.clear();
        if let Some((causes, blends)) = fleet.after {
            let mut entities = blended(scene, &differing, blends);
            if causes.acts(self.incident) {
                entities.extend(causes.reaches[self.incident as usize].entities());
                entities.sort_unstable();
                entities.dedup();
            }
            let causes = CellCauses { without: Some(self.incident), ..causes };
            self.cell = with_plain_ones(causes.blends(Some(&entities)), &entities, causes.cell);
            fill_in(&mut self.cell, End::Start, scene, view, &without, scratch);
        }
        if is_first {
            self.states.settled(scene, fleet.world, &differing, view);
        } else {
            self.states.advanced(scene, fleet.world, &differing, view);
        }
    }
}

/// The entities that differ, and the entities with blends within their reach. Such an entity may differ when other
/// causes are on or off, even if it does not differ now.
fn blended(scene: &Scene<'_>, differing: &[Entity], blends: &[Blend]) -> Vec<Entity> {
    let mut entities = differing.to_vec();
    if !differing.is_empty() && !blends.is_empty() {
        let touched = Reach::within_a_cell(scene.fleet, differing.iter().copied());
        entities.extend(touched.entities().filter(|entity| !of_entity(blends, *entity).is_empty()));
        entities.sort_unstable();
        entities.dedup();
    }
    entities
}

/// Adds the entities that begin to differ at the end of the cell. Before that, their values equal those of the fleet.
fn join(cell: &mut Vec<Blend>, differing: &[Entity], before: &Before<'_>) {
    let known = cell.len();
    for entity in differing {
        if !of_entity(&cell[..known], *entity).is_empty() {
            continue;
        }
        match of_entity(before.blends, *entity) {
            [] => {
                let (start, end) =
                    ((before.values)(*entity, End::Start), (before.values)(*entity, End::Next));
                cell.push(Blend::between(*entity, before.causes.cell, start, end));
            }
            blends => cell.extend_from_slice(blends),
        }
    }
    cell.sort_by_key(|blend| (blend.entity, blend.from));
}

/// Adds plain blends for those entities that have none.
fn with_plain_ones(mut blends: Vec<Blend>, entities: &[Entity], cell: SimTime) -> Vec<Blend> {
    let known = blends.len();
    for entity in entities {
        if of_entity(&blends[..known], *entity).is_empty() {
            blends.push(Blend::plain(*entity, cell));
        }
    }
    blends.sort_by_key(|blend| (blend.entity, blend.from));
    blends
}
