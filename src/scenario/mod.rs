//! YAML text → `Scenario`, as written, every value with its place.
//!
//! In: the text of a file or of a preset, and overrides of the command line. Out: a `Scenario` with
//! all mistakes that can be seen without a fleet. What may never happen here: a look at placement
//! or time, or at files that neither the command nor a `use` names.

mod diagnostic;
mod merge;
mod node;
mod read;
mod read_fleet;
mod read_incidents;
mod words;
mod write;

pub use diagnostic::{At, Diagnostic, Diagnostics, Level, Place, Source, Sources, Style, count};
pub use merge::PRESETS;
pub use node::{Node, Value};
pub(crate) use words::quantity;

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
    /// `background:`
    pub background: Option<At<BackgroundText>>,
    /// `anomalies:`, those entries that could be read.
    pub anomalies: Vec<At<AnomalyText>>,

    /// What could not be read, in no particular order.
    pub(crate) mistakes: Vec<Diagnostic>,
    pub(crate) sources: Sources,
    root: Node,
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
}

/// `fleet:`
#[derive(Clone, Debug, Default)]
pub struct FleetText {
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
    /// `target:`, a name.
    pub target: Option<At<String>>,
    /// `at:`, the onset.
    pub at: Option<At<Moment>>,
    /// `for:`, how long.
    pub length: Option<At<Span>>,
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
    /// Kinds with their weights; all alike where not said.
    pub kinds: Option<At<Vec<Weighted>>>,
    /// Weights of low, medium and high; all alike where not said.
    pub severity: Option<At<[f64; 3]>>,
    /// The least distance between two incidents on one entity.
    pub gap: Option<At<Span>>,
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

impl Scenario {
    /// Reads a scenario; `name` is how messages call the file.
    ///
    /// This never fails: what could not be read is told by `plan`, together with what only the
    /// whole can show.
    pub fn read(name: &str, text: &str) -> Scenario {
        let mut sources = Sources::default();
        let mut mistakes = Vec::new();
        let root = merge::resolve(name, text, &mut sources, &mut mistakes);
        read::scenario(root, sources, mistakes)
    }

    /// A scenario that is shipped inside the program.
    pub fn preset(name: &str) -> Option<Scenario> {
        let (_, text) = PRESETS.iter().find(|(preset, _)| *preset == name)?;
        Some(Scenario::read(name, text))
    }

    /// Sets the value at a path of the file, as `--seed 7` does for `seed`; `flag` is how messages
    /// call the place. The value is read as YAML.
    ///
    /// ```
    /// use reenact::scenario::Scenario;
    /// let scenario = Scenario::preset("dev").unwrap().set("clock.step", "1s", "--step");
    /// assert_eq!(scenario.clock.unwrap().value.step.unwrap().value.0, 1_000);
    /// ```
    #[must_use]
    pub fn set(mut self, path: &str, value: &str, flag: &str) -> Scenario {
        match node::parse(flag, value, &mut self.sources) {
            Ok(node) => merge::set(&mut self.root, path, node),
            Err(mistake) => self.mistakes.push(mistake),
        }
        let unreadable = self.mistakes.into_iter().filter(|mistake| !mistake.from_reading).collect();
        read::scenario(self.root, self.sources, unreadable)
    }

    /// Whether the resolved file has a key at its top.
    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(&self.root.value, Value::Map(entries) if entries.iter().any(|(known, _)| known.value == key))
    }

    /// Whether there is a mapping to look for keys in.
    pub(crate) fn is_mapping(&self) -> bool {
        matches!(&self.root.value, Value::Map(entries) if !entries.is_empty())
    }

    /// Where the file begins.
    pub(crate) fn start(&self) -> Place {
        Place { end: self.root.place.start, ..self.root.place }
    }

    /// The same file with its epoch pinned, as (YAML, canonical JSON).
    pub(crate) fn pinned(&self, epoch: u32) -> (String, String) {
        let mut root = self.root.clone();
        let place = self.start();
        merge::set(&mut root, "epoch", Node { value: Value::Int(epoch.into()), place });
        (write::yaml(&root), write::canonical_json(&root))
    }

    /// The resolved scenario as YAML: no `use`.
    pub fn to_yaml(&self) -> String {
        write::yaml(&self.root)
    }

    /// The resolved scenario as canonical JSON, so that comments and line ends don't count.
    pub fn canonical_json(&self) -> String {
        write::canonical_json(&self.root)
    }
}
