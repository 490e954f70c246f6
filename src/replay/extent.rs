use std::num::NonZeroU64;

use super::{Replay, ReplayError, later};
use crate::recording::Order;
use crate::time::{SimTime, Span};

/// What only reading all of a recording tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first event time.
    pub first: SimTime,
    /// The last event time.
    pub last: SimTime,
    /// The distance between the last two event times; where there is but one, the dataset's step, or a second.
    pub step: Span,
    /// Silence that is not played.
    pub left_out: Span,
    /// Rows.
    pub rows: u64,
}

impl Replay {
    /// What only reading all of it tells: read now, if that was not done before.
    ///
    /// # Errors
    /// If it can't be read; standard input can't be read twice.
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

    /// How much event time is played in all, as far as it is known.
    pub fn played(&self) -> Span {
        let length = self.last().map_or(Span::ZERO, |last| last - self.first);
        let Some((extent, _)) = &self.extent else { return length };
        let loops = self.options.loops.get();
        let between = self.unplayed(extent.step).0.saturating_mul((loops - 1) as i64);
        let within = extent.left_out.0.saturating_mul(i64::try_from(loops).unwrap_or(i64::MAX));
        Span(length.0.saturating_sub(within.saturating_add(between)))
    }

    /// What is not played of a silence.
    fn unplayed(&self, silence: Span) -> Span {
        let most = self.options.max_gap.unwrap_or(silence);
        Span((silence.0 - most.0).max(0))
    }

    /// The last event time of the last loop, as recorded.
    pub(super) fn last(&self) -> Option<SimTime> {
        let Some((extent, _)) = &self.extent else {
            let is_once = self.options.selection.is_all() && self.options.loops == NonZeroU64::MIN;
            return self.recording.last_tick().filter(|_| is_once);
        };
        Some(later(extent.last, self.before_loop(self.options.loops.get() - 1)))
    }

    /// From the beginning of the first loop to that of another one, counted from 0.
    pub(super) fn before_loop(&self, number: u64) -> Span {
        let period = self.extent.as_ref().map_or(Span::ZERO, |(it, _)| (it.last - it.first) + it.step);
        Span(period.0.saturating_mul(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}
