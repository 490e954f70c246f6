//! A scenario as written.

use super::diagnostic::{At, Diagnostic, Place, Sources};
use super::language::{Conditions, PoolText, ScenarioText, ServiceText, ZoneText};
use super::layers::Merged;
use super::node::Node;
use crate::time::{SimTime, Span};

/// A scenario as written: a place on every value, `None` where a key is missing, no work done.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the file and those that it uses say, with variables put in.
    pub keys: ScenarioText,

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

/// `fleet.servers:`, short or long.
#[derive(Clone, Debug)]
pub enum ServersText {
    /// So many in one pool called `srv`.
    Number(u32),
    /// Pools in the order of the file.
    Pools(Vec<(At<String>, PoolText)>),
}

/// `fleet.services:`, short or long.
#[derive(Clone, Debug)]
pub enum ServicesText {
    /// The first so many instances of the catalogue.
    Number(u32),
    /// Services in the order of the file.
    Named(Vec<(At<String>, ServiceText)>),
}

/// One entry of `calls`.
#[derive(Clone, Debug)]
pub struct CallText {
    /// The service that is called.
    pub service: At<String>,
    /// Calls per request; 1 where not said.
    pub per_request: f64,
}

/// Whom an anomaly hits.
#[derive(Clone, Debug)]
pub enum TargetText {
    /// A name, or a glob.
    Name(String),
    /// Conditions that all hold.
    Where(Box<Conditions>),
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

/// `zones:`, by name.
pub type Zones = Vec<(At<String>, ZoneText)>;

/// `expect.incidents:`, the number of incidents by kind.
pub type Expected = Vec<(At<String>, At<u64>)>;

/// A name with its weight.
pub type Weighted = (At<String>, f64);

/// `kinds:` of the background.
#[derive(Clone, Debug)]
pub struct KindsText {
    /// Kinds with their weights.
    pub weights: Vec<Weighted>,
    /// Whether `all` is written: then they are all that this version has.
    pub is_all: bool,
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
