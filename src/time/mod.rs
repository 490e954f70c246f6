//! Simulated time: moments, spans, ticks, windows, cells and blocks.
//!
//! All times are signed milliseconds since the Unix epoch. Cells and blocks are counted from it by Euclidean
//! division, so that a warm-up may reach before 1970. This module does not know wall-clock time.

mod span;

use std::fmt;
use std::ops::{Add, Range, Sub};

pub use span::Span;

/// A moment of simulated time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub i64);

/// The number of a sample: tick n is at start + n × step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl SimTime {
    /// The end of the last possible run, 9999-12-30T22:00:00Z. It is the last hour that can be written with a year
    /// of four digits at every offset.
    pub const END: SimTime = SimTime(253_402_207_200_000);

    /// Reads RFC 3339 with an offset, in whole milliseconds. Returns `None` for a leap second, which has no moment
    /// of its own.
    ///
    /// ```
    /// use reenact::time::SimTime;
    /// assert_eq!(SimTime::parse("1970-01-01T01:00:00.250+01:00"), Some(SimTime(250)));
    /// assert_eq!(SimTime::parse("1970-01-01"), None);
    /// assert_eq!(SimTime::parse("2016-12-31T23:59:60Z"), None);
    /// ```
    pub fn parse(text: &str) -> Option<SimTime> {
        // jiff would read a leap second as the second before.
        if is_leap_second(text) {
            return None;
        }
        let moment: jiff::Timestamp = text.parse().ok()?;
        let nanoseconds = moment.as_nanosecond();
        let whole = nanoseconds % 1_000_000 == 0;
        whole.then_some(SimTime((nanoseconds / 1_000_000) as i64))
    }

    /// Whether a record can have this event time: from 1970 on, and before `END`.
    pub fn is_recordable(self) -> bool {
        (SimTime(0)..SimTime::END).contains(&self)
    }

    /// Hours since the Unix epoch, rounded down.
    pub fn hour(self) -> i64 {
        self.0.div_euclid(3_600_000)
    }
}

/// Whether the time in a text has a second of 60.
pub fn is_leap_second(text: &str) -> bool {
    let time = text.split_once(['T', 't', ' ']).map_or("", |(_, time)| time);
    let mut digits =
        time.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').filter(|b| *b != b':');
    let (Some(_), Some(_), Some(_), Some(_)) = (digits.next(), digits.next(), digits.next(), digits.next())
    else {
        return false;
    };
    digits.eq(*b"60")
}

/// The first moment that jiff can write, in the year −9999.
const FIRST: i64 = -377_705_023_201_000;

/// Writes RFC 3339 in UTC, always with milliseconds and `Z`. Moments before the year −9999 or after `END` are
/// clamped.
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment =
            jiff::Timestamp::from_millisecond(self.0.clamp(FIRST, SimTime::END.0)).map_err(|_| fmt::Error)?;
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        f.write_str(&printer.timestamp_to_string(&moment))
    }
}

/// Sums and differences saturate at the ends of `i64`, which are not recordable. So a speed or a rebase that goes
/// out of range neither panics nor wraps, and is refused because of its result.
impl Add<Span> for SimTime {
    type Output = SimTime;
    fn add(self, span: Span) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for SimTime {
    type Output = SimTime;
    fn sub(self, span: Span) -> SimTime {
        SimTime(self.0.saturating_sub(span.0))
    }
}

impl Sub for SimTime {
    type Output = Span;
    fn sub(self, other: SimTime) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// When a run begins, how long it lasts and how often it samples.
// Invariant: 1 ms ≤ step ≤ `SimTime::END`, run ≥ 1 ms, start in 1970 or later, end ≤ `SimTime::END`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    start: SimTime,
    run: Span,
    step: Span,
}

impl Clock {
    /// Returns a clock if the invariant is met.
    pub fn new(start: SimTime, run: Span, step: Span) -> Option<Clock> {
        let end = start.0.checked_add(run.0)?;
        let lawful =
            step.0 >= 1 && step.0 <= SimTime::END.0 && run.0 >= 1 && start.0 >= 0 && end <= SimTime::END.0;
        lawful.then_some(Clock { start, run, step })
    }

    /// The moment of tick 0.
    pub fn start(&self) -> SimTime {
        self.start
    }

    /// The length of the run.
    pub fn run(&self) -> Span {
        self.run
    }

    /// The distance between two ticks.
    pub fn step(&self) -> Span {
        self.step
    }

    /// The first moment after the run.
    pub fn end(&self) -> SimTime {
        self.start + self.run
    }

    /// The moment of a tick.
    pub fn at(&self, tick: Tick) -> SimTime {
        SimTime(self.start.0 + tick.0 as i64 * self.step.0)
    }

    /// The first tick at or after a moment (0 for a moment before the start).
    pub fn tick_at_or_after(&self, moment: SimTime) -> Tick {
        let since = (moment - self.start).0.max(0);
        Tick(((since + self.step.0 - 1) / self.step.0) as u64)
    }

    /// The number of ticks of the whole run: those with start + n × step < start + run.
    pub fn num_ticks(&self) -> u64 {
        self.tick_at_or_after(self.end()).0
    }
}

/// A half-open range of ticks of a run.
// Invariant: never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: Tick,
    to: Tick,
}

impl Window {
    /// The ticks from `from` up to, but not including, `to`. `None` if there are none.
    pub fn new(from: Tick, to: Tick) -> Option<Window> {
        (from < to).then_some(Window { from, to })
    }

    /// The first tick.
    pub fn from(&self) -> Tick {
        self.from
    }

    /// The first tick after the window.
    pub fn to(&self) -> Tick {
        self.to
    }

    /// The number of ticks.
    pub fn num_ticks(&self) -> u64 {
        self.to.0 - self.from.0
    }

    /// The i-th (from 1) of `n` contiguous parts. `None` if there are fewer ticks than parts.
    ///
    /// ```
    /// use reenact::time::{Tick, Window};
    /// let window = Window::new(Tick(0), Tick(10)).unwrap();
    /// assert_eq!(window.shard(3, 3), Window::new(Tick(6), Tick(10)));
    /// ```
    pub fn shard(&self, i: u64, n: u64) -> Option<Window> {
        // Some parts would be empty, and `cat` of the shards needs all of them.
        if n > self.num_ticks() {
            return None;
        }
        let cut = |k: u64| {
            let ticks = u128::from(self.num_ticks()) * u128::from(k) / u128::from(n);
            Tick(self.from.0 + ticks as u64)
        };
        Window::new(cut(i - 1), cut(i))
    }
}

/// The length of a cell. The grid has one point every ten seconds of simulated time, counted from the Unix epoch.
pub const CELL: Span = Span::seconds(10);

/// The length of a block: two hours of the grid, filled at once.
pub const BLOCK: Span = Span::hours(2);

/// The number of cells in a block.
pub const CELLS_PER_BLOCK: usize = (BLOCK.0 / CELL.0) as usize;

/// The number of a block: 0 begins at the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId(pub i64);

impl BlockId {
    /// The block that contains a moment.
    pub fn holding(moment: SimTime) -> BlockId {
        BlockId(moment.0.div_euclid(BLOCK.0))
    }

    /// The moment at which the block begins.
    pub fn start(self) -> SimTime {
        SimTime(self.0 * BLOCK.0)
    }

    /// The moment at which the next block begins.
    pub fn end(self) -> SimTime {
        self.start() + BLOCK
    }

    /// The next block.
    #[must_use]
    pub fn next(self) -> BlockId {
        BlockId(self.0 + 1)
    }
}

/// A unit of rendering: all entities over a range of ticks inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The block that contains all of the ticks.
    pub block: BlockId,
    /// The ticks.
    pub ticks: Range<u64>,
}

/// The chunks of a window in order, each of at most `ticks_per_chunk` ticks (at least one).
pub fn chunks(clock: Clock, window: Window, ticks_per_chunk: u64) -> impl Iterator<Item = Chunk> {
    let mut next = window.from().0;
    std::iter::from_fn(move || {
        if next >= window.to().0 {
            return None;
        }
        let block = BlockId::holding(clock.at(Tick(next)));
        let block_end = clock.tick_at_or_after(block.end()).0;
        let end = (next + ticks_per_chunk.max(1)).min(block_end).min(window.to().0);
        let chunk = Chunk { block, ticks: next..end };
        next = end;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_with_milliseconds() {
        let moment = SimTime::parse("2026-01-05T08:00:00Z").unwrap();
        assert_eq!(moment.to_string(), "2026-01-05T08:00:00.000Z");
        assert_eq!(SimTime::parse("2026-01-05T08:00:00.1234Z"), None);
        assert_eq!(SimTime(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert!(SimTime(i64::MIN).to_string().starts_with("-009999"));
    }

    #[test]
    fn a_leap_second_is_not_read_as_another_one() {
        for (text, is_leap) in [
            ("2026-01-05T08:00:60Z", true),
            ("2026-01-05 08:00:60.5+01:00", true),
            ("20260105t080060Z", true),
            ("2026-01-05T08:00:06Z", false),
            ("2026-01-05T08:60Z", false),
            ("2026-01-05T08:00:00.60Z", false),
            ("2026-01-05T08:00:00+00:60", false),
            ("", false),
        ] {
            assert_eq!(is_leap_second(text), is_leap, "{text}");
            assert!(!is_leap || SimTime::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn chunks_cover_a_window_once_and_stay_inside_their_block() {
        let clock = Clock::new(SimTime(3_000), Span::hours(7), Span(7_000)).unwrap();
        let window = Window::new(Tick(5), Tick(clock.num_ticks())).unwrap();
        let mut next = 5;
        for chunk in chunks(clock, window, 100) {
            assert_eq!(chunk.ticks.start, next);
            assert!(clock.at(Tick(chunk.ticks.start)) >= chunk.block.start());
            assert!(clock.at(Tick(chunk.ticks.end - 1)) < chunk.block.end());
            next = chunk.ticks.end;
        }
        assert_eq!(next, clock.num_ticks());
    }
}
