//! Combines octaves into noise that wanders over seconds to a day.

use super::{Octave, Points, STRIP, between};
use crate::math::{Key, exp};
use crate::time::SimTime;

/// The periods of the octaves of a wander, in seconds, the fast ones first.
pub const OCTAVES_S: [i64; 7] = [20, 80, 320, 1_280, 5_120, 20_480, 81_920];

/// The number of fast octaves. Volatility and the soft limit act only on these.
pub const FAST_OCTAVES: usize = 5;

/// The number of octaves that are computed at every grid point. The others are interpolated over 80 s.
const EVERY_POINT: usize = 3;

/// The limit at which the fast part of a wander levels off.
const SOFT_LIMIT: f64 = 0.7;

/// Amplitudes of slowly wandering noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wander {
    /// One amplitude per octave.
    pub amplitudes: [f64; 7],
    /// The standard deviation of the logarithm of the volatility.
    pub volatility: f64,
}

impl Wander {
    /// The wander of a host with `factor` times the usual noise. The slow octaves grow by the square root of
    /// `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Wander {
        for (octave, amplitude) in self.amplitudes.iter_mut().enumerate() {
            *amplitude *= if octave < FAST_OCTAVES { factor } else { factor.sqrt() };
        }
        self
    }

    /// √Σ amplitudes² over the fast octaves, and over the slow ones.
    pub fn sigmas(&self) -> (f64, f64) {
        let root = |part: &[f64]| part.iter().map(|a| a * a).sum::<f64>().sqrt();
        (root(&self.amplitudes[..FAST_OCTAVES]), root(&self.amplitudes[FAST_OCTAVES..]))
    }
}

/// Slowly wandering noise over octaves from 20 s to a day, with changing volatility and heavy tails. Its mean is
/// zero.
#[derive(Clone, Debug)]
pub struct WanderSignal {
    wander: Wander,
    octaves: Vec<Octave>,
    volatility: Octave,
}

/// The parts of a wander that change over minutes, at one end of a strip: the slower of the fast octaves, the slow
/// octaves, the volatility.
pub type WanderEnds = [f64; 3];

impl WanderSignal {
    /// The wander of a stream.
    pub fn new(key: Key, wander: Wander) -> WanderSignal {
        let octave = |(i, period): (usize, &i64)| match i {
            // Heavy tails come from the octaves of one to twenty minutes.
            1..=3 => Octave::heavy(key, *period),
            _ => Octave::new(key, *period),
        };
        WanderSignal {
            wander,
            octaves: OCTAVES_S.iter().enumerate().map(octave).collect(),
            volatility: Octave::new(key.with("volatility"), 4 * 3_600),
        }
    }

    /// The parts that change over minutes, at a moment.
    pub fn ends(&mut self, moment: SimTime) -> WanderEnds {
        let mut sum = |range: std::ops::Range<usize>| {
            let amplitudes = &self.wander.amplitudes[range.clone()];
            let octaves = self.octaves[range].iter_mut();
            octaves.zip(amplitudes).map(|(octave, amplitude)| amplitude * octave.at(moment)).sum::<f64>()
        };
        let (minutes, slow) = (sum(EVERY_POINT..FAST_OCTAVES), sum(FAST_OCTAVES..OCTAVES_S.len()));
        let s = self.wander.volatility;
        [minutes, slow, exp(s * self.volatility.at(moment) - s * s)]
    }

    /// The values over the strip that begins at `first`, between its two ends `from` and `to`.
    #[inline]
    pub fn strip(&mut self, first: SimTime, from: WanderEnds, to: WanderEnds) -> Points {
        let mut fast = between(from[0], to[0]);
        for (octave, amplitude) in self.octaves[..EVERY_POINT].iter_mut().zip(&self.wander.amplitudes) {
            octave.add(first, *amplitude, &mut fast);
        }
        let (slow, volatility) = (between(from[1], to[1]), between(from[2], to[2]));
        let mut out = [0.0; STRIP];
        for k in 0..STRIP {
            out[k] = soft(volatility[k] * fast[k], SOFT_LIMIT) + slow[k];
        }
        out
    }
}

/// x ÷ √(1 + (x ÷ limit)²): about x where x is small, at most ±limit.
#[inline]
pub fn soft(x: f64, limit: f64) -> f64 {
    let r = x / limit;
    x / (1.0 + r * r).sqrt()
}
