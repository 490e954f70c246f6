use crate::math::Key;

/// Pairs of instance and server that placement looks at, at most: some seconds of hashing.
pub(super) const MAX_PAIRS: u64 = 1_000_000_000;

/// Where each instance of a pool runs: rendezvous hashing of names with bounded load.
///
/// `pinned[i]` says where an instance must go. At most ⌈1.25 × instances ÷ servers⌉ share a server
/// (more only by pins). Instances choose in the order of the hash of their names, each the server
/// that ranks highest for it and is not full, so that few move when the fleet changes.
pub(super) fn place(key: Key, instances: &[&str], pinned: &[Option<usize>], servers: &[&str]) -> Vec<usize> {
    let key = key.with("placement");
    let limit = (5 * instances.len()).div_ceil(4 * servers.len());
    let mut load = vec![0; servers.len()];
    let mut homes: Vec<Option<usize>> = pinned.to_vec();
    for home in homes.iter().flatten() {
        load[*home] += 1;
    }
    let mut order: Vec<usize> = (0..instances.len()).filter(|i| pinned[*i].is_none()).collect();
    order.sort_by_key(|i| (key.with(instances[*i]).bits(), instances[*i]));
    for i in order {
        let ranking = key.with(instances[i]);
        let rank = |s: &usize| (ranking.with(servers[*s]).bits(), servers[*s]);
        let free = |s: &usize| load[*s] < limit;
        let home = (0..servers.len()).filter(free).max_by_key(rank);
        // Pins can fill a pool beyond the bound; then the highest rank takes it all the same.
        let home = home.or_else(|| (0..servers.len()).max_by_key(rank)).expect("a pool has a server");
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

    fn placed(instances: &[String], servers: &[String]) -> Vec<usize> {
        let instances: Vec<&str> = instances.iter().map(String::as_str).collect();
        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
        place(Key::new(1), &instances, &vec![None; instances.len()], &servers)
    }

    #[test]
    fn no_server_carries_more_than_its_bound() {
        for (n, m) in [(1, 1), (12, 20), (100, 7), (8, 1)] {
            let homes = placed(&names("a", n), &names("s", m));
            let limit = (5 * n).div_ceil(4 * m);
            for s in 0..m {
                assert!(homes.iter().filter(|home| **home == s).count() <= limit);
            }
        }
    }

    #[test]
    fn few_move_when_a_server_comes() {
        let instances = names("a", 100);
        let (before, after) = (placed(&instances, &names("s", 50)), placed(&instances, &names("s", 51)));
        let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        // 1/51 of them would move to the new one without the bound; the bound moves a few more.
        assert!(moved <= 10, "{moved} of 100 moved");
    }
}
