use std::time::{Duration, Instant};

use super::lags::Lags;
use super::{Command, Controls, Kept, Moment, Pace, Status};
use crate::pace::{self, Clock, Speed};
use crate::time::{SimTime, Span};

/// What a player does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Playing,
    Paused,
    /// Someone asked to end it.
    Done,
}

/// A long wait is made of naps, so that commands and acknowledgements are heard.
const NAP: Duration = Duration::from_millis(10);

/// The time that passes for a player: tests have their own, and never sleep.
pub trait Timer {
    /// The present.
    fn now(&self) -> Instant;

    /// The present by the date, which can be set.
    fn date(&self) -> SimTime;

    /// Lets so much time pass.
    fn sleep(&self, time: Duration);
}

/// Everybody's time.
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

/// What left, and when, first and last.
#[derive(Clone, Copy, Debug)]
struct Played {
    first: SimTime,
    begun: Instant,
    last: SimTime,
    ended: Instant,
    /// How long it had stood still by then.
    stood: Duration,
}

/// Tells when what it is asked about may leave.
pub struct Player<'a> {
    pace: Pace,
    state: State,
    controls: &'a mut dyn Controls,
    timer: Box<dyn Timer + 'a>,
    /// None without a pace, and before the first record.
    clock: Option<Clock>,
    /// Since when it stands still, and where the clock stood then.
    standing: Option<(Instant, Option<SimTime>)>,
    /// Stood still in all, since the first record.
    stood: Duration,
    /// The longest silence, and how much silence was left out so far.
    max_gap: Option<Span>,
    left_out: Span,
    /// By how much times were moved against what is played.
    moved: Span,
    /// The greatest event time that was asked about.
    last: Option<SimTime>,
    played: Option<Played>,
    sent: u64,
    acknowledged: Option<u64>,
    lags: Lags,
    /// By how much the date moved against the clock of a live run, where that was reported.
    jumped: Span,
}

/// A date that moves by less against the clock was not set: it follows a time server.
const JUMP: Span = Span::seconds(1);

/// The date and the clock are read at one moment: not if more time lies between.
const AT_ONCE: Duration = Duration::from_millis(100);

impl<'a> Player<'a> {
    /// A player at a pace.
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

    /// With another time than everybody's.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer + 'a) -> Player<'a> {
        self.timer = Box::new(timer);
        self
    }

    /// Lets a silence last at most so long, in event time.
    #[must_use]
    pub fn max_gap(mut self, max_gap: Option<Span>) -> Player<'a> {
        self.max_gap = max_gap;
        self
    }

    /// Stands still before the first record.
    #[must_use]
    pub fn paused(mut self, is_paused: bool) -> Player<'a> {
        if is_paused {
            self.obey(Command::Pause, self.timer.now());
        }
        self
    }

    /// From now on, times are moved by so much against what is played.
    pub fn moved_by(&mut self, shift: Span) {
        self.moved = shift;
    }

    /// Whether each tick has to be asked about.
    pub fn is_paced(&self) -> bool {
        self.pace != Pace::AsFastAsPossible
    }

    /// Whether someone asked to end it.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Looks whether somebody commands something, while there is nothing to send; whether that was the end.
    pub fn heed(&mut self) -> bool {
        let now = self.timer.now();
        // Who wants an end may say so for ever.
        while let Some(command) = self.controls.command().filter(|_| !self.is_done()) {
            self.obey(command, now);
        }
        self.is_done()
    }

    /// Waits until an event time is due. Meanwhile it calls `idle` with the time that has passed, which tells how many
    /// records are acknowledged.
    ///
    /// # Errors
    /// Those of `idle`.
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

    /// What was asked about last has left: so many records. `acknowledged` are those of all that have left.
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

    /// Everything was acknowledged, if that is what an output does.
    pub fn end(&mut self) {
        self.hear(self.acknowledged.map(|_| self.sent));
    }

    /// How well the pace was kept; none without one.
    pub fn kept(&self) -> Option<Kept> {
        let kept = self.clock.map(|_| self.lags.kept(self.reached()));
        kept.map(|kept| Kept { jumped: self.jumped, ..kept })
    }

    /// Reports that the date was set while something live is sent: its event times go on by the clock, on which
    /// nothing jumps.
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

    /// Where an event stands on the clock: silences that are too long are left out.
    fn place(&mut self, event: SimTime) -> SimTime {
        let last = self.last.unwrap_or(event);
        if let Some(max_gap) = self.max_gap.filter(|max_gap| event - last > *max_gap) {
            self.left_out = self.left_out + (event - last) + Span(-max_gap.0);
        }
        self.last = Some(event.max(last));
        event - self.left_out
    }

    /// Nothing is left to send: keys mean nothing any more.
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

    /// Takes the anchor anew after having stood still. What is live keeps its own: it catches up.
    fn go_on(&mut self, now: Instant) {
        if let Some((since, Some(place))) = self.standing.take()
            && let Pace::At(speed) = self.pace
        {
            self.stood += now - since;
            self.clock = Some(Clock::new(place, now, speed));
        }
    }

    /// Takes the anchor anew with another speed; what has none, or is live, keeps it.
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
        // What was missed before a live run began says nothing of its pace.
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

    /// Event seconds a second while it played; none before there are two moments.
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
