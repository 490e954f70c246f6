use std::sync::Arc;

use super::{Batch, BatchBuilder};
use crate::time::{SimTime, Span};

impl Batch {
    /// The last event time; none of a batch without rows.
    pub fn last_event(&self) -> Option<SimTime> {
        self.tables.iter().filter_map(|table| table.timestamps.last().copied()).max()
    }

    /// Moves all event times; whether each is still one that a record can have.
    pub fn move_by(&mut self, shift: Span) -> bool {
        if shift == Span::ZERO {
            return true;
        }
        let mut is_recordable = true;
        for moment in self.tables.iter_mut().flat_map(|table| &mut table.timestamps) {
            *moment = SimTime(moment.0.saturating_add(shift.0));
            is_recordable &= moment.is_recordable();
        }
        is_recordable
    }

    /// The rows of each event time, as batches of their own.
    pub fn ticks(&self) -> impl Iterator<Item = Batch> + '_ {
        let mut rows = self.rows().peekable();
        let mut room = vec![0; self.tables.len()];
        std::iter::from_fn(move || {
            let moment = rows.peek()?.timestamp();
            // As many as the last one had.
            let mut tick = BatchBuilder::with_capacity(self.schema(), |id| room[id.index()]);
            while let Some(row) = rows.next_if(|row| row.timestamp() == moment) {
                tick.append(&row);
            }
            let tick = tick.build(Arc::clone(&self.entities));
            room = tick.tables.iter().map(super::Table::num_rows).collect();
            Some(tick)
        })
    }
}
