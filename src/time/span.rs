//! Durations of simulated time: arithmetic, and the notation `1h30m`.

use std::fmt;
use std::ops::Add;

/// A length of simulated time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

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

    /// The length in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// Reads `90s`, `1h30m`, `2d14h20m`, `500ms`: units in descending order, each at most once. A leading `-` makes
    /// the span negative.
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

/// The units of a span with their milliseconds, longest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The milliseconds in `number` units (a decimal without a sign), if they are a whole number.
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

/// Writes the span as in a scenario: `1h30m`.
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

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
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
}
