//! What a user sees of a pace, and does to it: a status line, keys, signals.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Words;
use super::keys::Keys;
use super::progress::is_watched;
use super::signals::Signals;
use super::status::Failure;
use crate::player::{Command, Controls, Kept, Lag, Pace, Status};
use crate::time::{SimTime, Span};

/// How many incidents are active at an event time of what is played.
pub(super) type Active = Box<dyn Fn(SimTime) -> usize>;

/// The user's place: commands go from here to a player, and its status is shown.
pub(super) struct Desk<'a> {
    signals: Option<&'a Signals>,
    /// Taken when they are first looked for, so that the terminal stays as it is until then.
    keys: Option<Keys>,
    has_keys: bool,
    line: Option<ProgressBar>,
    active: Option<Active>,
    /// Says what comes up.
    tell: Option<fn(&str)>,
}

impl<'a> Desk<'a> {
    /// A place where only signals are heard.
    pub(super) fn new(signals: Option<&'a Signals>, words: Words) -> Desk<'a> {
        Desk { signals, keys: None, has_keys: false, line: None, active: None, tell: words.teller() }
    }

    /// With a status line, and keys where standard input is a terminal too. There is neither where stderr is no
    /// terminal, where records go to the same one, or where nobody wants words.
    pub(super) fn shown(mut self, to_stdout: bool, from_stdin: bool, words: Words) -> Desk<'a> {
        if words.json || !is_watched(to_stdout, from_stdin, words) {
            return self;
        }
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a lawful one");
        self.line = Some(ProgressBar::new_spinner().with_style(style));
        self.has_keys = Keys::are_there();
        if self.has_keys {
            words.say("space pauses, + and - change the speed, q ends");
        }
        self
    }

    /// Whether the status is shown, so that somebody wants to know which incidents are active.
    pub(super) fn is_shown(&self) -> bool {
        self.line.is_some()
    }

    /// Whether keys are heard.
    pub(super) fn has_keys(&self) -> bool {
        self.has_keys
    }

    pub(super) fn with_active(mut self, active: Option<Active>) -> Desk<'a> {
        self.active = active;
        self
    }

    /// Takes the line away, so that words that follow stand alone, and leaves the terminal as it was.
    pub(super) fn clear(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
        self.release_keys();
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
            b' ' => Some(Command::Pause),
            b'+' | b'=' => Some(Command::Faster),
            b'-' | b'_' => Some(Command::Slower),
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
        let (direction, left) = if by.0 > 0 { ("ahead", "late") } else { ("back", "early") };
        let size = Span(by.0.abs());
        let text = format!(
            "warning: the system clock was set {direction} by {size}; event times go on without the jump, so records \
             leave {size} too {left} by that clock"
        );
        let tell = || self.tell.iter().for_each(|tell| tell(&text));
        match &self.line {
            Some(line) => line.suspend(tell),
            None => tell(),
        }
    }

    fn watch(&mut self, status: &Status) {
        if let Some(line) = &self.line {
            let active = self.active.as_ref().map(|active| active(status.recorded));
            line.set_message(status_line(status, active));
        }
    }
}

/// `2026-01-05T00:12:40.000Z  60×  lag 1 ms  12,000 sent  11,800 acknowledged  2 incidents`
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

/// How many of these spans of time hold a moment.
pub(super) fn active_of(spans: impl Iterator<Item = (SimTime, SimTime)>) -> Active {
    let (mut starts, mut ends): (Vec<SimTime>, Vec<SimTime>) = spans.unzip();
    starts.sort_unstable();
    ends.sort_unstable();
    Box::new(move |moment| {
        let begun = starts.partition_point(|start| *start <= moment);
        begun.saturating_sub(ends.partition_point(|end| *end <= moment))
    })
}

/// A pace of so many event seconds a second.
pub(super) fn at(speed: f64) -> Result<Pace, Failure> {
    Pace::at(speed).ok_or_else(|| {
        Failure::input(
            format!("`--speed {speed}` is no speed"),
            "write a number above 0, such as `--speed 60`",
        )
    })
}

/// The largest lag that `--max-lag` lets pass.
pub(super) fn max_lag(text: Option<&String>) -> Result<Option<Span>, Failure> {
    text.map(|text| super::window::duration("--max-lag", text)).transpose()
}

/// How well a pace was kept, in words; whether the lag was larger than it may be.
pub(super) fn tell(kept: Option<&Kept>, max_lag: Option<Span>, words: Words) -> bool {
    let Some(kept) = kept else { return false };
    let speed = kept.speed.map_or(String::new(), |speed| format!("speed reached {speed:.2}, "));
    let lags = |lag: &Lag| {
        let [p50, p99, max] = [lag.p50, lag.p99, lag.max].map(in_words);
        format!("half by less than {p50}, 99 % by less than {p99}, at most {max}")
    };
    words.say(format_args!("{speed}records left late: {}", lags(&kept.lag)));
    if let Some(acknowledged) = &kept.acknowledged {
        words.say(format_args!("acknowledged after they were due: {}", lags(acknowledged)));
    }
    let most = max_lag.filter(|most| i128::from(most.0) < kept.lag.max.as_millis() as i128);
    if let Some(most) = most {
        let lag = in_words(kept.lag.max);
        super::to_stderr(&format!("error: records left up to {lag} late, and `--max-lag` is {most}\n"));
    }
    most.is_some()
}

/// The same for scripts.
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

/// A short time, to a tenth of a millisecond below a second.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => Span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)).to_string(),
    }
}
