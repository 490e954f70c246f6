//! Racks: an entity type with two values at grid points. Incidents change one; the other one depends on servers.

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
            .metric(Metric::new("exhaust_celsius", "°C", 2, "mean temperature of its servers"))
            .metric(Metric::new("door_openings", "openings a tick", 0, "how often the door was opened"))
    }

    fn populate(&self, fleet: &Fleet, entities: &mut TagColumns) {
        let racks: BTreeSet<&str> = fleet.servers.iter().map(|server| &*server.rack).collect();
        racks.into_iter().for_each(|rack| entities.push([rack]));
    }

    fn width(&self) -> usize {
        2
    }

    fn reads(&self, fleet: &Fleet, rack: u32) -> Vec<Entity> {
        servers(fleet, rack).map(Entity::server).collect()
    }

    fn values(
        &self,
        scene: &Scene<'_>,
        view: View<'_>,
        rack: u32,
        strength: &dyn Fn(u32) -> f64,
        out: &mut [i32],
    ) {
        let id = scene.fleet.schema().type_named("rack").unwrap();
        let causes = scene.acting.on(Entity::new(id, rack), scene.incidents, strength);
        let lost: f64 = causes.map(|(_, change, on)| on * change.load).sum();
        let volts = 230.0 + 2.0 * Key::new(u64::from(rack)).uniform(scene.moment.0);
        let celsius: Vec<f64> =
            servers(scene.fleet, rack).map(|index| view.server_state(index).celsius()).collect();
        let exhaust = celsius.iter().sum::<f64>() / celsius.len() as f64;
        // The units are 1/160 V and 1/1,600 °C: a sixteenth of each metric's last decimal.
        out.copy_from_slice(&[(volts * (1.0 - lost) * 160.0) as i32, (exhaust * 1_600.0) as i32]);
    }

    fn row(&self, tick: &TickView<'_>, rack: usize, values: &[i64], numbers: &mut [i64], _: &mut [u8]) {
        let u = tick.key.with("rack").with(&rack.to_string()).uniform(tick.moment.0);
        numbers.copy_from_slice(&[rounded(values[0]), rounded(values[1]), i64::from(u > 0.99)]);
    }

    fn scale(&self, _: &Fleet, _: usize, column: usize, _: Span) -> f64 {
        [10.0, 4.0, 1.0][column]
    }
}

/// The servers of a rack, by index. Racks are in the order of their names.
fn servers(fleet: &Fleet, rack: u32) -> impl Iterator<Item = u32> {
    let racks: BTreeSet<&str> = fleet.servers.iter().map(|server| &*server.rack).collect();
    let name = racks.into_iter().nth(rack as usize).unwrap();
    (0..).zip(&fleet.servers).filter(move |(_, server)| server.rack == name).map(|(index, _)| index)
}
