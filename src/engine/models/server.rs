//! The metrics of a server.

use super::causes::{ServerCauses, filled};
use super::inputs::ServerInputs;
use super::noise::{OWN_WANDER, SERVICE_WANDER};
use super::sensor::{HALF_A_PERCENT, normals, plus, times};
use super::server_flow::{ServerFlow, ServerState};
use super::{Model, Scene, TickView, View, WIDTH, fill, rounded};
use crate::batch::{Columns, TagColumns};
use crate::fleet::{FAN_STARTS, Fleet, SERVER, SUPPLY, Server, ServerPhysics};
use crate::math::{exp_pade, mix, pow};
use crate::schema::EntityType;
use crate::time::{SimTime, Span};

/// A server of the fleet.
pub(super) struct ServerModel;

impl Model for ServerModel {
    fn entity_type(&self) -> EntityType {
        let server = EntityType::new("server", "server_metric")
            .tag("server_id", "the server")
            .tag("rack_id", "its rack")
            .tag("datacenter_zone", "its zone");
        ServerMetric::add_to(server)
    }

    fn populate(&self, fleet: &Fleet, entities: &mut TagColumns) {
        for server in &fleet.servers {
            entities.push([&*server.name, &server.rack, &fleet.zones[server.zone as usize].name]);
        }
    }

    fn width(&self) -> usize {
        ServerMetric::WIDTH
    }

    fn states(&self) -> &'static [usize] {
        ServerMetric::STATES
    }

    fn values(
        &self,
        scene: &Scene<'_>,
        view: View<'_>,
        entity: u32,
        strength: &dyn Fn(u32) -> f64,
        out: &mut [i32],
    ) {
        let causes = scene.acting.on_server(entity, scene.incidents, scene.moments(), strength);
        out.copy_from_slice(&ServerGrid::of(scene, view, entity, Some(&causes)).values());
    }

    /// Incidents act on a few servers only, so only these are computed with causes.
    fn all_values(&self, scene: &Scene<'_>, view: View<'_>, strength: &dyn Fn(u32) -> f64, out: &mut [i32]) {
        let (all, _) = out.as_chunks_mut::<{ ServerMetric::WIDTH }>();
        for (entity, out) in all.iter_mut().enumerate() {
            *out = ServerGrid::of(scene, view, entity as u32, None).values();
        }
        for target in scene.acting.targets().filter(|target| target.type_id() == SERVER) {
            self.values(scene, view, target.index(), strength, &mut all[target.index() as usize]);
        }
    }

    fn row(&self, tick: &TickView<'_>, entity: usize, values: &[i64], numbers: &mut [i64], _: &mut [u8]) {
        let values = values.try_into().expect(WIDTH);
        numbers.copy_from_slice(&ServerRow::new(&tick.fleet.servers[entity], values, tick.moment).numbers());
    }

    fn rows(&self, tick: &TickView<'_>, values: &[i64], columns: &mut Columns<'_>) {
        let (values, _) = values.as_chunks::<{ ServerMetric::WIDTH }>();
        fill(columns, tick.fleet.servers.iter().zip(values), |(server, values)| {
            (ServerRow::new(server, *values, tick.moment).numbers(), [])
        });
    }

    fn scale(&self, fleet: &Fleet, entity: usize, column: usize, _: Span) -> f64 {
        ServerMetric::ALL[column].scale(&Spread::of(&fleet.servers[entity]))
    }
}

metrics! {
    /// The metrics of a server, in the order of its columns.
    ServerMetric of SERVER;
    grid(g: ServerGrid<'_>);
    row(r: ServerRow<'_>);
    scale(s: Spread<'_>);
    CpuUsage {
        name: "cpu_usage_percent",
        unit: "%",
        decimals: 2,
        about: "0–100, of all cores",
        grid: 100.0 * g.flow.busy,
        row: r.percent(ServerMetric::CpuUsage, r.noise[0], 320),
        // Nearly full cores cannot take more load, so the scale is about four fifths of the load that is wanted.
        scale: 82.0 * s.load,
    }
    MemoryUsage {
        name: "memory_usage_percent",
        unit: "%",
        decimals: 2,
        about: "0–100",
        grid: g.flow.memory,
        row: r.memory_usage(),
        scale: MEMORY_POINTS,
    }
    MemoryAvailable {
        name: "memory_available_gb",
        unit: "GB",
        decimals: 2,
        about: "installed × (1 − usage ÷ 100)",
        row: (hundredths(r.physics.memory_gb) * (10_000 - r.memory_usage()) + 5_000) / 10_000,
        scale: MEMORY_POINTS / 100.0 * s.physics.memory_gb,
    }
    DiskUsage {
        name: "disk_usage_percent",
        unit: "%",
        decimals: 2,
        about: "grows with the written data, falls at a daily clean-up",
        grid: g.inputs.disk_used.clamp(0.0, 100.0),
        row: rounded(r.value(ServerMetric::DiskUsage)),
        // It has no noise, so its scale is one quantum.
        scale: 0.0,
    }
    DiskRead {
        name: "disk_read_mbps",
        unit: "MB/s",
        decimals: 2,
        about: "reads and writes together stay within the limit of the device",
        grid: g.read,
        row: r
            .throughput(ServerMetric::DiskRead, r.traffic_noise[2], r.physics.disk_limit)
            .min(hundredths(r.physics.disk_limit) - r.disk_write()),
        scale: s.physics.disk_read * root_of_squares([2.9, 3.4 * s.flushes, 0.0, 0.0]),
    }
    DiskWrite {
        name: "disk_write_mbps",
        unit: "MB/s",
        decimals: 2,
        about: "reads and writes together stay within the limit of the device",
        grid: g.write,
        row: r.disk_write(),
        scale: s.physics.disk_write * root_of_squares([3.1, 5.5 * s.flushes, 0.0, 0.0]),
    }
    NetworkRx {
        name: "network_rx_mbps",
        unit: "MB/s",
        decimals: 2,
        about: "received; at most the line rate",
        grid: g.rx.min(g.server.physics.line_rate),
        row: r.throughput(ServerMetric::NetworkRx, r.traffic_noise[0], r.physics.line_rate),
        scale: s.physics.rx * s.network((0.87, 3.5 * RX_SIGMA), 0.70),
    }
    NetworkTx {
        name: "network_tx_mbps",
        unit: "MB/s",
        decimals: 2,
        about: "sent; at most the line rate",
        grid: g.tx.min(g.server.physics.line_rate),
        row: r.throughput(ServerMetric::NetworkTx, r.traffic_noise[1], r.physics.line_rate),
        scale: s.physics.rx * s.physics.tx_ratio * s.network((1.11, 3.0 * TX_SIGMA), 0.67),
    }
    CpuTemperature {
        name: "cpu_temperature_celsius",
        unit: "°C",
        decimals: 1,
        about: "follows power and inlet temperature, without jumps",
        state: g.state.celsius,
        row: rounded(plus(r.value(ServerMetric::CpuTemperature), r.noise[2], 16).max(0)),
        scale: 0.83 * s.physics.thermal_resistance * s.watts,
    }
    PowerConsumption {
        name: "power_consumption_watts",
        unit: "W",
        decimals: 1,
        about: "follows the load; includes the fan",
        grid: g.flow.watts,
        row: r.power(),
        scale: s.watts,
    }
}

/// A server's values at a grid point, in sixteenths of each metric's quantum.
type ServerValues = [i32; ServerMetric::WIDTH];

/// What the values of a server at a grid point are computed from.
#[derive(Clone, Copy, Debug)]
struct ServerGrid<'a> {
    server: &'a Server,
    inputs: &'a ServerInputs,
    flow: &'a ServerFlow,
    state: &'a ServerState,
    /// The throughput of its devices, MB/s.
    read: f64,
    write: f64,
    rx: f64,
    tx: f64,
}

/// Bytes of acknowledgements sent per byte of foreign traffic received.
const ACKNOWLEDGED: f64 = 0.03;

/// Bytes that a foreign job reads per byte that it writes.
const FOREIGN_READS: f64 = 0.5;

impl<'a> ServerGrid<'a> {
    /// A server at a grid point, as a view shows it.
    #[inline]
    fn of(scene: &Scene<'a>, view: View<'a>, index: u32, causes: Option<&ServerCauses>) -> ServerGrid<'a> {
        let (server, inputs) = (&scene.fleet.servers[index as usize], &scene.servers[index as usize]);
        ServerGrid::new(server, inputs, view.server_flow(index), view.server_state(index), causes)
    }

    #[inline]
    fn new(
        server: &'a Server,
        inputs: &'a ServerInputs,
        flow: &'a ServerFlow,
        state: &'a ServerState,
        causes: Option<&ServerCauses>,
    ) -> ServerGrid<'a> {
        let physics = &server.physics;
        let relative = flow.work / physics.mean_work;
        let mut rx = server.wanted_rx(flow.work, inputs);
        let mut tx = physics.rx * physics.tx_ratio * (0.05 + relative * inputs.tx + inputs.tx_flow);
        let mut write = server.wanted_write(flow.work, inputs);
        let mut read =
            physics.disk_read * (0.1 + relative * inputs.read + 0.3 * inputs.flush * (0.5 + 0.5 * relative));
        if let Some(causes) = causes {
            let own = rx;
            rx = filled(own, &causes.rx).0;
            tx += ACKNOWLEDGED * (rx - own).max(0.0);
            let own = write;
            write = filled(own, &causes.write).0;
            read += FOREIGN_READS * (write - own).max(0.0);
        }
        // Writes have priority over reads if the device cannot do both.
        let write = write.min(physics.disk_limit);
        let read = read.min(physics.disk_limit - write);
        ServerGrid { server, inputs, flow, state, read, write, rx, tx }
    }

    /// The values of all its metrics.
    #[inline]
    fn values(&self) -> ServerValues {
        ServerMetric::values(self)
    }
}

/// What a row of a server is computed from: its values at the tick, and the noise of its sensors.
#[derive(Clone, Copy, Debug)]
struct ServerRow<'a> {
    physics: &'a ServerPhysics,
    values: [i64; ServerMetric::WIDTH],
    /// The noise of usage, temperature and power.
    noise: [i64; 5],
    /// The noise of network and disk.
    traffic_noise: [i64; 5],
}

impl<'a> ServerRow<'a> {
    /// A server at a tick, with its values in sixteenths of each metric's quantum.
    #[inline(always)]
    fn new(server: &'a Server, values: [i64; ServerMetric::WIDTH], moment: SimTime) -> ServerRow<'a> {
        let physics = &server.physics;
        let noise = normals(mix(physics.sensors, moment.0));
        let traffic_noise = normals(mix(physics.sensors, !moment.0));
        ServerRow { physics, values, noise, traffic_noise }
    }

    /// The stored values of all its metrics.
    #[inline]
    fn numbers(&self) -> [i64; ServerMetric::COUNT] {
        ServerMetric::row(self)
    }

    #[inline]
    fn value(&self, metric: ServerMetric) -> i64 {
        self.values[metric.place()]
    }

    /// A percentage with noise. `noise` is the standard deviation in sixteenths of the quantum.
    #[inline]
    fn percent(&self, metric: ServerMetric, z: i64, noise: i64) -> i64 {
        rounded(plus(self.value(metric), z, noise).clamp(0, 10_000 * 16))
    }

    /// Throughput with noise, within a limit in MB/s.
    #[inline]
    fn throughput(&self, metric: ServerMetric, z: i64, limit: f64) -> i64 {
        rounded(times(self.value(metric), z, HALF_A_PERCENT).max(0)).min(hundredths(limit))
    }

    #[inline]
    fn memory_usage(&self) -> i64 {
        self.percent(ServerMetric::MemoryUsage, self.noise[1], 32)
    }

    #[inline]
    fn disk_write(&self) -> i64 {
        self.throughput(ServerMetric::DiskWrite, self.traffic_noise[3], self.physics.disk_limit)
    }

    /// Power with noise, between idle power and the limit of the supply plus the fan's power.
    #[inline]
    fn power(&self) -> i64 {
        // 25 °C in sixteenths of the quantum.
        const STARTS: i64 = FAN_STARTS as i64 * 16 * ServerMetric::CpuTemperature.units();
        // Watts per degree equal sixteenths per sixteenth, because both metrics have one decimal.
        let warmth = (self.value(ServerMetric::CpuTemperature) - STARTS).max(0);
        let fan = ((self.physics.fan_watts * 65_536.0) as i64 * warmth) >> 16;
        let power = plus(self.value(ServerMetric::PowerConsumption), self.noise[3], 128);
        let sixteenths = |watts: f64| (watts * (16 * ServerMetric::PowerConsumption.units()) as f64) as i64;
        let supply = sixteenths(self.physics.max_watts * SUPPLY) + fan;
        rounded(power.clamp(sixteenths(self.physics.idle_watts), supply))
    }
}

#[inline]
fn hundredths(value: f64) -> i64 {
    (value * 100.0) as i64
}

/// How far a server deviates from its profile. The factors of the scales were fitted to long runs.
#[derive(Clone, Copy, Debug)]
struct Spread<'a> {
    physics: &'a ServerPhysics,
    /// Standard deviations of its own load and of its guests', as shares of the cores.
    own: f64,
    guests: f64,
    /// The scale of its load, as a share of the cores, and of its power, W.
    load: f64,
    watts: f64,
    flushes: f64,
}

/// The scale of memory usage, in points. Memory wanders equally on all hosts.
const MEMORY_POINTS: f64 = 7.7;

/// Standard deviations of the logarithms of the network's noise factors, at a noise of 1.
const RX_SIGMA: f64 = 0.123;
const TX_SIGMA: f64 = 0.165;

impl<'a> Spread<'a> {
    fn of(server: &'a Server) -> Spread<'a> {
        let physics = &server.physics;
        let (fast, slow) = OWN_WANDER.sigmas();
        let restless = physics.restless;
        let own = physics.own * (2.0 * restless * restless * fast * fast + restless * slow * slow).sqrt();
        let (fast, slow) = SERVICE_WANDER.sigmas();
        let guests = physics.guests_share * (fast * fast + slow * slow).sqrt();
        let jobs = physics.job * (physics.jobs_per_hour / 0.14).sqrt();
        let load = root_of_squares([3.5 * own, 2.45 * guests, 1.66 * jobs, 0.0]);
        let utilisation = physics.base + physics.mean_work + 0.5 * load;
        let slope = 2.0 - 1.4 * pow(utilisation, 0.4);
        let watts = (physics.max_watts - physics.idle_watts) * slope.max(0.0) * load;
        Spread { physics, own, guests, load, watts, flushes: physics.flushes.sqrt() }
    }

    /// The scale of one direction of the network, in units of the level: work, noise and bulk transfers. The pair
    /// is a factor on the noise, and the quantile of the noise's logarithm at a noise of 1.
    fn network(&self, (factor, quantile): (f64, f64), flows: f64) -> f64 {
        let mean = self.physics.mean_work.max(1e-6);
        let noise = factor * (exp_pade(quantile * self.physics.network_noise) - 1.0);
        root_of_squares([2.3 * self.own / mean, 1.7 * self.guests / mean, noise, flows])
    }
}

fn root_of_squares(parts: [f64; 4]) -> f64 {
    parts.iter().map(|part| part * part).sum::<f64>().sqrt()
}
