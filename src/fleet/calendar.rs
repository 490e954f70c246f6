//! Converts event time to the local time of a time zone, without jumps when clocks change by hours.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::scenario::{At, Diagnostic};
use crate::time::{SimTime, Span};

/// A moment as clocks in the fleet's time zone show it, in milliseconds since 1970-01-01T00:00 in that zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(pub i64);

/// The time zone that office hours and weekends follow.
///
/// Local time never runs backwards, and does not jump when clocks change by some hours. The change is spread over at
/// least two hours around its moment, so that demand has no seam. Only a change by whole days is a jump; it keeps the
/// time of day.
// Invariant: changes are sorted by moment and do not overlap.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// The offset before the first change, ms.
    first: i64,
    changes: Arc<[Change]>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: SimTime,
    /// The offset after it, ms.
    after: i64,
    /// The difference between the offsets after and before it, ms.
    by: i64,
    /// Half of the time over which the offset changes, ms. The transition begins this long before `at` and ends this
    /// long after it.
    half: i64,
}

const DAY_MS: i64 = 86_400_000;

/// The minimum of `Change::half`, except for changes by whole days.
const HALF: Span = Span::hours(1);

impl Calendar {
    /// Returns the calendar of the zone with this name, for all moments from three days before `start` on.
    /// Without a name it is UTC. Reports an unknown name.
    pub(crate) fn of(
        zone: Option<&At<String>>,
        start: SimTime,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Option<Calendar> {
        let Some(name) = zone else { return Some(Calendar::default()) };
        // Use the data inside the program. Data of the machine could change values.
        let database = TimeZoneDatabase::bundled();
        match database.get(&name.value) {
            Ok(zone) => Some(Calendar::new(&zone, start)),
            Err(_) => {
                let names: Vec<String> = database.available().map(|zone| zone.as_str().into()).collect();
                mistakes.push(
                    Diagnostic::error(name.place, format!("time zone `{}` does not exist", name.value))
                        .label("must be an IANA name such as `Europe/Paris`, or `UTC`")
                        .nearest(&name.value, names.iter().map(String::as_str)),
                );
                None
            }
        }
    }

    fn new(zone: &TimeZone, start: SimTime) -> Calendar {
        let timestamp = |moment: SimTime| Timestamp::from_millisecond(moment.0).unwrap_or(Timestamp::MAX);
        let from = timestamp(SimTime(start.0 - Span::hours(72).0));
        let first = i64::from(zone.to_offset(from).seconds()) * 1_000;
        let mut before = first;
        let mut changes = Vec::new();
        for transition in zone.following(from) {
            let at = SimTime(transition.timestamp().as_millisecond());
            if at > SimTime::END {
                break;
            }
            let after = i64::from(transition.offset().seconds()) * 1_000;
            let by = after - before;
            // A transition can also change the zone's name without changing the offset.
            if by != 0 {
                // A smooth step is at most 1.5 times as steep as a line. So it takes away at most three quarters of the
                // time, and local time keeps running forwards. A change by whole days keeps the hour and needs no step.
                let half = if by % DAY_MS == 0 { 0 } else { HALF.0.max(by.abs()) };
                changes.push(Change { at, after, by, half });
            }
            before = after;
        }
        Calendar { first, changes: changes.into() }
    }

    /// Returns what clocks show at a moment.
    pub fn local(&self, moment: SimTime) -> LocalTime {
        let next = self.changes.partition_point(|change| change.at.0 + change.half <= moment.0);
        let before = next.checked_sub(1).map_or(self.first, |last| self.changes[last].after);
        let offset = match self.changes.get(next) {
            Some(change) if moment.0 > change.at.0 - change.half => {
                let x = (moment.0 - change.at.0 + change.half) as f64 / (2 * change.half) as f64;
                before + (change.by as f64 * (x * x * (3.0 - 2.0 * x))) as i64
            }
            _ => before,
        };
        LocalTime(moment.0 + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(name: &str) -> Calendar {
        let name = At { value: name.to_string(), place: Default::default() };
        Calendar::of(Some(&name), SimTime(0), &mut Vec::new()).unwrap()
    }

    fn at(text: &str) -> SimTime {
        SimTime::parse(text).unwrap()
    }

    #[test]
    fn clocks_show_the_zones_time() {
        let paris = calendar("Europe/Paris");
        for (moment, offset) in [
            ("2026-01-05T00:00:00Z", 1),
            ("2026-03-28T12:00:00Z", 1),
            ("2026-03-30T12:00:00Z", 2),
            ("2026-10-26T12:00:00Z", 1),
            ("9000-07-01T12:00:00Z", 2),
        ] {
            assert_eq!(paris.local(at(moment)).0 - at(moment).0, offset * 3_600_000, "{moment}");
        }
        assert_eq!(calendar("UTC").local(at("2026-07-01T00:00:00Z")).0, at("2026-07-01T00:00:00Z").0);
    }

    #[test]
    fn local_time_never_jumps_nor_runs_backwards() {
        for name in
            ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"]
        {
            let calendar = calendar(name);
            for change in calendar.changes.iter().filter(|change| change.at < at("2040-01-01T00:00:00Z")) {
                let mut last = calendar.local(SimTime(change.at.0 - 2 * change.half));
                for step in -119..=120 {
                    let moment = SimTime(change.at.0 + step * change.half / 60);
                    let now = calendar.local(moment);
                    assert!(now > last, "{name} at {moment}");
                    let passed = change.half / 60;
                    assert!(
                        (now.0 - last.0) <= passed * 20,
                        "{name} at {moment}: {} in {passed}",
                        now.0 - last.0
                    );
                    last = now;
                }
            }
        }
    }
}
