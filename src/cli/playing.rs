//! What a user sees and controls while records leave at a pace: a status line, keys, signals.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Words;
use super::events::Ticker;
use super::keys::Keys;
use super::progress::is_watched;
use super::signals::Signals;
use super::status::Failure;
use crate::pace;
use crate::player::{Command, Controls, Kept, Lag, Pace, Status};
use crate::time::{SimTime, Span};

/// Returns how many incidents are active at an event time of what is played.
pub(super) type Active = Box<dyn Fn(SimTime) -> usize>;

/// Connects the user and a player: passes the user's commands to the player, and shows the player's status.
pub(super) struct Desk<'a> {
    signals: Option<&'a Signals>,
    words: Words,
    /// The keys. They take control of the terminal only when the player first asks for a command.
    keys: Option<Keys>,
    has_keys: bool,
    line: Option<ProgressBar>,
    ticker: Option<Ticker>,
    active: Option<Active>,
    bounds: Bounds,
    /// The last status of the player.
    status: Option<Status>,
}

/// The limits of commands by keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// Whether event times depend on the pace (`--rebase end`), so that the pace may not change.
    pub(super) is_fixed: bool,
    /// The last event time, if it is known.
    pub(super) last: Option<SimTime>,
    /// How far ahead of the clock a topic accepts event times.
    pub(super) ahead: Option<Span>,
    /// Whether silences may be left out. Then the rest may take no time at all.
    pub(super) leaves_out: bool,
}

impl Bounds {
    /// Returns why a command is refused, if it is.
    fn refuse(&self, command: Command, status: Option<&Status>, now: SimTime) -> Option<String> {
        if self.is_fixed && command != Command::End {
            let why = "at another pace, the last record would not be sent at its event time";
            return Some(format!("`--rebase end` fixes the pace: {why}"));
        }
        let (Some(last), Some(most)) = (self.last, self.ahead) else { return None };
        let faster = status.and_then(|status| Some((status.event, status.speed?.times(2.0))));
        let left = match faster {
            Some((event, speed)) if !self.leaves_out => speed.takes(last - event),
            _ => Span::ZERO,
        };
        let lead = (last - now).0.saturating_sub(left.0.max(0));
        (command == Command::Faster && lead > most.0).then(|| {
            let lead = Span(lead / 1_000 * 1_000);
            format!(
                "cannot go faster: the last record would be sent {lead} before its event time, but the topic \
                 accepts at most {most}"
            )
        })
    }
}

impl<'a> Desk<'a> {
    /// Returns a desk that only listens to signals, and reports progress to scripts.
    pub(super) fn new(signals: Option<&'a Signals>, words: Words) -> Desk<'a> {
        Desk {
            signals,
            words,
            keys: None,
            has_keys: false,
            line: None,
            ticker: Ticker::new(words),
            active: None,
            bounds: Bounds::default(),
            status: None,
        }
    }

    /// Sets the limits of commands by keys.
    pub(super) fn within(mut self, bounds: Bounds) -> Desk<'a> {
        self.bounds = bounds;
        self
    }

    /// Adds a status line, and keys if standard input is a terminal too. Adds neither with `--quiet` or `--json`, if
    /// standard error is not a terminal, if records go to the same terminal, or if standard input is the recording
    /// or the scenario.
    pub(super) fn shown(mut self, to_stdout: bool, from_stdin: bool) -> Desk<'a> {
        if !is_watched(to_stdout, from_stdin, self.words) {
            return self;
        }
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is valid");
        self.line = Some(ProgressBar::new_spinner().with_style(style));
        self.has_keys = Keys::are_there();
        if self.has_keys {
            self.words.say(match self.bounds.is_fixed {
                true => "keys: q stops; `--rebase end` fixes the pace",
                false => "keys: space pauses, + and - change the speed, q stops",
            });
        }
        self
    }

    /// Whether the status is shown. Only then is the number of active incidents needed.
    pub(super) fn is_shown(&self) -> bool {
        self.line.is_some()
    }

    /// Whether the desk listens to keys.
    pub(super) fn has_keys(&self) -> bool {
        self.has_keys
    }

    pub(super) fn with_active(mut self, active: Option<Active>) -> Desk<'a> {
        self.active = active;
        self
    }

    /// Removes the status line, so that later text begins on an empty line, and restores the terminal.
    pub(super) fn clear(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
        self.release_keys();
    }

    /// Returns a command. If it is refused, prints the reason above the status line and returns `None`.
    fn allowed(&mut self, command: Command) -> Option<Command> {
        let Some(reason) = self.bounds.refuse(command, self.status.as_ref(), pace::now()) else {
            return Some(command);
        };
        let (words, say) = (self.words, |words: Words| words.say(&reason));
        match &self.line {
            Some(line) => line.suspend(|| say(words)),
            None => say(words),
        }
        None
    }

    fn release_keys(&mut self) {
        (self.keys, self.has_keys) = (None, false);
    }
}

impl Controls for Desk<'_> {
    fn command(&mut self) -> Option<Command> {
        if self.signals.is_some_and(|signals| signals.asked().is_some()) {
            self.clear();
            return Some(Command::End);
        }
        if self.has_keys && self.keys.is_none() {
            self.keys = Keys::listen();
        }
        match self.keys.as_mut()?.next()? {
            b' ' => self.allowed(Command::Pause),
            b'+' | b'=' => self.allowed(Command::Faster),
            b'-' | b'_' => self.allowed(Command::Slower),
            b'q' => {
                self.release_keys();
                Some(Command::End)
            }
            _ => None,
        }
    }

    fn rest(&mut self) {
        self.release_keys();
    }

    fn jumped(&mut self, by: Span) {
        let (direction, left) = if by.0 > 0 { ("forward", "late") } else { ("back", "early") };
        let size = Span(by.0.abs());
        let text = format!(
            "the system clock was set {direction} by {size}; event times continue without the jump, so records \
             leave {size} too {left} by that clock"
        );
        let warn = || self.words.warn(&text);
        match &self.line {
            Some(line) => line.suspend(warn),
            None => warn(),
        }
    }

    fn watch(&mut self, status: &Status) {
        self.status = Some(*status);
        if let Some(ticker) = &mut self.ticker {
            ticker.tick(status);
        }
        if let Some(line) = &self.line {
            let active = self.active.as_ref().map(|active| active(status.recorded));
            line.set_message(status_line(status, active));
        }
    }
}

/// Returns the status line, such as
/// `2026-01-05T00:12:40.000Z  60×  lag 1 ms  12,000 sent  11,800 acknowledged  2 incidents`.
fn status_line(status: &Status, active: Option<usize>) -> String {
    let mut text = status.event.to_string();
    match (status.is_paused, status.speed, status.reached) {
        (true, ..) => text += "  paused",
        (_, Some(speed), Some(reached)) => text += &format!("  {reached:.1}× of {}×", speed.get()),
        (_, Some(speed), None) => text += &format!("  {}×", speed.get()),
        _ => {}
    }
    text += &format!("  lag {}  {} sent", in_words(status.lag), status.sent);
    if let Some(acknowledged) = status.acknowledged {
        text += &format!("  {acknowledged} acknowledged");
    }
    match active {
        None => {}
        Some(1) => text += "  1 incident",
        Some(active) => text += &format!("  {active} incidents"),
    }
    text
}

/// Returns a function that counts how many of these spans of time contain a moment.
pub(super) fn active_of(spans: impl Iterator<Item = (SimTime, SimTime)>) -> Active {
    let (mut starts, mut ends): (Vec<SimTime>, Vec<SimTime>) = spans.unzip();
    starts.sort_unstable();
    ends.sort_unstable();
    Box::new(move |moment| {
        let begun = starts.partition_point(|start| *start <= moment);
        begun.saturating_sub(ends.partition_point(|end| *end <= moment))
    })
}

/// Returns a pace of `speed` event seconds per second.
pub(super) fn at(speed: f64) -> Result<Pace, Failure> {
    Pace::at(speed).ok_or_else(|| {
        Failure::input(
            format!("`--speed {speed}` is not a valid speed"),
            "write a number above 0, such as `--speed 60`",
        )
    })
}

/// Returns the maximum lag that `--max-lag` allows.
pub(super) fn max_lag(text: Option<&String>) -> Result<Option<Span>, Failure> {
    text.map(|text| super::window::duration("--max-lag", text)).transpose()
}

/// Prints how well a pace was kept. Returns whether the lag exceeded `max_lag`.
pub(super) fn print_pace(kept: Option<&Kept>, max_lag: Option<Span>, words: Words) -> bool {
    let Some(kept) = kept else { return false };
    let speed = kept.speed.map_or(String::new(), |speed| format!("speed reached {speed:.2}, "));
    let lags = |lag: &Lag| {
        let [p50, p99, max] = [lag.p50, lag.p99, lag.max].map(in_words);
        format!("median {p50}, 99th percentile {p99}, maximum {max}")
    };
    words.say(format_args!("{speed}lag of records: {}", lags(&kept.lag)));
    if let Some(acknowledged) = &kept.acknowledged {
        words.say(format_args!("lag of acknowledgements: {}", lags(acknowledged)));
    }
    let most = max_lag.filter(|most| i128::from(most.0) < kept.lag.max.as_millis() as i128);
    if let Some(most) = most {
        let lag = in_words(kept.lag.max);
        words.no(format!("records left up to {lag} late, but `--max-lag` is {most}"));
    }
    most.is_some()
}

/// Returns how well a pace was kept, for scripts.
pub(super) fn json(kept: Option<&Kept>) -> Value {
    let ms = |time: Duration| time.as_micros() as f64 / 1e3;
    let lag = |lag: &Lag| json!({"p50": ms(lag.p50), "p99": ms(lag.p99), "max": ms(lag.max)});
    kept.map_or(Value::Null, |kept| {
        json!({
            "speed": kept.speed,
            "lag_ms": lag(&kept.lag),
            "acknowledged_lag_ms": kept.acknowledged.as_ref().map(lag),
            "clock_set_ms": kept.jumped.0,
        })
    })
}

/// Formats a short time. Below a second, it has a precision of a tenth of a millisecond.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => Span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Speed;

    #[test]
    fn keys_cannot_send_event_times_that_a_topic_refuses() {
        let (now, hour) = (SimTime(1_000_000_000), Span::hours(1));
        let status = |event, speed| Status {
            event,
            recorded: event,
            speed: Speed::new(speed),
            reached: None,
            lag: Duration::ZERO,
            sent: 1,
            acknowledged: None,
            is_paused: false,
        };
        // Two hours are left, and they are sent within one: the last record is an hour ahead.
        let bounds = Bounds { last: Some(now + Span::hours(2)), ahead: Some(hour), ..Bounds::default() };
        let refused = |bounds: Bounds, command, speed| bounds.refuse(command, Some(&status(now, speed)), now);
        assert_eq!(refused(bounds, Command::Faster, 1.0), None);
        let reason = refused(bounds, Command::Faster, 2.0).unwrap();
        assert!(
            reason.contains("would be sent 1h30m before its event time, but the topic accepts at most 1h"),
            "{reason}"
        );
        for command in [Command::Slower, Command::Pause, Command::End] {
            assert_eq!(refused(bounds, command, 2.0), None);
        }
        let gaps = Bounds { leaves_out: true, ..bounds };
        assert!(refused(gaps, Command::Faster, 1.0).is_some(), "silences may be left out");
        assert!(bounds.refuse(Command::Faster, None, now).is_some(), "before anything is known");
        assert_eq!(refused(Bounds { ahead: None, ..bounds }, Command::Faster, 1e6), None, "no limit");
        let fixed = Bounds { is_fixed: true, ..Bounds::default() };
        for command in [Command::Faster, Command::Slower, Command::Pause] {
            assert!(refused(fixed, command, 1.0).unwrap().contains("`--rebase end` fixes the pace"));
        }
        assert_eq!(refused(fixed, Command::End, 1.0), None);
    }
}
