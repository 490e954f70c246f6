use super::instance::{self, InstanceMetric};
use super::server::{self, ServerMetric};
use crate::fleet::{Entity, Fleet};
use crate::schema::MetricId;
use crate::time::Span;

/// The scale of a metric of an entity, in the metric's unit; at least one quantum.
///
/// It is the unit of severity and snr, so it depends on no run, window or luck: each formula takes the entity's own
/// parameters, and the step where a value counts events of a tick.
pub fn scale(fleet: &Fleet, entity: Entity, metric: MetricId, step: Span) -> f64 {
    let column = metric.column();
    let scale = match entity {
        Entity::Server(index) => server::scale(&fleet.servers[index as usize], ServerMetric::ALL[column]),
        Entity::Service(index) => {
            instance::scale(&fleet.instances[index as usize], InstanceMetric::ALL[column], step)
        }
    };
    scale.max(1.0 / fleet.schema()[metric].units() as f64)
}
