//! What incidents do to one entity, and to a device that foreign work fills.

use crate::fleet::either;

/// What incidents do to one server at a grid point, each as far as it is on.
#[derive(Clone, Debug, Default)]
pub struct ServerCauses {
    /// Cores taken by foreign work, as a share of all.
    pub load: f64,
    /// Warming of the air at the inlet, °C.
    pub inlet: f64,
    /// Power drawn beside all work, W.
    pub watts: f64,
    /// Memory that has leaked, points.
    pub leaked: f64,
    /// How much of the guests' requests fail because a process was killed just now (0–1).
    pub restarting: f64,
    /// How much of the caches a kill in the cell that begins here takes (0–1).
    pub emptied: f64,
    /// Usable limits of the network, MB/s, with how far each is on (0–1).
    pub rx: Vec<(f64, f64)>,
    /// Usable limits of writing, MB/s, with how far each is on.
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

/// What foreign work that fills a device up to usable limits makes of `wanted`; and how far it is
/// filled, with the share of the limit that the own work wants (0–1).
pub fn filled(wanted: f64, limits: &[(f64, f64)]) -> (f64, f64, f64) {
    let (mut value, mut filled, mut share) = (wanted, 0.0, 0.0);
    for (limit, on) in limits {
        // The first limit is where the value lies; further ones can only lower it.
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
