//! Racks: an entity type with a value at grid points, on which incidents act.

use std::collections::BTreeSet;

use super::{Model, Scene, TickView, View, rounded};
use crate::batch::TagColumns;
use crate::fleet::{Entity, Fleet};
use crate::math::Key;
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

    fn width(&self) -> usize {
        1
    }

    fn values(
        &self,
        scene: &Scene<'_>,
        _: View<'_>,
        rack: u32,
        strength: &dyn Fn(u32) -> f64,
        out: &mut [i32],
    ) {
        let id = scene.fleet.schema().type_named("rack").unwrap();
        let causes = scene.acting.on(Entity::new(id, rack), scene.incidents, strength);
        let lost: f64 = causes.map(|(_, change, on)| on * change.load).sum();
        let volts = 230.0 + 2.0 * Key::new(u64::from(rack)).uniform(scene.moment.0);
        // In sixteenths of a tenth.
        out[0] = (volts * (1.0 - lost) * 160.0) as i32;
    }

    fn row(&self, tick: &TickView<'_>, rack: usize, values: &[i64], numbers: &mut [i64], _: &mut [u8]) {
        let u = tick.key.with("rack").with(&rack.to_string()).uniform(tick.moment.0);
        numbers.copy_from_slice(&[rounded(values[0]), 4_500, i64::from(u > 0.99)]);
    }

    fn scale(&self, _: &Fleet, _: usize, _: usize, _: Span) -> f64 {
        10.0
    }
}
