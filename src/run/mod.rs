//! Runs: a plan, a window and outputs. The command line and library users call this module.
//!
//! Input: a plan, the requested part of it, and outputs. Output: batches, labels, receipts. This module never prints,
//! and never makes a decision that only a command-line user could make.

mod about;
mod checks;
mod error;
mod label_scheduler;
mod look;
mod open;
mod options;
mod outputs;
mod paced_writer;
mod publication;
mod rebase;
mod target;
#[cfg(feature = "kafka")]
mod topic;
mod write;

use std::num::NonZeroUsize;

pub use about::About;
pub use error::RunError;
pub use label_scheduler::LabelScheduler;
pub use look::Look;
pub use open::Opened;
pub use options::OpenOptions;
pub use paced_writer::PacedWriter;
pub use rebase::Rebase;
pub use target::Target;
pub use write::{Progress, Written, labels_sent};

use crate::batch::Batch;
use crate::label::Label;
use crate::output::Receipt;
use crate::pipeline::{self, LabelSpan, Piece};
use crate::plan::Plan;
use crate::threads::Threads;
use crate::time::{SimTime, Span, Tick, Window};

/// A part of a plan to render.
#[derive(Clone, Debug)]
pub struct Run {
    plan: Plan,
    /// The requested window.
    whole: Window,
    /// The part of the window that is rendered.
    window: Window,
    /// The first tick that is rendered, if earlier ones have already been sent.
    resumes_at: Option<Tick>,
    shard: Option<(u64, u64)>,
    without: Vec<String>,
    threads: Threads,
    /// The time at which sending begins.
    begun: SimTime,
    /// Whether the clock starts at that time, rounded down to a step.
    starts_now: bool,
    /// How event times are shifted when they are written.
    rebase: Rebase,
}

impl Plan {
    /// Returns a run of the whole plan, on all cores.
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
    /// Limits the run to the ticks from `from` up to, but not including, `to`.
    ///
    /// # Errors
    /// If there is no tick between the bounds, or if a bound is outside the run.
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

    /// Limits the run to the i-th of n contiguous parts of the window. Concatenating all parts with `cat` yields the
    /// whole run.
    ///
    /// # Errors
    /// If there is no such part, or if there are fewer ticks than parts.
    pub fn shard(mut self, i: u64, n: u64) -> Result<Run, RunError> {
        if i == 0 || i > n {
            return Err(RunError::NoSuchShard { i, n });
        }
        let ticks = self.whole.num_ticks();
        self.window = self.whole.shard(i, n).ok_or(RunError::TooManyShards { n, ticks })?;
        self.shard = Some((i, n));
        Ok(self)
    }

    /// Removes an incident from the run. The result is the baseline that the incident's labels are measured against.
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

    /// Sets the number of threads. The rows do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Run {
        self.threads = Threads::new(threads);
        self
    }

    /// Sets the time at which sending begins. The run's id in topics is derived from it.
    ///
    /// With `starts_now`, the clock starts at this time, rounded down to a step. Two such runs of one scenario count as
    /// the same sequence, so that one of them can be resumed.
    #[must_use]
    pub fn begun(mut self, moment: SimTime, starts_now: bool) -> Run {
        (self.begun, self.starts_now) = (moment, starts_now);
        self
    }

    /// Shifts event times when they are written. Datasets can't contain shifted records, because they state how their
    /// records are rendered.
    #[must_use]
    pub fn rebased(mut self, rebase: Rebase) -> Run {
        self.rebase = rebase;
        self
    }

    /// Returns the amount by which event times shift when they are written.
    pub fn shift(&self) -> Span {
        let first = self.plan.clock().at(self.window.from());
        self.rebase.shift(first, self.last_event(), self.last_event() - first, self.begun)
    }

    /// Whether the clock starts at the time at which sending begins.
    pub fn starts_now(&self) -> bool {
        self.starts_now
    }

    /// Returns the threads that render the run.
    pub fn on_threads(&self) -> &Threads {
        &self.threads
    }

    /// Returns the plan of the run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the ticks of the run.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Returns the ticks that are left to render, if some have already been sent.
    pub fn left(&self) -> Window {
        let from = self.resumes_at.unwrap_or(self.window.from());
        Window::new(from, self.window.to()).expect("the missing part is before the end")
    }

    /// Whether some of the run has already been sent.
    pub fn is_resumed(&self) -> bool {
        self.resumes_at.is_some()
    }

    /// Returns the event time of the first record that is left to render.
    pub fn first_event(&self) -> SimTime {
        self.plan.clock().at(self.left().from())
    }

    fn last_event(&self) -> SimTime {
        self.plan.clock().at(Tick(self.window.to().0 - 1))
    }

    /// Returns the rows in stream order.
    ///
    /// ```
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let rows: usize = run.batches().map(|batch| batch.num_rows()).sum();
    /// assert_eq!(rows, 1_800 * (3 + 2));
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn batches(&self) -> impl Iterator<Item = Batch> + '_ {
        pipeline::batches(&self.plan, self.window)
    }

    /// Returns the labels with an effect interval that intersects the window; intervals are not clipped. A shard has
    /// only labels with a `cause_start` in the shard. The first shard also has labels that started before it.
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
        let Ok(()) = pipeline::pieces(&self.plan, None, span, &self.threads, |_| (), collect);
        labels.into_iter()
    }

    /// Renders the rows, each chunk encoded by `encode`, and the labels. Passes both to `take` in order.
    ///
    /// # Errors
    /// The first error of `take`. Nothing is rendered after it.
    pub fn pieces<P: Send, E>(
        &self,
        encode: impl Fn(&Batch) -> P + Sync,
        mut take: impl FnMut(Piece<P>) -> Result<(), E>,
    ) -> Result<(), E> {
        let span = Some(self.label_span());
        pipeline::pieces(&self.plan, Some(self.window), span, &self.threads, encode, |piece| match piece {
            Piece::Labels(rows) => take(Piece::Labels(self.of_window(rows).collect())),
            other => take(other),
        })
    }

    /// Returns the span of the incidents that have their labels in this window or shard.
    pub fn label_span(&self) -> LabelSpan {
        let clock = self.plan.clock();
        let moments = |window: Window| (clock.at(window.from()), clock.at(window.to()));
        let (seen_from, to) = moments(self.whole);
        let (begun_from, begun_before) = moments(self.window);
        let is_first = self.window.from() == self.whole.from();
        let begun_from = if is_first { SimTime(i64::MIN) } else { begun_from };
        LabelSpan { seen_from, to, begun_from, begun_before }
    }

    /// Returns these labels with their times shifted, as they are written.
    fn moved(&self, rows: Vec<Label>) -> impl Iterator<Item = Label> + use<> {
        let shift = self.shift();
        self.of_window(rows).map(move |label| label.moved_by(shift))
    }

    /// Returns the rows with an effect interval that intersects the window.
    fn of_window(&self, rows: Vec<Label>) -> impl Iterator<Item = Label> + use<> {
        let clock = self.plan.clock();
        let (from, to) = (clock.at(self.whole.from()), clock.at(self.whole.to()));
        rows.into_iter().filter(move |row| row.effect_start < to && row.effect_end > from)
    }

    /// Writes the run to outputs in the notation of the command line, such as `parquet:out/`. Returns one receipt per
    /// output. A dataset appears complete with its labels, or not at all.
    ///
    /// # Errors
    /// If an output can't be opened or fails. In the first case nothing is rendered, in the second case nothing is
    /// published.
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

    /// Like `write_to`, with parsed outputs and options.
    ///
    /// # Errors
    /// The same errors as `write_to`.
    pub fn write(&self, targets: &[Target], options: &OpenOptions) -> Result<Vec<Receipt>, RunError> {
        let opened = Opened::open(targets, options, &self.about())?;
        self.write_opened(opened).map(|written| written.receipts)
    }
}
