use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Instant;

use super::machine::{Player, Timer};
use super::*;
use crate::pace;
use crate::time::Span;

/// Time that passes only when someone sleeps.
struct Fake {
    begun: Instant,
    passed: Cell<Duration>,
}

impl Timer for &Fake {
    fn now(&self) -> Instant {
        self.begun + self.passed.get()
    }

    fn sleep(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }
}

/// Commands at wall moments.
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

/// The wall moments in ms at which events of these seconds leave, and how well the pace was kept.
fn played(
    pace: Pace,
    events: &[i64],
    commands: &[(u64, Command)],
    change: impl FnOnce(Player<'_>) -> Player<'_>,
) -> (Vec<u64>, Option<Kept>) {
    let time = Fake { begun: pace::wall(), passed: Cell::default() };
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
fn the_speed_that_is_reached_and_the_lags_are_told() {
    let kept = played(at(10.0), &[0, 1, 3], &[], |player| player).1.expect("it has a pace");
    assert_eq!((kept.speed, kept.lag.max), (Some(10.0), Duration::ZERO));
    // The last one is acknowledged only at the end, as soon as it has left.
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
