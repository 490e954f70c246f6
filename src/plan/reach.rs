use super::fleet::{Entity, Fleet};

/// What an incident can touch: along instance → host → the host's guests and callee → caller.
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
    /// What changes of causes on these entities can touch.
    pub(super) fn of(fleet: &Fleet, targets: impl IntoIterator<Item = Entity>) -> Reach {
        let mut reach = Reach::default();
        let mut open: Vec<Entity> = targets.into_iter().collect();
        let mut seen = (vec![false; fleet.servers.len()], vec![false; fleet.instances.len()]);
        while let Some(entity) = open.pop() {
            let index = entity.index() as usize;
            match entity {
                Entity::Server(_) if !std::mem::replace(&mut seen.0[index], true) => {
                    reach.servers.push(entity.index());
                    open.extend(fleet.servers[index].guests.iter().map(|guest| Entity::Service(*guest)));
                }
                Entity::Service(_) if !std::mem::replace(&mut seen.1[index], true) => {
                    reach.instances.push(entity.index());
                    let callers = fleet.instances[index].callers.iter();
                    open.extend(callers.map(|(caller, _)| Entity::Service(*caller)));
                }
                _ => {}
            }
        }
        reach.servers.sort_unstable();
        reach.instances.sort_unstable();
        reach
    }

    /// Everything that either touches.
    pub fn union<'a>(parts: impl IntoIterator<Item = &'a Reach>) -> Reach {
        let mut all = Reach::default();
        for part in parts {
            all.servers.extend(&part.servers);
            all.instances.extend(&part.instances);
        }
        for list in [&mut all.servers, &mut all.instances] {
            list.sort_unstable();
            list.dedup();
        }
        all
    }

    /// Servers, then instances.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        let servers = self.servers.iter().map(|index| Entity::Server(*index));
        servers.chain(self.instances.iter().map(|index| Entity::Service(*index)))
    }
}
