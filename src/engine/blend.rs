//! Causes act at each tick: computes values between 'off' and 'on' for every entity that causes reach.
//!
//! A cell is cut where an envelope changes its form and where a leaking process is killed. In each segment a cause
//! is off, in ramp or on. Let X be the last cause in the order (cause_start, id), and V an entity's value with the
//! rest of the causes and with X off or on. The value is V(rest, X off) where X's envelope is 0, V(rest, X on)
//! where it is 1, and on the line between the two otherwise. The rest nests in the same way. Only the first six
//! causes in ramp nest; each further one adds its difference.
//!
//! If all causes that reach an entity are fully on over a whole cell without a kill, the fleet's own values at both
//! ends are already correct. Then no blend is needed.

use super::models::MODELS;
use super::overlay::Overlay;
use super::world::{Scene, View};
use crate::fleet::Entity;
use crate::kinds::FULL;
use crate::plan::{Incident, Reach};
use crate::time::{CELL, SimTime, Span};

/// The number of causes in ramp that nest. Together they make 2⁶ variants of a value.
const NESTED: usize = 6;

/// How one entity's values follow the causes that reach it, over a part of a cell.
// Invariant: `start` and `end` contain (1 + |beyond|) × 2^|ramp| variants of `width` values each.
#[derive(Clone, Debug)]
pub struct Blend {
    /// The entity.
    pub entity: Entity,
    /// From this moment …
    pub from: SimTime,
    /// … to this one.
    pub to: SimTime,
    /// Incidents that are on, by index.
    on: Vec<u32>,
    /// Incidents in ramp that nest, in the order (cause_start, id).
    ramp: Vec<u32>,
    /// Further incidents in ramp.
    beyond: Vec<u32>,
    /// Incidents of the cell that are off in this part of it.
    off: Vec<u32>,
    /// Whether the values are those of the entity's world, whatever acts. Then there is only one variant.
    is_plain: bool,
    width: usize,
    /// Variants at the cell's first grid point.
    start: Vec<i32>,
    /// Variants at the next grid point.
    end: Vec<i32>,
}

/// One end of a cell.
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
    /// A blend for values that no cause of the cell changes within it.
    pub fn plain(entity: Entity, cell: SimTime) -> Blend {
        let none = Vec::new;
        Blend::new(entity, (cell, cell + CELL), none(), none(), none(), true)
    }

    /// The same between known values at both ends.
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

    /// Computes the entity's values at a moment, which is `into_cell` ms after the start of the cell.
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

    /// The middle of the blend's part of the cell. Kills that have happened by then count for the whole part.
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

/// The value under causes in ramp, with the last cause in order as the outermost. Bit `i` of a variant's number,
/// counted from `first`, says whether cause `i` is on.
#[inline]
fn nest(envelopes: &[i64], first: usize, value: impl Fn(usize) -> i64) -> i64 {
    // For each level, the first value of a pair: the one with the cause of that level off.
    let mut off = [0; NESTED + 1];
    let mut last = 0;
    for variant in 0..1_usize << envelopes.len() {
        last = value(first + variant);
        // Each 1 bit at the end of a variant's number completes a pair.
        let completed = variant.trailing_ones() as usize;
        for (off, envelope) in off.iter().zip(&envelopes[..completed]) {
            last = lerp(*off, last, *envelope);
        }
        off[completed] = last;
    }
    last
}

/// The value on the line between two grid points, `into_cell` ms after the first.
#[inline]
pub fn line(a: i32, b: i32, into_cell: i64) -> i64 {
    // More cells than two values can differ by. The offset makes the dividend positive, so that unsigned division,
    // which takes half the instructions, rounds down.
    const CELLS: i64 = 1 << 33;
    let (a, b) = (i64::from(a), i64::from(b));
    let rounded = (b - a) * into_cell + CELL.0 / 2 + CELLS * CELL.0;
    a + (rounded as u64 / CELL.0 as u64) as i64 - CELLS
}

/// The value between `off` and `on` that an envelope selects.
#[inline]
fn lerp(off: i64, on: i64, envelope: i64) -> i64 {
    off + (((on - off) * envelope + FULL / 2) >> 16)
}

/// The causes of one cell.
#[derive(Clone, Copy)]
pub struct CellCauses<'a> {
    pub incidents: &'a [Incident],
    /// What each incident can touch within a cell.
    pub reaches: &'a [Reach],
    /// The incidents that act around the cell, by index, ascending.
    pub acting: &'a [u32],
    /// The cell's first grid point.
    pub cell: SimTime,
    /// The incident that is left out, if any.
    pub without: Option<u32>,
}

impl CellCauses<'_> {
    /// Whether a cause acts in the cell, or begins at the cell's end without a ramp. In the second case it is fully
    /// on at the grid point at the end, but must not affect the cell's rows.
    pub fn acts(&self, cause: u32) -> bool {
        let incident = &self.incidents[cause as usize];
        let (start, end) = (incident.start(), self.cell + CELL);
        let begins = start < end || (start == end && incident.envelope.up() == Span::ZERO);
        begins && incident.end() > self.cell && self.without != Some(cause)
    }

    /// The blends of all entities that need one, or of those in `only`, in the order (entity, from).
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

    /// Adds the blends of one entity, unless all causes are fully on and no leak is killed in the whole cell.
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

/// A variant of a blend that has to be computed. One computation serves all variants with the same causes.
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

/// Computes the values of blends at one end of a cell, in the world that `view` shows under `strength`.
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

/// The number of kills of an incident's leaks by a moment, over all targets.
fn kills(incidents: &[Incident], cause: u32, moment: SimTime) -> i64 {
    let incident = &incidents[cause as usize];
    let since = (moment - incident.start()).as_seconds();
    incident.changes.iter().filter_map(|(_, change)| change.leak).map(|leak| leak.kills(since)).sum()
}

/// The moments in a cell (its end included) at which a leak of an incident is killed.
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
