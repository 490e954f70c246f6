//! The incremental baselines of a block, and the differences that they show, joined over blocks.

use std::collections::BTreeMap;

use super::track::Traces;
use crate::engine::{Blend, Block, Errors, Observer, RowValues, Rows, fill_with_observer};
use crate::fleet::Entity;
use crate::label::Label;
use crate::plan::{Incident, Plan};
use crate::schema::MetricId;
use crate::time::{BlockId, CELL, SimTime, Tick};

/// An incident, and how the run has differed from its baseline so far.
#[derive(Clone, Debug)]
pub struct Followed {
    incident: Incident,
    traces: Traces,
    cells: BTreeMap<Entity, u64>,
}

impl Followed {
    /// An incident for which nothing has differed yet.
    pub fn new(incident: Incident) -> Followed {
        Followed { incident, traces: Traces::default(), cells: BTreeMap::new() }
    }

    /// The incident.
    pub fn incident(&self) -> &Incident {
        &self.incident
    }

    /// Adds the differences that a later block shows for the same incident.
    pub fn append(&mut self, later: Followed) {
        self.traces.append(later.traces);
        for (entity, cells) in later.cells {
            *self.cells.entry(entity).or_insert(0) += cells;
        }
    }

    /// The entities with rows that may differ from the baseline, each with the number of such cells of 10 s.
    pub fn cells(&self) -> &BTreeMap<Entity, u64> {
        &self.cells
    }

    /// The label rows, in the order of a labels file.
    pub fn labels(&self, plan: &Plan) -> Vec<Label> {
        self.traces.labels(plan, &self.incident)
    }
}

/// Fills a block (as `fill` does) and follows the incidents that are `wanted` through it. Returns one result for
/// each of them that acts in the block or its warm-up, in the order (cause_start, id).
pub fn follow(
    plan: &Plan,
    id: BlockId,
    last: SimTime,
    wanted: impl Fn(&Incident) -> bool,
) -> (Block, Vec<Followed>) {
    let rows = Rows::new(plan, Errors::Expected);
    let room = |id| RowValues::of(plan.schema(), id);
    let pairs = plan.schema().ids().map(|id| [room(id), room(id)]).collect();
    let mut follower = Follower { plan, rows, last, wanted, pairs, followed: Vec::new() };
    let block = fill_with_observer(plan, id, last, &mut follower);
    let of = |(index, traces, cells): (u32, Traces, BTreeMap<Entity, u64>)| Followed {
        incident: block.incidents()[index as usize].clone(),
        traces,
        cells,
    };
    let followed = follower.followed.into_iter().map(of).collect();
    (block, followed)
}

struct Follower<'a, F> {
    plan: &'a Plan,
    rows: Rows<'a>,
    last: SimTime,
    wanted: F,
    /// The rows that are compared, by entity type: with the incident and without it.
    pairs: Vec<[RowValues; 2]>,
    /// For each followed incident: its index in the block, its traces and its cells.
    followed: Vec<(u32, Traces, BTreeMap<Entity, u64>)>,
}

impl<F: Fn(&Incident) -> bool> Observer for Follower<'_, F> {
    fn begins(&mut self, index: u32, incident: &Incident) -> bool {
        let is_wanted = (self.wanted)(incident);
        if is_wanted {
            self.followed.push((index, Traces::default(), BTreeMap::new()));
        }
        is_wanted
    }

    fn differs(
        &mut self,
        incidents: &[Incident],
        index: u32,
        cell: SimTime,
        with: &[Blend],
        without: &[Blend],
    ) {
        let place = self.followed.binary_search_by_key(&index, |(known, ..)| *known);
        let (_, traces, cells) = &mut self.followed[place.expect("it was requested when it began")];
        let (incident, entity) = (&incidents[index as usize], with[0].entity);
        *cells.entry(entity).or_insert(0) += 1;
        let clock = self.plan.clock();
        let ticks =
            clock.tick_at_or_after(cell).0..clock.tick_at_or_after(cell + CELL).0.min(clock.num_ticks());
        if ticks.is_empty() {
            return;
        }
        let [a, b] = &mut self.pairs[entity.type_id().index()];
        for moment in ticks.map(|tick| clock.at(Tick(tick))).take_while(|moment| *moment <= self.last) {
            self.rows.blended(incidents, with, moment, a);
            self.rows.blended(incidents, without, moment, b);
            for (column, (a, b)) in a.numbers.iter().zip(&b.numbers).enumerate() {
                if a != b {
                    let metric = MetricId::new(entity.type_id(), column as u16);
                    traces.note(self.plan, incident, entity, metric, moment, a - b);
                }
            }
        }
    }
}
