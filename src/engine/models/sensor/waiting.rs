//! Draws the queue length that a row shows by chance, in integers only.

/// The number of requests that happen to wait: a draw of the stationary length of an M/M/1 queue, minus the `seats`
/// requests in service. It is max(0, ⌊ln u ÷ ln ρ⌋ − seats), with ρ in 1/65,536 and u from 32 bits.
///
/// P(length ≥ n) = ρⁿ, so lengths are counted up by multiplication. This needs no logarithm, and the result is the
/// same on every platform.
#[inline]
pub fn waiting(utilisation: i64, seats: u32, bits: u32) -> i64 {
    let rho = utilisation.clamp(0, 64_225) as u64;
    // In units of 1/2³². The product of two such numbers fits in 64 bits.
    let ratio = rho << 16;
    let mut reached = ratio;
    for _ in 0..seats {
        reached = (reached * ratio) >> 32;
    }
    let mut length = 0;
    while u64::from(bits) < reached {
        length += 1;
        reached = (reached * ratio) >> 32;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Key, mix};

    #[test]
    fn lengths_are_those_of_an_mm1_queue() {
        let n = 200_000;
        for (rho, seats) in [(0.5, 2), (0.7, 3), (0.9, 4)] {
            let utilisation = (rho * 65_536.0) as i64;
            let draws =
                (0..n).map(|i| waiting(utilisation, seats, (mix(Key::new(1).with("q"), i) >> 32) as u32));
            let (mut waits, mut sum) = (0, 0);
            draws.for_each(|length| {
                waits += i64::from(length > 0);
                sum += length;
            });
            // P(length > seats) = ρ^(seats + 1). Above the seats, the length is geometric with mean 1 ÷ (1 − ρ).
            let expected = (0..=seats).fold(1.0, |p, _| p * rho);
            let share = waits as f64 / n as f64;
            assert!((share - expected).abs() < 0.005, "ρ {rho}: {share} wait, {expected} expected");
            let mean = sum as f64 / waits as f64;
            assert!((mean * (1.0 - rho) - 1.0).abs() < 0.05, "ρ {rho}: {mean} in the mean");
        }
        assert_eq!((waiting(0, 2, 0), waiting(1 << 40, 2, u32::MAX)), (0, 0));
    }
}
