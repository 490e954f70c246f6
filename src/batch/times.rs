//! The methods of `Batch` about event times: find the last one, shift all of them, split by tick.

use std::sync::Arc;

use super::{Batch, BatchBuilder};
use crate::time::{SimTime, Span};

impl Batch {
    /// Returns the last event time; `None` if the batch has no rows.
    pub fn last_event(&self) -> Option<SimTime> {
        self.tables.iter().filter_map(|table| table.timestamps.last().copied()).max()
    }

    /// Moves all event times by `shift`. Returns whether all of them are still valid for a record.
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

    /// Splits the batch into batches of consecutive rows with the same event time.
    pub fn ticks(&self) -> impl Iterator<Item = Batch> + '_ {
        let mut rows = self.rows().peekable();
        let mut room = vec![0; self.tables.len()];
        std::iter::from_fn(move || {
            let moment = rows.peek()?.timestamp();
            // Reserves memory for as many rows as the previous tick had.
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
