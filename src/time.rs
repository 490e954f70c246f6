//! Simulated time: moments, spans, ticks, windows, cells and blocks.
//!
//! Signed milliseconds since the Unix epoch throughout; cells and blocks are counted from it by
//! Euclidean division, so that warm-up may reach before 1970. Wall-clock time is not known here.

use std::fmt;
use std::ops::{Add, Range, Sub};

/// A moment of simulated time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub i64);

/// A length of simulated time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

/// The number of a sample: tick n is at start + n × step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl SimTime {
    /// No run reaches beyond this: 9999-12-30T22:00:00Z, the last hour that can be written with a
    /// year of four digits at every offset.
    pub const END: SimTime = SimTime(253_402_207_200_000);

    /// Reads RFC 3339 with an offset, to the millisecond.
    ///
    /// ```
    /// use reenact::time::SimTime;
    /// assert_eq!(SimTime::parse("1970-01-01T01:00:00.250+01:00"), Some(SimTime(250)));
    /// assert_eq!(SimTime::parse("1970-01-01"), None);
    /// ```
    pub fn parse(text: &str) -> Option<SimTime> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        let nanoseconds = moment.as_nanosecond();
        let whole = nanoseconds % 1_000_000 == 0;
        whole.then_some(SimTime((nanoseconds / 1_000_000) as i64))
    }

    /// Whether a record can have this event time: from 1970 on, before `END`.
    pub fn is_recordable(self) -> bool {
        (SimTime(0)..SimTime::END).contains(&self)
    }

    /// Hours since the Unix epoch, rounded down.
    pub fn hour(self) -> i64 {
        self.0.div_euclid(3_600_000)
    }
}

/// The first moment that can be written: in the year −9999.
const FIRST: i64 = -377_705_023_201_000;

/// RFC 3339, UTC, always with milliseconds and `Z`; nothing beyond `END`.
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment =
            jiff::Timestamp::from_millisecond(self.0.clamp(FIRST, SimTime::END.0)).map_err(|_| fmt::Error)?;
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        f.write_str(&printer.timestamp_to_string(&moment))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// This many hours.
    pub const fn hours(n: i64) -> Span {
        Span(n * 3_600_000)
    }

    /// This many minutes.
    pub const fn minutes(n: i64) -> Span {
        Span(n * 60_000)
    }

    /// This many seconds.
    pub const fn seconds(n: i64) -> Span {
        Span(n * 1_000)
    }

    /// In seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// Reads `90s`, `1h30m`, `2d14h20m`, `500ms`: units in falling order, each once.
    ///
    /// ```
    /// use reenact::time::Span;
    /// assert_eq!(Span::parse("1h30m"), Some(Span::minutes(90)));
    /// assert_eq!(Span::parse("1.5s"), Some(Span(1_500)));
    /// assert_eq!(Span::parse("30"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Span> {
        let mut rest = text.strip_prefix('-').unwrap_or(text);
        let mut total: i64 = 0;
        let mut last = i64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
            if unit >= last {
                return None;
            }
            total = total.checked_add(in_milliseconds(number, unit)?)?;
            (last, rest) = (unit, tail);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        (last != i64::MAX).then_some(Span(sign * total))
    }
}

/// Units of a span with their milliseconds, longest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `number` (decimal, no sign) units, if that is a whole number of milliseconds.
fn in_milliseconds(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let scale = 10_i64.pow(fraction.len() as u32);
    let part = i128::from(fraction.parse::<i64>().ok()?) * i128::from(unit);
    let exact = part % i128::from(scale) == 0;
    exact.then_some(())?;
    whole.checked_add((part / i128::from(scale)) as i64)
}

/// As it would be written in a scenario: `1h30m`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        for (name, unit) in UNITS {
            let count = rest / unit.unsigned_abs();
            rest %= unit.unsigned_abs();
            if count > 0 {
                write!(f, "{count}{name}")?;
            }
        }
        Ok(())
    }
}

impl Add<Span> for SimTime {
    type Output = SimTime;
    fn add(self, span: Span) -> SimTime {
        SimTime(self.0 + span.0)
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0 + other.0)
    }
}

impl Sub<Span> for SimTime {
    type Output = SimTime;
    fn sub(self, span: Span) -> SimTime {
        SimTime(self.0 - span.0)
    }
}

impl Sub for SimTime {
    type Output = Span;
    fn sub(self, other: SimTime) -> Span {
        Span(self.0 - other.0)
    }
}

/// When a run begins, how long it lasts and how often it samples.
// Invariant: step ≥ 1 ms, run ≥ 1 ms, 1970 ≤ start, end before the year 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    start: SimTime,
    run: Span,
    step: Span,
}

impl Clock {
    /// A clock, where the invariant holds.
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

    /// The first tick at or after a moment (0 for one before the start).
    pub fn tick_at_or_after(&self, moment: SimTime) -> Tick {
        let since = (moment - self.start).0.max(0);
        Tick(((since + self.step.0 - 1) / self.step.0) as u64)
    }

    /// Ticks of the whole run: those with start + n × step < start + run.
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
    /// The ticks from `from` up to, not including, `to`; none if there are none.
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

    /// How many ticks.
    pub fn num_ticks(&self) -> u64 {
        self.to.0 - self.from.0
    }

    /// The I-th (from 1) of N contiguous parts; none where there are fewer ticks than parts.
    ///
    /// ```
    /// use reenact::time::{Tick, Window};
    /// let window = Window::new(Tick(0), Tick(10)).unwrap();
    /// assert_eq!(window.shard(3, 3), Window::new(Tick(6), Tick(10)));
    /// ```
    pub fn shard(&self, i: u64, n: u64) -> Option<Window> {
        let cut = |k: u64| {
            let ticks = u128::from(self.num_ticks()) * u128::from(k) / u128::from(n);
            Tick(self.from.0 + ticks as u64)
        };
        Window::new(cut(i - 1), cut(i))
    }
}

/// The grid: one point every ten seconds of simulated time, from the Unix epoch.
pub const CELL: Span = Span::seconds(10);

/// A block is two hours of the grid, filled at once.
pub const BLOCK: Span = Span::hours(2);

/// Cells in a block.
pub const CELLS_PER_BLOCK: usize = (BLOCK.0 / CELL.0) as usize;

/// The number of a block: 0 begins at the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId(pub i64);

impl BlockId {
    /// The block that holds a moment.
    pub fn holding(moment: SimTime) -> BlockId {
        BlockId(moment.0.div_euclid(BLOCK.0))
    }

    /// Where the block begins.
    pub fn start(self) -> SimTime {
        SimTime(self.0 * BLOCK.0)
    }

    /// Where the next one begins.
    pub fn end(self) -> SimTime {
        self.start() + BLOCK
    }

    /// The one after.
    #[must_use]
    pub fn next(self) -> BlockId {
        BlockId(self.0 + 1)
    }
}

/// A unit of rendering: all entities over a range of ticks inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The block that holds all of the ticks.
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
    fn spans_are_read_and_written() {
        for (text, span) in [
            ("90s", Some(90_000)),
            ("2d14h20m", Some(224_400_000)),
            ("500ms", Some(500)),
            ("8m1.3s", Some(481_300)),
            ("-5m", Some(-300_000)),
            ("30", None),
            ("30m1h", None),
            ("", None),
            ("-", None),
            ("1.s", None),
            ("0.0005s", None),
            ("9999999999999999d", None),
            ("5 m", None),
            ("1M", None),
        ] {
            assert_eq!(Span::parse(text).map(|s| s.0), span, "{text}");
        }
        assert_eq!(Span(224_400_250).to_string(), "2d14h20m250ms");
    }

    #[test]
    fn moments_are_written_with_milliseconds() {
        let moment = SimTime::parse("2026-01-05T08:00:00Z").unwrap();
        assert_eq!(moment.to_string(), "2026-01-05T08:00:00.000Z");
        assert_eq!(SimTime::parse("2026-01-05T08:00:00.1234Z"), None);
        assert_eq!(SimTime(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert!(SimTime(i64::MIN).to_string().starts_with("-009999"));
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
