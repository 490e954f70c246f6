//! Draws the white noise of rows: integer normal values from a table.

use std::sync::LazyLock;

use crate::math::normal_quantile;

/// The number of cells in the table. With 4,096 cells the table ends at ±3.7 σ.
const CELLS: usize = 4_096;

/// The value of one standard deviation in the table.
pub const ONE: i64 = 4_096;

/// The quantile at the middle of each cell. A constant that `const` can't compute.
static QUANTILES: LazyLock<Vec<i32>> = LazyLock::new(|| {
    let quantile = |cell: usize| normal_quantile((cell as f64 + 0.5) / CELLS as f64);
    (0..CELLS).map(|cell| crate::math::round_half_up(quantile(cell) * ONE as f64) as i32).collect()
});

/// Five standard normal values from one hash, in units of 1/`ONE`, each from 12 bits of its own.
#[inline]
pub fn normals(bits: u64) -> [i64; 5] {
    let table = &QUANTILES[..CELLS];
    let value = |shift: u32| i64::from(table[(bits >> shift) as usize % CELLS]);
    [value(52), value(40), value(28), value(16), value(4)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Key, mix};

    #[test]
    fn the_five_values_are_standard_normal_and_independent() {
        let n = 50_000;
        let mut sums = [[0.0; 5]; 5];
        for i in 0..n {
            let z = normals(mix(Key::new(5).with("s"), i)).map(|z| z as f64 / ONE as f64);
            for (a, row) in sums.iter_mut().enumerate() {
                for (b, sum) in row.iter_mut().enumerate() {
                    *sum += z[a] * z[b] / n as f64;
                }
            }
        }
        for (a, row) in sums.iter().enumerate() {
            for (b, sum) in row.iter().enumerate() {
                let expected = if a == b { 1.0 } else { 0.0 };
                // The standard error is 0.0045 for a product and 0.0063 for a square.
                assert!((sum - expected).abs() < 0.03, "values {a} and {b}: {sum}");
            }
        }
    }
}
