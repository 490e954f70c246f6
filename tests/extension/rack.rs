//! Racks: an entity type whose values follow from the time alone.

use std::collections::BTreeSet;

use super::{Model, TickView};
use crate::batch::TagColumns;
use crate::fleet::Fleet;
use crate::schema::{EntityType, Metric};
use crate::time::Span;

pub(super) struct RackModel;

impl Model for RackModel {
    fn entity_type(&self) -> EntityType {
        EntityType::new("rack", "rack_metric")
            .tag("rack_name", "the rack")
            .metric(Metric::new("supply_volts", "V", 1, "voltage of the supply"))
            .metric(Metric::new("humidity_percent", "%", 2, "humidity of the air"))
            .metric(Metric::new("door_openings", "openings a tick", 0, "how often the door was opened"))
    }

    fn populate(&self, fleet: &Fleet, entities: &mut TagColumns) {
        let racks: BTreeSet<&str> = fleet.servers.iter().map(|server| &*server.rack).collect();
        racks.into_iter().for_each(|rack| entities.push([rack]));
    }

    fn row(&self, tick: &TickView<'_>, entity: usize, _: &[i64], numbers: &mut [i64], _: &mut [u8]) {
        let u = tick.key.with("rack").with(&entity.to_string()).uniform(tick.moment.0);
        numbers.copy_from_slice(&[2_300 + (u * 20.0) as i64, 4_500, i64::from(u > 0.99)]);
    }

    fn scale(&self, _: &Fleet, _: usize, _: usize, _: Span) -> f64 {
        1.0
    }
}
