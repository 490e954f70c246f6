//! Assigns service instances to servers by hashing, so that few move when the fleet changes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::math::Key;

/// The maximum number of pairs of instance and server that placement compares: hashing them takes some seconds.
pub(crate) const MAX_PAIRS: u64 = 1_000_000_000;

/// An instance to place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub name: &'a str,
    /// The index of its service. Instances of one service are spread over different servers.
    pub service: usize,
    /// The server where it must run.
    pub pinned: Option<usize>,
}

/// Returns the server of each instance of a pool. It uses rendezvous hashing of names, spreads the instances of a
/// service over different servers, and bounds the load of a server.
///
/// Instances choose in the order of the hashes of their names. Each one chooses among the servers with the fewest
/// instances of its service. Of those with less than ⌈1.25 × instances ÷ servers⌉ instances, it takes the one that
/// ranks highest for it, so that few instances move when the fleet changes. If all have that many, it takes the one
/// with the fewest.
pub(crate) fn place(key: Key, instances: &[Placed<'_>], servers: &[&str]) -> Vec<usize> {
    let key = key.with("placement");
    let limit = (5 * instances.len()).div_ceil(4 * servers.len());
    let mut load = vec![0; servers.len()];
    let mut of_service: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut homes: Vec<Option<usize>> = instances.iter().map(|instance| instance.pinned).collect();
    for (instance, home) in instances.iter().zip(&homes) {
        let Some(home) = *home else { continue };
        load[home] += 1;
        of_service.entry(instance.service).or_default().push(home);
    }
    let mut order: Vec<usize> = (0..instances.len()).filter(|i| homes[*i].is_none()).collect();
    order.sort_by_key(|i| (key.with(instances[*i].name).bits(), instances[*i].name));
    let mut siblings = vec![0; servers.len()];
    for i in order {
        let taken = of_service.entry(instances[i].service).or_default();
        taken.iter().for_each(|server| siblings[*server] += 1);
        let fewest = siblings.iter().min().copied().unwrap_or(0);
        let ranking = key.with(instances[i].name);
        let rank = |s: &usize| (ranking.with(servers[*s]).bits(), servers[*s]);
        let apart = || (0..servers.len()).filter(|s| siblings[*s] == fewest);
        let home = apart().filter(|s| load[*s] < limit).max_by_key(rank);
        let home = home.or_else(|| apart().max_by_key(|s| (Reverse(load[*s]), rank(s))));
        let home = home.expect("a pool has a server");
        taken.iter().for_each(|server| siblings[*server] = 0);
        taken.push(home);
        load[home] += 1;
        homes[i] = Some(home);
    }
    homes.into_iter().map(|home| home.expect("each instance was placed")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, n: usize) -> Vec<String> {
        (1..=n).map(|i| format!("{prefix}-{i:03}")).collect()
    }

    /// Places instances of a number of services, each with the same number of instances.
    fn placed(instances: &[String], services: usize, servers: &[String]) -> Vec<usize> {
        let number = instances.len().div_ceil(services);
        let instances: Vec<Placed<'_>> = instances
            .iter()
            .enumerate()
            .map(|(i, name)| Placed { name, service: i / number, pinned: None })
            .collect();
        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
        place(Key::new(1), &instances, &servers)
    }

    #[test]
    fn no_server_carries_more_than_its_bound() {
        for (n, m) in [(1, 1), (12, 20), (100, 7), (8, 1)] {
            let homes = placed(&names("a", n), n, &names("s", m));
            let limit = (5 * n).div_ceil(4 * m);
            for s in 0..m {
                assert!(homes.iter().filter(|home| **home == s).count() <= limit);
            }
        }
    }

    #[test]
    fn instances_of_a_service_are_apart() {
        for (services, each, m) in [(1, 2, 2), (5, 2, 2), (1, 7, 20), (9, 3, 4), (2, 5, 2), (30, 12, 12)] {
            let homes = placed(&names("a", services * each), services, &names("s", m));
            for of_service in homes.chunks(each) {
                for s in 0..m {
                    let number = of_service.iter().filter(|home| **home == s).count();
                    assert!(number <= each.div_ceil(m), "{services} × {each} on {m}: {homes:?}");
                }
            }
        }
    }

    #[test]
    fn few_move_when_a_server_comes() {
        let instances = names("a", 100);
        let placed = |servers| placed(&instances, 100, &names("s", servers));
        let (before, after) = (placed(50), placed(51));
        let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        // Without the bound, 1/51 of them would move to the new server. The bound moves a few more.
        assert!(moved <= 10, "{moved} of 100 moved");
    }
}
