use crate::math::{Key, exp, sinh};
use crate::plan::{FAST_OCTAVES, OCTAVES_S, Wander};
use crate::time::SimTime;

/// Interpolated lattice noise of one period: standard normal at every moment, correlated over about
/// two periods.
///
/// Between two nodes the value is (a(1−w) + bw) ÷ √((1−w)² + w²), w a smooth step: without the root
/// the variance would halve between nodes.
#[derive(Clone, Debug)]
pub struct Octave {
    key: Key,
    period_ms: i64,
    phase_ms: i64,
    is_heavy: bool,
    // The two nodes looked at last: computed again from the key when time leaves them.
    node: i64,
    values: [f64; 2],
}

impl Octave {
    /// The octave of `period_s` seconds of the stream `key`.
    pub fn new(key: Key, period_s: i64) -> Octave {
        Octave::with_tails(key, period_s, false)
    }

    /// The same with heavy-tailed nodes: sinh(.8 z) ÷ 1.14, of unit variance too.
    pub fn heavy(key: Key, period_s: i64) -> Octave {
        Octave::with_tails(key, period_s, true)
    }

    fn with_tails(key: Key, period_s: i64, is_heavy: bool) -> Octave {
        let key = key.with(&period_s.to_string());
        let period_ms = period_s * 1_000;
        let phase_ms = (key.with("phase").uniform(0) * period_ms as f64) as i64;
        let mut octave = Octave { key, period_ms, phase_ms, is_heavy, node: 0, values: [0.0; 2] };
        octave.values = [octave.node_value(0), octave.node_value(1)];
        octave
    }

    fn node_value(&self, node: i64) -> f64 {
        let z = self.key.normal(node);
        if self.is_heavy { sinh(0.8 * z) / 1.14 } else { z }
    }

    /// The value at a moment.
    pub fn at(&mut self, moment: SimTime) -> f64 {
        let since = moment.0 + self.phase_ms;
        let node = since.div_euclid(self.period_ms);
        if node != self.node {
            let first = if node == self.node + 1 { self.values[1] } else { self.node_value(node) };
            self.values = [first, self.node_value(node + 1)];
            self.node = node;
        }
        let x = since.rem_euclid(self.period_ms) as f64 / self.period_ms as f64;
        let w = x * x * (3.0 - 2.0 * x);
        let rest = 1.0 - w;
        (self.values[0] * rest + self.values[1] * w) / (rest * rest + w * w).sqrt()
    }
}

/// Slowly wandering noise over octaves from 20 s to a day, with changing volatility and heavy tails.
#[derive(Clone, Debug)]
pub struct WanderSignal {
    wander: Wander,
    octaves: Vec<Octave>,
    volatility: Octave,
}

/// Where the fast part of a wander levels off.
const SOFT_LIMIT: f64 = 0.7;

impl WanderSignal {
    /// The wander of a stream.
    pub fn new(key: Key, wander: Wander) -> WanderSignal {
        let octave = |(i, period): (usize, &i64)| match i {
            // 80, 320 and 1,280 s have heavy nodes.
            1..=3 => Octave::heavy(key, *period),
            _ => Octave::new(key, *period),
        };
        WanderSignal {
            wander,
            octaves: OCTAVES_S.iter().enumerate().map(octave).collect(),
            volatility: Octave::new(key.with("volatility"), 4 * 3_600),
        }
    }

    /// The value at a moment; zero in the mean.
    pub fn at(&mut self, moment: SimTime) -> f64 {
        let s = self.wander.volatility;
        let volatility = exp(s * self.volatility.at(moment) - s * s);
        let (mut fast, mut slow) = (0.0, 0.0);
        for (i, (octave, amplitude)) in self.octaves.iter_mut().zip(&self.wander.amplitudes).enumerate() {
            let part = amplitude * octave.at(moment);
            if i < FAST_OCTAVES { fast += part } else { slow += part }
        }
        soft(volatility * fast, SOFT_LIMIT) + slow
    }
}

/// x ÷ √(1 + (x ÷ limit)²): x where it is small, ±limit at most.
pub fn soft(x: f64, limit: f64) -> f64 {
    let r = x / limit;
    x / (1.0 + r * r).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octave_has_its_literal_values() {
        let mut octave = Octave::new(Key::new(7).with("x"), 80);
        let values = [0, 12_345, 1_767_571_200_000].map(|ms| octave.at(SimTime(ms)));
        assert_eq!(values, [1.5730630695199157, 0.8789018329033927, -0.29325956225229943]);
    }

    #[test]
    fn an_octave_is_a_function_of_time_alone() {
        let mut straight = Octave::heavy(Key::new(1).with("x"), 20);
        for ms in [5_000_000, 10, -70_000, 5_000_001, 5_020_000] {
            let mut fresh = Octave::heavy(Key::new(1).with("x"), 20);
            assert_eq!(straight.at(SimTime(ms)).to_bits(), fresh.at(SimTime(ms)).to_bits());
        }
    }

    #[test]
    fn variance_is_one_at_nodes_and_between_them() {
        for make in [Octave::new, Octave::heavy] {
            for offset in [0, 5_000, 10_000] {
                let n = 20_000_i64;
                let squares: f64 = (0..n)
                    .map(|i| {
                        let mut octave = make(Key::new(3).with("v"), 20);
                        octave.phase_ms = 0;
                        let x = octave.at(SimTime(i * 40_000 + offset));
                        x * x
                    })
                    .sum();
                // The standard error of a variance over 20,000 normal draws is 1 %, over heavy ones 3 %.
                let variance = squares / n as f64;
                assert!((variance - 1.0).abs() < 0.1, "at {offset} ms: {variance}");
            }
        }
    }
}
