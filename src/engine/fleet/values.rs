use super::causes::{ServerCauses, filled};
use super::instance::{InstanceFlow, InstanceState};
use super::server::{ServerFlow, ServerState};
use crate::engine::models::{InstanceMetric, ServerMetric};
use crate::plan::{Instance, InstanceInputs, Server, ServerInputs};

/// The metrics of a server that lie on the grid, in the order of `ServerValues`. (Available memory
/// follows from the rounded usage.)
pub const SERVER_METRICS: [ServerMetric; 9] = [
    ServerMetric::CpuUsage,
    ServerMetric::MemoryUsage,
    ServerMetric::DiskUsage,
    ServerMetric::DiskRead,
    ServerMetric::DiskWrite,
    ServerMetric::NetworkRx,
    ServerMetric::NetworkTx,
    ServerMetric::CpuTemperature,
    ServerMetric::PowerConsumption,
];

/// The metrics of an instance that lie on the grid, in the order of `InstanceValues`. (The error
/// rate is there as an expectation; the count follows.)
pub const INSTANCE_METRICS: [InstanceMetric; 7] = [
    InstanceMetric::RequestRate,
    InstanceMetric::ResponseTimeP50,
    InstanceMetric::ResponseTimeP95,
    InstanceMetric::ResponseTimeP99,
    InstanceMetric::ErrorRate,
    InstanceMetric::ActiveConnections,
    InstanceMetric::QueueDepth,
];

/// Grid values of a server and of an instance: the latter's utilisation stands last.
pub const SERVER_WIDTH: usize = SERVER_METRICS.len();
pub const INSTANCE_WIDTH: usize = INSTANCE_METRICS.len() + 1;

/// A server's values in sixteenths of each metric's quantum.
pub type ServerValues = [i32; SERVER_WIDTH];

/// An instance's values in sixteenths of each metric's quantum; its utilisation in 1/65,536.
pub type InstanceValues = [i32; INSTANCE_WIDTH];

/// The place of a metric of a server in its grid values.
pub const fn server_place(metric: ServerMetric) -> usize {
    let mut i = 0;
    while SERVER_METRICS[i] as u8 != metric as u8 {
        i += 1;
    }
    i
}

/// The place of a metric of an instance in its grid values.
pub const fn instance_place(metric: InstanceMetric) -> usize {
    let mut i = 0;
    while INSTANCE_METRICS[i] as u8 != metric as u8 {
        i += 1;
    }
    i
}

/// Acknowledgements sent for each byte of foreign traffic received.
const ACKNOWLEDGED: f64 = 0.03;

/// What a foreign job reads for each byte that it writes.
const FOREIGN_READS: f64 = 0.5;

/// A server's values at a grid point.
#[inline]
pub fn server_values(
    server: &Server,
    inputs: &ServerInputs,
    flow: &ServerFlow,
    state: &ServerState,
    causes: Option<&ServerCauses>,
) -> ServerValues {
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
    // Writes go before reads where the device can't do both.
    let write = write.min(physics.disk_limit);
    let read = read.min(physics.disk_limit - write);
    [
        sixteenths(100.0 * flow.busy, ServerMetric::CpuUsage.column()),
        sixteenths(flow.memory, ServerMetric::MemoryUsage.column()),
        sixteenths(inputs.disk_used.clamp(0.0, 100.0), ServerMetric::DiskUsage.column()),
        sixteenths(read, ServerMetric::DiskRead.column()),
        sixteenths(write, ServerMetric::DiskWrite.column()),
        sixteenths(rx.min(physics.line_rate), ServerMetric::NetworkRx.column()),
        sixteenths(tx.min(physics.line_rate), ServerMetric::NetworkTx.column()),
        state.celsius,
        sixteenths(flow.watts, ServerMetric::PowerConsumption.column()),
    ]
}

/// An instance's values at a grid point.
#[inline]
pub fn instance_values(
    instance: &Instance,
    inputs: &InstanceInputs,
    flow: &InstanceFlow,
    state: &InstanceState,
) -> InstanceValues {
    let quantile = |logs: f64| (flow.fixed_ms + logs * flow.queueing_ms) * inputs.latency;
    // Little's law.
    let connections = flow.rate * quantile(1.0) / 1e3 + instance.physics.idle_connections;
    [
        sixteenths(flow.rate, InstanceMetric::RequestRate.column()),
        sixteenths(quantile(std::f64::consts::LN_2), InstanceMetric::ResponseTimeP50.column()),
        sixteenths(quantile(2.9957), InstanceMetric::ResponseTimeP95.column()),
        sixteenths(quantile(4.605), InstanceMetric::ResponseTimeP99.column()),
        sixteenths(100.0 * flow.failing, InstanceMetric::ErrorRate.column()),
        sixteenths(connections, InstanceMetric::ActiveConnections.column()),
        state.queue,
        // Where a queue stands already, the odd waiting request is nothing beside it.
        (flow.utilisation / (1.0 + 0.2 * state.waiting()) * 65_536.0) as i32,
    ]
}

/// Rounds to sixteenths of a metric's quantum, within what they can hold.
#[inline]
fn sixteenths(value: f64, (name, units): (&'static str, i64)) -> i32 {
    // Not a number would become 0 in the cast: a bug must not become a plausible value.
    assert!(value >= 0.0, "a value of {name} is not a number, or negative: {value}");
    (value * (16 * units) as f64 + 0.5) as i32
}
