//! Finds the entities that a change of causes can affect, along hosts, guests and callers.

use std::collections::BTreeSet;

use crate::fleet::{Entity, Fleet, INSTANCE, SERVER};

/// The entities that an incident can affect. Effects spread from an instance to its host, from a host to its guests,
/// from a callee to its callers, and to entities of other types that read any of these.
///
/// All other entities are identical, byte for byte, with and without the incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// In stream order.
    entities: Vec<Entity>,
}

impl Reach {
    /// Returns everything that changed causes on these entities can affect, including effects through states:
    /// a failed call is retried, and the retry loads the callee's host.
    pub fn of(fleet: &Fleet, targets: impl IntoIterator<Item = Entity>) -> Reach {
        Reach::spread(fleet, targets, |instance| Some(fleet.instances[instance as usize].server))
    }

    /// Returns what they can affect immediately, without any state: host → guests, callee → callers.
    pub fn within_a_cell(fleet: &Fleet, targets: impl IntoIterator<Item = Entity>) -> Reach {
        Reach::spread(fleet, targets, |_| None)
    }

    fn spread(
        fleet: &Fleet,
        targets: impl IntoIterator<Item = Entity>,
        host: impl Fn(u32) -> Option<u32>,
    ) -> Reach {
        let mut open: Vec<Entity> = targets.into_iter().collect();
        let mut entities = BTreeSet::new();
        while let Some(entity) = open.pop() {
            if !entities.insert(entity) {
                continue;
            }
            open.extend(fleet.readers_of(entity));
            let index = entity.index();
            match entity.type_id() {
                SERVER => {
                    let guests = fleet.servers[index as usize].guests.iter();
                    open.extend(guests.map(|guest| Entity::instance(*guest)));
                }
                INSTANCE => {
                    let callers = fleet.instances[index as usize].callers.iter();
                    open.extend(callers.map(|(caller, _)| Entity::instance(*caller)));
                    open.extend(host(index).map(Entity::server));
                }
                // No entity reads those of other types.
                _ => {}
            }
        }
        Reach { entities: entities.into_iter().collect() }
    }

    /// Returns the entities, in stream order.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        self.entities.iter().copied()
    }
}
