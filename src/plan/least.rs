use super::fleet::{Fleet, Instance};
use super::inputs::ServiceSignals;
use super::server_inputs::ServerSignals;
use crate::signal::{Points, STRIP, STRIP_SPAN, point};
use crate::time::{SimTime, Span};

/// The least that a server's own demand asks for over a hold: received and written, MB/s, with no
/// incident anywhere.
pub(super) fn least_demand(fleet: &Fleet, server: u32, from: SimTime, hold: Span) -> (f64, f64) {
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
    let mut least = (f64::MAX, f64::MAX);
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
            let (rx, write) = (server.wanted_rx(work, inputs), server.wanted_write(work, inputs));
            least = (least.0.min(rx), least.1.min(write));
        }
    }
    least
}

/// Strips looked at over a hold, at most.
const MOMENTS: i64 = 16;
