//! Ground-truth labels: one row for each (incident, entity, metric, role) that an incident changed.

use std::sync::Arc;

use crate::batch::{decimal_text, read_short_decimal, write_decimal};
use crate::schema::{Metric, Schema};
use crate::time::{SimTime, Span};

/// The smallest deviation that gets a row, as a fraction of the scale. `cause` rows are always written.
pub const VISIBLE: f64 = 0.25;

/// The columns of a labels file: (name, description).
pub const COLUMNS: &[(&str, &str)] = &[
    (
        "incident_id",
        "the id of the scenario; with every, id.1, id.2, …; of the background bg.<entity>.<kind>.<onset in ms>",
    ),
    ("kind", "cpu_spike, …"),
    ("severity", "as written; if the cause is given with physical terms, the largest snr of its targets"),
    ("severity_value", "the severity as a number, in multiples of the scale"),
    ("source", "scheduled or background"),
    ("benign", "true if a detector should stay silent; no kind sets it yet"),
    (
        "role",
        "cause: the metric in which the kind's severity is measured, on a target; effect: other metrics of a target; propagated: metrics of other entities; recovery: what remains after cause_end",
    ),
    ("entity_type", "server or service"),
    ("entity", "srv-003, api-gateway-1"),
    ("metric", "the name of a field of the records"),
    ("cause_start", "when the cause begins to act, to the millisecond"),
    ("cause_end", "the first moment without the cause"),
    ("effect_start", "the first tick that differs from the baseline by a quarter of the scale"),
    ("effect_end", "one step after the last such tick, at most cause_end; a recovery row may end later"),
    ("peak_at", "the tick with the largest difference"),
    (
        "peak_deviation",
        "this difference, in the unit of the metric; positive if the incident raised the metric",
    ),
    (
        "snr",
        "peak_deviation ÷ scale, without its sign; 1 is as large as a normal deviation that this entity has once in a thousand ticks",
    ),
    ("parent_id", "the incident that caused this one; null, because there are no cascades yet"),
    ("root_entity", "the first target of the incident"),
];

/// Returns labels as the bytes of labels.ndjson, one line per label.
pub fn lines(labels: &[Label]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        label.write_json(&mut bytes);
        bytes.push(b'\n');
    }
    bytes
}

/// Where an incident comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An entry of the schedule.
    Scheduled,
    /// Drawn from the seed.
    Background,
}

impl Origin {
    /// All origins.
    pub const ALL: [Origin; 2] = [Origin::Scheduled, Origin::Background];

    /// The value in the column `source`.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Scheduled => "scheduled",
            Origin::Background => "background",
        }
    }
}

/// How a row is related to its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The metric that carries the kind's severity, on a target.
    Cause,
    /// Another metric of a target.
    Effect,
    /// A metric of another entity.
    Propagated,
    /// What remains of any of these effects after `cause_end`.
    Recovery,
}

impl Role {
    /// All roles, in the order in which an incident unfolds.
    pub const ALL: [Role; 4] = [Role::Cause, Role::Effect, Role::Propagated, Role::Recovery];

    /// The value in the column `role`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Cause => "cause",
            Role::Effect => "effect",
            Role::Propagated => "propagated",
            Role::Recovery => "recovery",
        }
    }
}

/// One row of a labels file. All intervals are half-open.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The incident's id. It stays the same when other incidents are added or removed.
    pub incident_id: String,
    /// The kind: `cpu_spike`, …
    pub kind: String,
    /// As written: `low`, `medium`, `high` or the number. If the cause is given in physical terms, the largest snr
    /// of the targets.
    pub severity: String,
    /// The severity as a number, in multiples of the scale.
    pub severity_value: f64,
    /// Whether the incident was scheduled or drawn.
    pub source: Origin,
    /// Whether a detector should stay silent.
    pub benign: bool,
    /// How the row is related to its incident.
    pub role: Role,
    /// `server` or `service`.
    pub entity_type: Arc<str>,
    /// The entity's name: `srv-003`, `api-gateway-1`.
    pub entity: String,
    /// The metric of the entity.
    pub metric: Arc<Metric>,
    /// When the cause began, exact to the millisecond.
    pub cause_start: SimTime,
    /// The first moment without the cause.
    pub cause_end: SimTime,
    /// The first tick that differed from the baseline by a quarter of the scale or more; `cause_start` if none did.
    pub effect_start: SimTime,
    /// One step after the last such tick, or `cause_end` if there was none. Only a `recovery` row can end after
    /// `cause_end`.
    pub effect_end: SimTime,
    /// The tick at which the difference was largest.
    pub peak_at: SimTime,
    /// That difference in stored units (the metric's value × 10^decimals).
    pub peak_deviation: i64,
    /// |peak_deviation| ÷ the scale, in thousandths.
    pub snr_thousandths: i64,
    /// The incident that caused this one in a cascade.
    pub parent_id: Option<String>,
    /// Where the incident began: its first target.
    pub root_entity: String,
}

impl Label {
    /// Whether the metric differs by a quarter of its scale or more.
    pub fn is_visible(&self) -> bool {
        self.snr() >= VISIBLE
    }

    /// |peak_deviation| ÷ the scale: 1 means as large as a once-in-a-thousand normal tick.
    pub fn snr(&self) -> f64 {
        self.snr_thousandths as f64 / 1e3
    }

    /// Returns the label with all of its times moved by `shift`.
    #[must_use]
    pub fn moved_by(self, shift: Span) -> Label {
        Label {
            cause_start: self.cause_start + shift,
            cause_end: self.cause_end + shift,
            effect_start: self.effect_start + shift,
            effect_end: self.effect_end + shift,
            peak_at: self.peak_at + shift,
            ..self
        }
    }

    /// The sort key of a labels file: cause_start, then incident, entity, metric and role as strings.
    pub fn sort_key(&self) -> (SimTime, &str, &str, &str, &str) {
        (self.cause_start, &self.incident_id, &self.entity, self.metric.name(), self.role.name())
    }

    /// The values in the order of `COLUMNS`, as text. A missing parent is an empty text.
    pub fn fields(&self) -> [String; 19] {
        [
            self.incident_id.clone(),
            self.kind.clone(),
            self.severity.clone(),
            self.severity_value.to_string(),
            self.source.name().into(),
            self.benign.to_string(),
            self.role.name().into(),
            self.entity_type.to_string(),
            self.entity.clone(),
            self.metric.name().into(),
            self.cause_start.to_string(),
            self.cause_end.to_string(),
            self.effect_start.to_string(),
            self.effect_end.to_string(),
            self.peak_at.to_string(),
            decimal_text(self.peak_deviation, self.metric.decimals()),
            decimal_text(self.snr_thousandths, 3),
            self.parent_id.clone().unwrap_or_default(),
            self.root_entity.clone(),
        ]
    }

    /// Reads the texts that `fields` returns. Numbers may have fewer decimals. `schema` has the entity types and
    /// metrics.
    ///
    /// # Errors
    /// If the number of fields or a field is wrong. The message names the field.
    pub fn from_fields(fields: &[String], schema: &Schema) -> Result<Label, String> {
        if fields.len() != COLUMNS.len() {
            return Err(format!("it has {} columns, but labels have {}", fields.len(), COLUMNS.len()));
        }
        let of = |name: &str| {
            let column = COLUMNS.iter().position(|(column, _)| *column == name);
            &*fields[column.expect("it is one of the columns")]
        };
        let wrong = |name: &str| format!("its `{name}` is `{}`, which is not valid", of(name).escape_debug());
        let moment = |name: &str| SimTime::parse(of(name)).ok_or_else(|| wrong(name));
        let text = |name: &str| match of(name) {
            "" => Err(format!("its `{name}` is empty")),
            text if text.contains(char::is_control) => Err(wrong(name)),
            text => Ok(text.to_string()),
        };
        let severity_value: Option<f64> =
            of("severity_value").parse().ok().filter(|value: &f64| value.is_finite());
        let source = Origin::ALL.into_iter().find(|it| it.name() == of("source"));
        let role = Role::ALL.into_iter().find(|it| it.name() == of("role"));
        let entity_type = schema.types().iter().find(|it| it.name() == of("entity_type"));
        let entity_type = entity_type.ok_or_else(|| wrong("entity_type"))?;
        // Any type's metric is accepted. The comparison with the records checks that the type has the metric.
        let others = schema.types().iter().flat_map(|it| it.metrics());
        let metric = entity_type.metrics().iter().chain(others).find(|metric| metric.name() == of("metric"));
        let metric = metric.ok_or_else(|| wrong("metric"))?;
        let decimal =
            |name: &str, decimals| read_short_decimal(of(name), decimals).ok_or_else(|| wrong(name));
        let parent_id = of("parent_id");
        Ok(Label {
            incident_id: text("incident_id")?,
            kind: text("kind")?,
            severity: text("severity")?,
            severity_value: severity_value.ok_or_else(|| wrong("severity_value"))?,
            source: source.ok_or_else(|| wrong("source"))?,
            benign: of("benign").parse().map_err(|_| wrong("benign"))?,
            role: role.ok_or_else(|| wrong("role"))?,
            entity_type: entity_type.shared_name(),
            entity: text("entity")?,
            metric: Arc::clone(metric),
            cause_start: moment("cause_start")?,
            cause_end: moment("cause_end")?,
            effect_start: moment("effect_start")?,
            effect_end: moment("effect_end")?,
            peak_at: moment("peak_at")?,
            peak_deviation: decimal("peak_deviation", metric.decimals())?,
            snr_thousandths: decimal("snr", 3)?,
            parent_id: (!parent_id.is_empty()).then(|| parent_id.to_string()),
            root_entity: text("root_entity")?,
        })
    }

    /// Writes the row as a line of labels.ndjson, without its newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let text = |out: &mut Vec<u8>, key: &str, value: &str| {
            out.extend_from_slice(format!("\"{key}\":{},", serde_json::Value::from(value)).as_bytes());
        };
        out.push(b'{');
        text(out, "incident_id", &self.incident_id);
        text(out, "kind", &self.kind);
        text(out, "severity", &self.severity);
        out.extend_from_slice(format!("\"severity_value\":{},", self.severity_value).as_bytes());
        text(out, "source", self.source.name());
        out.extend_from_slice(format!("\"benign\":{},", self.benign).as_bytes());
        text(out, "role", self.role.name());
        text(out, "entity_type", &self.entity_type);
        text(out, "entity", &self.entity);
        text(out, "metric", self.metric.name());
        for (key, moment) in [
            ("cause_start", self.cause_start),
            ("cause_end", self.cause_end),
            ("effect_start", self.effect_start),
            ("effect_end", self.effect_end),
            ("peak_at", self.peak_at),
        ] {
            text(out, key, &moment.to_string());
        }
        out.extend_from_slice(b"\"peak_deviation\":");
        write_decimal(out, self.peak_deviation, self.metric.decimals());
        out.extend_from_slice(b",\"snr\":");
        write_decimal(out, self.snr_thousandths, 3);
        let parent = self.parent_id.as_deref().map_or(serde_json::Value::Null, serde_json::Value::from);
        out.extend_from_slice(format!(",\"parent_id\":{parent},").as_bytes());
        out.extend_from_slice(
            format!("\"root_entity\":{}}}", serde_json::Value::from(&*self.root_entity)).as_bytes(),
        );
    }
}
