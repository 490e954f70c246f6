use crate::plan::{Entity, Incident, either};
use crate::time::SimTime;

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

/// So long after a kill requests of the guests still fail, s.
const RESTARTS_FOR: f64 = 20.0;

/// Which incidents act on whom around a grid point.
#[derive(Clone, Debug, Default)]
pub struct Acting {
    /// Incidents by index, ascending: in the order (cause_start, id).
    incidents: Vec<u32>,
    /// (target, incident, which of its changes), sorted.
    targets: Vec<(Entity, u32, u32)>,
}

impl Acting {
    /// Those incidents, by index in `all`, ascending.
    pub fn new(all: &[Incident], incidents: Vec<u32>) -> Acting {
        let mut targets = Vec::new();
        for incident in &incidents {
            let changes = all[*incident as usize].changes.iter().enumerate();
            targets.extend(changes.map(|(change, (entity, _))| (*entity, *incident, change as u32)));
        }
        targets.sort_unstable();
        Acting { incidents, targets }
    }

    /// By index, ascending.
    pub fn incidents(&self) -> &[u32] {
        &self.incidents
    }

    /// Entities that an incident acts on, ascending, those with several of them repeated.
    pub fn targets(&self) -> impl Iterator<Item = Entity> + '_ {
        self.targets.iter().map(|(entity, ..)| *entity)
    }

    fn on(&self, entity: Entity) -> &[(Entity, u32, u32)] {
        let from = self.targets.partition_point(|(target, ..)| *target < entity);
        let to = from + self.targets[from..].partition_point(|(target, ..)| *target == entity);
        &self.targets[from..to]
    }

    /// What acts on a server, each incident as far on as `strength` says (0–1), leaks with the kills that
    /// they had at `kills_at`.
    pub fn on_server(
        &self,
        index: u32,
        all: &[Incident],
        (moment, kills_at): (SimTime, SimTime),
        strength: impl Fn(u32) -> f64,
    ) -> ServerCauses {
        let mut causes = ServerCauses::default();
        for (_, incident, change) in self.on(Entity::Server(index)) {
            let on = strength(*incident);
            if on == 0.0 {
                continue;
            }
            let incident = &all[*incident as usize];
            let change = &incident.changes[*change as usize].1;
            causes.load += on * change.load;
            causes.inlet += on * change.inlet_celsius;
            causes.watts += on * change.watts;
            causes.rx.extend(change.rx_limit.map(|limit| (limit, on)));
            causes.write.extend(change.write_limit.map(|limit| (limit, on)));
            if let Some(leak) = change.leak {
                let since = (moment - incident.start()).as_seconds();
                let kills = leak.kills((kills_at - incident.start()).as_seconds());
                let leaked = leak.leaked(since, kills);
                causes.leaked += on * leaked;
                let past = (leaked / leak.points_per_s).max(0.0);
                if kills > 0 && past < RESTARTS_FOR {
                    causes.restarting = (causes.restarting + on * (1.0 - past / RESTARTS_FOR)).min(1.0);
                }
                if leak.kills(since + super::CELL_S) > leak.kills(since) {
                    causes.emptied = (causes.emptied + on).min(1.0);
                }
            }
        }
        causes
    }

    /// What acts on an instance.
    pub fn on_instance(&self, index: u32, all: &[Incident], strength: impl Fn(u32) -> f64) -> InstanceCauses {
        let mut causes = InstanceCauses::default();
        for (_, incident, change) in self.on(Entity::Service(index)) {
            let on = strength(*incident);
            if on == 0.0 {
                continue;
            }
            let change = &all[*incident as usize].changes[*change as usize].1;
            causes.delay_ms += on * change.delay_ms;
            causes.failing = either(causes.failing, on * change.failing);
        }
        causes
    }
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
