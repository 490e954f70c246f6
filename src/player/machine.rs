//! The player: waits until an event time is due, handles pauses and speed changes, and detects clock jumps.

use std::time::{Duration, Instant};

use super::lags::Lags;
use super::{Command, Controls, Kept, Moment, Pace, Status};
use crate::pace::{self, Clock, Speed};
use crate::time::{SimTime, Span};

/// The state of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Playing,
    Paused,
    /// The end was requested.
    Done,
}

/// The maximum length of one sleep. A long wait is split, so that commands and acknowledgements are noticed in time.
const NAP: Duration = Duration::from_millis(10);

/// The source of time for a player. Tests use their own timer and never sleep.
pub trait Timer {
    /// The current time of the monotonic clock.
    fn now(&self) -> Instant;

    /// The current date of the machine, which can be set.
    fn date(&self) -> SimTime;

    /// Sleeps for this long.
    fn sleep(&self, time: Duration);
}

/// The real time.
struct Wall;

impl Timer for Wall {
    fn now(&self) -> Instant {
        pace::wall()
    }

    fn date(&self) -> SimTime {
        pace::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The first and the last event time that left, and when they left.
#[derive(Clone, Copy, Debug)]
struct Played {
    first: SimTime,
    begun: Instant,
    last: SimTime,
    ended: Instant,
    /// How long the player had been paused by then.
    stood: Duration,
}

/// Decides when records may leave.
pub struct Player<'a> {
    pace: Pace,
    state: State,
    controls: &'a mut dyn Controls,
    timer: Box<dyn Timer + 'a>,
    /// `None` without a pace, and before the first record.
    clock: Option<Clock>,
    /// Since when the player is paused, and the event time on the clock at that moment.
    standing: Option<(Instant, Option<SimTime>)>,
    /// How long the player was paused in total, since the first record.
    stood: Duration,
    /// The longest gap between records that is played in full.
    max_gap: Option<Span>,
    /// How much event time of longer gaps was left out so far.
    left_out: Span,
    /// How much event times were moved from the recorded ones.
    moved: Span,
    /// The greatest event time that was passed to `until`.
    last: Option<SimTime>,
    played: Option<Played>,
    sent: u64,
    acknowledged: Option<u64>,
    lags: Lags,
    /// The difference between the date and the clock of a live run, as far as it was reported.
    jumped: Span,
}

/// The smallest difference between the date and the clock that counts as a jump. A smaller one comes from a time
/// server.
const JUMP: Span = Span::seconds(1);

/// The date and the clock are compared only if both were read within this time.
const AT_ONCE: Duration = Duration::from_millis(100);

impl<'a> Player<'a> {
    /// Creates a player with this pace.
    pub fn new(pace: Pace, controls: &'a mut dyn Controls) -> Player<'a> {
        Player {
            pace,
            state: State::Playing,
            controls,
            timer: Box::new(Wall),
            clock: None,
            standing: None,
            stood: Duration::ZERO,
            max_gap: None,
            left_out: Span::ZERO,
            moved: Span::ZERO,
            last: None,
            played: None,
            sent: 0,
            acknowledged: None,
            lags: Lags::new(),
            jumped: Span::ZERO,
        }
    }

    /// Uses this timer instead of the real time.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer + 'a) -> Player<'a> {
        self.timer = Box::new(timer);
        self
    }

    /// Limits gaps between records to this event time.
    #[must_use]
    pub fn max_gap(mut self, max_gap: Option<Span>) -> Player<'a> {
        self.max_gap = max_gap;
        self
    }

    /// Pauses the player before the first record if `is_paused` is `true`.
    #[must_use]
    pub fn paused(mut self, is_paused: bool) -> Player<'a> {
        if is_paused {
            self.obey(Command::Pause, self.timer.now());
        }
        self
    }

    /// Sets how much event times are moved from the recorded ones, from now on.
    pub fn moved_by(&mut self, shift: Span) {
        self.moved = shift;
    }

    /// Whether the player has a pace, so that every tick must wait in `until`.
    pub fn is_paced(&self) -> bool {
        self.pace != Pace::AsFastAsPossible
    }

    /// Whether the end was requested.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Obeys pending commands. Returns whether the end was requested.
    pub fn heed(&mut self) -> bool {
        let now = self.timer.now();
        // Controls may return `End` again and again, so the loop stops at the first one.
        while let Some(command) = self.controls.command().filter(|_| !self.is_done()) {
            self.obey(command, now);
        }
        self.is_done()
    }

    /// Waits until an event time is due. Meanwhile it calls `idle` with the time that has passed. `idle` returns how
    /// many records are acknowledged.
    ///
    /// # Errors
    /// The error of `idle`.
    pub fn until<E>(
        &mut self,
        event: SimTime,
        mut idle: impl FnMut(Duration) -> Result<Option<u64>, E>,
    ) -> Result<Moment, E> {
        let place = self.place(event);
        loop {
            self.heed();
            self.compare_date();
            let now = self.timer.now();
            let wait = match self.state {
                State::Done => return Ok(Moment::Interrupted),
                State::Paused => NAP,
                State::Playing => {
                    let due = self.due(place, now);
                    if now >= due {
                        self.leave(place, due, now);
                        return Ok(Moment::Came);
                    }
                    (due - now).min(NAP)
                }
            };
            self.timer.sleep(wait);
            let acknowledged = idle(wait)?;
            self.hear(acknowledged);
            self.show(event);
        }
    }

    /// Notes that `records` records left after the last `until`. `acknowledged` is the number of acknowledged records
    /// among all that left.
    pub fn sent(&mut self, records: u64, acknowledged: Option<u64>) {
        self.sent += records;
        if let (Some(clock), Some(played), Some(_)) = (self.clock, self.played, acknowledged) {
            self.lags.sent(self.sent, clock.due(played.last));
        }
        self.hear(acknowledged);
        if let Some(event) = self.last {
            self.show(event);
        }
    }

    /// Notes that all records are acknowledged, if an output acknowledges records.
    pub fn end(&mut self) {
        self.hear(self.acknowledged.map(|_| self.sent));
    }

    /// Returns how well the pace was kept; `None` without a pace.
    pub fn kept(&self) -> Option<Kept> {
        let kept = self.clock.map(|_| self.lags.kept(self.reached()));
        kept.map(|kept| Kept { jumped: self.jumped, ..kept })
    }

    /// Reports a jump of the date during a live run. Event times continue to follow the monotonic clock, which never
    /// jumps.
    fn compare_date(&mut self) {
        let Some(clock) = self.clock.filter(|_| self.pace == Pace::Live) else { return };
        let (before, date, after) = (self.timer.now(), self.timer.date(), self.timer.now());
        let jumped = date - clock.at(before);
        let further = Span(jumped.0 - self.jumped.0);
        if after - before <= AT_ONCE && further.0.abs() >= JUMP.0 {
            self.jumped = jumped;
            self.controls.jumped(further);
        }
    }

    /// Returns the position of an event on the clock, where gaps longer than `max_gap` are shortened.
    fn place(&mut self, event: SimTime) -> SimTime {
        let last = self.last.unwrap_or(event);
        if let Some(max_gap) = self.max_gap.filter(|max_gap| event - last > *max_gap) {
            self.left_out = self.left_out + (event - last) + Span(-max_gap.0);
        }
        self.last = Some(event.max(last));
        event - self.left_out
    }

    /// Notes that nothing is left to send, so that keys have no effect any more.
    pub fn rest(&mut self) {
        self.controls.rest();
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match (command, self.state) {
            (_, State::Done) => {}
            (Command::End, _) => self.state = State::Done,
            (Command::Pause, State::Playing) => {
                self.state = State::Paused;
                self.standing = Some((now, self.clock.map(|clock| clock.at(now))));
            }
            (Command::Pause, State::Paused) => {
                self.state = State::Playing;
                self.go_on(now);
            }
            (Command::Faster, _) => self.change_speed(2.0, now),
            (Command::Slower, _) => self.change_speed(0.5, now),
        }
    }

    /// Sets a new anchor after a pause. A live run keeps its anchor and catches up.
    fn go_on(&mut self, now: Instant) {
        if let Some((since, Some(place))) = self.standing.take()
            && let Pace::At(speed) = self.pace
        {
            self.stood += now - since;
            self.clock = Some(Clock::new(place, now, speed));
        }
    }

    /// Changes the speed and sets a new anchor. Without an anchor yet, or while paused, only the speed changes. A live
    /// run keeps its speed.
    fn change_speed(&mut self, factor: f64, now: Instant) {
        if let Pace::At(speed) = &mut self.pace {
            *speed = speed.times(factor);
            let is_playing = self.standing.is_none();
            self.clock =
                self.clock.map(|clock| if is_playing { clock.with_speed(*speed, now) } else { clock });
        }
    }

    fn due(&mut self, place: SimTime, now: Instant) -> Instant {
        match self.pace {
            Pace::AsFastAsPossible => now,
            Pace::At(speed) => self.clock.get_or_insert(Clock::new(place, now, speed)).due(place),
            Pace::Live => {
                let date = self.timer.date();
                self.clock.get_or_insert(Clock::new(date, now, Speed::REAL)).due(place)
            }
        }
    }

    fn leave(&mut self, place: SimTime, due: Instant, now: Instant) {
        // Records that were due before a live run began do not count for its pace.
        let is_missed = |clock: Clock| self.pace == Pace::Live && clock.is_missed(place);
        if self.clock.is_some_and(|clock| !is_missed(clock)) {
            let played = self.played.get_or_insert(Played {
                first: place,
                begun: now,
                last: place,
                ended: now,
                stood: self.stood,
            });
            (played.last, played.ended, played.stood) = (place.max(played.last), now, self.stood);
            self.lags.leave(now - due);
        }
    }

    /// Returns the speed reached while the player was not paused, in event seconds per second; `None` if no time has
    /// passed yet.
    fn reached(&self) -> Option<f64> {
        let Played { first, begun, last, ended, stood } = self.played?;
        let wall = (ended - begun).saturating_sub(stood).as_secs_f64();
        (wall > 0.0).then(|| (last - first).as_seconds() / wall)
    }

    fn hear(&mut self, acknowledged: Option<u64>) {
        let Some(acknowledged) = acknowledged else { return };
        self.acknowledged = Some(acknowledged);
        self.lags.acknowledge(acknowledged, self.timer.now());
    }

    fn show(&mut self, event: SimTime) {
        let speed = match self.pace {
            Pace::AsFastAsPossible => None,
            Pace::At(speed) => Some(speed),
            Pace::Live => Some(Speed::REAL),
        };
        self.controls.watch(&Status {
            event,
            recorded: event - self.moved,
            speed,
            reached: self.reached(),
            lag: self.lags.last(),
            sent: self.sent,
            acknowledged: self.acknowledged,
            is_paused: self.state == State::Paused,
        });
    }
}
