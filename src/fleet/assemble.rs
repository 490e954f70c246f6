//! Computes the demand between instances, and checks whether the hosts have enough capacity.

use std::collections::BTreeMap;

use super::calendar::LocalTime;
use super::instantiate::instantiate;
use super::parameters::{self, Keys, ProfileRate};
use super::spec::FleetSpec;
use super::{Fleet, Instance, LatencyTree, Service, all_succeed, either, passed_on};
use super::{calls, catalogue};
use crate::scenario::Diagnostic;

/// The maximum share of a host's cores that demand may need at the profile's peak.
const MAX_LOAD: f64 = 0.9;
/// The share of a host's cores to which own load and default instances are scaled down.
const DEFAULT_LOAD: f64 = 0.8;
/// The maximum demand, relative to its profile: e^0.4, the limit of its slow variation.
const MAX_DEMAND: f64 = 1.49;
/// The maximum rate of an instance in requests per second, calls included.
const MAX_RATE: f64 = 100_000.0;

/// Assembles the fleet: names, placement, parameters and calls. Returns `None` after a mistake, except one in the
/// capacity of a host.
pub(crate) fn assemble(
    keys: Keys,
    fleet_spec: &FleetSpec<'_>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Fleet> {
    let known = mistakes.len();
    let mut fleet = instantiate(keys, fleet_spec, mistakes)?;
    connect(fleet_spec, &mut fleet);
    spread_demand(fleet_spec, &mut fleet);
    let rates: Vec<ProfileRate> =
        fleet.instances.iter().map(|instance| profile(instance, &fleet.services)).collect();
    if !check_demand(fleet_spec, &fleet, &rates, mistakes) || !fleet_spec.is_whole {
        return None;
    }
    draw_instances(keys, fleet_spec, &rates, &mut fleet);
    fit(fleet_spec, &mut fleet);
    latency_trees(&mut fleet);
    if mistakes.len() == known {
        check_capacity(fleet_spec, &fleet, mistakes);
    }
    // Names and placement are known despite such a mistake, so mistakes in targets can be reported too.
    Some(fleet)
}

/// Connects each calling instance with its callees, by affinity.
fn connect(fleet_spec: &FleetSpec<'_>, fleet: &mut Fleet) {
    for (caller, spec) in fleet_spec.services.iter().enumerate() {
        let callers = fleet.services[caller].instances.clone();
        for (callee, per_request) in &spec.calls {
            let callees = fleet.services[*callee].instances.clone();
            let (n, m) = (callers.len() as u32, callees.len() as u32);
            for i in 0..n {
                for (j, part) in calls::affinity(i, n, m) {
                    let (from, to) = (callers.start + i, callees.start + j);
                    let rate = per_request * part;
                    fleet.instances[from as usize].callees.push((to, rate));
                    fleet.instances[to as usize].callers.push((from, rate));
                }
            }
        }
    }
    let order =
        fleet_spec.callers_first.iter().flat_map(|service| fleet.services[*service].instances.clone());
    fleet.callers_first = order.collect();
    fleet.rank = vec![0; fleet.instances.len()];
    for (rank, index) in fleet.callers_first.iter().enumerate() {
        fleet.rank[*index as usize] = rank as u32;
    }
}

/// Computes each instance's mean demand, by the service through which it enters from outside.
fn spread_demand(fleet_spec: &FleetSpec<'_>, fleet: &mut Fleet) {
    for (spec, service) in fleet_spec.services.iter().zip(&fleet.services) {
        for instance in service.instances.clone() {
            fleet.instances[instance as usize].outside = spec.outside / f64::from(spec.instances);
        }
    }
    for index in fleet.callers_first.clone() {
        let instance = &fleet.instances[index as usize];
        let mut sources = BTreeMap::new();
        if instance.outside > 0.0 {
            sources.insert(instance.service, instance.outside);
        }
        for (caller, calls) in &instance.callers {
            for (service, rate) in &fleet.instances[*caller as usize].sources {
                *sources.entry(*service).or_insert(0.0) += rate * calls;
            }
        }
        sources.retain(|_, rate| *rate > 0.0);
        fleet.instances[index as usize].sources = sources.into_iter().collect();
    }
}

/// Returns the mean, the weekday peak and the concentration of an instance's demand.
fn profile(instance: &Instance, services: &[Service]) -> ProfileRate {
    let mean: f64 = instance.sources.iter().map(|(_, rate)| rate).sum();
    let peak = weekday_peak(|moment| weekday_rate(instance, services, moment));
    let squares: f64 = instance.sources.iter().map(|(_, rate)| (rate / mean) * (rate / mean)).sum();
    ProfileRate { mean, peak, concentration: squares.sqrt() }
}

/// Returns an instance's demand according to the shape of a weekday, in requests per second.
fn weekday_rate(instance: &Instance, services: &[Service], moment: LocalTime) -> f64 {
    let part = |(service, rate): &(u32, f64)| rate * services[*service as usize].shape.daily(moment);
    instance.sources.iter().map(part).sum()
}

/// Returns whether demand reaches every instance. Reports instances with no demand or too much.
fn check_demand(
    fleet_spec: &FleetSpec<'_>,
    fleet: &Fleet,
    rates: &[ProfileRate],
    mistakes: &mut Vec<Diagnostic>,
) -> bool {
    let mut all_reached = true;
    for (spec, service) in fleet_spec.services.iter().zip(&fleet.services) {
        let range = service.instances.start as usize..service.instances.end as usize;
        let instances = &fleet.instances[range.clone()];
        let is_idle = instances.iter().any(|instance| instance.sources.is_empty());
        if is_idle && !fleet_spec.demand_is_known {
            // The missing demand may be a `rate` or a call that could not be read. That mistake was reported.
            all_reached = false;
            continue;
        }
        if is_idle {
            mistakes.push(
                Diagnostic::error(spec.place, format!("no demand reaches `{}`", spec.name))
                    .label("it has no `rate` and no caller with demand")
                    .help("add `rate: 100/s`, or name it in the `calls` of a service that has demand"),
            );
            all_reached = false;
            continue;
        }
        let most = rates[range].iter().map(|rate| rate.peak).fold(0.0, f64::max);
        if most.is_nan() || most > MAX_RATE {
            mistakes.push(
                Diagnostic::error(
                    spec.place,
                    format!("an instance of `{}` would receive {most:.0} requests per second", spec.name),
                )
                .label(format!("must be at most {MAX_RATE} at the daily peak, including calls"))
                .help("lower `rate` or `calls`, or add `instances`"),
            );
        }
    }
    all_reached
}

fn draw_instances(keys: Keys, fleet_spec: &FleetSpec<'_>, rates: &[ProfileRate], fleet: &mut Fleet) {
    for (index, rate) in rates.iter().enumerate() {
        let instance = &fleet.instances[index];
        let spec = &fleet_spec.services[instance.service as usize];
        let keys = keys.with(&instance.name);
        let drawn = || {
            let nominal = catalogue::entry(&spec.name).nominal_rate;
            parameters::share(keys.fleet) * parameters::DEFAULT_CORES / nominal
        };
        let cost = spec.cost.unwrap_or_else(drawn);
        let share = cost / fleet.servers[instance.server as usize].physics.cores;
        fleet.instances[index].physics = parameters::instance(keys, spec.latency_ms, share, *rate);
    }
}

/// Scales own load and default instances down to fit each host, and computes the means of its work.
fn fit(fleet_spec: &FleetSpec<'_>, fleet: &mut Fleet) {
    for index in 0..fleet.servers.len() {
        let server = &fleet.servers[index];
        let (physics, guests) = (&server.physics, server.guests.clone());
        let is_default =
            |guest: &u32| fleet_spec.services[fleet.instances[*guest as usize].service as usize].is_default;
        let default: Vec<u32> = guests.iter().copied().filter(is_default).collect();
        let peak = weekday_peak(|moment| {
            let guest = |guest: &u32| share_at(fleet, *guest, moment);
            physics.own * physics.shape.daily(moment) + default.iter().map(guest).sum::<f64>()
        });
        let factor = (DEFAULT_LOAD / peak).min(1.0);
        for guest in &default {
            fleet.instances[*guest as usize].physics.share *= factor;
        }
        let mean_share = |guest: &u32| {
            let guest = &fleet.instances[*guest as usize].physics;
            guest.mean_rate * guest.share
        };
        let shares: Vec<f64> = guests.iter().map(mean_share).collect();
        let physics = &mut fleet.servers[index].physics;
        physics.own *= factor;
        physics.mean_work = physics.own + shares.iter().sum::<f64>();
        physics.guests_share = shares.iter().map(|share| share * share).sum::<f64>().sqrt();
        fleet.servers[index].physics.headroom = headroom(fleet, index);
    }
}

/// Returns the share of a host's cores that is left for the variation of its own load, when the demand of
/// its guests is at its limit. Without this limit, hosts with a high load that varies much stay at 100 %.
fn headroom(fleet: &Fleet, server: usize) -> f64 {
    let (server, most, least) = (&fleet.servers[server], 0.95, 0.05);
    let physics = &server.physics;
    let busy = weekday_peak(|moment| {
        let guests: f64 = server.guests.iter().map(|guest| share_at(fleet, *guest, moment)).sum();
        physics.own * physics.shape.daily(moment) + MAX_DEMAND * guests
    });
    (most - physics.base - busy).max(least)
}

/// Returns a guest's share of its host's cores according to the shape of a weekday.
fn share_at(fleet: &Fleet, guest: u32, moment: LocalTime) -> f64 {
    let guest = &fleet.instances[guest as usize];
    let rate = weekday_rate(guest, &fleet.services, moment);
    rate * guest.physics.share
}

/// Returns the maximum over the quarter hours of a weekday.
fn weekday_peak(at: impl Fn(LocalTime) -> f64) -> f64 {
    (0..96).map(|quarter| at(LocalTime(quarter * 900_000))).fold(0.0, f64::max)
}

/// Computes the latency of each instance and everything below it, callees first.
fn latency_trees(fleet: &mut Fleet) {
    // Far more than a row can contain, and far too small for a sum of such values to overflow.
    const MOST: f64 = 1e12;
    for index in fleet.callers_first.clone().into_iter().rev() {
        let instance = &fleet.instances[index as usize];
        let physics = &instance.physics;
        let low = 0.85 * physics.peak_utilisation;
        let high = (low * (1.0 + 0.5 * physics.concentration)).min(0.97);
        let idle = physics.queueing_ms * (1.0 - physics.mean_utilisation);
        let mut tree = LatencyTree {
            fixed_ms: physics.fixed_ms,
            queueing_ms: physics.queueing_ms,
            spread_ms: idle * (1.0 / (1.0 - high) - 1.0 / (1.0 - low)),
            failing: 0.0,
            passed_on: 0.0,
        };
        let mut succeeding = 1.0;
        for (callee, calls) in &instance.callees {
            let part = &fleet.instances[*callee as usize].tree;
            tree.fixed_ms = (tree.fixed_ms + calls * part.fixed_ms).min(MOST);
            tree.queueing_ms = (tree.queueing_ms + calls * part.queueing_ms).min(MOST);
            tree.spread_ms = (tree.spread_ms + calls * part.spread_ms).min(MOST);
            succeeding *= all_succeed(*calls, part.passed_on);
        }
        let (own, inherited) = (physics.failing, 1.0 - succeeding);
        tree.failing = either(own, inherited);
        tree.passed_on = passed_on(own, inherited);
        fleet.instances[index as usize].tree = tree;
    }
}

fn check_capacity(fleet_spec: &FleetSpec<'_>, fleet: &Fleet, mistakes: &mut Vec<Diagnostic>) {
    for server in &fleet.servers {
        let physics = &server.physics;
        let peak = weekday_peak(|moment| {
            let guest = |guest: &u32| share_at(fleet, *guest, moment);
            physics.base
                + physics.own * physics.shape.daily(moment)
                + server.guests.iter().map(guest).sum::<f64>()
        });
        if peak <= MAX_LOAD {
            continue;
        }
        let weight = |guest: &&u32| {
            let guest = &fleet.instances[**guest as usize].physics;
            guest.mean_rate * guest.share
        };
        let heaviest = server.guests.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)));
        let heaviest = heaviest.expect("a server without guests is within its capacity");
        let guest = &fleet.instances[*heaviest as usize];
        let cores = physics.cores;
        let demand = match fleet_spec.services[guest.service as usize].outside > 0.0 {
            true => "lower its `rate` or `cost`",
            false => "lower its `cost` or the demand of its callers",
        };
        mistakes.push(
            Diagnostic::error(
                fleet_spec.services[guest.service as usize].place,
                format!("`{}` would need {:.0} of its {cores} cores at peak load", server.name, peak * cores),
            )
            .label(format!(
                "`{}` needs most of them; the limit is {:.0}% of the cores",
                guest.name,
                MAX_LOAD * 100.0
            ))
            .help(format!("{demand}, add `instances` to it, or add servers to its pool")),
        );
    }
}
