//! Which incidents act on which entities around a grid point.

use super::models::{CELL_S, InstanceCauses, ServerCauses};
use crate::fleet::{Entity, either};
use crate::kinds::Change;
use crate::plan::Incident;
use crate::time::SimTime;

/// How long requests of the guests still fail after a kill, s.
const RESTARTS_FOR: f64 = 20.0;

/// The incidents around a grid point, and the entities that they act on.
#[derive(Clone, Debug, Default)]
pub struct Acting {
    /// Indices of the incidents, ascending: in the order (cause_start, id).
    incidents: Vec<u32>,
    /// (target, incident, index of the incident's change), sorted.
    targets: Vec<(Entity, u32, u32)>,
}

impl Acting {
    /// The acting incidents, given by their indices in `all`, ascending.
    pub fn new(all: &[Incident], incidents: Vec<u32>) -> Acting {
        let mut targets = Vec::new();
        for incident in &incidents {
            let changes = all[*incident as usize].changes.iter().enumerate();
            targets.extend(changes.map(|(change, (entity, _))| (*entity, *incident, change as u32)));
        }
        targets.sort_unstable();
        Acting { incidents, targets }
    }

    /// The indices of the incidents, ascending.
    pub fn incidents(&self) -> &[u32] {
        &self.incidents
    }

    /// The entities that an incident acts on, ascending. An entity with several incidents is repeated.
    pub fn targets(&self) -> impl Iterator<Item = Entity> + '_ {
        self.targets.iter().map(|(entity, ..)| *entity)
    }

    /// The changes that incidents make to an entity, each with its incident and how far that is on. Incidents that
    /// are off are left out.
    pub fn on<'a>(
        &'a self,
        entity: Entity,
        all: &'a [Incident],
        strength: impl Fn(u32) -> f64,
    ) -> impl Iterator<Item = (&'a Incident, &'a Change, f64)> {
        let from = self.targets.partition_point(|(target, ..)| *target < entity);
        let to = from + self.targets[from..].partition_point(|(target, ..)| *target == entity);
        self.targets[from..to].iter().filter_map(move |(_, incident, change)| {
            let on = strength(*incident);
            let incident = &all[*incident as usize];
            (on != 0.0).then(|| (incident, &incident.changes[*change as usize].1, on))
        })
    }

    /// What acts on a server, with each incident as far on as `strength` says (0–1). Kills of leaks are counted by
    /// `kills_at`.
    pub fn on_server(
        &self,
        index: u32,
        all: &[Incident],
        (moment, kills_at): (SimTime, SimTime),
        strength: impl Fn(u32) -> f64,
    ) -> ServerCauses {
        let mut causes = ServerCauses::default();
        for (incident, change, on) in self.on(Entity::server(index), all, strength) {
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
                if leak.kills(since + CELL_S) > leak.kills(since) {
                    causes.emptied = (causes.emptied + on).min(1.0);
                }
            }
        }
        causes
    }

    /// What acts on an instance.
    pub fn on_instance(&self, index: u32, all: &[Incident], strength: impl Fn(u32) -> f64) -> InstanceCauses {
        let mut causes = InstanceCauses::default();
        for (_, change, on) in self.on(Entity::instance(index), all, strength) {
            causes.delay_ms += on * change.delay_ms;
            causes.failing = either(causes.failing, on * change.failing);
        }
        causes
    }
}
