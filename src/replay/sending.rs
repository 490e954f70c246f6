use super::ReplayError;
use super::truth::Truth;
use crate::batch::{Batch, RecordType};
use crate::label::Label;
use crate::output::{Encode as _, FanEncode, FanSink, OutputError};
use crate::player::{Moment, Player};
use crate::run::Releases;
use crate::time::{SimTime, Span};

/// What is needed while records are sent.
pub(super) struct Sending<'p, 'c> {
    pub(super) encode: FanEncode,
    pub(super) sink: FanSink,
    pub(super) player: &'p mut Player<'c>,
    pub(super) truth: Option<Truth>,
    /// With the labels of a loop.
    pub(super) releases: Option<(Releases, Vec<Label>)>,
    pub(super) there: u64,
    pub(super) rows: u64,
    /// Nobody reads the records any more.
    pub(super) is_closed: bool,
    pub(super) stopped_at: Option<SimTime>,
}

impl Sending<'_, '_> {
    /// Sends a batch with its times moved.
    pub(super) fn send(&mut self, mut batch: Batch, shift: Span) -> Result<(), ReplayError> {
        if !batch.move_by(shift) {
            return Err(ReplayError::Beyond);
        }
        let is_there = self.rows + batch.num_rows() as u64 <= self.there;
        if !self.player.is_paced() || is_there {
            return self.leave(&batch, shift, is_there);
        }
        for tick in batch.ticks() {
            let is_there = self.rows + tick.num_rows() as u64 <= self.there;
            self.leave(&tick, shift, is_there)?;
            if self.stopped_at.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Sends rows when the last of them is due, or at once where they are there already.
    fn leave(&mut self, batch: &Batch, shift: Span, is_there: bool) -> Result<(), ReplayError> {
        let Some(first) = batch.rows().next().map(|row| row.timestamp()) else { return Ok(()) };
        let last = |record| batch.table(record).timestamp.last().copied();
        let moment = RecordType::ALL.into_iter().filter_map(last).max().unwrap_or(first);
        let (sink, rows, before) = (&mut self.sink, batch.num_rows() as u64, self.rows);
        if !is_there && !self.is_closed {
            let releases = &mut self.releases;
            let came = self.player.until(moment, |passed| {
                sink.idle(passed)?;
                let acknowledged = sink.unacknowledged().map(|left| before.saturating_sub(left));
                if let (Some((releases, _)), Some(records)) = (&mut *releases, acknowledged) {
                    releases.acknowledged(records, passed)?;
                }
                Ok::<_, OutputError>(acknowledged)
            })?;
            if came == Moment::Interrupted {
                self.stopped_at = Some(first);
                return Ok(());
            }
        }
        if let Some(truth) = &mut self.truth {
            truth.see(batch, shift);
        }
        if self.is_closed {
            return Ok(());
        }
        match sink.write(self.encode.encode(batch)) {
            // Nobody reads the records any more; the labels are written all the same.
            Err(OutputError::Closed) if self.truth.is_some() => {
                self.is_closed = true;
                return Ok(());
            }
            written => written?,
        }
        self.rows += rows;
        let acknowledged = self.sink.unacknowledged().map(|left| self.rows.saturating_sub(left));
        if let (Some((releases, _)), Some(records)) = (&mut self.releases, acknowledged) {
            releases.sent(self.rows, moment, records)?;
        }
        self.player.sent(rows, acknowledged);
        Ok(())
    }
}
