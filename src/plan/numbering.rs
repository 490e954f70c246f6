//! Converts between a row's number and its tick and entity, and counts rows within groups such as partitions.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Plan;
use crate::time::{Tick, Window};

/// The numbers of a run's rows, in stream order. Row 0 is the first row of the run's first tick, whatever part of the
/// run is rendered.
///
/// Only this type knows how many rows a tick has and which entity each row belongs to. Currently every entity has one
/// row at every tick.
///
/// ```
/// use reenact::time::Tick;
/// let plan = reenact::preset("dev")?.plan()?;
/// let rows = plan.rows();
/// // 3 servers, then 2 instances.
/// assert_eq!((rows.before(Tick(10)), rows.tick_of(54)), (50, Tick(10)));
/// assert_eq!(rows.entity_of(54), 4);
/// # Ok::<(), reenact::scenario::Diagnostics>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumbering {
    /// The number of entities of all types. Each has a row at every tick.
    entities: u64,
}

impl Plan {
    /// Returns the numbering of its rows.
    pub fn rows(&self) -> RowNumbering {
        RowNumbering { entities: self.fleet.num_entities() as u64 }
    }
}

impl RowNumbering {
    /// Returns the number of a tick's first row, which is also the number of rows before the tick.
    pub fn before(&self, tick: Tick) -> u64 {
        tick.0.saturating_mul(self.entities)
    }

    /// Returns the number of rows in a window.
    pub fn within(&self, window: Window) -> u64 {
        self.before(window.to()) - self.before(window.from())
    }

    /// Returns the maximum number of rows of a tick.
    pub fn in_a_tick(&self) -> u64 {
        self.entities
    }

    /// Returns the tick of a row.
    pub fn tick_of(&self, row: u64) -> Tick {
        Tick(row / self.entities)
    }

    /// Returns the entity of a row, as its position among the entities of all types.
    pub fn entity_of(&self, row: u64) -> usize {
        (row % self.entities) as usize
    }

    /// Returns the first and the last row of an entity in a window. `entity` is its position among the entities of all
    /// types.
    pub fn of_entity(&self, entity: usize, window: Window) -> RangeInclusive<u64> {
        let last = Tick(window.to().0 - 1);
        self.before(window.from()) + entity as u64..=self.before(last) + entity as u64
    }

    /// Returns the positions of a window's rows within their groups. `group_of` contains the group of each entity, such
    /// as a partition.
    pub fn ranks(&self, group_of: Vec<u32>, window: Window) -> Ranks {
        let mut in_tick = BTreeMap::new();
        let count = |group: &u32| {
            let count = in_tick.entry(*group).or_insert(0);
            *count += 1;
            *count - 1
        };
        let before = group_of.iter().map(count).collect();
        Ranks { numbering: *self, window, group_of, in_tick, before }
    }
}

/// The position of each row of a window among the rows of its group.
#[derive(Clone, Debug)]
pub struct Ranks {
    numbering: RowNumbering,
    window: Window,
    group_of: Vec<u32>,
    /// By group, the number of rows in one tick.
    in_tick: BTreeMap<u32, u64>,
    /// By entity, the number of rows of its group that come before it in a tick.
    before: Vec<u64>,
}

impl Ranks {
    /// Returns the group of a row, and the number of rows of this group that come before it in the window. Returns
    /// `None` if the row is outside the window.
    pub fn of(&self, row: u64) -> Option<(u32, u64)> {
        let (tick, entity) = (self.numbering.tick_of(row), self.numbering.entity_of(row));
        let (from, to) = (self.window.from(), self.window.to());
        if !(from..to).contains(&tick) {
            return None;
        }
        let group = self.group_of[entity];
        Some((group, (tick.0 - from.0) * self.in_tick[&group] + self.before[entity]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_counting() {
        let (numbering, window) = (RowNumbering { entities: 3 }, Window::new(Tick(2), Tick(5)).unwrap());
        let groups = vec![7, 4, 7];
        let ranks = numbering.ranks(groups.clone(), window);
        let mut counts = BTreeMap::new();
        for row in numbering.before(window.from())..numbering.before(window.to()) {
            let group = groups[numbering.entity_of(row)];
            let count = counts.entry(group).or_insert(0);
            assert_eq!(ranks.of(row), Some((group, *count)));
            *count += 1;
        }
        assert_eq!((ranks.of(5), ranks.of(15)), (None, None));
        assert_eq!((numbering.within(window), numbering.of_entity(1, window)), (9, 7..=13));
    }
}
