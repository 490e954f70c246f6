//! Causes act at each tick: values between 'off' and 'on' for every entity that they reach.
//!
//! A cell is cut where the form of an envelope changes, and where a leaking process is killed. In each segment a cause is off, in ramp or on.
//! An entity's value is V(rest, X off) where X's envelope is 0, V(rest, X on) where it is 1, else on
//! the line between; nested, X being the last in (cause_start, id). Only the first six in ramp nest;
//! each further one adds its difference. Where all causes that reach an entity are fully on over a
//! whole cell, the fleet's own values are those on both ends, and no blend is needed.

use super::models::MODELS;
use super::overlay::Overlay;
use super::world::{Scene, View};
use crate::fleet::Entity;
use crate::kinds::FULL;
use crate::plan::{Incident, Reach};
use crate::time::{CELL, SimTime, Span};

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
    /// Incidents that are on, by index.
    on: Vec<u32>,
    /// Incidents in ramp that nest, in (cause_start, id).
    ramp: Vec<u32>,
    /// Further incidents in ramp.
    beyond: Vec<u32>,
    /// Incidents of the cell that are off in this part of it.
    off: Vec<u32>,
    /// The entity's values in its world, whatever acts: it has no variants.
    is_plain: bool,
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

fn width(entity: Entity) -> usize {
    MODELS[entity.type_id().index()].width()
}

impl Blend {
    /// Values that no cause of the cell changes within it.
    pub fn plain(entity: Entity, cell: SimTime) -> Blend {
        let none = Vec::new;
        Blend::new(entity, (cell, cell + CELL), none(), none(), none(), true)
    }

    /// The same between two known ends.
    pub fn between(entity: Entity, cell: SimTime, start: &[i32], end: &[i32]) -> Blend {
        let mut blend = Blend::plain(entity, cell);
        blend.start.copy_from_slice(start);
        blend.end.copy_from_slice(end);
        blend
    }

    fn new(
        entity: Entity,
        (from, to): (SimTime, SimTime),
        on: Vec<u32>,
        ramp: Vec<u32>,
        off: Vec<u32>,
        is_plain: bool,
    ) -> Blend {
        let (ramp, beyond) = ramp.split_at(ramp.len().min(NESTED));
        let (ramp, beyond) = (ramp.to_vec(), beyond.to_vec());
        let width = width(entity);
        let room = vec![0; (1 + beyond.len()) * (1 << ramp.len()) * width];
        Blend { entity, from, to, on, ramp, beyond, off, is_plain, width, start: room.clone(), end: room }
    }

    /// The entity's values at a moment so many milliseconds into the cell.
    pub fn values(&self, incidents: &[Incident], moment: SimTime, into_cell: i64, out: &mut [i64]) {
        let value = |variant: usize, i: usize| {
            let place = variant * self.width + i;
            line(self.start[place], self.end[place], into_cell)
        };
        if self.ramp.is_empty() {
            out.iter_mut().enumerate().for_each(|(i, out)| *out = value(0, i));
            return;
        }
        let envelope = |cause: &u32| incidents[*cause as usize].envelope.at(moment);
        let mut envelopes = [0; NESTED];
        for (slot, cause) in envelopes.iter_mut().zip(&self.ramp) {
            *slot = envelope(cause);
        }
        let envelopes = &envelopes[..self.ramp.len()];
        let further: Vec<i64> = self.beyond.iter().map(envelope).collect();
        for (i, out) in out.iter_mut().enumerate() {
            let nested = |first: usize| nest(envelopes, first, |variant| value(variant, i));
            let six = nested(0);
            let add = |sum: i64, (j, envelope): (usize, &i64)| {
                sum + lerp(six, nested((j + 1) << envelopes.len()), *envelope) - six
            };
            *out = further.iter().enumerate().fold(six, add);
        }
    }

    /// The causes that are on in a variant, ascending.
    fn causes(&self, variant: usize) -> Vec<u32> {
        let (subset, further) = (variant & ((1 << self.ramp.len()) - 1), variant >> self.ramp.len());
        let ramp =
            self.ramp.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1).map(|(_, cause)| cause);
        let mut causes: Vec<u32> = self.on.iter().chain(ramp).copied().collect();
        causes.extend(further.checked_sub(1).map(|j| self.beyond[j]));
        causes.sort_unstable();
        causes
    }

    /// All causes of the cell that reach the entity and are not in `on`, ascending.
    fn others(&self, on: &[u32]) -> Vec<u32> {
        let all = self.on.iter().chain(&self.ramp).chain(&self.beyond).chain(&self.off);
        let mut others: Vec<u32> = all.copied().filter(|cause| on.binary_search(cause).is_err()).collect();
        others.sort_unstable();
        others
    }

    /// The middle of its part of the cell: what has happened by then has happened in all of it.
    fn middle(&self) -> SimTime {
        SimTime((self.from.0 + self.to.0) / 2)
    }

    fn variants(&self) -> usize {
        (1 + self.beyond.len()) << self.ramp.len()
    }

    /// The values of a variant at an end of the cell.
    fn variant_mut(&mut self, end: End, variant: usize) -> &mut [i32] {
        let place = variant * self.width;
        let side = match end {
            End::Start => &mut self.start,
            End::Next => &mut self.end,
        };
        &mut side[place..place + self.width]
    }
}

/// The value under causes in ramp, of which the last in order is the outermost. Bit `i` of a variant, counted from the
/// first one, says whether cause `i` is on.
#[inline]
fn nest(envelopes: &[i64], first: usize, value: impl Fn(usize) -> i64) -> i64 {
    // By level, the half of a pair that came first: with the cause of that level off.
    let mut off = [0; NESTED + 1];
    let mut last = 0;
    for variant in 0..1_usize << envelopes.len() {
        last = value(first + variant);
        // Each one at the end of its number completes a pair.
        let completed = variant.trailing_ones() as usize;
        for (off, envelope) in off.iter().zip(&envelopes[..completed]) {
            last = lerp(*off, last, *envelope);
        }
        off[completed] = last;
    }
    last
}

/// The line between two grid points, `into_cell` ms after the first.
#[inline]
pub fn line(a: i32, b: i32, into_cell: i64) -> i64 {
    // More cells than two values can differ by: what is divided is positive, so that the quotient of unsigned numbers,
    // which takes half the instructions, is the floor.
    const CELLS: i64 = 1 << 33;
    let (a, b) = (i64::from(a), i64::from(b));
    let rounded = (b - a) * into_cell + CELL.0 / 2 + CELLS * CELL.0;
    a + (rounded as u64 / CELL.0 as u64) as i64 - CELLS
}

/// Between off and on by an envelope.
#[inline]
fn lerp(off: i64, on: i64, envelope: i64) -> i64 {
    off + (((on - off) * envelope + FULL / 2) >> 16)
}

/// Causes of one cell.
#[derive(Clone, Copy)]
pub struct CellCauses<'a> {
    pub incidents: &'a [Incident],
    /// What each can touch within a cell.
    pub reaches: &'a [Reach],
    /// Those that act around the cell, ascending.
    pub acting: &'a [u32],
    /// The cell's first grid point.
    pub cell: SimTime,
    /// The one that is left out.
    pub without: Option<u32>,
}

impl CellCauses<'_> {
    /// Whether a cause acts in the cell, or begins at its end without a ramp: then it is on at the grid
    /// point that the cell's rows lead to, and must not be in them.
    pub fn acts(&self, cause: u32) -> bool {
        let incident = &self.incidents[cause as usize];
        let (start, end) = (incident.start(), self.cell + CELL);
        let begins = start < end || (start == end && incident.envelope.up() == Span::ZERO);
        begins && incident.end() > self.cell && self.without != Some(cause)
    }

    /// The blends of all entities that need one, by (entity, from); of those in `only` if it is given.
    pub fn blends(&self, only: Option<&[Entity]>) -> Vec<Blend> {
        let mut pairs: Vec<(Entity, u32)> = Vec::new();
        for cause in self.acting.iter().copied().filter(|cause| self.acts(*cause)) {
            let reached = self.reaches[cause as usize].entities();
            let wanted = |entity: &Entity| only.is_none_or(|only| only.binary_search(entity).is_ok());
            pairs.extend(reached.filter(wanted).map(|entity| (entity, cause)));
        }
        pairs.sort_unstable();
        let mut blends = Vec::new();
        for group in pairs.chunk_by(|a, b| a.0 == b.0) {
            let causes: Vec<u32> = group.iter().map(|(_, cause)| *cause).collect();
            self.cut(group[0].0, &causes, &mut blends);
        }
        blends
    }

    /// Adds the blends of one entity, unless all causes are fully on from grid point to grid point.
    fn cut(&self, entity: Entity, causes: &[u32], blends: &mut Vec<Blend>) {
        let (start, end) = (self.cell, self.cell + CELL);
        let envelope = |cause: &u32| &self.incidents[*cause as usize].envelope;
        let kills_of = |cause: &u32| kill_moments(&self.incidents[*cause as usize], start, end);
        let is_steady = |cause: &u32| {
            let [_, held, falling, _] = envelope(cause).corners();
            held <= start && falling >= end && envelope(cause).at(end) == FULL && kills_of(cause).is_empty()
        };
        if causes.iter().all(is_steady) {
            return;
        }
        let mut cuts: Vec<SimTime> = causes.iter().flat_map(|cause| envelope(cause).corners()).collect();
        cuts.extend([start, end]);
        cuts.extend(causes.iter().flat_map(kills_of));
        cuts.retain(|cut| (start..=end).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        for segment in cuts.windows(2) {
            let (from, to) = (segment[0], segment[1]);
            let (mut on, mut ramp, mut off) = (Vec::new(), Vec::new(), Vec::new());
            for cause in causes {
                let [begin, held, falling, over] = envelope(cause).corners();
                if to <= begin || from >= over {
                    off.push(*cause);
                } else if from >= held && to <= falling {
                    on.push(*cause);
                } else {
                    ramp.push(*cause);
                }
            }
            blends.push(Blend::new(entity, (from, to), on, ramp, off, false));
        }
    }
}

/// A variant of a blend that has to be computed; one computation serves all that want the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    on: Vec<u32>,
    off: Vec<u32>,
    kills_at: SimTime,
    blend: usize,
    variant: usize,
}

impl Wanted {
    fn is_same(&self, other: &Wanted) -> bool {
        (&self.on, &self.off, self.kills_at) == (&other.on, &other.off, other.kills_at)
    }
}

/// Gives blends their values at a grid point, in the world that `view` shows under `strength`.
pub fn fill_in(
    blends: &mut [Blend],
    end: End,
    scene: &Scene<'_>,
    view: View<'_>,
    strength: &impl Fn(u32) -> f64,
    scratch: &mut Overlay,
) {
    let mut wanted: Vec<Wanted> = Vec::new();
    for (index, blend) in blends.iter_mut().enumerate() {
        if blend.is_plain {
            take(blend, end, 0, scene, view, strength);
            continue;
        }
        for variant in 0..blend.variants() {
            let on = blend.causes(variant);
            let off = blend.others(&on);
            let as_is = on.iter().all(|c| strength(*c) == 1.0) && off.iter().all(|c| strength(*c) == 0.0);
            let kills_at = blend.middle();
            let same_kills = |cause: &u32| {
                kills(scene.incidents, *cause, kills_at) == kills(scene.incidents, *cause, scene.moment)
            };
            if as_is && on.iter().all(same_kills) {
                take(blend, end, variant, scene, view, strength);
            } else {
                wanted.push(Wanted { on, off, kills_at, blend: index, variant });
            }
        }
    }
    wanted.sort_unstable();
    for group in wanted.chunk_by(Wanted::is_same) {
        let Wanted { on, off, kills_at, .. } = &group[0];
        let scene = &Scene { kills_at: *kills_at, ..*scene };
        let is_killed = |cause: &u32| {
            let at = |moment| kills(scene.incidents, *cause, moment);
            at(scene.kills_at) != at(scene.moment)
        };
        let here = |cause: u32| {
            if on.binary_search(&cause).is_ok() {
                1.0
            } else if off.binary_search(&cause).is_ok() {
                0.0
            } else {
                strength(cause)
            }
        };
        scratch.clear();
        let differs = |cause: &&u32| here(**cause) != strength(**cause) || is_killed(cause);
        for cause in on.iter().chain(off).filter(differs) {
            for (target, _) in &scene.incidents[*cause as usize].changes {
                scratch.look_at_entity(scene, *target);
            }
        }
        scratch.flow(scene, view, here);
        for Wanted { blend, variant, .. } in group {
            take(&mut blends[*blend], end, *variant, scene, view.under(scratch), &here);
        }
    }
}

fn take(
    blend: &mut Blend,
    end: End,
    variant: usize,
    scene: &Scene<'_>,
    view: View<'_>,
    strength: &impl Fn(u32) -> f64,
) {
    let entity = blend.entity;
    let model = MODELS[entity.type_id().index()];
    model.values(scene, view, entity.index(), strength, blend.variant_mut(end, variant));
}

/// How often the leaks of an incident have been killed by a moment, over its targets.
fn kills(incidents: &[Incident], cause: u32, moment: SimTime) -> i64 {
    let incident = &incidents[cause as usize];
    let since = (moment - incident.start()).as_seconds();
    incident.changes.iter().filter_map(|(_, change)| change.leak).map(|leak| leak.kills(since)).sum()
}

/// The moments in a cell (its end among them) at which a leak of an incident is killed.
fn kill_moments(incident: &Incident, start: SimTime, end: SimTime) -> Vec<SimTime> {
    let since = |moment: SimTime| (moment - incident.start()).as_seconds();
    let leaks = incident.changes.iter().filter_map(|(_, change)| change.leak);
    leaks
        .flat_map(|leak| {
            let numbers = leak.kills(since(start)) + 1..=leak.kills(since(end));
            numbers.map(move |n| incident.start() + leak.nth_kill(n))
        })
        .collect()
}

/// The blends of an entity among those of a cell.
pub fn of_entity(blends: &[Blend], entity: Entity) -> &[Blend] {
    let from = blends.partition_point(|blend| blend.entity < entity);
    let to = from + blends[from..].partition_point(|blend| blend.entity == entity);
    &blends[from..to]
}
