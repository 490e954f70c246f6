use super::fleet::{Fleet, Instance};
use super::inputs::ServiceSignals;
use super::server_inputs::ServerSignals;
use crate::signal::{Points, STRIP, STRIP_SPAN, point};
use crate::time::{SimTime, Span};

/// What a server's own demand asks of a device over a hold, MB/s, with no incident anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnDemand {
    pub least: f64,
    pub most: f64,
}

impl OwnDemand {
    fn add(&mut self, demand: f64) {
        self.least = self.least.min(demand);
        self.most = self.most.max(demand);
    }
}

/// What a server's own demand asks of the network (received) and of the disk (written) over a hold.
pub(super) fn own_demand(fleet: &Fleet, server: u32, from: SimTime, hold: Span) -> [OwnDemand; 2] {
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
    let strips = (hold.0 / STRIP_SPAN.0).clamp(1, MOMENTS);
    let mut ranges = [OwnDemand { least: f64::MAX, most: 0.0 }; 2];
    for nth in 0..=strips {
        let moment = SimTime(from.0 + hold.0 * nth / strips);
        let first = SimTime(moment.0.div_euclid(STRIP_SPAN.0) * STRIP_SPAN.0);
        for (service, signals, demand) in &mut services {
            *demand = signals.strip(&fleet.services[*service as usize], first);
        }
        let points = signals.strip(&server.physics, first);
        for (k, inputs) in points.iter().enumerate() {
            let at = point(first) + k as i64;
            if at < point(from) || at > point(from + hold) {
                continue;
            }
            let demand = |instance: &Instance| {
                let part = |(service, rate): &(u32, f64)| {
                    let known = services.iter().find(|(known, ..)| known == service);
                    rate * known.map_or(0.0, |(_, _, demand)| demand[k])
                };
                instance.sources.iter().map(part).sum::<f64>()
            };
            let guests = server.guests.iter().map(|guest| &fleet.instances[*guest as usize]);
            let work = inputs.own + guests.map(|guest| demand(guest) * guest.physics.share).sum::<f64>();
            ranges[0].add(server.wanted_rx(work, inputs));
            ranges[1].add(server.wanted_write(work, inputs));
        }
    }
    ranges
}

/// Strips looked at over a hold, at most.
const MOMENTS: i64 = 16;
