//! Reads YAML text into a `Scenario`: the values as written, each with its place.
//!
//! Input: the text of a file or a preset, and overrides from the command line. Output: a `Scenario` with
//! all mistakes that can be found without a fleet. This module never looks at placement or time, or at
//! files that neither the command nor a `use` names.

mod diagnostic;
mod language;
mod layers;
mod merge;
mod node;
mod outline;
mod raw;
mod read;
mod read_fleet;
mod read_incidents;
mod render;
mod schema;
mod source;
mod values;
mod vars;
mod write;

pub use diagnostic::{At, Diagnostic, Diagnostics, Level, Place, Source, Sources, count, quoted};
pub use language::{
    AnomalyText, BackgroundText, ClockText, Conditions, DiskText, ExpectText, FleetText, Form, Key, LoadText,
    Mapping, Need, PoolText, PowerText, RampText, SCENARIO, ScenarioText, ServiceText, ZoneText,
};
pub(crate) use layers::{ENDINGS, is_yaml, read_other_encoding, read_regular};
pub use layers::{PRESETS, is_path, read_from};
pub use node::{Node, Value};
pub use outline::{Outline, outline};
pub use raw::{
    CallText, Entries, Expected, KindsText, Length, Moment, Quantiles, Scenario, ServersText, ServicesText,
    Severity, TargetText, Weighted, Zones,
};
pub use render::Style;
pub use schema::schema;
pub(crate) use values::quantity;
