//! Which blocks are filled and which chunks rendered, in which order.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::LabelSpan;
use crate::engine::{Block, chunks, fill};
use crate::plan::{Incident, Plan};
use crate::threads::{Lane, Next, Source};
use crate::time::{BlockId, CELL, Chunk, SimTime, Span, Tick, Window};
use crate::truth::{self, Followed};

/// A block that is filled by whoever needs it first.
pub(super) struct Slot {
    pub(super) id: BlockId,
    last: SimTime,
    labels: Option<LabelSpan>,
    /// With what was followed while it was filled.
    filled: OnceLock<(Block, Mutex<Vec<Followed>>)>,
}

impl Slot {
    /// The block, filled now if nobody has; whoever renders may be quicker than whoever was to fill it.
    pub(super) fn block(&self, plan: &Plan) -> &Block {
        &self.filled(plan).0
    }

    /// The incidents whose labels are wanted, as they were followed through the block: given out once.
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

/// Ticks so far apart are rare: fewer than every second cell of the grid holds one.
const RARE: Span = Span(2 * CELL.0);

/// Blocks filled ahead, at most.
const MOST_AHEAD: usize = 8;

/// Block by block: fill the next one ahead, render the chunks of the window that lie in this one. A
/// block is handed out to be filled before its chunks are.
///
/// One block ahead is enough where rendering takes longer than filling. Where ticks are rare it does
/// not, and blocks are small: then each thread may have one ahead.
pub(super) struct Jobs<C: Iterator<Item = Chunk>> {
    blocks: std::ops::RangeInclusive<i64>,
    last: SimTime,
    labels: Option<LabelSpan>,
    chunks: Peekable<C>,
    depth: usize,
    /// The block whose chunks are rendered now, and those after it that were handed out.
    open: VecDeque<Arc<Slot>>,
}

/// The jobs of a window, and of the labels that are wanted beside it.
pub(super) fn jobs(
    plan: &Plan,
    window: Option<Window>,
    labels: Option<LabelSpan>,
    threads: usize,
) -> Jobs<impl Iterator<Item = Chunk> + Send + use<>> {
    let clock = plan.clock();
    let rendered = window.map(|window| (clock.at(window.from()), clock.at(Tick(window.to().0 - 1))));
    let labelled = labels.map(|labels| labels.moments(plan)).filter(|(from, to)| from < to);
    // An incident after the last tick has its row too.
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

/// How many blocks are filled ahead.
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
                // Nothing more is to be rendered of it.
                self.open.pop_front();
                continue;
            }
            // Rather than wait for the block or for room, fill one further ahead.
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
