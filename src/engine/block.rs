//! `fill`: the grid states of one block, from an equilibrium one hour before it.

use super::blend::{Blend, CellCauses, End};
use super::fleet::{
    Causes, Flow, Inputs, InstanceValues, ServerValues, Signals, instance_values, place, server_values,
};
use crate::batch::Metric;
use crate::math::{Key, exp, round_half_up};
use crate::plan::{Entity, Incident, Plan, Reach, Server};
use crate::time::{BLOCK, BlockId, CELL, SimTime, Span};

/// States are stepped from an equilibrium so long before their block: nine of the longest time constant
/// (temperature with its fan, 400 s).
const WARM_UP: Span = Span::minutes(60);

/// The place of temperature and power among a server's values.
const CELSIUS: usize = place(Metric::CpuTemperature);
const WATTS: usize = place(Metric::PowerConsumption);

/// Sixteenths of a quantum in a degree and in a watt.
const STEPS_PER_CELSIUS: f64 = (16 * Metric::CpuTemperature.units()) as f64;
const STEPS_PER_WATT: f64 = (16 * Metric::PowerConsumption.units()) as f64;

/// Two hours of grid values for a whole fleet, or as much of them as was asked for.
#[derive(Clone, Debug)]
pub struct Block {
    id: BlockId,
    num_servers: usize,
    num_instances: usize,
    /// Values without any cause, in this world's states: point by point, in the fleet's order.
    servers: Vec<ServerValues>,
    instances: Vec<InstanceValues>,
    /// By cell, the blends of entities that causes reach.
    blends: Vec<Vec<Blend>>,
}

impl Block {
    /// Its number.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The servers' values at a grid point.
    pub(super) fn servers(&self, point: usize) -> &[ServerValues] {
        &self.servers[point * self.num_servers..(point + 1) * self.num_servers]
    }

    /// The instances' values at a grid point.
    pub(super) fn instances(&self, point: usize) -> &[InstanceValues] {
        &self.instances[point * self.num_instances..(point + 1) * self.num_instances]
    }

    /// The blends of a cell by (entity, from).
    pub(super) fn blends(&self, cell: usize) -> &[Blend] {
        &self.blends[cell]
    }

    /// The temperatures at a grid point, in sixteenths of the metric's quantum, by server.
    pub fn temperatures(&self, point: usize) -> impl Iterator<Item = i32> + '_ {
        self.servers(point).iter().map(|values| values[CELSIUS])
    }
}

/// Computes a block's grid up to the cell that holds `last` (or to the block's end).
///
/// The state at the block's start is defined as: equilibrium 60 min before it, stepped forward cell
/// by cell with incidents in. So everyone who needs a block computes the same bits.
pub fn fill(plan: &Plan, id: BlockId, last: SimTime) -> Block {
    let end = SimTime(last.0.div_euclid(CELL.0) * CELL.0) + CELL;
    let end = end.min(id.end()).max(id.start() + CELL);
    let mut grid = Grid::new(plan, id);
    let mut moment = id.start() - WARM_UP;
    grid.begin(moment);
    while moment < end {
        grid.step(moment);
        moment = moment + CELL;
    }
    grid.finish(end)
}

/// The state of a fill between two cells.
struct Grid<'a> {
    plan: &'a Plan,
    /// Incidents that act in the block or its warm-up.
    active: Vec<u32>,
    signals: Signals,
    inputs: Inputs,
    flow: Flow,
    /// A copy to come back to after a variant.
    rest: Flow,
    causes: Causes,
    all: Reach,
    /// Temperatures in sixteenths of the metric's quantum.
    celsius: Vec<i32>,
    /// Keys of their dither, and how much of a difference is left after a cell.
    dither: Vec<(Key, f64)>,
    /// Values without any cause at the grid point looked at last.
    servers: Vec<ServerValues>,
    instances: Vec<InstanceValues>,
    cell: CellCauses,
    block: Block,
}

impl<'a> Grid<'a> {
    fn new(plan: &'a Plan, id: BlockId) -> Grid<'a> {
        let fleet = plan.fleet();
        let begin = id.start() - WARM_UP;
        let acts = |incident: &Incident| incident.start() < id.end() && incident.end() > begin;
        let incidents = plan.incidents().iter().enumerate();
        let decay = |server: &Server| exp(-CELL.as_seconds() / server.physics.time_constant_s);
        let points = (BLOCK.0 / CELL.0) as usize + 1;
        let (num_servers, num_instances) = (fleet.servers.len(), fleet.instances.len());
        Grid {
            plan,
            active: incidents.filter(|(_, incident)| acts(incident)).map(|(i, _)| i as u32).collect(),
            signals: Signals::new(plan),
            inputs: Inputs::default(),
            flow: Flow::new(fleet),
            rest: Flow::new(fleet),
            causes: Causes::none(fleet),
            all: Reach { servers: (0..num_servers as u32).collect(), instances: fleet.callers_first.clone() },
            celsius: vec![0; num_servers],
            dither: fleet
                .servers
                .iter()
                .map(|server| (server.physics.key.with("temperature dither"), decay(server)))
                .collect(),
            servers: Vec::with_capacity(num_servers),
            instances: Vec::with_capacity(num_instances),
            cell: CellCauses::default(),
            block: Block {
                id,
                num_servers,
                num_instances,
                servers: Vec::with_capacity(points * num_servers),
                instances: Vec::with_capacity(points * num_instances),
                blends: Vec::with_capacity(points - 1),
            },
        }
    }

    /// Equilibrium: each temperature at the fixed point of its own inputs.
    fn begin(&mut self, moment: SimTime) {
        // At 25 °C the fan stands still, so the power is that of the work alone.
        self.celsius.fill((25.0 * STEPS_PER_CELSIUS) as i32);
        self.evaluate(moment);
        for index in 0..self.celsius.len() {
            let physics = &self.plan.fleet().servers[index].physics;
            let (inlet, watts) = self.thermal_inputs(index, moment);
            let still = inlet + physics.thermal_resistance * watts;
            let feedback = physics.thermal_resistance * physics.fan_watts;
            let celsius = if still > 25.0 { (still - 25.0 * feedback) / (1.0 - feedback) } else { still };
            self.celsius[index] = self.dithered(index, celsius, moment);
        }
    }

    /// Computes the grid point at `moment`, completes the cell before it, begins the cell after it,
    /// and moves the states to the next grid point.
    fn step(&mut self, moment: SimTime) {
        let keep = moment > self.block.id.start();
        self.complete(moment, keep);
        if moment >= self.block.id.start() {
            self.block.servers.extend_from_slice(&self.servers);
            self.block.instances.extend_from_slice(&self.instances);
        }
        for index in 0..self.celsius.len() {
            let physics = &self.plan.fleet().servers[index].physics;
            let (inlet, watts) = self.thermal_inputs(index, moment);
            let goal = inlet + physics.thermal_resistance * watts;
            let now = f64::from(self.celsius[index]) / STEPS_PER_CELSIUS;
            let celsius = goal + (now - goal) * self.dither[index].1;
            self.celsius[index] = self.dithered(index, celsius, moment + CELL);
        }
    }

    /// Evaluates the grid point at `moment` for the cell that ends there and the one that begins.
    fn complete(&mut self, moment: SimTime, keep: bool) {
        let mut before = std::mem::take(&mut self.cell);
        self.evaluate(moment);
        if keep {
            self.store(&mut before, End::Next);
            self.block.blends.push(before.sorted());
        }
    }

    /// The values without any cause, and all variants of the cell that begins at `moment`.
    fn evaluate(&mut self, moment: SimTime) {
        let fleet = self.plan.fleet();
        self.signals.at(fleet, moment, &mut self.inputs);
        self.flow.step(fleet, &self.inputs, &self.causes, &self.all.servers, &self.all.instances);
        self.rest.clone_from(&self.flow);
        self.servers.clear();
        self.instances.clear();
        for index in 0..fleet.servers.len() {
            self.servers.push(self.server(index as u32));
        }
        for index in 0..fleet.instances.len() {
            self.instances.push(self.instance(index as u32));
        }
        let mut cell = CellCauses::new(self.plan.incidents(), &self.active, moment);
        self.store(&mut cell, End::Start);
        self.cell = cell;
    }

    fn server(&self, index: u32) -> ServerValues {
        let celsius = f64::from(self.celsius[index as usize]) / STEPS_PER_CELSIUS;
        let inputs = &self.inputs.servers[index as usize];
        server_values(&self.plan.fleet().servers[index as usize], index, &self.flow, inputs, celsius)
    }

    fn instance(&self, index: u32) -> InstanceValues {
        let inputs = &self.inputs.instances[index as usize];
        instance_values(&self.plan.fleet().instances[index as usize], index, &self.flow, inputs)
    }

    /// Gives a cell its values at the grid point looked at last.
    fn store(&mut self, cell: &mut CellCauses, end: End) {
        if cell.blends.is_empty() {
            return;
        }
        let (servers, instances) = (&self.servers, &self.instances);
        cell.store(None, end, |entity| match entity {
            Entity::Server(index) => &servers[index as usize],
            Entity::Service(index) => &instances[index as usize],
        });
        let fleet = self.plan.fleet();
        let incidents = self.plan.incidents();
        for variant in 0..cell.variants.len() {
            let causes = cell.variants[variant].causes.clone();
            let reach = cell.variants[variant].reach.clone();
            for cause in &causes {
                self.causes.add(&incidents[*cause as usize].changes);
            }
            let mut callers_first = reach.instances.clone();
            callers_first.sort_unstable_by_key(|index| fleet.rank[*index as usize]);
            self.flow.step(fleet, &self.inputs, &self.causes, &reach.servers, &callers_first);
            let servers: Vec<ServerValues> = reach.servers.iter().map(|index| self.server(*index)).collect();
            let instances: Vec<InstanceValues> =
                reach.instances.iter().map(|index| self.instance(*index)).collect();
            cell.store(Some(variant), end, |entity| {
                let found = "a blend's entity is in the reach of its causes";
                match entity {
                    Entity::Server(index) => &servers[reach.servers.binary_search(&index).expect(found)],
                    Entity::Service(index) => &instances[reach.instances.binary_search(&index).expect(found)],
                }
            });
            self.flow.restore(&self.rest, &reach.servers, &reach.instances);
            for cause in &causes {
                self.causes.clear(&incidents[*cause as usize].changes);
            }
        }
    }

    /// Air at the inlet, °C, and power, W, of a server at a grid point, with causes as far as they are on.
    fn thermal_inputs(&self, index: usize, moment: SimTime) -> (f64, f64) {
        let incidents = self.plan.incidents();
        let entity = Entity::Server(index as u32);
        let mut inlet = self.inputs.servers[index].inlet;
        let watts = match self.cell.at_start(entity, moment) {
            Some(blend) => {
                for cause in &self.active {
                    inlet += warming(&incidents[*cause as usize], entity, moment);
                }
                blend.at_start(incidents, moment, WATTS)
            }
            None => i64::from(self.servers[index][WATTS]),
        };
        (inlet, watts as f64 / STEPS_PER_WATT)
    }

    /// ⌊x/q + u⌋ with a keyed u: trajectories that started apart meet exactly.
    fn dithered(&self, index: usize, celsius: f64, moment: SimTime) -> i32 {
        let u = self.dither[index].0.uniform(moment.0.div_euclid(CELL.0));
        let steps = (celsius * STEPS_PER_CELSIUS + u).clamp(0.0, f64::from(i32::MAX));
        round_half_up(steps.floor()) as i32
    }

    /// The last grid point, where nothing begins any more.
    fn finish(mut self, end: SimTime) -> Block {
        self.complete(end, true);
        self.block.servers.extend_from_slice(&self.servers);
        self.block.instances.extend_from_slice(&self.instances);
        self.block
    }
}

/// How far an incident warms the inlet of a server at a moment, °C.
fn warming(incident: &Incident, server: Entity, moment: SimTime) -> f64 {
    let on = incident.envelope.at(moment) as f64 / crate::kinds::FULL as f64;
    let here = incident.changes.iter().find(|(target, _)| *target == server);
    here.map_or(0.0, |(_, change)| change.inlet_celsius * on)
}
