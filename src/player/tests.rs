//! Tests of the player with a fake timer: pace, lags, pauses, speed changes, long gaps and date jumps.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Instant;

use super::machine::{Player, Timer};
use super::*;
use crate::pace;
use crate::time::Span;

/// A timer on which time passes only during `sleep`.
struct Fake {
    begun: Instant,
    /// The date at which it begins.
    date: SimTime,
    passed: Cell<Duration>,
    /// The jumps of the date: after this many ms, by this much.
    jumps: Vec<(u64, Span)>,
}

impl Fake {
    fn new() -> Fake {
        Fake { begun: pace::wall(), date: pace::now(), passed: Cell::default(), jumps: Vec::new() }
    }
}

impl Timer for &Fake {
    fn now(&self) -> Instant {
        self.begun + self.passed.get()
    }

    fn date(&self) -> SimTime {
        let passed = self.passed.get().as_millis() as u64;
        let jumps = self.jumps.iter().filter(|(after, _)| *after <= passed);
        jumps.fold(self.date + Span(passed as i64), |date, (_, by)| date + *by)
    }

    fn sleep(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }
}

/// Commands at wall-clock times, in ms from the beginning.
struct Script<'a> {
    time: &'a Fake,
    commands: VecDeque<(u64, Command)>,
}

impl Controls for Script<'_> {
    fn command(&mut self) -> Option<Command> {
        let is_due = |(at, _): &&(u64, Command)| Duration::from_millis(*at) <= self.time.passed.get();
        self.commands.front().filter(is_due)?;
        self.commands.pop_front().map(|(_, command)| command)
    }
}

/// Returns the wall-clock times in ms at which events leave, and how well the pace was kept. The event times are in
/// seconds.
fn played(
    pace: Pace,
    events: &[i64],
    commands: &[(u64, Command)],
    change: impl FnOnce(Player<'_>) -> Player<'_>,
) -> (Vec<u64>, Option<Kept>) {
    let time = Fake::new();
    let mut script = Script { time: &time, commands: commands.iter().copied().collect() };
    let mut player = change(Player::new(pace, &mut script).with_timer(&time));
    let mut left = Vec::new();
    for event in events {
        let Ok(moment) = player
            .until(SimTime(1_000_000 + event * 1_000), |_| Ok::<_, Infallible>(Some(left.len() as u64)));
        if moment == Moment::Interrupted {
            break;
        }
        left.push(time.passed.get().as_millis() as u64);
        player.sent(1, Some(0));
    }
    player.end();
    let kept = player.kept();
    (left, kept)
}

fn at(speed: f64) -> Pace {
    Pace::at(speed).expect("a speed")
}

#[test]
fn events_leave_when_they_are_due_and_the_first_at_once() {
    for (pace, left) in [
        (at(1.0), vec![0, 1_000, 3_000]),
        (at(10.0), vec![0, 100, 300]),
        (at(0.5), vec![0, 2_000, 6_000]),
        (Pace::AsFastAsPossible, vec![0, 0, 0]),
    ] {
        assert_eq!(played(pace, &[0, 1, 3], &[], |player| player).0, left, "{pace:?}");
    }
}

#[test]
fn the_reached_speed_and_the_lags_are_reported() {
    let kept = played(at(10.0), &[0, 1, 3], &[], |player| player).1.expect("it has a pace");
    assert_eq!((kept.speed, kept.lag.max), (Some(10.0), Duration::ZERO));
    // The last event is acknowledged only by `end`, immediately after it has left.
    assert_eq!(kept.acknowledged.map(|lag| lag.p50 > Duration::ZERO), Some(true));
    assert_eq!(played(Pace::AsFastAsPossible, &[0, 1], &[], |player| player).1, None);
}

#[test]
fn a_paused_clock_never_moves() {
    let commands = [(500, Command::Pause), (4_500, Command::Pause)];
    let (left, kept) = played(at(1.0), &[0, 1, 2], &commands, |player| player);
    assert_eq!(left, [0, 5_000, 6_000]);
    assert_eq!(kept.unwrap().speed, Some(1.0), "what it stood still does not count");
    let ended = [(1_500, Command::Pause), (4_500, Command::Pause), (4_600, Command::End)];
    let (left, kept) = played(at(1.0), &[0, 1, 2], &ended, |player| player);
    assert_eq!((left, kept.unwrap().speed), (vec![0, 1_000], Some(1.0)), "nothing left after the pause");
}

#[test]
fn another_speed_counts_from_where_the_clock_is() {
    let faster = [(500, Command::Faster)];
    assert_eq!(played(at(1.0), &[0, 1, 2], &faster, |player| player).0, [0, 750, 1_250]);
    let slower = [(500, Command::Slower)];
    assert_eq!(played(at(1.0), &[0, 1], &slower, |player| player).0, [0, 1_500]);
    let while_paused = [(500, Command::Pause), (600, Command::Faster), (1_500, Command::Pause)];
    assert_eq!(played(at(1.0), &[0, 1], &while_paused, |player| player).0, [0, 1_750]);
}

#[test]
fn it_can_begin_paused_and_be_ended_at_any_time() {
    let begun = [(300, Command::Pause)];
    assert_eq!(played(at(1.0), &[0, 1], &begun, |player| player.paused(true)).0, [300, 1_300]);
    let end = vec![(700, Command::End); 3];
    assert_eq!(played(at(1.0), &[0, 1], &end, |player| player).0, [0]);
    assert_eq!(played(at(1.0), &[0, 1], &[(700, Command::End)], |player| player.paused(true)).0, [0; 0]);
}

#[test]
fn a_silence_lasts_as_long_as_it_may_and_no_longer() {
    assert_eq!(
        played(at(1.0), &[0, 1, 100, 101, 103], &[], |p| p.max_gap(Some(Span::seconds(2)))).0,
        [0, 1_000, 3_000, 4_000, 6_000]
    );
}

/// Notes by how much the date jumped.
#[derive(Default)]
struct Dates(Vec<Span>);

impl Controls for Dates {
    fn command(&mut self) -> Option<Command> {
        None
    }

    fn jumped(&mut self, by: Span) {
        self.0.push(by);
    }
}

#[test]
fn date_that_is_set_is_reported_once_by_a_live_run() {
    let [ahead, slow, back] = [Span::seconds(90), Span(900), Span::seconds(-3_600)];
    for (pace, jumps, reported) in [
        (Pace::Live, vec![(2_000, ahead)], vec![90]),
        (Pace::Live, vec![(2_000, ahead), (4_000, back)], vec![90, -3_600]),
        (Pace::Live, vec![(2_000, slow)], vec![]),
        (Pace::at(1.0).expect("a speed"), vec![(2_000, ahead)], vec![]),
    ] {
        let time = Fake { jumps: jumps.clone(), ..Fake::new() };
        let mut dates = Dates::default();
        let mut player = Player::new(pace, &mut dates).with_timer(&time);
        for second in 1..=6 {
            let event = time.date + Span::seconds(second);
            let Ok(moment) = player.until(event, |_| Ok::<_, Infallible>(None));
            assert_eq!(moment, Moment::Came);
            player.sent(1, None);
        }
        let all = player.kept().map_or(Span::ZERO, |kept| kept.jumped);
        drop(player);
        // Rounds to a second.
        let seconds = |span: &Span| (span.as_seconds()).round() as i64;
        assert_eq!(dates.0.iter().map(seconds).collect::<Vec<_>>(), reported, "{pace:?} {jumps:?}");
        assert_eq!(seconds(&all), reported.iter().sum::<i64>());
        // Records leave by the monotonic clock, so a jump of the date neither delays them by an hour nor sends them all
        // at once. Without `Live`, the first record is due at once.
        assert!((4_900..=6_100).contains(&time.passed.get().as_millis()), "{:?}", time.passed);
    }
}
