//! Causes act at each tick: values between 'off' and 'on' for every entity that they reach.
//!
//! A cell with causes is cut where the form of an envelope changes. In each segment a cause is off,
//! in ramp or on. An entity's value is V(rest, X off) where X's envelope is 0, V(rest, X on) where
//! it is 1, else on the line between; nested, X being the last in (cause_start, id). Only the first
//! six in ramp nest; each further one adds its difference.

use std::collections::BTreeMap;

use super::fleet::{INSTANCE_WIDTH, SERVER_WIDTH};
use crate::kinds::FULL;
use crate::plan::{Entity, Incident, Reach};
use crate::time::{CELL, SimTime};

/// How many causes in ramp nest; with them 2⁶ variants of a value.
const NESTED: usize = 6;

/// How one entity's values follow the causes that reach it, over a part of a cell.
// Invariant: `start` and `end` hold (1 + beyond) × 2^ramp variants of `width` values each.
#[derive(Clone, Debug)]
pub struct Blend {
    /// Whose values.
    pub entity: Entity,
    /// From this moment …
    pub from: SimTime,
    /// … to this one.
    pub to: SimTime,
    /// Incidents in ramp that nest, by index in the plan, in (cause_start, id).
    ramp: Vec<u32>,
    /// Further incidents in ramp.
    beyond: Vec<u32>,
    width: usize,
    /// Variants at the cell's first grid point.
    start: Vec<i32>,
    /// Variants at the next grid point.
    end: Vec<i32>,
}

/// Which end of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its first grid point.
    Start,
    /// The next grid point.
    Next,
}

impl Blend {
    /// The value of metric `i` so many milliseconds into the cell.
    pub fn at(&self, incidents: &[Incident], moment: SimTime, into_cell: i64, i: usize) -> i64 {
        let line = |variant: usize| {
            let place = variant * self.width + i;
            line(self.start[place], self.end[place], into_cell)
        };
        self.nested(incidents, moment, line)
    }

    /// The value of metric `i` at the cell's first grid point.
    pub fn at_start(&self, incidents: &[Incident], moment: SimTime, i: usize) -> i64 {
        self.nested(incidents, moment, |variant| i64::from(self.start[variant * self.width + i]))
    }

    fn nested(&self, incidents: &[Incident], moment: SimTime, value: impl Fn(usize) -> i64) -> i64 {
        let envelope = |cause: &u32| incidents[*cause as usize].envelope.at(moment);
        let variants = 1 << self.ramp.len();
        let nest = |offset: usize| {
            let mut values = [0; 1 << NESTED];
            for (variant, slot) in values[..variants].iter_mut().enumerate() {
                *slot = value(offset + variant);
            }
            let mut left = variants;
            // The first cause is innermost: pairs that differ in it alone stand side by side.
            for cause in &self.ramp {
                let e = envelope(cause);
                left /= 2;
                for pair in 0..left {
                    values[pair] = lerp(values[2 * pair], values[2 * pair + 1], e);
                }
            }
            values[0]
        };
        let six = nest(0);
        let add = |sum: i64, (j, cause): (usize, &u32)| {
            let on = nest((j + 1) * variants);
            sum + lerp(six, on, envelope(cause)) - six
        };
        self.beyond.iter().enumerate().fold(six, add)
    }

    fn store(&mut self, end: End, variant: usize, values: &[i32]) {
        let place = variant * self.width;
        let side = match end {
            End::Start => &mut self.start,
            End::Next => &mut self.end,
        };
        side[place..place + self.width].copy_from_slice(values);
    }
}

/// The line between two grid points, `into_cell` ms after the first.
#[inline]
pub fn line(a: i32, b: i32, into_cell: i64) -> i64 {
    let (a, b) = (i64::from(a), i64::from(b));
    a + ((b - a) * into_cell + CELL.0 / 2).div_euclid(CELL.0)
}

/// Between off and on by an envelope.
#[inline]
fn lerp(off: i64, on: i64, envelope: i64) -> i64 {
    off + (((on - off) * envelope + FULL / 2) >> 16)
}

/// A set of causes that are fully on together, and who needs the fleet's values under them.
#[derive(Clone, Debug)]
pub struct Variant {
    /// By index in the plan, ascending.
    pub causes: Vec<u32>,
    /// All that they reach.
    pub reach: Reach,
    /// (blend, variant of it).
    uses: Vec<(u32, u32)>,
}

/// The blends of one cell, and what has to be computed for them at either grid point.
#[derive(Clone, Debug, Default)]
pub struct CellCauses {
    /// By (entity, from).
    pub blends: Vec<Blend>,
    /// Sets of causes, none of them empty.
    pub variants: Vec<Variant>,
    /// Blends that need the values without any cause.
    without: Vec<(u32, u32)>,
}

impl CellCauses {
    /// The causes that act in the cell beginning at `start`; `active` are indices into `incidents`.
    pub fn new(incidents: &[Incident], active: &[u32], start: SimTime) -> CellCauses {
        let end = start + CELL;
        let acting: Vec<u32> = active
            .iter()
            .copied()
            .filter(|cause| {
                incidents[*cause as usize].start() < end && incidents[*cause as usize].end() > start
            })
            .collect();
        let mut cell = CellCauses::default();
        if acting.is_empty() {
            return cell;
        }
        let mut wanted: BTreeMap<Vec<u32>, Vec<(u32, u32)>> = BTreeMap::new();
        let mut cuts: Vec<SimTime> =
            acting.iter().flat_map(|cause| incidents[*cause as usize].envelope.corners()).collect();
        cuts.extend([start, end]);
        cuts.retain(|cut| (start..=end).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        for segment in cuts.windows(2) {
            cell.cut(incidents, &acting, segment[0], segment[1], &mut wanted);
        }
        cell.without = wanted.remove(&Vec::new()).unwrap_or_default();
        let variant = |(causes, uses): (Vec<u32>, Vec<(u32, u32)>)| Variant {
            reach: Reach::union(causes.iter().map(|cause| &incidents[*cause as usize].reach)),
            causes,
            uses,
        };
        cell.variants = wanted.into_iter().map(variant).collect();
        cell
    }

    /// Adds the blends of one segment, and to `wanted` which sets of causes they need.
    fn cut(
        &mut self,
        incidents: &[Incident],
        acting: &[u32],
        from: SimTime,
        to: SimTime,
        wanted: &mut BTreeMap<Vec<u32>, Vec<(u32, u32)>>,
    ) {
        // By entity: causes on, causes in ramp.
        let mut by_entity: BTreeMap<Entity, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for cause in acting {
            let incident = &incidents[*cause as usize];
            let [start, held, falling, end] = incident.envelope.corners();
            if to <= start || from >= end {
                continue;
            }
            let is_on = from >= held && to <= falling;
            for entity in incident.reach.entities() {
                let (on, ramp) = by_entity.entry(entity).or_default();
                if is_on { on.push(*cause) } else { ramp.push(*cause) }
            }
        }
        for (entity, (on, ramp)) in by_entity {
            let (ramp, beyond) = ramp.split_at(ramp.len().min(NESTED));
            let subsets = 1_usize << ramp.len();
            let blend = self.blends.len() as u32;
            for (j, further) in std::iter::once(None).chain(beyond.iter().map(Some)).enumerate() {
                for subset in 0..subsets {
                    let mut causes = on.clone();
                    causes.extend(
                        ramp.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1).map(|(_, c)| *c),
                    );
                    causes.extend(further);
                    causes.sort_unstable();
                    wanted.entry(causes).or_default().push((blend, (j * subsets + subset) as u32));
                }
            }
            let width = match entity {
                Entity::Server(_) => SERVER_WIDTH,
                Entity::Service(_) => INSTANCE_WIDTH,
            };
            let room = vec![0; (1 + beyond.len()) * subsets * width];
            let (ramp, beyond) = (ramp.to_vec(), beyond.to_vec());
            self.blends.push(Blend { entity, from, to, ramp, beyond, width, start: room.clone(), end: room });
        }
    }

    /// Puts the blends into the order in which rows ask for them.
    pub fn sorted(mut self) -> Vec<Blend> {
        self.blends.sort_by_key(|blend| (blend.entity, blend.from));
        self.blends
    }

    /// Takes in values at one end of the cell: under a variant, or without any cause.
    pub fn store<'a>(&mut self, variant: Option<usize>, end: End, values: impl Fn(Entity) -> &'a [i32]) {
        let uses = match variant {
            Some(variant) => &self.variants[variant].uses,
            None => &self.without,
        };
        for (blend, place) in uses {
            let blend = &mut self.blends[*blend as usize];
            blend.store(end, *place as usize, values(blend.entity));
        }
    }

    /// The blend of an entity at the cell's first grid point.
    pub fn at_start(&self, entity: Entity, start: SimTime) -> Option<&Blend> {
        // Segments come in order, and within each entities do.
        let first = &self.blends[..self.blends.partition_point(|blend| blend.from == start)];
        first.binary_search_by_key(&entity, |blend| blend.entity).ok().map(|found| &first[found])
    }
}
