//! Determines the labels of what a replay really sent, with incident ids that differ from loop to loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Batch, Entities};
use crate::label::Label;
use crate::time::{SimTime, Span};

/// The labels of a recording, and when records of each entity were sent. Labels about anything else are left out.
pub(super) struct Truth {
    recorded: Vec<Label>,
    loop_names: LoopNames,
    /// For each entity in this loop: its first and last event time, as recorded.
    seen: Vec<(SimTime, SimTime)>,
    /// The index of each entity in `seen`.
    places: BTreeMap<String, usize>,
    /// The entities of the last batch.
    names: Option<Arc<Entities>>,
    /// For each type: the index of each of these entities in `seen`.
    here: Vec<Vec<usize>>,
    sent: Vec<Label>,
}

/// The times of an entity without records in this loop.
const UNSEEN: (SimTime, SimTime) = (SimTime(i64::MAX), SimTime(i64::MIN));

impl Truth {
    pub(super) fn new(recorded: Vec<Label>) -> Truth {
        Truth {
            loop_names: LoopNames::of(&recorded),
            recorded,
            seen: Vec::new(),
            places: BTreeMap::new(),
            names: None,
            here: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Notes the entities and event times of a batch. `shift` is how much the times were moved.
    pub(super) fn see(&mut self, batch: &Batch, shift: Span) {
        let entities = batch.entities();
        if self.names.as_ref().is_none_or(|names| !Arc::ptr_eq(names, entities)) {
            self.names = Some(Arc::clone(entities));
            let (places, seen) = (&mut self.places, &mut self.seen);
            let mut place = |name: &str| {
                *places.entry(name.into()).or_insert_with(|| {
                    seen.push(UNSEEN);
                    seen.len() - 1
                })
            };
            self.here = entities.types().map(|(_, tags)| tags.names().map(&mut place).collect()).collect();
        }
        for (id, here) in batch.schema().ids().zip(&self.here) {
            let table = batch.table(id);
            for (entity, moment) in table.entities().iter().zip(table.timestamps()) {
                let (first, last) = &mut self.seen[here[*entity as usize]];
                let recorded = *moment - shift;
                (*first, *last) = (recorded.min(*first), recorded.max(*last));
            }
        }
    }

    /// Adds the labels of a loop that was sent. If the loop is not whole, adds only labels of what was sent.
    pub(super) fn end_loop(&mut self, number: u64, shift: Span, is_whole: bool) {
        for label in &self.recorded {
            let (first, last) = self.places.get(&label.entity).map_or(UNSEEN, |place| self.seen[*place]);
            if is_whole || (label.effect_start <= last && label.effect_end > first) {
                self.sent.push(moved(label, self.loop_names, number, shift));
            }
        }
        self.seen.iter_mut().for_each(|seen| *seen = UNSEEN);
    }

    /// Returns the labels of everything that was sent, in the order of a labels file.
    pub(super) fn sent(mut self) -> Vec<Label> {
        self.sent.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.sent
    }
}

/// Names incidents in the second and later loops: `hot` becomes `hot~2`. If the recording already contains loops up to
/// `hot~3`, `hot` becomes `hot~4`, so that all ids are different.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoopNames {
    /// The largest loop number at the end of an id in the recording; 1 if there is none.
    recorded: u64,
}

impl LoopNames {
    pub(super) fn of(labels: &[Label]) -> LoopNames {
        LoopNames { recorded: labels.iter().map(|label| numbered(&label.incident_id).1).max().unwrap_or(1) }
    }

    fn name(self, id: &str, number: u64) -> String {
        if number <= 1 {
            return id.into();
        }
        let (name, nth) = numbered(id);
        format!("{name}~{}", (number - 1).saturating_mul(self.recorded).saturating_add(nth))
    }
}

/// Splits an id into the part before the loop number, and the loop number. An id without a number is of loop 1.
fn numbered(id: &str) -> (&str, u64) {
    let parts = id.rsplit_once('~').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    parts.filter(|(_, number)| *number > 1).unwrap_or((id, 1))
}

/// Returns a label as it is sent: with its times moved, and from the second loop on with another incident id.
pub(super) fn moved(label: &Label, names: LoopNames, number: u64, shift: Span) -> Label {
    let named = |id: &str| names.name(id, number);
    let (incident_id, parent_id) = (named(&label.incident_id), label.parent_id.as_deref().map(named));
    Label { incident_id, parent_id, ..label.clone() }.moved_by(shift)
}
