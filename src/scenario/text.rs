//! A scenario as written.

use super::diagnostic::{At, Diagnostic, Place, Sources};
use super::layers::Merged;
use super::node::Node;
use crate::time::{SimTime, Span};

/// A scenario as written: a place on every value, `None` where a key is missing, no work done.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `name:`
    pub name: Option<At<String>>,
    /// `about:`
    pub about: Option<At<String>>,
    /// `seed:`, 0 … 2⁶³−1.
    pub seed: Option<At<u64>>,
    /// `epoch:`, the values that the file was written against.
    pub epoch: Option<At<u32>>,
    /// `clock:`
    pub clock: Option<At<ClockText>>,
    /// `fleet:`
    pub fleet: Option<At<FleetText>>,
    /// `load:`
    pub load: Option<At<LoadText>>,
    /// `background:`
    pub background: Option<At<BackgroundText>>,
    /// `anomalies:`, those entries that could be read.
    pub anomalies: Vec<At<AnomalyText>>,
    /// `expect:`
    pub expect: Option<At<ExpectText>>,

    /// What could not be read, in no particular order.
    pub(crate) mistakes: Vec<Diagnostic>,
    pub(crate) sources: Sources,
    /// All texts merged, variables not yet put in: where values are set.
    pub(super) merged: Merged,
    /// What stands where a variable was put in.
    pub(super) put_in: Vec<(Place, String)>,
    /// The same with variables put in.
    pub(super) root: Node,
}

/// `clock:`
#[derive(Clone, Debug, Default)]
pub struct ClockText {
    /// The moment of tick 0.
    pub start: Option<At<SimTime>>,
    /// The length of the run.
    pub run: Option<At<Span>>,
    /// The distance between two ticks.
    pub step: Option<At<Span>>,
    /// The IANA name of the zone that office hours follow; UTC where not said.
    pub timezone: Option<At<String>>,
    /// Nothing goes wrong before so long after the start.
    pub clean: Option<At<Span>>,
}

/// `load:`, the shape of demand; what is missing is drawn for each entity.
#[derive(Clone, Debug, Default)]
pub struct LoadText {
    /// Its swing over the day, relative to its mean, 0–.6.
    pub daily: Option<At<f64>>,
    /// Demand on Saturdays and Sundays, relative to weekdays, 0–1.
    pub weekend: Option<At<f64>>,
    /// When it is largest, since midnight.
    pub peak: Option<At<Span>>,
    /// Bursts of each service's demand, a second.
    pub bursts: Option<At<f64>>,
}

/// `fleet:`
#[derive(Clone, Debug, Default)]
pub struct FleetText {
    /// `seed:`, of what does not change with time.
    pub seed: Option<At<u64>>,
    /// `zones:`, their names with the air at their inlets, °C.
    pub zones: Option<At<Vec<ZoneText>>>,
    /// `racks:`
    pub racks: Option<At<u32>>,
    /// `servers:`
    pub servers: Option<At<ServersText>>,
    /// `services:`
    pub services: Option<At<ServicesText>>,
    /// No `rate` and no call is there that could not be read: what seems to be missing is missing.
    pub demand_is_known: bool,
    /// All of it could be read: who seems not to be there is not there.
    pub is_whole: bool,
}

/// A zone's name, and the air at its inlets, °C.
pub type ZoneText = (At<String>, Option<At<f64>>);

/// `fleet.servers:`, short or long.
#[derive(Clone, Debug)]
pub enum ServersText {
    /// So many in one pool called `srv`.
    Number(u32),
    /// Pools in the order of the file.
    Pools(Vec<(At<String>, PoolText)>),
}

/// A pool of `fleet.servers`.
#[derive(Clone, Debug, Default)]
pub struct PoolText {
    /// How many servers.
    pub count: Option<At<u32>>,
    /// Cores of each.
    pub cores: Option<At<f64>>,
    /// Memory installed, GB.
    pub memory: Option<At<f64>>,
    /// Disk size, TB.
    pub disk_size: Option<At<f64>>,
    /// What the disk can read and write together, MB/s.
    pub disk_limit: Option<At<f64>>,
    /// Line rate of the network, MB/s each way.
    pub nic: Option<At<f64>>,
    /// Power idle, W.
    pub idle: Option<At<f64>>,
    /// Power at full load without the fan, W.
    pub max: Option<At<f64>>,
}

/// `fleet.services:`, short or long.
#[derive(Clone, Debug)]
pub enum ServicesText {
    /// The first so many instances of the catalogue.
    Number(u32),
    /// Services in the order of the file.
    Named(Vec<(At<String>, ServiceText)>),
}

/// A service of `fleet.services`.
#[derive(Clone, Debug, Default)]
pub struct ServiceText {
    /// How many instances; 1 where not said.
    pub instances: Option<At<u32>>,
    /// The pool that they run in; the only one where not said.
    pub pool: Option<At<String>>,
    /// The servers that they are pinned to.
    pub hosts: Option<At<Vec<At<String>>>>,
    /// Demand from outside, requests a second over all instances.
    pub rate: Option<At<f64>>,
    /// CPU time of a request, s.
    pub cost: Option<At<f64>>,
    /// The service's own median latency at normal load.
    pub latency: Option<At<Span>>,
    /// Services called, with calls per request.
    pub calls: Option<At<Vec<CallText>>>,
}

/// One entry of `calls`.
#[derive(Clone, Debug)]
pub struct CallText {
    /// The service that is called.
    pub service: At<String>,
    /// Calls per request; 1 where not said.
    pub per_request: f64,
}

/// One entry of `anomalies`; what is missing or could not be read is `None` and has been told.
#[derive(Clone, Debug)]
pub struct AnomalyText {
    /// `id:`
    pub id: Option<At<String>>,
    /// `kind:`
    pub kind: Option<At<String>>,
    /// `target:`
    pub target: Option<At<TargetText>>,
    /// `at:`, the onset.
    pub at: Option<At<Moment>>,
    /// `for:`, how long.
    pub length: Option<At<Length>>,
    /// `severity:`; medium where not said.
    pub severity: Option<At<Severity>>,
    /// `with:`, the cause in physical terms, as written.
    pub with: Option<At<Entries>>,
    /// `ramp:`, how it comes and goes.
    pub ramp: Option<At<RampText>>,
    /// `every:`, the distance of its repeats.
    pub every: Option<At<Span>>,
    /// `jitter:`, how far each repeat is moved at most.
    pub jitter: Option<At<Span>>,
}

/// Whom an anomaly hits.
#[derive(Clone, Debug)]
pub enum TargetText {
    /// A name, or a glob.
    Name(String),
    /// Conditions that all hold.
    Where(Box<Conditions>),
}

/// A target as a map of conditions: names or globs, one of which must match.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `servers:`
    pub servers: Option<At<Vec<At<String>>>>,
    /// `services:`, of services or of instances.
    pub services: Option<At<Vec<At<String>>>>,
    /// `zone:`
    pub zones: Option<At<Vec<At<String>>>>,
    /// `rack:`
    pub racks: Option<At<Vec<At<String>>>>,
    /// `pool:`
    pub pools: Option<At<Vec<At<String>>>>,
    /// `pick:`, so many of them.
    pub pick: Option<At<u32>>,
    /// `host:`, the servers that they run on.
    pub host: bool,
}

/// How long an incident lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So long.
    Lasts(Span),
    /// To the run's end.
    UntilEnd,
}

/// Keys with their values, as written.
pub type Entries = Vec<(At<String>, Node)>;

/// A name with its weight.
pub type Weighted = (At<String>, f64);

/// `ramp:`
#[derive(Clone, Debug, Default)]
pub struct RampText {
    /// The step up.
    pub up: Option<At<Span>>,
    /// The step down.
    pub down: Option<At<Span>>,
}

/// `background:`, incidents that nobody scheduled.
#[derive(Clone, Debug, Default)]
pub struct BackgroundText {
    /// The share of entity-time inside an incident, 0–1.
    pub share: Option<At<f64>>,
    /// Or: incidents a second and entity.
    pub rate: Option<At<f64>>,
    /// Kinds with their weights.
    pub kinds: Option<At<Vec<Weighted>>>,
    /// Where `kinds: all` is written: then they are all that this version has.
    pub all_kinds: Option<Place>,
    /// How long they last; each kind's own where not said.
    pub lengths: Option<At<Quantiles>>,
    /// Weights of low, medium and high; all alike where not said.
    pub severity: Option<At<[f64; 3]>>,
    /// The least distance between two incidents on one entity.
    pub gap: Option<At<Span>>,
}

/// How long background incidents last: log-linear between and beyond these quantiles, a day at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// One in ten is shorter.
    pub p10: Span,
    /// Half of them are shorter.
    pub p50: Span,
    /// One in ten is longer.
    pub p90: Span,
}

/// `expect:`, what must come of a scenario.
#[derive(Clone, Debug, Default)]
pub struct ExpectText {
    /// How many incidents of a kind the schedule makes.
    pub incidents: Vec<(At<String>, At<u64>)>,
    /// Where it says that every incident shows.
    pub visible: Option<Place>,
}

/// A moment as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the run's start.
    After(Span),
    /// At this event time.
    At(SimTime),
}

/// How large, in units of the carrier's scale (about the p99.9 of the normal residual).
#[derive(Clone, Debug, PartialEq)]
pub struct Severity {
    /// As written: `low`, `medium`, `high` or the number.
    pub text: String,
    /// 0 < value ≤ 100.
    pub value: f64,
}

impl Severity {
    /// The default.
    pub fn medium() -> Severity {
        Severity { text: "medium".into(), value: 1.0 }
    }
}
