//! Random events with a start and an end: when they occur, how large they are, and their shape over time.

use super::Points;
use crate::math::{Draws, Key, exp, pow};
use crate::time::{CELL, SimTime, Span};

/// The largest number of shots in one cell of time.
const CAP: usize = 4;

/// Where the decay of a shot is cut, in time constants.
const CUT: f64 = 6.0;

/// Heavy-tailed sizes: P(size > s) = (least ÷ s)^alpha, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pareto {
    /// The exponent.
    pub alpha: f64,
    /// The smallest size.
    pub least: f64,
    /// The largest size.
    pub cap: f64,
}

/// The durations of a shot, in seconds: a linear rise, a plateau, and a decay e^(−y)(1 − y/6), where y is the time
/// since the end of the plateau, in time constants. Each duration is drawn uniformly on a logarithmic scale.
// Invariant: the longest shot lasts at most one `cell`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShotShape {
    /// The length of the cells of time that shots are drawn for.
    pub cell: Span,
    /// Shortest and longest rise.
    pub rise: (f64, f64),
    /// Shortest and longest plateau.
    pub plateau: (f64, f64),
    /// Shortest and longest time constant of the decay, which ends after six of them.
    pub decay: (f64, f64),
}

/// Events that occur by themselves (bursts of demand, jobs, flushes): a Poisson number in each cell of time, each
/// with a heavy-tailed size and a compact shape.
#[derive(Clone, Debug)]
pub struct Shots {
    keys: [Key; 6],
    shape: ShotShape,
    size: Pareto,
    /// The expected number in a cell of time.
    mean: f64,
    /// The cell of time used last.
    cell: Option<i64>,
    /// The shots that began in that cell or in the one before.
    shots: Vec<Shot>,
}

#[derive(Clone, Copy, Debug)]
struct Shot {
    start: SimTime,
    end: SimTime,
    rise: f64,
    plateau: f64,
    decay: f64,
    size: f64,
}

impl Shots {
    /// The shots of a stream, on average `per_hour` of them an hour.
    pub fn new(key: Key, per_hour: f64, size: Pareto, shape: ShotShape) -> Shots {
        let mean = per_hour * shape.cell.as_seconds() / 3_600.0;
        let keys = ["count", "start", "rise", "plateau", "decay", "size"].map(|name| key.with(name));
        Shots { keys, shape, size, mean, cell: None, shots: Vec::new() }
    }

    /// Adds the shots' values over the strip that begins at `first`.
    #[inline]
    pub fn add(&mut self, first: SimTime, out: &mut Points) {
        let cell = first.0.div_euclid(self.shape.cell.0);
        if self.cell != Some(cell) {
            self.look_up(cell);
        }
        for shot in &self.shots {
            let last = SimTime(first.0 + (out.len() as i64 - 1) * CELL.0);
            if shot.start > last || shot.end <= first {
                continue;
            }
            for (k, slot) in out.iter_mut().enumerate() {
                *slot += shot.at(SimTime(first.0 + k as i64 * CELL.0));
            }
        }
    }

    fn look_up(&mut self, cell: i64) {
        self.cell = Some(cell);
        self.shots.clear();
        for begun in [cell - 1, cell] {
            let [number, streams @ ..] = self.keys;
            let shots = count(self.mean, number.uniform(begun));
            if shots == 0 {
                continue;
            }
            let mut draws = streams.map(|key| key.draws(begun));
            for _ in 0..shots {
                let shot = self.draw(begun, &mut draws);
                self.shots.push(shot);
            }
        }
    }

    /// The next shot of a cell.
    fn draw(&self, cell: i64, [start, rise, plateau, decay, size]: &mut [Draws; 5]) -> Shot {
        let [rise, plateau, decay] =
            [(rise, self.shape.rise), (plateau, self.shape.plateau), (decay, self.shape.decay)]
                .map(|(draws, (low, high))| draws.log_between(low, high));
        let into = start.uniform() * self.shape.cell.0 as f64;
        let start = SimTime(cell * self.shape.cell.0 + into as i64);
        let end = start + Span(((rise + plateau + CUT * decay) * 1e3) as i64);
        let size = self.size.least * pow(size.uniform(), -1.0 / self.size.alpha);
        Shot { start, end, rise, plateau, decay, size: size.min(self.size.cap) }
    }
}

impl Shot {
    fn at(&self, moment: SimTime) -> f64 {
        let since = (moment - self.start).as_seconds();
        let falling = since - self.rise - self.plateau;
        let part = if since <= 0.0 {
            0.0
        } else if since < self.rise {
            since / self.rise
        } else if falling <= 0.0 {
            1.0
        } else {
            let y = falling / self.decay;
            if y < CUT { exp(-y) * (1.0 - y / CUT) } else { 0.0 }
        };
        self.size * part
    }
}

/// The quantile of a Poisson distribution at `u`, at most `CAP`.
fn count(mean: f64, u: f64) -> usize {
    let mut probability = exp(-mean);
    let mut reached = probability;
    let mut n = 0;
    while u > reached && n < CAP {
        n += 1;
        probability *= mean / n as f64;
        reached += probability;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{STRIP, STRIP_SPAN};

    const SHAPE: ShotShape = ShotShape {
        cell: Span::minutes(10),
        rise: (10.0, 30.0),
        plateau: (20.0, 180.0),
        decay: (10.0, 40.0),
    };
    const SIZE: Pareto = Pareto { alpha: 2.0, least: 1.0, cap: 30.0 };

    #[test]
    fn shots_are_a_function_of_time_alone() {
        let mut straight = Shots::new(Key::new(2).with("x"), 12.0, SIZE, SHAPE);
        let mut seen = 0.0_f64;
        for strip in (-40..40).chain([7, 5, 300]) {
            let first = SimTime(strip * STRIP_SPAN.0);
            let (mut together, mut alone) = ([0.0; STRIP], [0.0; STRIP]);
            straight.add(first, &mut together);
            Shots::new(Key::new(2).with("x"), 12.0, SIZE, SHAPE).add(first, &mut alone);
            assert_eq!(together, alone, "strip {strip}");
            seen += together.iter().sum::<f64>();
        }
        assert!(seen > 0.0);
    }

    #[test]
    fn sizes_and_numbers_are_those_asked_for() {
        let shots = Shots::new(Key::new(3).with("x"), 6.0, SIZE, SHAPE);
        let (mut n, mut above_two) = (0, 0);
        for cell in 0..20_000 {
            let [mut number, mut draws @ ..] = shots.keys.map(|key| key.draws(cell));
            for _ in 0..count(shots.mean, number.uniform()) {
                n += 1;
                above_two += usize::from(shots.draw(cell, &mut draws).size > 2.0);
            }
        }
        // The mean is 1 a cell, and the cap loses 0.4 %. A quarter of Pareto(2) is above twice the smallest size.
        assert!((f64::from(n) / 20_000.0 - 0.99).abs() < 0.03, "{n} shots");
        let share = above_two as f64 / f64::from(n);
        assert!((share - 0.25).abs() < 0.015, "{share} above 2");
    }

    #[test]
    fn a_shot_comes_and_goes_inside_its_times() {
        let shots = Shots::new(Key::new(3).with("x"), 6.0, SIZE, SHAPE);
        for cell in 0..50 {
            let [_, mut draws @ ..] = shots.keys.map(|key| key.draws(cell));
            let shot = shots.draw(cell, &mut draws);
            assert!((shot.end - shot.start) <= SHAPE.cell);
            // An end is rounded to the millisecond.
            assert!(shot.at(shot.start) == 0.0 && shot.at(shot.end) < 1e-6);
            let top = shot.start + Span(((shot.rise + shot.plateau / 2.0) * 1e3) as i64);
            assert_eq!(shot.at(top), shot.size);
        }
    }
}
