//! Reads a recording once to find its first and last event time, its number of rows and its long gaps.

use std::num::NonZeroU64;

use super::{Replay, ReplayError, later};
use crate::recording::Order;
use crate::time::{SimTime, Span};

/// Facts about a recording that are known only after all of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first event time.
    pub first: SimTime,
    /// The last event time.
    pub last: SimTime,
    /// The time between the last two event times. If there is only one, the step of the dataset, or 1 s without a
    /// dataset.
    pub step: Span,
    /// How much of the gaps between records is not played.
    pub left_out: Span,
    /// The number of rows.
    pub rows: u64,
}

impl Replay {
    /// Returns the facts that are known only after the whole recording was read. Reads it now if that was not done
    /// before.
    ///
    /// # Errors
    /// If the recording can't be read. Standard input and pipes can't be read twice.
    pub fn measure(&mut self) -> Result<Extent, ReplayError> {
        if let Some((extent, _)) = &self.extent {
            return Ok(*extent);
        }
        if self.recording.is_read_once() {
            return Err(ReplayError::Once);
        }
        let step = self.recording.step().unwrap_or(Span::seconds(1));
        let mut extent = Extent { first: self.first, last: self.first, step, left_out: Span::ZERO, rows: 0 };
        let order = Order::default();
        for batch in self.recording.select_and_watch(&self.options.selection, &order)? {
            let batch = batch?;
            extent.rows += batch.num_rows() as u64;
            for moment in batch.rows().map(|row| row.timestamp()) {
                extent.first = moment.min(extent.first);
                if moment > extent.last {
                    extent.left_out = extent.left_out + self.unplayed(moment - extent.last);
                    (extent.step, extent.last) = (moment - extent.last, moment);
                }
            }
        }
        self.extent = Some((extent, order));
        Ok(extent)
    }

    /// Returns how much event time is played in all loops, as far as it is known.
    pub fn played(&self) -> Span {
        let length = self.last().map_or(Span::ZERO, |last| last - self.first);
        let Some((extent, _)) = &self.extent else { return length };
        let loops = self.options.loops.get();
        let between = self.unplayed(extent.step).0.saturating_mul((loops - 1) as i64);
        let within = extent.left_out.0.saturating_mul(i64::try_from(loops).unwrap_or(i64::MAX));
        Span(length.0.saturating_sub(within.saturating_add(between)))
    }

    /// Returns how much of a gap is not played.
    fn unplayed(&self, silence: Span) -> Span {
        let most = self.options.max_gap.unwrap_or(silence);
        Span((silence.0 - most.0).max(0))
    }

    /// Returns the last event time of the last loop, before `shift` is added; `None` if it is not known.
    pub(super) fn last(&self) -> Option<SimTime> {
        let Some((extent, _)) = &self.extent else {
            let is_once = self.options.selection.is_all() && self.options.loops == NonZeroU64::MIN;
            return self.recording.last_tick().filter(|_| is_once);
        };
        Some(later(extent.last, self.before_loop(self.options.loops.get() - 1)))
    }

    /// Returns the event time from the beginning of the first loop to the beginning of loop `number`, counted from 0.
    pub(super) fn before_loop(&self, number: u64) -> Span {
        let period = self.extent.as_ref().map_or(Span::ZERO, |(it, _)| (it.last - it.first) + it.step);
        Span(period.0.saturating_mul(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}
