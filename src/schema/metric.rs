//! Describes one numeric column: its name, unit, decimals and meaning.

use std::sync::Arc;

/// A numeric column. A stored value is the number × 10^decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: Arc<str>,
    unit: Arc<str>,
    decimals: u32,
    about: Arc<str>,
}

impl Metric {
    /// The maximum number of decimals of a metric.
    pub const MAX_DECIMALS: u32 = 3;

    /// Creates a metric from its column name, its unit, the number of digits after the decimal point (0–3), and a short
    /// description.
    ///
    /// # Panics
    /// If it has more decimals than [`Metric::MAX_DECIMALS`].
    pub fn new(name: &str, unit: &str, decimals: u32, about: &str) -> Metric {
        assert!(decimals <= Metric::MAX_DECIMALS, "`{name}` has more than {} decimals", Metric::MAX_DECIMALS);
        Metric { name: name.into(), unit: unit.into(), decimals, about: about.into() }
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit, as people write it.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The number of digits after the decimal point.
    pub fn decimals(&self) -> u32 {
        self.decimals
    }

    /// 10^decimals: the stored value of 1 in the metric's unit.
    pub fn units(&self) -> i64 {
        10_i64.pow(self.decimals)
    }

    /// A short description of the metric.
    pub fn about(&self) -> &str {
        &self.about
    }
}
