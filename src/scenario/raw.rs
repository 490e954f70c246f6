//! The types of a scenario as written.

use super::diagnostic::{At, Diagnostic, Place, Sources};
use super::language::{Conditions, PoolText, ScenarioText, ServiceText, ZoneText};
use super::layers::Merged;
use super::node::Node;
use crate::time::{SimTime, Span};

/// A scenario as written. Every value has its place, a missing key is `None`, and nothing is resolved yet.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The values of the file and of the files that it uses, with variables replaced.
    pub keys: ScenarioText,

    /// The mistakes that were found while reading, in no particular order.
    pub(crate) mistakes: Vec<Diagnostic>,
    pub(crate) sources: Sources,
    /// All texts merged, before variables are replaced. Values are set here.
    pub(super) merged: Merged,
    /// The places of values with variables, each with the value that the variables produced.
    pub(super) put_in: Vec<(Place, String)>,
    /// All texts merged, with variables replaced.
    pub(super) root: Node,
}

/// `fleet.servers:`, in its short or its long form.
#[derive(Clone, Debug)]
pub enum ServersText {
    /// The number of servers in one pool called `srv`.
    Number(u32),
    /// Pools in the order of the file.
    Pools(Vec<(At<String>, PoolText)>),
}

/// `fleet.services:`, in its short or its long form.
#[derive(Clone, Debug)]
pub enum ServicesText {
    /// The number of instances, taken from the start of the catalogue.
    Number(u32),
    /// Services in the order of the file.
    Named(Vec<(At<String>, ServiceText)>),
}

/// One entry of `calls`.
#[derive(Clone, Debug)]
pub struct CallText {
    /// The service that is called.
    pub service: At<String>,
    /// Calls per request; 1 by default.
    pub per_request: f64,
}

/// The target of an anomaly.
#[derive(Clone, Debug)]
pub enum TargetText {
    /// A name or a glob.
    Name(String),
    /// Conditions that must all be met.
    Where(Box<Conditions>),
}

/// How long an incident lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// A fixed duration.
    Lasts(Span),
    /// Until the end of the run.
    UntilEnd,
}

/// Keys with their values, as written.
pub type Entries = Vec<(At<String>, Node)>;

/// `fleet.zones:`, by name.
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
    /// Whether the scenario says `all`. Then `weights` contains all kinds of this version.
    pub is_all: bool,
}

/// How long background incidents last. Between these quantiles and outside them, the logarithm of the length is
/// linear. The maximum is a day.
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
    /// A duration after the run's start.
    After(Span),
    /// At this event time.
    At(SimTime),
}

/// The size of an incident, in units of the carrier's scale (about the p99.9 of the normal residual).
#[derive(Clone, Debug, PartialEq)]
pub struct Severity {
    /// As written: `low`, `medium`, `high` or the number.
    pub text: String,
    /// As a number: 0 < value ≤ 100.
    pub value: f64,
}

impl Severity {
    /// Returns the default severity.
    pub fn medium() -> Severity {
        Severity { text: "medium".into(), value: 1.0 }
    }
}
