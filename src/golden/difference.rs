//! Formats differences as text or JSON, whatever was compared.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::scenario::count;
use crate::time::SimTime;

/// The differences between two recordings, or between a lock and a run or recording, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Differences of the whole, such as its number of rows.
    pub whole: Vec<String>,
    /// Incidents that differ.
    pub incidents: Changed,
    /// Series that differ.
    pub series: Changed,
    /// UTC hours that differ.
    pub hours: Changed,
    /// Rows that only one side has, or that are at another position. Not available when comparing with a lock.
    pub rows: Vec<String>,
    /// The total number of such rows.
    pub num_rows: u64,
    /// The first value that differs. Not available when comparing with a lock.
    pub first: Option<String>,
}

/// The differences of one category: incidents, series or hours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// The number of items that either side has.
    pub of: usize,
    /// (name, description of the change), sorted by name.
    pub lines: Vec<(String, String)>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let sorts = [&self.incidents, &self.series, &self.hours];
        self.whole.is_empty() && self.num_rows == 0 && sorts.iter().all(|changed| changed.lines.is_empty())
    }

    fn sorts(&self) -> [(&'static str, &'static str, &Changed); 3] {
        [
            ("incident", "incidents", &self.incidents),
            ("series", "series", &self.series),
            ("hour", "hours", &self.hours),
        ]
    }

    /// Returns the differences as text, with at most `limit` lines per category.
    pub fn to_text(&self, limit: usize) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes all");
        let counts = self
            .sorts()
            .map(|(_, sorts, changed)| format!("{} of {} {sorts}", changed.lines.len(), changed.of));
        line(format_args!("differs: {}", counts.join(", ")));
        self.whole.iter().for_each(|fact| line(format_args!("{fact}")));
        for (sort, sorts, changed) in self.sorts() {
            if sort == "series" {
                self.first.iter().for_each(|first| line(format_args!("first: {first}")));
                let shown = limit.min(self.rows.len());
                self.rows.iter().take(shown).for_each(|row| line(format_args!("row {row}")));
                if self.num_rows > shown as u64 {
                    line(format_args!("… and more rows, {} in total", self.num_rows));
                }
            }
            for (name, what) in changed.lines.iter().take(limit) {
                line(format_args!("{sort} {name}: {what}"));
            }
            if changed.lines.len() > limit {
                line(format_args!("… and more {sorts}, {} in total", changed.lines.len()));
            }
        }
        text
    }

    /// Returns the same for scripts, as JSON.
    pub fn to_json(&self, limit: usize) -> Value {
        let sort = |changed: &Changed| {
            let lines = changed.lines.iter().take(limit);
            let lines: Vec<Value> = lines.map(|(name, what)| json!({"name": name, "what": what})).collect();
            json!({"of": changed.of, "differ": changed.lines.len(), "lines": lines})
        };
        json!({
            "whole": self.whole,
            "incidents": sort(&self.incidents),
            "series": sort(&self.series),
            "hours": sort(&self.hours),
            "rows": {"differ": self.num_rows, "lines": self.rows.iter().take(limit).collect::<Vec<_>>()},
            "first": self.first,
        })
    }
}

/// Describes an entity that only one side has.
pub(super) fn stranger(name: &str, rows: u64, what: &str) -> String {
    format!("{name} was {what}: {}", count(rows, "row"))
}

/// Formats `old → new`. For two times on the same day, leaves out the date and the trailing parts that are zero in
/// both.
pub(super) fn change(old: &str, new: &str) -> String {
    let is_moment = |text: &str| SimTime::parse(text).is_some();
    if is_moment(old) && is_moment(new) && old[..11] == new[..11] {
        let ends_in = |end: &str| old.ends_with(end) && new.ends_with(end);
        let end = [":00.000Z", ".000Z", "Z"].into_iter().find(|end| ends_in(end)).unwrap_or("");
        let time = |text: &str| text[11..text.len() - end.len()].to_string();
        return format!("{} → {}", time(old), time(new));
    }
    format!("{old} → {new}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_one_day_show_only_what_differs() {
        for (old, new, shown) in [
            ("2026-01-05T14:20:00.000Z", "2026-01-05T14:21:00.000Z", "14:20 → 14:21"),
            ("2026-01-05T14:20:00.000Z", "2026-01-05T14:20:07.000Z", "14:20:00 → 14:20:07"),
            ("2026-01-05T14:20:00.500Z", "2026-01-05T14:20:07.000Z", "14:20:00.500 → 14:20:07.000"),
            (
                "2026-01-05T14:20:00.000Z",
                "2026-01-06T14:20:00.000Z",
                "2026-01-05T14:20:00.000Z → 2026-01-06T14:20:00.000Z",
            ),
            ("2.04", "1.98", "2.04 → 1.98"),
        ] {
            assert_eq!(change(old, new), shown);
        }
    }
}
