//! The metrics of a service instance.

use super::inputs::InstanceInputs;
use super::instance_flow::{InstanceFlow, InstanceState};
use super::sensor::{HALF_A_PERCENT, THIRD_OF_A_PERCENT, binomial_quantile, normals, times, waiting};
use super::{Errors, Model, Scene, TickView, View, WIDTH, fill, rounded};
use crate::batch::{Columns, TagColumns};
use crate::fleet::{Fleet, Instance, InstancePhysics};
use crate::math::{ln, mix, round_half_up, unit};
use crate::schema::EntityType;
use crate::time::{SimTime, Span};

/// The endpoints in the records of instances.
pub const ENDPOINTS: [&str; 4] = ["/api/users", "/api/products", "/api/orders", "/health"];

/// An instance of a service.
pub(super) struct InstanceModel;

impl Model for InstanceModel {
    fn entity_type(&self) -> EntityType {
        let instance = EntityType::new("service", "application_metric")
            .tag("service_name", "the service instance")
            .tag("server_id", "the server that it runs on");
        InstanceMetric::add_to(instance).enum_column("endpoint", "what was asked for", &ENDPOINTS)
    }

    fn populate(&self, fleet: &Fleet, entities: &mut TagColumns) {
        for instance in &fleet.instances {
            entities.push([&*instance.name, &fleet.servers[instance.server as usize].name]);
        }
    }

    fn width(&self) -> usize {
        InstanceMetric::WIDTH + 1
    }

    fn states(&self) -> &'static [usize] {
        InstanceMetric::STATES
    }

    fn values(
        &self,
        scene: &Scene<'_>,
        view: View<'_>,
        entity: u32,
        _: &dyn Fn(u32) -> f64,
        out: &mut [i32],
    ) {
        out.copy_from_slice(&InstanceGrid::of(scene, view, entity).values());
    }

    fn row(&self, tick: &TickView<'_>, entity: usize, values: &[i64], numbers: &mut [i64], enums: &mut [u8]) {
        let values = values.try_into().expect(WIDTH);
        let row = InstanceRow::new(tick, &tick.fleet.instances[entity], values);
        numbers.copy_from_slice(&row.numbers());
        enums.copy_from_slice(&[row.endpoint()]);
    }

    fn rows(&self, tick: &TickView<'_>, values: &[i64], columns: &mut Columns<'_>) {
        let (values, _) = values.as_chunks::<{ InstanceMetric::WIDTH + 1 }>();
        fill(columns, tick.fleet.instances.iter().zip(values), |(instance, values)| {
            let row = InstanceRow::new(tick, instance, *values);
            (row.numbers(), [row.endpoint()])
        });
    }

    fn scale(&self, fleet: &Fleet, entity: usize, column: usize, step: Span) -> f64 {
        InstanceMetric::ALL[column].scale(&Spread::of(&fleet.instances[entity], step))
    }
}

metrics! {
    /// The metrics of a service instance, in the order of its columns.
    InstanceMetric of INSTANCE;
    grid(g: InstanceGrid<'_>);
    row(r: InstanceRow<'_>);
    scale(s: Spread<'_>);
    RequestRate {
        name: "request_rate_per_sec",
        unit: "1/s",
        decimals: 2,
        about: "arriving requests",
        grid: g.flow.rate,
        row: r.rate,
        scale: s.rate,
    }
    ResponseTimeP50 {
        name: "response_time_p50_ms",
        unit: "ms",
        decimals: 2,
        about: "the median; p50 ≤ p95 ≤ p99",
        grid: g.quantile(std::f64::consts::LN_2),
        row: r.quantile(InstanceMetric::ResponseTimeP50),
        scale: s.latency(std::f64::consts::LN_2),
    }
    ResponseTimeP95 {
        name: "response_time_p95_ms",
        unit: "ms",
        decimals: 2,
        about: "the 95th percentile",
        grid: g.quantile(2.9957),
        row: r.quantile(InstanceMetric::ResponseTimeP95),
        scale: s.latency(2.9957),
    }
    ResponseTimeP99 {
        name: "response_time_p99_ms",
        unit: "ms",
        decimals: 2,
        about: "the 99th percentile",
        grid: g.quantile(4.605),
        row: r.quantile(InstanceMetric::ResponseTimeP99),
        scale: s.latency(4.605),
    }
    ErrorRate {
        name: "error_rate_percent",
        unit: "%",
        decimals: 3,
        about: "100 × errors ÷ requests of the tick; 0 without requests",
        grid: 100.0 * g.flow.failing,
        row: r.errors.0,
        scale: s.error_percent(),
    }
    ErrorCount {
        name: "error_count",
        unit: "errors a tick",
        decimals: 0,
        about: "failed requests",
        row: r.errors.1,
        scale: s.error_percent() / 100.0 * s.physics.mean_rate * s.step.as_seconds(),
    }
    ActiveConnections {
        name: "active_connections",
        unit: "connections",
        decimals: 0,
        about: "about rate × mean latency, plus an idle pool",
        // Little's law.
        grid: g.flow.rate * g.quantile(1.0) / 1e3 + g.instance.physics.idle_connections,
        row: rounded(r.value(InstanceMetric::ActiveConnections)),
        scale: s.connections(),
    }
    QueueDepth {
        name: "queue_depth",
        unit: "requests",
        decimals: 0,
        about: "waiting requests; 0 at most ticks",
        state: g.state.queue,
        row: rounded(r.value(InstanceMetric::QueueDepth)) + r.waiting,
        scale: s.queue(),
    }
}

/// An instance's values at a grid point: its metrics in sixteenths of their quanta, then its utilisation in
/// 1/65,536.
type InstanceValues = [i32; InstanceMetric::WIDTH + 1];

/// What the values of an instance at a grid point are computed from.
#[derive(Clone, Copy, Debug)]
struct InstanceGrid<'a> {
    instance: &'a Instance,
    inputs: &'a InstanceInputs,
    flow: &'a InstanceFlow,
    state: &'a InstanceState,
}

impl<'a> InstanceGrid<'a> {
    /// An instance at a grid point, as a view shows it.
    #[inline]
    fn of(scene: &Scene<'a>, view: View<'a>, index: u32) -> InstanceGrid<'a> {
        let (flow, state) = (view.instance_flow(index), view.instance_state(index));
        let (instance, inputs) = (&scene.fleet.instances[index as usize], &scene.instances[index as usize]);
        InstanceGrid { instance, inputs, flow, state }
    }

    /// Returns the quantile of latency at which an exponential distribution with mean 1 has the value `logs`, ms.
    #[inline]
    fn quantile(&self, logs: f64) -> f64 {
        (self.flow.fixed_ms + logs * self.flow.queueing_ms) * self.inputs.latency
    }

    /// The values of all its metrics, and its utilisation.
    #[inline]
    fn values(&self) -> InstanceValues {
        let mut values = [0; InstanceMetric::WIDTH + 1];
        values[..InstanceMetric::WIDTH].copy_from_slice(&InstanceMetric::values(self));
        // Where a queue already exists, the occasional waiting request is negligible.
        let utilisation = self.flow.utilisation / (1.0 + 0.2 * self.state.waiting());
        values[InstanceMetric::WIDTH] = (utilisation * 65_536.0) as i32;
        values
    }
}

/// What a row of an instance is computed from: its values at the tick, and the numbers drawn for it.
#[derive(Clone, Copy, Debug)]
struct InstanceRow<'a> {
    fleet: &'a Fleet,
    instance: &'a Instance,
    values: [i64; InstanceMetric::WIDTH + 1],
    rate: i64,
    latency_noise: i64,
    /// The error rate and the error count.
    errors: (i64, i64),
    waiting: i64,
    draws: u64,
}

impl<'a> InstanceRow<'a> {
    /// An instance at a tick. `values` are in the order of [`InstanceValues`].
    #[inline(always)]
    fn new(
        tick: &TickView<'a>,
        instance: &'a Instance,
        values: [i64; InstanceMetric::WIDTH + 1],
    ) -> InstanceRow<'a> {
        let (physics, moment) = (&instance.physics, tick.moment);
        let [rate_noise, latency_noise, ..] = normals(mix(physics.sensors, moment.0));
        let rate = values[InstanceMetric::RequestRate.place()];
        let rate = rounded(times(rate, rate_noise, THIRD_OF_A_PERCENT).max(0));
        let failing = values[InstanceMetric::ErrorRate.place()];
        let errors = errors_of(physics, requests(rate, tick.step.0), failing, moment, tick.errors);
        let draws = mix(physics.requests, moment.0);
        let waiting = waiting(values[InstanceMetric::WIDTH], physics.seats, draws as u32);
        InstanceRow { fleet: tick.fleet, instance, values, rate, latency_noise, errors, waiting, draws }
    }

    /// The stored values of all its metrics.
    #[inline]
    fn numbers(&self) -> [i64; InstanceMetric::COUNT] {
        InstanceMetric::row(self)
    }

    /// The index of its endpoint, drawn by the weights of its service, which add up to 100.
    #[inline]
    fn endpoint(&self) -> u8 {
        let weights = &self.fleet.services[self.instance.service as usize].endpoints;
        let mut rest = ((self.draws >> 32) * 100) >> 32;
        for (i, weight) in weights.iter().enumerate() {
            if rest < u64::from(*weight) {
                return i as u8;
            }
            rest -= u64::from(*weight);
        }
        (weights.len() - 1) as u8
    }

    #[inline]
    fn value(&self, metric: InstanceMetric) -> i64 {
        self.values[metric.place()]
    }

    #[inline]
    fn quantile(&self, metric: InstanceMetric) -> i64 {
        rounded(times(self.value(metric), self.latency_noise, HALF_A_PERCENT).max(0))
    }
}

/// The error rate and the error count of a tick. `failing` is the expected rate in sixteenths of its quantum.
#[inline]
fn errors_of(
    physics: &InstancePhysics,
    requests: i64,
    failing: i64,
    moment: SimTime,
    errors: Errors,
) -> (i64, i64) {
    let share = failing as f64 * (1.0 / (16.0 * 100.0 * InstanceMetric::ErrorRate.units() as f64));
    match errors {
        Errors::Drawn => {
            let u = unit(mix(physics.requests, !moment.0));
            let count = binomial_quantile(requests, share.min(1.0), u);
            // 100 × errors ÷ requests in thousandths, rounded.
            let percent = if requests == 0 { 0 } else { (count * 100_000 + requests / 2) / requests };
            (percent, count)
        }
        Errors::Expected => (rounded(failing), round_half_up(requests as f64 * share)),
    }
}

/// The number of requests in a tick: the reported rate (hundredths of 1/s) × the step, rounded.
fn requests(rate: i64, step_ms: i64) -> i64 {
    (rate.saturating_mul(step_ms) + 50_000) / 100_000
}

/// How far an instance deviates from its profile. The factors of the scales were fitted to long runs.
#[derive(Clone, Copy, Debug)]
struct Spread<'a> {
    instance: &'a Instance,
    physics: &'a InstancePhysics,
    step: Span,
    /// The scale of its rate, requests a second.
    rate: f64,
}

impl<'a> Spread<'a> {
    fn of(instance: &'a Instance, step: Span) -> Spread<'a> {
        let physics = &instance.physics;
        let rate = 0.54 * physics.concentration * physics.mean_rate;
        Spread { instance, physics, step, rate }
    }

    /// The scale of the quantile D + `logs`·M of latency, ms.
    fn latency(&self, logs: f64) -> f64 {
        let tree = &self.instance.tree;
        let (spread, noise) = (logs * tree.spread_ms, 0.25 * (tree.fixed_ms + logs * tree.queueing_ms));
        (spread * spread + noise * noise).sqrt()
    }

    /// The p99.9 of a binomial share over a minute of requests, in points above its mean.
    ///
    /// It is the normal quantile at z = 3.29 (two-sided) with the skew term of the Cornish–Fisher expansion.
    fn error_percent(&self) -> f64 {
        let requests = (self.physics.mean_rate * 60.0).max(1.0);
        let mean = requests * self.instance.tree.failing;
        100.0 * (3.29 * mean.sqrt() + (3.29 * 3.29 - 1.0) / 6.0) / requests
    }

    fn connections(&self) -> f64 {
        let tree = &self.instance.tree;
        // Rate and latency rise together, so their parts add up.
        let by_rate = self.rate * (tree.fixed_ms + tree.queueing_ms) / 1e3;
        let by_latency = self.physics.mean_rate * self.latency(1.0) / 1e3;
        1.27 * (by_rate + by_latency)
    }

    /// The length that an M/M/1 queue exceeds in e⁻⁵ of the time, less the seats.
    fn queue(&self) -> f64 {
        let physics = self.physics;
        let busy = (0.85 * physics.peak_utilisation * (1.0 + 0.3 * physics.concentration)).min(0.97);
        5.0 / -ln(busy) - f64::from(physics.seats)
    }
}
