use super::ReplayError;
use super::truth::Truth;
use crate::batch::Batch;
use crate::label::Label;
use crate::output::{Encode as _, FanEncode};
use crate::player::Moment;
use crate::run::Outlet;
use crate::time::{SimTime, Span};

/// What is needed while records are sent.
pub(super) struct Sending<'p, 'c> {
    pub(super) encode: FanEncode,
    pub(super) outlet: Outlet<'p, 'c>,
    /// The labels that files will have.
    pub(super) truth: Option<Truth>,
    /// Those of a loop that go into a stream.
    pub(super) labels: Vec<Label>,
    /// So many rows are in the topic already.
    pub(super) there: u64,
    pub(super) stopped_at: Option<SimTime>,
}

impl Sending<'_, '_> {
    /// Sends a batch with its times moved.
    pub(super) fn send(&mut self, mut batch: Batch, shift: Span) -> Result<(), ReplayError> {
        if !batch.move_by(shift) {
            return Err(ReplayError::Beyond);
        }
        if !self.outlet.player.is_paced() || self.is_there(&batch) {
            return self.leave(&batch, shift);
        }
        for tick in batch.ticks() {
            self.leave(&tick, shift)?;
            if self.stopped_at.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn is_there(&self, batch: &Batch) -> bool {
        self.outlet.rows() + batch.num_rows() as u64 <= self.there
    }

    /// Sends rows when the last of them is due, or at once where they are there already.
    fn leave(&mut self, batch: &Batch, shift: Span) -> Result<(), ReplayError> {
        let Some(moment) = batch.last_event() else { return Ok(()) };
        if !self.is_there(batch) && self.outlet.wait(moment)? == Moment::Interrupted {
            self.stopped_at = batch.rows().next().map(|row| row.timestamp());
            return Ok(());
        }
        if let Some(truth) = &mut self.truth {
            truth.see(batch, shift);
        }
        let Sending { encode, outlet, .. } = self;
        Ok(outlet.leave(moment, batch.num_rows() as u64, || encode.encode(batch))?)
    }
}
