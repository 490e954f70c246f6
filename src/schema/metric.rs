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
    /// The most decimals that a metric can have.
    pub const MAX_DECIMALS: u32 = 3;

    /// A metric: its column's name, its unit, digits after the point (0–3), and what it is in a few words.
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

    /// Digits after the point.
    pub fn decimals(&self) -> u32 {
        self.decimals
    }

    /// 10^decimals: stored units in one of the metric's own.
    pub fn units(&self) -> i64 {
        10_i64.pow(self.decimals)
    }

    /// What it is, in a few words.
    pub fn about(&self) -> &str {
        &self.about
    }
}
