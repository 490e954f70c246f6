//! Finds how much network and disk a server uses by itself, so that incidents can be sized relative to it.

use super::inputs::ServiceSignals;
use super::server_inputs::ServerSignals;
use crate::fleet::{Fleet, Instance};
use crate::noise::{Points, STRIP, STRIP_SPAN};
use crate::time::{CELL, SimTime, Span};

/// The range of a server's own demand on a device over a hold, MB/s, without any incident.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnDemand {
    pub least: f64,
    pub most: f64,
}

impl OwnDemand {
    fn add(&mut self, demand: f64) {
        self.least = self.least.min(demand);
        self.most = self.most.max(demand);
    }
}

/// Computes a server's own demand on the network (received) and on the disk (written) over a hold. The result is
/// exact, because rows are on lines between grid points. For a long hold it is approximate, because only some
/// strips are computed.
pub(crate) fn own_demand(fleet: &Fleet, server: u32, from: SimTime, hold: Span) -> [OwnDemand; 2] {
    let server = &fleet.servers[server as usize];
    let mut signals = ServerSignals::new(&server.physics);
    let mut services: Vec<(u32, ServiceSignals, Points)> = Vec::new();
    for guest in &server.guests {
        for (service, _) in &fleet.instances[*guest as usize].sources {
            if !services.iter().any(|(known, ..)| known == service) {
                let signals = ServiceSignals::new(&fleet.services[*service as usize]);
                services.push((*service, signals, [0.0; STRIP]));
            }
        }
    }
    let to = from + hold;
    let mut ranges = [OwnDemand { least: f64::MAX, most: 0.0 }; 2];
    // The grid point computed last, with the demand there.
    let mut before: Option<(SimTime, [f64; 2])> = None;
    let (first, last) = (from.0.div_euclid(STRIP_SPAN.0), (to + CELL).0.div_euclid(STRIP_SPAN.0));
    let step = ((last - first) / MOST_STRIPS).max(1) as usize;
    for strip in (first..=last).step_by(step) {
        let start = SimTime(strip * STRIP_SPAN.0);
        for (service, signals, demand) in &mut services {
            *demand = signals.strip(&fleet.services[*service as usize], &fleet.calendar, start);
        }
        let points = signals.strip(&server.physics, &fleet.calendar, start);
        for (k, inputs) in points.iter().enumerate() {
            let demand = |instance: &Instance| {
                let part = |(service, rate): &(u32, f64)| {
                    let known = services.iter().find(|(known, ..)| known == service);
                    rate * known.map_or(0.0, |(_, _, demand)| demand[k])
                };
                instance.sources.iter().map(part).sum::<f64>()
            };
            let guests = server.guests.iter().map(|guest| &fleet.instances[*guest as usize]);
            let work = inputs.own + guests.map(|guest| demand(guest) * guest.physics.share).sum::<f64>();
            let asked = [server.wanted_rx(work, inputs), server.wanted_write(work, inputs)];
            let here = SimTime(start.0 + k as i64 * CELL.0);
            for (i, range) in ranges.iter_mut().enumerate() {
                if (from..=to).contains(&here) {
                    range.add(asked[i]);
                }
                // The ends of the hold are between grid points.
                let Some((there, was)) = before.filter(|(there, _)| here - *there == CELL) else { continue };
                for end in [from, to] {
                    if there < end && end < here {
                        let part = (end - there).as_seconds() / CELL.as_seconds();
                        range.add(was[i] + (asked[i] - was[i]) * part);
                    }
                }
            }
            before = Some((here, asked));
        }
    }
    ranges
}

/// The approximate number of strips that are computed over a long hold. There are never more than twice as many.
const MOST_STRIPS: i64 = 64;
