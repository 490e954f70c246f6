//! Decides which blocks are filled and which chunks are rendered, and in which order.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::LabelSpan;
use crate::engine::{Block, chunks, fill};
use crate::plan::{Incident, Plan};
use crate::threads::{Lane, Next, Source};
use crate::time::{BlockId, CELL, Chunk, SimTime, Span, Tick, Window};
use crate::truth::{self, Followed};

/// A block. The first thread that needs it fills it.
pub(super) struct Slot {
    pub(super) id: BlockId,
    last: SimTime,
    labels: Option<LabelSpan>,
    /// The block, and the incidents that were followed while it was filled.
    filled: OnceLock<(Block, Mutex<Vec<Followed>>)>,
}

impl Slot {
    /// Returns the block. Fills it if no thread has done so yet: a thread that renders may be faster than the thread
    /// that was to fill it.
    pub(super) fn block(&self, plan: &Plan) -> &Block {
        &self.filled(plan).0
    }

    /// Returns the incidents with requested labels, as they were followed through the block. Only the first call
    /// returns them.
    pub(super) fn take_followed(&self, plan: &Plan) -> Vec<Followed> {
        let followed = &self.filled(plan).1;
        std::mem::take(&mut *followed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn filled(&self, plan: &Plan) -> &(Block, Mutex<Vec<Followed>>) {
        self.filled.get_or_init(|| {
            let Some(labels) = self.labels else {
                return (fill(plan, self.id, self.last), Mutex::default());
            };
            let wanted = |incident: &Incident| labels.holds((incident.start(), incident.end()));
            let (block, followed) = truth::follow(plan, self.id, self.last, wanted);
            (block, Mutex::new(followed))
        })
    }
}

pub(super) enum Job {
    Fill(Arc<Slot>),
    Render(Arc<Slot>, Chunk),
}

/// Ticks that are this far apart are rare: at most every second cell of the grid contains one.
const RARE: Span = Span(2 * CELL.0);

/// The maximum number of blocks that are filled ahead.
const MOST_AHEAD: usize = 8;

/// The jobs of a window, block by block: fill the next block ahead, and render the chunks of the window in the current
/// block. A block is handed out for filling before its chunks are handed out.
///
/// One block ahead is enough if rendering takes longer than filling. If ticks are rare, filling takes longer, and
/// blocks are small. One block for each thread may be filled ahead then, at most `MOST_AHEAD`.
pub(super) struct Jobs<C: Iterator<Item = Chunk>> {
    blocks: std::ops::RangeInclusive<i64>,
    last: SimTime,
    labels: Option<LabelSpan>,
    chunks: Peekable<C>,
    depth: usize,
    /// The block with the chunks that are rendered now, followed by the later blocks that were handed out.
    open: VecDeque<Arc<Slot>>,
}

/// Returns the jobs for a window and for the requested labels.
pub(super) fn jobs(
    plan: &Plan,
    window: Option<Window>,
    labels: Option<LabelSpan>,
    threads: usize,
) -> Jobs<impl Iterator<Item = Chunk> + Send + use<>> {
    let clock = plan.clock();
    let rendered = window.map(|window| (clock.at(window.from()), clock.at(Tick(window.to().0 - 1))));
    let labelled = labels.map(|labels| labels.moments(plan)).filter(|(from, to)| from < to);
    // An incident that begins after the last tick has a label row too.
    let labelled = labelled.map(|(from, to)| (from, to - Span(1)));
    let first = rendered.iter().chain(&labelled).map(|(from, _)| BlockId::holding(*from).0).min();
    let last = rendered.iter().chain(&labelled).map(|(_, last)| *last).max().unwrap_or_default();
    Jobs {
        blocks: first.map_or(std::ops::RangeInclusive::new(1, 0), |first| first..=BlockId::holding(last).0),
        last,
        labels,
        chunks: window.map(|window| chunks(plan, window)).into_iter().flatten().peekable(),
        depth: depth(plan, threads),
        open: VecDeque::new(),
    }
}

/// Returns how many blocks are filled ahead.
pub(super) fn depth(plan: &Plan, threads: usize) -> usize {
    if plan.clock().step() < RARE { 1 } else { threads.min(MOST_AHEAD) }
}

impl<C: Iterator<Item = Chunk>> Jobs<C> {
    fn next_fill(&mut self) -> Option<Job> {
        let id = BlockId(self.blocks.next()?);
        let slot = Arc::new(Slot { id, last: self.last, labels: self.labels, filled: OnceLock::new() });
        self.open.push_back(Arc::clone(&slot));
        Some(Job::Fill(slot))
    }

    fn next_chunk(&mut self) -> Option<Job> {
        let here = self.open.front()?;
        let chunk = self.chunks.next_if(|chunk| chunk.block == here.id)?;
        Some(Job::Render(Arc::clone(here), chunk))
    }
}

impl<C: Iterator<Item = Chunk>> Source for Jobs<C> {
    type Job = Job;

    fn next(&mut self, may_render: bool) -> Next<Job> {
        loop {
            if self.open.len() < 2
                && let Some(fill) = self.next_fill()
            {
                return Next::Job(Lane::Blocks, fill);
            }
            let Some(here) = self.open.front() else { return Next::Dry };
            if self.chunks.peek().is_none_or(|chunk| chunk.block != here.id) {
                // The block has no more chunks to render.
                self.open.pop_front();
                continue;
            }
            // Instead of waiting for the block or for room, fill another block ahead.
            if !(may_render && here.filled.get().is_some())
                && self.open.len() <= self.depth
                && let Some(fill) = self.next_fill()
            {
                return Next::Job(Lane::Blocks, fill);
            }
            return match may_render.then(|| self.next_chunk()).flatten() {
                Some(chunk) => Next::Job(Lane::Chunks, chunk),
                None => Next::NotNow,
            };
        }
    }
}
