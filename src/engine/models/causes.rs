//! What incidents do to one entity, and to a device that other processes use.

use crate::fleet::either;

/// What incidents do to one server at a grid point, each incident at its present strength.
#[derive(Clone, Debug, Default)]
pub struct ServerCauses {
    /// Cores taken by foreign work, as a share of all.
    pub load: f64,
    /// Warming of the air at the inlet, °C.
    pub inlet: f64,
    /// Power drawn in addition to all work, W.
    pub watts: f64,
    /// Memory that has leaked, points.
    pub leaked: f64,
    /// The remaining fraction of the restart of a killed process (0–1). At 1, 30 % of the guests' requests
    /// fail because of it.
    pub restarting: f64,
    /// Share of the caches that a kill in the cell that begins here empties (0–1).
    pub emptied: f64,
    /// Limits of receiving from the network, MB/s, each with its strength (0–1).
    pub rx: Vec<(f64, f64)>,
    /// Limits of writing to the disk, MB/s, each with its strength (0–1).
    pub write: Vec<(f64, f64)>,
}

/// What incidents do to one instance at a grid point.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceCauses {
    /// Time that each request waits, ms.
    pub delay_ms: f64,
    /// Share of requests that fail.
    pub failing: f64,
}

/// Computes how foreign work fills a device. `wanted` is the throughput that the server's own work wants. Each
/// limit has a strength (0–1). Returns the resulting throughput, how far the device is
/// filled (0–1), and the share of the limit that the own work wants (0–1).
pub fn filled(wanted: f64, limits: &[(f64, f64)]) -> (f64, f64, f64) {
    let (mut value, mut filled, mut share) = (wanted, 0.0, 0.0);
    for (limit, on) in limits {
        // The first limit determines the value. Further limits can only lower it.
        let room = limit - value;
        value += on * ((1.0 - filled) * room + filled * room.min(0.0));
        share = f64::max(share, (wanted / limit.max(1e-9)).min(1.0));
        filled = either(filled, *on);
    }
    (value, filled, share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_is_flat_at_the_least_of_its_limits() {
        assert_eq!(filled(5.0, &[]), (5.0, 0.0, 0.0));
        assert_eq!(filled(5.0, &[(40.0, 1.0)]).0, 40.0);
        assert_eq!(filled(5.0, &[(40.0, 1.0), (30.0, 1.0)]).0, 30.0);
        assert_eq!(filled(5.0, &[(30.0, 1.0), (40.0, 1.0)]).0, 30.0);
        assert_eq!(filled(50.0, &[(40.0, 1.0)]).0, 40.0);
        assert_eq!(filled(10.0, &[(40.0, 0.5)]), (25.0, 0.5, 0.25));
    }
}
