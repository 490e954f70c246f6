use super::{Batch, RecordType};
use crate::time::{SimTime, Span};

impl Batch {
    /// The last event time; none of a batch without rows.
    pub fn last_event(&self) -> Option<SimTime> {
        let last = |record| self.table(record).timestamp.last().copied();
        RecordType::ALL.into_iter().filter_map(last).max()
    }

    /// Moves all event times; whether each is still one that a record can have.
    pub fn move_by(&mut self, shift: Span) -> bool {
        if shift == Span::ZERO {
            return true;
        }
        let mut is_lawful = true;
        for record in RecordType::ALL {
            for moment in &mut self.table_mut(record).timestamp {
                *moment = SimTime(moment.0.saturating_add(shift.0));
                is_lawful &= moment.is_recordable();
            }
        }
        is_lawful
    }

    /// The rows of each event time, as batches of their own.
    pub fn ticks(&self) -> impl Iterator<Item = Batch> + '_ {
        let mut rows = self.rows().peekable();
        let mut room = [0, 0];
        std::iter::from_fn(move || {
            let moment = rows.peek()?.timestamp();
            // As many as the last one had.
            let mut tick = Batch::with_capacity(self.entities.clone(), room[0], room[1]);
            while let Some(row) = rows.next_if(|row| row.timestamp() == moment) {
                tick.append_row(&row);
            }
            room = RecordType::ALL.map(|record| tick.table(record).num_rows());
            Some(tick)
        })
    }
}
