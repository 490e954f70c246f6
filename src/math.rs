//! Numbers that are the same on every platform: keyed random bits, the normal quantile, elementary functions.
//!
//! Input: a seed and names, or plain `f64`. Output: the same bits on every platform. A draw never depends on
//! anything but its key and counter, and no function calls the platform's own maths library.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::TryRng as _;

/// e to the power of `x`.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The natural logarithm of `x`.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// The natural logarithm of 1 + `x`, accurate for small `x` too.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// The sine of `x` radians.
pub fn sin(x: f64) -> f64 {
    libm::sin(x)
}

/// The cosine of `x` radians.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// The hyperbolic sine of `x`.
pub fn sinh(x: f64) -> f64 {
    libm::sinh(x)
}

/// `x` to the power of `y`.
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// An approximation of e^`x` near 0, by the Padé fraction (1 + x/2 + x²/12) ÷ (1 − x/2 + x²/12). It is positive
/// everywhere, within 3 % of e^`x` for |x| ≤ 1.5, and at most 13.9 (at x = 3.5). It serves as a factor of noise, at
/// a tenth of the cost of `exp`.
#[inline]
pub fn exp_pade(x: f64) -> f64 {
    let even = 1.0 + x * x * (1.0 / 12.0);
    (even + 0.5 * x) / (even - 0.5 * x)
}

/// The whole number nearest to a finite `x`. Halves are rounded towards plus infinity.
///
/// # Panics
/// If `x` is not finite, or its rounded magnitude reaches 2⁵³. A bug in the physics must not become a plausible
/// number.
pub fn round_half_up(x: f64) -> i64 {
    let floor = (x + 0.5).floor();
    assert!(floor.abs() < 9_007_199_254_740_992.0, "a value is not finite or far out of range: {x}");
    floor as i64
}

/// Hashes a key and a counter to 64 random bits, by three rounds of multiply and shift.
///
/// The finaliser is David Stafford's 'mix 13', as used by SplitMix64 (Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
#[inline]
pub fn mix(key: Key, counter: i64) -> u64 {
    finalise(key.0 ^ (counter as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[inline]
fn finalise(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The name of one stream of random numbers: a hash of the seed and of names, each with its length.
///
/// ```
/// use reenact::math::Key;
/// let key = Key::new(7).with("srv-003").with("cpu");
/// assert_eq!(key, Key::new(7).with("srv-003").with("cpu"));
/// assert_ne!(key, Key::new(7).with("srv-00").with("3cpu"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// The root of all streams of a scenario's seed.
    pub fn new(seed: u64) -> Key {
        Key(finalise(seed ^ 0x7265_656E_6163_7400))
    }

    /// The stream with the name `name` below this one.
    #[must_use]
    pub fn with(self, name: &str) -> Key {
        let mut hash = finalise(self.0 ^ (name.len() as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        for word in name.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            hash = finalise(hash ^ u64::from_le_bytes(bytes)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        }
        Key(finalise(hash))
    }

    /// The hash itself, for ranking.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The draws of this stream for one cell of time, or for the whole run if `cell` is 0. Noise that changes every
    /// tick comes from [`mix`] instead.
    pub fn draws(self, cell: i64) -> Draws {
        let high = mix(self, cell);
        let low = finalise(high.wrapping_add(0x9E37_79B9_7F4A_7C15));
        Draws(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
    }

    /// The first draw of a cell, uniform in the open interval 0 … 1.
    pub fn uniform(self, cell: i64) -> f64 {
        self.draws(cell).uniform()
    }

    /// The first draw of a cell, standard normal.
    pub fn normal(self, cell: i64) -> f64 {
        normal_quantile(self.uniform(cell))
    }

    /// One draw of the parameter `name`, uniform between `low` and `high`.
    pub fn between(self, name: &str, low: f64, high: f64) -> f64 {
        low + (high - low) * self.with(name).uniform(0)
    }

    /// One draw of the parameter `name`, uniform on a logarithmic scale between `low` and `high`.
    pub fn log_between(self, name: &str, low: f64, high: f64) -> f64 {
        self.with(name).draws(0).log_between(low, high)
    }

    /// One standard normal draw of the parameter `name`, clamped to ±`cut`.
    pub fn normal_within(self, name: &str, cut: f64) -> f64 {
        self.with(name).normal(0).clamp(-cut, cut)
    }
}

/// The draws of one named quantity in one cell of time: PCG XSL RR 128/64 (O'Neill, "PCG: A family of simple fast
/// space-efficient statistically good algorithms for random number generation", 2014).
#[derive(Clone, Debug)]
pub struct Draws(Pcg64Mcg);

impl Draws {
    /// The next 64 random bits.
    fn bits(&mut self) -> u64 {
        match self.0.try_next_u64() {
            Ok(bits) => bits,
            Err(never) => match never {},
        }
    }

    /// Uniform in the open interval 0 … 1.
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Uniform on a logarithmic scale between `low` and `high`.
    pub fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * pow(high / low, self.uniform())
    }
}

/// Uniform in the open interval 0 … 1 from 64 random bits.
#[inline]
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
}

/// The standard normal quantile of `p` (0 < p < 1), to 16 digits.
///
/// Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied
/// Statistics 37 (1988), routine PPND16.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * polynomial(&CENTRE.0, r) / polynomial(&CENTRE.1, r);
    }
    let r = (-ln(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let (r, tail) = if r <= 5.0 { (r - 1.6, &MIDDLE) } else { (r - 5.0, &FAR) };
    let x = polynomial(&tail.0, r) / polynomial(&tail.1, r);
    if q < 0.0 { -x } else { x }
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

type Ratio = ([f64; 8], [f64; 8]);

/// Coefficients of AS 241 in ascending powers, for |p − ½| ≤ 0.425.
const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);

/// Coefficients for the tails where √(−ln p) ≤ 5.
const MIDDLE: Ratio = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

/// Coefficients for the far tails.
const FAR: Ratio = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test] // Expected values: AS 241's own test section, and Python's `statistics.NormalDist`.
    fn the_normal_quantile_is_the_published_one() {
        for (p, x) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813),
            (1e-20, -9.262_340_089_798_408),
            (0.999, 3.090_232_306_167_813),
        ] {
            let error = (normal_quantile(p) - x).abs();
            assert!(error < 1e-14, "at {p}: off by {error}");
        }
    }

    #[test] // If one of these numbers changes, every generated value changes.
    fn keyed_draws_have_their_literal_values() {
        let key = Key::new(7).with("srv-003").with("cpu");
        let drawn = [mix(key, 0), mix(key, 1), mix(key, -10_000)];
        assert_eq!(
            drawn,
            [15_451_466_178_517_759_722, 16_658_319_218_533_299_109, 7_047_375_536_888_039_641]
        );
    }

    #[test] // Computed with Python integers from the definition of PCG XSL RR 128/64 (MCG).
    fn draws_of_a_cell_have_their_literal_values() {
        let key = Key::new(7).with("srv-003").with("cpu");
        let mut draws = key.draws(-3);
        let drawn = [draws.bits(), draws.bits(), key.draws(0).bits()];
        assert_eq!(drawn, [5_509_176_897_901_644_357, 18_075_174_268_463_222_092, 8_810_891_305_137_289_378]);
        let drawn = [key.uniform(5), key.normal(5), key.log_between("x", 1.0, 100.0)];
        let expected = [0.815_616_812_674_842_9, 0.898_786_532_967_834_6, 62.127_663_215_029_55];
        for (drawn, expected) in drawn.into_iter().zip(expected) {
            assert!((drawn - expected).abs() < 1e-13, "{drawn} is not {expected}");
        }
    }

    #[test]
    fn the_pade_fraction_is_near_the_exponential() {
        for i in -15..=15 {
            let x = f64::from(i) / 10.0;
            assert!((exp_pade(x) / exp(x) - 1.0).abs() < 0.03, "at {x}");
        }
        assert!(exp_pade(-50.0) > 0.0 && exp_pade(50.0) < 14.0);
    }

    #[test]
    fn counters_side_by_side_are_independent() {
        let key = Key::new(1).with("x");
        let n = 100_000;
        let product: f64 = (0..n).map(|i| key.normal(i) * key.normal(i + 1)).sum();
        let correlation = product / n as f64;
        // The standard error of a lag-1 correlation is n^-½ = 0.003.
        assert!(correlation.abs() < 0.012, "lag-1 correlation {correlation}");
    }
}
