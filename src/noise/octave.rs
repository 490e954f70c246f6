//! Smooth noise of one period, used alone and as a part of `wander`.

use std::sync::LazyLock;

use super::quantile::{heavy, normal};
use super::{Points, STRIP, point};
use crate::math::{Key, mix};
use crate::time::{CELL, SimTime};

/// Interpolated lattice noise of one period, standard normal at every grid point. It is correlated over about two
/// periods.
///
/// Between two nodes a and b the value is (a(1−w) + bw) ÷ √((1−w)² + w²), where w is a smooth step. Without the
/// root the variance would halve between nodes. All nodes are at grid points.
#[derive(Clone, Debug)]
pub struct Octave {
    key: Key,
    /// The period, in grid points.
    cells: i64,
    /// How far the nodes are shifted, in grid points.
    phase: i64,
    is_heavy: bool,
    // The two nodes used last. They are computed again from the key when time leaves them.
    node: i64,
    values: [f64; 2],
}

/// The weights of the two nodes at each grid point of a period, for periods that are computed at every point.
static WEIGHTS: LazyLock<[Vec<[f64; 2]>; 3]> = LazyLock::new(|| {
    [2, 8, 32].map(|cells: i64| (0..cells).map(|into| weights(into as f64 / cells as f64)).collect())
});

/// The weights of two nodes at the fraction `x` (0–1) of the way from one to the next.
fn weights(x: f64) -> [f64; 2] {
    let w = x * x * (3.0 - 2.0 * x);
    let rest = 1.0 - w;
    let root = (rest * rest + w * w).sqrt();
    [rest / root, w / root]
}

impl Octave {
    /// The octave of the stream `key` with a period of `period_s` seconds (a multiple of 10).
    pub fn new(key: Key, period_s: i64) -> Octave {
        Octave::with_tails(key, period_s, false)
    }

    /// The same with heavy-tailed nodes: sinh(0.8 z) ÷ 1.14, also with unit variance.
    pub fn heavy(key: Key, period_s: i64) -> Octave {
        Octave::with_tails(key, period_s, true)
    }

    fn with_tails(key: Key, period_s: i64, is_heavy: bool) -> Octave {
        let key = key.with(&period_s.to_string());
        let cells = period_s * 1_000 / CELL.0;
        let phase = (key.with("phase").uniform(0) * cells as f64) as i64;
        let mut octave = Octave { key, cells, phase, is_heavy, node: 0, values: [0.0; 2] };
        octave.values = [octave.node_value(0), octave.node_value(1)];
        octave
    }

    #[inline]
    fn node_value(&self, node: i64) -> f64 {
        let bits = mix(self.key, node);
        if self.is_heavy { heavy(bits) } else { normal(bits) }
    }

    /// Moves to the nodes around a grid point. Returns how far the point is into the period, in grid points.
    fn seek(&mut self, point: i64) -> i64 {
        let since = point + self.phase;
        let node = since.div_euclid(self.cells);
        if node != self.node {
            let first = if node == self.node + 1 { self.values[1] } else { self.node_value(node) };
            self.values = [first, self.node_value(node + 1)];
            self.node = node;
        }
        since.rem_euclid(self.cells)
    }

    /// The value at the grid point of a moment.
    pub fn at(&mut self, moment: SimTime) -> f64 {
        let into = self.seek(point(moment));
        let [a, b] = weights(into as f64 / self.cells as f64);
        self.values[0] * a + self.values[1] * b
    }

    /// Adds `amplitude` times the octave's values over the strip that begins at `first`.
    ///
    /// # Panics
    /// If the period is not 20, 80 or 320 s.
    #[inline]
    pub fn add(&mut self, first: SimTime, amplitude: f64, out: &mut Points) {
        let weights = match self.cells {
            2 => &WEIGHTS[0],
            8 => &WEIGHTS[1],
            32 => &WEIGHTS[2],
            _ => panic!("an octave of {} grid points is too slow for strips", self.cells),
        };
        let mut into = self.seek(point(first)) as usize;
        for slot in &mut *out {
            if into == weights.len() {
                into = 0;
                self.node += 1;
                self.values = [self.values[1], self.node_value(self.node + 1)];
            }
            let [a, b] = weights[into];
            *slot += amplitude * (self.values[0] * a + self.values[1] * b);
            into += 1;
        }
    }

    /// The octave's values over the strip that begins at `first`.
    #[inline]
    pub fn strip(&mut self, first: SimTime) -> Points {
        let mut out = [0.0; STRIP];
        self.add(first, 1.0, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::STRIP_SPAN;

    #[test]
    fn an_octave_has_its_literal_values() {
        let mut octave = Octave::new(Key::new(7).with("x"), 80);
        let values = [0, 12_345, 1_767_571_200_000].map(|ms| octave.at(SimTime(ms)));
        assert_eq!(values, [1.9447854507402924, 1.902931377460218, -0.03545351717389096]);
    }

    #[test]
    fn an_octave_is_a_function_of_time_alone() {
        for period in [20, 80, 320] {
            let mut straight = Octave::heavy(Key::new(1).with("x"), period);
            for strip in [500, 501, 502, 7, -20, -19, 503] {
                let first = SimTime(strip * STRIP_SPAN.0);
                let together = straight.strip(first);
                for (k, value) in together.iter().enumerate() {
                    let mut fresh = Octave::heavy(Key::new(1).with("x"), period);
                    let alone = fresh.at(SimTime(first.0 + k as i64 * CELL.0));
                    assert_eq!(value.to_bits(), alone.to_bits(), "{period} s, strip {strip}, point {k}");
                }
            }
        }
    }

    #[test]
    fn variance_is_one_at_nodes_and_between_them() {
        for make in [Octave::new, Octave::heavy] {
            for offset in [0, 10_000, 20_000] {
                let n = 20_000_i64;
                let squares: f64 = (0..n)
                    .map(|i| {
                        let mut octave = make(Key::new(3).with("v"), 80);
                        octave.phase = 0;
                        let x = octave.at(SimTime(i * 160_000 + offset));
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
