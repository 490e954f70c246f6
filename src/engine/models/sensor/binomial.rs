//! Draws counts, such as failed requests, from a binomial distribution.

use crate::math::{exp, ln_1p, normal_quantile, round_half_up};

/// The largest mean with an exact quantile. Larger means use the normal quantile with the skew term of Cornish and
/// Fisher.
const EXACT_UP_TO: f64 = 10.0;

/// The quantile of Binomial(`n`, `p`) at `u` (0 < u < 1). One keyed uniform number produces one count.
pub fn binomial_quantile(n: i64, p: f64, u: f64) -> i64 {
    if n <= 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    let mean = n as f64 * p;
    // (1 − p)ⁿ ≥ 1 − np, so this comparison alone mostly shows that the count is 0.
    if u <= 1.0 - mean {
        return 0;
    }
    if mean > EXACT_UP_TO {
        let z = normal_quantile(u);
        let deviation = (mean * (1.0 - p)).sqrt();
        return round_half_up(mean + deviation * z + (1.0 - 2.0 * p) * (z * z - 1.0) / 6.0).clamp(0, n);
    }
    let odds = p / (1.0 - p);
    let mut probability = exp(n as f64 * ln_1p(-p));
    let mut reached = probability;
    let mut count = 0;
    // Above the mean, a probability below 1e-18 no longer changes the sum.
    while u > reached && count < n && (probability > 1e-18 || (count as f64) < mean) {
        count += 1;
        probability *= (n - count + 1) as f64 / count as f64 * odds;
        reached += probability;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test] // Expected values: `scipy.stats.binom.ppf`.
    fn quantiles_are_the_published_ones() {
        for (n, p, u, count) in [
            (10, 0.5, 0.5, 5),
            (100, 0.01, 0.5, 1),
            (100, 0.01, 0.999, 5),
            (1_000, 0.002, 0.05, 0),
            (1, 0.3, 0.69, 0),
            (1, 0.3, 0.71, 1),
            (7, 1.0, 0.1, 7),
            (0, 0.5, 0.9, 0),
        ] {
            assert_eq!(binomial_quantile(n, p, u), count, "n {n}, p {p}, u {u}");
        }
    }

    #[test]
    fn both_branches_have_the_mean_and_variance_of_a_binomial() {
        for (n, p) in [(5_000, 0.0019), (5_000, 0.0021), (300, 0.4)] {
            let draws = 20_000;
            let counts: Vec<f64> = (0..draws)
                .map(|i| binomial_quantile(n, p, (i as f64 + 0.5) / f64::from(draws)) as f64)
                .collect();
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / counts.len() as f64;
            let (np, npq) = (n as f64 * p, n as f64 * p * (1.0 - p));
            assert!(
                (mean / np - 1.0).abs() < 0.005 && (variance / npq - 1.0).abs() < 0.02,
                "{n} {p}: {mean} {variance}"
            );
        }
    }
}
