//! Decides which instances call each other, puts callers before callees, and finds circular calls.

use crate::scenario::{CallText, Diagnostic};

/// Returns the instances of a callee that instance `i` of a caller calls, each with its part of the calls. The caller
/// has `n` instances and the callee `m`. All demand is passed on, and a fault of one instance reaches only the
/// instances that call it.
///
/// Numbers count from 0 here. The language page counts from 1: j = ⌈i·m/n⌉ if n ≥ m, otherwise all j with
/// ⌈j·n/m⌉ = i.
pub(crate) fn affinity(i: u32, n: u32, m: u32) -> Vec<(u32, f64)> {
    let (i, n, m) = (u64::from(i + 1), u64::from(n), u64::from(m));
    if n >= m {
        return vec![((i * m).div_ceil(n) as u32 - 1, 1.0)];
    }
    let (first, last) = (((i - 1) * m / n) as u32, (i * m / n) as u32);
    let part = 1.0 / f64::from(last - first);
    (first..last).map(|j| (j, part)).collect()
}

/// The maximum number of services of a circle that a message names.
const MOST_NAMED: usize = 20;

/// A call that closes a circle.
pub(crate) struct Circle {
    pub caller: usize,
    pub callee: usize,
    pub mistake: Diagnostic,
}

/// Returns the services with every caller before its callees, and the calls that close a circle. The latter are
/// removed from `calls`.
///
/// `calls[s]` are the services that `s` calls, each with the text that declares it (`None` for the catalogue's).
pub(crate) fn callers_first(
    names: &[String],
    calls: &mut [Vec<(usize, Option<&CallText>)>],
) -> (Vec<usize>, Vec<Circle>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; names.len()];
    let mut finished = Vec::with_capacity(names.len());
    let mut circles = Vec::new();
    for root in 0..names.len() {
        if marks[root] != Mark::New {
            continue;
        }
        marks[root] = Mark::Open;
        let mut path = vec![(root, 0)];
        while let Some((service, next)) = path.last_mut() {
            let Some((callee, text)) = calls[*service].get(*next).copied() else {
                marks[*service] = Mark::Done;
                finished.push(*service);
                path.pop();
                continue;
            };
            match marks[callee] {
                Mark::Done => *next += 1,
                Mark::New => {
                    *next += 1;
                    marks[callee] = Mark::Open;
                    path.push((callee, 0));
                }
                Mark::Open => {
                    let caller = *service;
                    calls[caller].remove(*next);
                    let begin = path.iter().position(|(s, _)| *s == callee).unwrap_or(0);
                    let mut circle: Vec<&str> =
                        path[begin..].iter().take(MOST_NAMED).map(|(s, _)| names[*s].as_str()).collect();
                    circle.extend((path.len() - begin > MOST_NAMED).then_some("…"));
                    circle.push(&names[callee]);
                    let message = format!("calls form a cycle: {}", circle.join(" → "));
                    let place = text.expect("the catalogue has no cycle").service.place;
                    let mistake = Diagnostic::error(place, message).help("remove this call");
                    // The call with which the circle begins.
                    let (first, next) = path[begin];
                    let first = (first != caller).then(|| calls[first].get(next - 1)).flatten();
                    let mistake = match first.and_then(|(_, text)| *text) {
                        Some(text) => mistake.related(text.service.place, "the cycle begins here"),
                        None => mistake,
                    };
                    circles.push(Circle { caller, callee, mistake });
                }
            }
        }
    }
    finished.reverse();
    (finished, circles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_passes_all_demand_on_and_spreads_it_evenly() {
        for n in 1..=13 {
            for m in 1..=13 {
                let mut shares = vec![0.0; m as usize];
                for i in 0..n {
                    let parts = affinity(i, n, m);
                    let sum: f64 = parts.iter().map(|(_, part)| part).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{n} callers, {m} callees, caller {i}: {sum}");
                    parts.iter().for_each(|(j, part)| shares[*j as usize] += part);
                }
                let (least, most) =
                    shares.iter().fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
                assert!(least > 0.0 && most - least <= 1.0 + 1e-12, "{n} callers, {m} callees: {shares:?}");
            }
        }
    }
}
