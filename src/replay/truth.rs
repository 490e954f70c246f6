use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Batch, Entities};
use crate::label::Label;
use crate::time::{SimTime, Span};

/// The labels of a recording, and of which entities records were sent when: what they say of anything else is
/// left out.
pub(super) struct Truth {
    recorded: Vec<Label>,
    loop_names: LoopNames,
    /// In this loop, by entity: its first and last event time, as recorded.
    seen: Vec<(SimTime, SimTime)>,
    /// Where an entity stands in `seen`.
    places: BTreeMap<String, usize>,
    /// The names that the last batch had, and where they stand, by type.
    names: Option<Arc<Entities>>,
    here: Vec<Vec<usize>>,
    sent: Vec<Label>,
}

/// Nothing was seen of it.
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

    /// Takes in which entities a batch has, whose times were moved by so much.
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

    /// Takes in the labels of a loop that was sent: of what was seen, where that is not all.
    pub(super) fn end_loop(&mut self, number: u64, shift: Span, is_whole: bool) {
        for label in &self.recorded {
            let (first, last) = self.places.get(&label.entity).map_or(UNSEEN, |place| self.seen[*place]);
            if is_whole || (label.effect_start <= last && label.effect_end > first) {
                self.sent.push(moved(label, self.loop_names, number, shift));
            }
        }
        self.seen.iter_mut().for_each(|seen| *seen = UNSEEN);
    }

    /// The labels of all that was sent, in the order of a labels file.
    pub(super) fn sent(mut self) -> Vec<Label> {
        self.sent.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.sent
    }
}

/// How incidents are called in the second loop and later: `hot~2`, and after `hot~3` of a recording that was sent in
/// loops itself `hot~4`, so that no two have one id.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoopNames {
    /// The largest number that an id of the recording ends with.
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

/// An id without the number of its loop, and that number.
fn numbered(id: &str) -> (&str, u64) {
    let parts = id.rsplit_once('~').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    parts.filter(|(_, number)| *number > 1).unwrap_or((id, 1))
}

/// A label as it is sent: in the second loop and later its incident has another id.
pub(super) fn moved(label: &Label, names: LoopNames, number: u64, shift: Span) -> Label {
    let named = |id: &str| names.name(id, number);
    let (incident_id, parent_id) = (named(&label.incident_id), label.parent_id.as_deref().map(named));
    Label { incident_id, parent_id, ..label.clone() }.moved_by(shift)
}
