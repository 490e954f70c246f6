//! A plan, a window and outputs put together: what the command line calls, and a library user too.
//!
//! In: a plan, which part of it, where to. Out: batches, labels, receipts. What may never happen
//! here: printing, or a decision that only a command-line user could make.

mod about;
mod checks;
mod error;
mod look;
mod open;
mod options;
mod outlet;
mod outputs;
mod publication;
mod rebase;
mod releases;
mod target;
#[cfg(feature = "kafka")]
mod topic;
mod write;

use std::num::NonZeroUsize;

pub use about::About;
pub use error::RunError;
pub use look::Look;
pub use open::Opened;
pub use options::OpenOptions;
pub use outlet::Outlet;
pub use rebase::Rebase;
pub use releases::Releases;
pub use target::Target;
pub use write::{Progress, Written, labels_sent};

use crate::batch::Batch;
use crate::drive::{self, LabelSpan, Piece};
use crate::label::Label;
use crate::output::Receipt;
use crate::plan::Plan;
use crate::threads::Threads;
use crate::time::{SimTime, Span, Tick, Window};

/// A part of a plan that can be rendered.
#[derive(Clone, Debug)]
pub struct Run {
    plan: Plan,
    /// The window that was asked for.
    whole: Window,
    /// The part of it that is rendered.
    window: Window,
    /// The first tick that is rendered, where those before were sent already.
    resumes_at: Option<Tick>,
    shard: Option<(u64, u64)>,
    without: Vec<String>,
    threads: Threads,
    /// The moment at which it begins to be sent.
    begun: SimTime,
    /// The start of its clock is that moment, down to a step.
    starts_now: bool,
    /// What becomes of event times when they are written.
    rebase: Rebase,
}

impl Plan {
    /// The whole of this plan as a run, on all cores.
    pub fn run(self) -> Run {
        let ticks = Tick(self.clock().num_ticks());
        let whole = Window::new(Tick(0), ticks).expect("a clock has at least one tick");
        let threads = Threads::all_cores();
        Run {
            plan: self,
            whole,
            window: whole,
            resumes_at: None,
            shard: None,
            without: Vec::new(),
            threads,
            begun: crate::pace::now(),
            starts_now: false,
            rebase: Rebase::Keep,
        }
    }
}

impl Run {
    /// Only the ticks from `from` up to, not including, `to`.
    ///
    /// # Errors
    /// If no tick lies between, or a bound lies outside the run.
    pub fn between(mut self, from: Option<SimTime>, to: Option<SimTime>) -> Result<Run, RunError> {
        let clock = self.plan.clock();
        let inside = |moment: &SimTime| (clock.start()..=clock.end()).contains(moment);
        if let Some(outside) = from.iter().chain(&to).find(|moment| !inside(moment)) {
            return Err(RunError::OutsideRun { moment: *outside, start: clock.start(), end: clock.end() });
        }
        let from = clock.tick_at_or_after(from.unwrap_or(clock.start()));
        let to = clock.tick_at_or_after(to.unwrap_or(clock.end()));
        self.whole = Window::new(from, to).ok_or(RunError::EmptyWindow)?;
        self.window = self.whole;
        Ok(self)
    }

    /// The I-th of N contiguous parts of the window: `cat` of all is the run.
    ///
    /// # Errors
    /// If there is no such part, or fewer ticks than parts.
    pub fn shard(mut self, i: u64, n: u64) -> Result<Run, RunError> {
        if i == 0 || i > n {
            return Err(RunError::NoSuchShard { i, n });
        }
        let ticks = self.whole.num_ticks();
        self.window = self.whole.shard(i, n).ok_or(RunError::TooManyShards { n, ticks })?;
        self.shard = Some((i, n));
        Ok(self)
    }

    /// The same run without an incident: the twin that its labels are measured against.
    ///
    /// # Errors
    /// If there is no such incident.
    pub fn without(mut self, id: &str) -> Result<Run, RunError> {
        if self.plan.incident(id).is_none() {
            let first = self.plan.first_scheduled(RunError::MOST_KNOWN);
            let known = first.into_iter().map(|incident| incident.id).collect();
            return Err(RunError::NoIncident { id: id.into(), known });
        }
        self.plan = self.plan.without(id);
        self.without.push(id.into());
        Ok(self)
    }

    /// On so many threads; the rows are the same on any number.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Run {
        self.threads = Threads::new(threads);
        self
    }

    /// Begins to be sent at this moment, from which a topic's id of it is made.
    ///
    /// With `starts_now` the start of its clock is this moment, down to a step: two such runs of one scenario are
    /// the same sequence, and one can be resumed.
    #[must_use]
    pub fn begun(mut self, moment: SimTime, starts_now: bool) -> Run {
        (self.begun, self.starts_now) = (moment, starts_now);
        self
    }

    /// Moves event times when they are written. Datasets can't hold what was moved: they say how they are rendered.
    #[must_use]
    pub fn rebased(mut self, rebase: Rebase) -> Run {
        self.rebase = rebase;
        self
    }

    /// By how much event times move when they are written.
    pub fn shift(&self) -> Span {
        let first = self.plan.clock().at(self.window.from());
        self.rebase.shift(first, self.last_event(), self.last_event() - first, self.begun)
    }

    /// Whether the start of its clock is the moment at which it begins.
    pub fn starts_now(&self) -> bool {
        self.starts_now
    }

    /// The threads that it is rendered on.
    pub fn on_threads(&self) -> &Threads {
        &self.threads
    }

    /// What is rendered.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which ticks are rendered.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The ticks of the window that are left to render, where some were sent already.
    pub fn left(&self) -> Window {
        let from = self.resumes_at.unwrap_or(self.window.from());
        Window::new(from, self.window.to()).expect("what is missing lies before the end")
    }

    /// Whether some of it was sent already.
    pub fn is_resumed(&self) -> bool {
        self.resumes_at.is_some()
    }

    /// The event time of the first record that is left to render.
    pub fn first_event(&self) -> SimTime {
        self.plan.clock().at(self.left().from())
    }

    fn last_event(&self) -> SimTime {
        self.plan.clock().at(Tick(self.window.to().0 - 1))
    }

    /// The rows in stream order.
    ///
    /// ```
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let rows: usize = run.batches().map(|batch| batch.num_rows()).sum();
    /// assert_eq!(rows, 1_800 * (3 + 2));
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn batches(&self) -> impl Iterator<Item = Batch> + '_ {
        drive::batches(&self.plan, self.window)
    }

    /// The truth: rows whose effect interval intersects the window, unclipped; of a shard, those
    /// whose `cause_start` it holds (and the first shard's also those that began before it).
    ///
    /// ```
    /// use reenact::label::Role;
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let causes = run.labels().filter(|label| label.role == Role::Cause);
    /// assert!(causes.count() > 5);
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<> {
        let mut labels = Vec::new();
        let collect = |piece| {
            if let Piece::Labels(rows) = piece {
                labels.extend(self.of_window(rows));
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let span = Some(self.label_span());
        let Ok(()) = drive::pieces(&self.plan, None, span, &self.threads, |_| (), collect);
        labels.into_iter()
    }

    /// The rows, each chunk as `encode` makes it, and beside them the labels; in order.
    ///
    /// # Errors
    /// The first error of `take`; nothing is rendered after it.
    pub fn pieces<P: Send, E>(
        &self,
        encode: impl Fn(&Batch) -> P + Sync,
        mut take: impl FnMut(Piece<P>) -> Result<(), E>,
    ) -> Result<(), E> {
        let span = Some(self.label_span());
        drive::pieces(&self.plan, Some(self.window), span, &self.threads, encode, |piece| match piece {
            Piece::Labels(rows) => take(Piece::Labels(self.of_window(rows).collect())),
            other => take(other),
        })
    }

    /// Incidents whose labels belong to this window or shard.
    pub fn label_span(&self) -> LabelSpan {
        let clock = self.plan.clock();
        let moments = |window: Window| (clock.at(window.from()), clock.at(window.to()));
        let (seen_from, to) = moments(self.whole);
        let (begun_from, begun_before) = moments(self.window);
        let is_first = self.window.from() == self.whole.from();
        let begun_from = if is_first { SimTime(i64::MIN) } else { begun_from };
        LabelSpan { seen_from, to, begun_from, begun_before }
    }

    /// The same, as they are written.
    fn moved(&self, rows: Vec<Label>) -> impl Iterator<Item = Label> + use<> {
        let shift = self.shift();
        self.of_window(rows).map(move |label| label.moved_by(shift))
    }

    /// Those rows whose effect the window sees.
    fn of_window(&self, rows: Vec<Label>) -> impl Iterator<Item = Label> + use<> {
        let clock = self.plan.clock();
        let (from, to) = (clock.at(self.whole.from()), clock.at(self.whole.to()));
        rows.into_iter().filter(move |row| row.effect_start < to && row.effect_end > from)
    }

    /// Writes the run to outputs as the command line names them, such as `parquet:out/`; one
    /// receipt each. Datasets appear whole or not at all, with their labels.
    ///
    /// # Errors
    /// If an output can't be opened (nothing is rendered then) or fails (nothing is published then).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let out = format!("ndjson:{}/out/", dir.path().display());
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let receipts = run.write_to(&[&out])?;
    /// assert_eq!(receipts[0].rows, 9_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_to(&self, outputs: &[&str]) -> Result<Vec<Receipt>, RunError> {
        let targets: Result<Vec<Target>, RunError> = outputs.iter().map(|text| Target::parse(text)).collect();
        self.write(&targets?, &OpenOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As `write_to`.
    pub fn write(&self, targets: &[Target], options: &OpenOptions) -> Result<Vec<Receipt>, RunError> {
        let opened = Opened::open(targets, options, &self.about())?;
        self.write_opened(opened).map(|written| written.receipts)
    }
}
