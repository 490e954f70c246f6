use super::{Batch, Table};
use crate::time::{SimTime, Span};

impl Batch {
    /// The last event time; none of a batch without rows.
    pub fn last_event(&self) -> Option<SimTime> {
        self.tables.iter().filter_map(|table| table.timestamp.last().copied()).max()
    }

    /// Moves all event times; whether each is still one that a record can have.
    pub fn move_by(&mut self, shift: Span) -> bool {
        if shift == Span::ZERO {
            return true;
        }
        let mut is_lawful = true;
        for moment in self.tables.iter_mut().flat_map(|table| &mut table.timestamp) {
            *moment = SimTime(moment.0.saturating_add(shift.0));
            is_lawful &= moment.is_recordable();
        }
        is_lawful
    }

    /// The rows of each event time, as batches of their own.
    pub fn ticks(&self) -> impl Iterator<Item = Batch> + '_ {
        let mut rows = self.rows().peekable();
        let mut room = vec![0; self.tables.len()];
        std::iter::from_fn(move || {
            let moment = rows.peek()?.timestamp();
            // As many as the last one had.
            let mut tick = Batch::with_capacity(self.entities.clone(), |record| room[record as usize]);
            while let Some(row) = rows.next_if(|row| row.timestamp() == moment) {
                tick.append_row(&row);
            }
            room = tick.tables.iter().map(Table::num_rows).collect();
            Some(tick)
        })
    }
}
