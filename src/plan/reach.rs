use std::collections::BTreeSet;

use crate::fleet::{Entity, Fleet};

/// What an incident can touch: along instance → host → the host's guests, and callee → caller.
///
/// Everything outside is identical, byte for byte, with the incident and without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Servers by index, ascending.
    pub servers: Vec<u32>,
    /// Instances by index, ascending.
    pub instances: Vec<u32>,
}

impl Reach {
    /// All that changes of causes on these entities can touch, through states too: a failed call is
    /// retried, and a retry loads its host.
    pub fn of(fleet: &Fleet, targets: impl IntoIterator<Item = Entity>) -> Reach {
        Reach::spread(fleet, targets, |instance| Some(fleet.instances[instance as usize].server))
    }

    /// What they can touch at once, without any state: host → guests, callee → callers.
    pub fn within_a_cell(fleet: &Fleet, targets: impl IntoIterator<Item = Entity>) -> Reach {
        Reach::spread(fleet, targets, |_| None)
    }

    fn spread(
        fleet: &Fleet,
        targets: impl IntoIterator<Item = Entity>,
        host: impl Fn(u32) -> Option<u32>,
    ) -> Reach {
        let mut reach = Reach::default();
        let mut open: Vec<Entity> = targets.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(entity) = open.pop() {
            if !seen.insert(entity) {
                continue;
            }
            match entity {
                Entity::Server(index) => {
                    reach.servers.push(index);
                    open.extend(
                        fleet.servers[index as usize].guests.iter().map(|guest| Entity::Service(*guest)),
                    );
                }
                Entity::Service(index) => {
                    reach.instances.push(index);
                    let callers = fleet.instances[index as usize].callers.iter();
                    open.extend(callers.map(|(caller, _)| Entity::Service(*caller)));
                    open.extend(host(index).map(Entity::Server));
                }
            }
        }
        reach.servers.sort_unstable();
        reach.instances.sort_unstable();
        reach
    }

    /// Servers, then instances.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        let servers = self.servers.iter().map(|index| Entity::Server(*index));
        servers.chain(self.instances.iter().map(|index| Entity::Service(*index)))
    }
}
