//! Finds where and when an incident is visible in the differences from its baseline, and makes its labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fleet::Entity;
use crate::label::{Label, Role, VISIBLE};
use crate::plan::{Incident, Plan};
use crate::schema::MetricId;
use crate::time::SimTime;

/// How far a run differs from its baseline. It needs one pass, and memory only for what differs.
#[derive(Clone, Debug, Default)]
pub(super) struct Traces {
    /// For each series, the trace while the cause is active, and the trace after it.
    series: BTreeMap<(Entity, MetricId), [Trace; 2]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trace {
    /// The smallest deviation that counts, in stored units. It is computed when the first difference is seen.
    threshold: Option<f64>,
    /// The first and the last tick at which the deviation reached the threshold.
    visible: Option<(SimTime, SimTime)>,
    /// The tick of the largest deviation, and that deviation.
    peak: Option<(SimTime, i64)>,
}

impl Trace {
    fn note(&mut self, moment: SimTime, deviation: i64, threshold: impl FnOnce() -> f64) {
        let threshold = *self.threshold.get_or_insert_with(threshold);
        if self.peak.is_none_or(|(_, largest)| deviation.abs() > largest.abs()) {
            self.peak = Some((moment, deviation));
        }
        if deviation.unsigned_abs() as f64 >= threshold {
            let begin = self.visible.map_or(moment, |(begin, _)| begin);
            self.visible = Some((begin, moment));
        }
    }

    /// Adds what was seen later. Of two peaks of the same size the first one counts.
    fn append(&mut self, later: Trace) {
        self.threshold = self.threshold.or(later.threshold);
        if let Some((moment, deviation)) = later.peak
            && self.peak.is_none_or(|(_, largest)| deviation.abs() > largest.abs())
        {
            self.peak = Some((moment, deviation));
        }
        self.visible = match (self.visible, later.visible) {
            (Some((begin, _)), Some((_, end))) => Some((begin, end)),
            (ours, theirs) => ours.or(theirs),
        };
    }
}

impl Traces {
    /// Adds a difference at a tick.
    pub(super) fn note(
        &mut self,
        plan: &Plan,
        incident: &Incident,
        entity: Entity,
        metric: MetricId,
        moment: SimTime,
        deviation: i64,
    ) {
        let after = usize::from(moment >= incident.end());
        let threshold = || VISIBLE * plan.scale(entity, metric) * plan.schema()[metric].units() as f64;
        self.series.entry((entity, metric)).or_default()[after].note(moment, deviation, threshold);
    }

    /// Adds what was seen in a later block.
    pub(super) fn append(&mut self, later: Traces) {
        for (series, traces) in later.series {
            let ours = self.series.entry(series).or_default();
            ours.iter_mut().zip(traces).for_each(|(ours, theirs)| ours.append(theirs));
        }
    }

    /// The label rows, in the order of a labels file.
    pub(super) fn labels(&self, plan: &Plan, incident: &Incident) -> Vec<Label> {
        let carrier = plan.carrier(incident.kind);
        let mut labels = Vec::new();
        let nothing = [Trace::default(); 2];
        // The carrier of each target always has a row, even if its deviation is not visible.
        for (entity, _) in &incident.changes {
            let [during, _] = self.series.get(&(*entity, carrier)).unwrap_or(&nothing);
            labels.push(label(plan, incident, *entity, carrier, Role::Cause, during));
        }
        for ((entity, metric), [during, after]) in &self.series {
            let is_target = incident.acts_on(*entity);
            let role = if is_target { Role::Effect } else { Role::Propagated };
            if during.visible.is_some() && !(is_target && *metric == carrier) {
                labels.push(label(plan, incident, *entity, *metric, role, during));
            }
            if after.visible.is_some() {
                labels.push(label(plan, incident, *entity, *metric, Role::Recovery, after));
            }
        }
        if incident.severity.is_none() {
            // If the cause is given in physical terms, the severity is the one that resulted.
            let causes = labels.iter().filter(|label| label.role == Role::Cause);
            let largest = causes.map(|label| label.snr_thousandths).max().unwrap_or(0);
            let realised = (largest + 5) / 10;
            for label in &mut labels {
                label.severity = format!("{}.{:02}", realised / 100, realised % 100);
                label.severity_value = realised as f64 / 100.0;
            }
        }
        labels.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        labels
    }
}

fn label(
    plan: &Plan,
    incident: &Incident,
    entity: Entity,
    metric: MetricId,
    role: Role,
    trace: &Trace,
) -> Label {
    let (start, end) = (incident.start(), incident.end());
    let step = plan.clock().step();
    let (effect_start, effect_end) = match trace.visible {
        Some((first, last)) if role == Role::Recovery => (first, last + step),
        Some((first, last)) => (first, (last + step).min(end)),
        // The carrier stayed below the threshold: its effect interval is the cause's.
        None => (start, end),
    };
    let (peak_at, peak_deviation) = trace.peak.unwrap_or((start, 0));
    let entity_type = &plan.schema()[metric.entity_type()];
    let about = &entity_type.metrics()[metric.column()];
    let scale = plan.scale(entity, metric) * about.units() as f64;
    let snr = peak_deviation.unsigned_abs() as f64 / scale;
    let fleet = plan.fleet();
    let root = incident.changes.first().map_or("", |(target, _)| fleet.name(*target));
    let (severity, severity_value) = incident
        .severity
        .as_ref()
        .map_or((String::new(), 0.0), |severity| (severity.text.clone(), severity.value));
    Label {
        incident_id: incident.id.clone(),
        kind: incident.kind.name().into(),
        severity,
        severity_value,
        source: incident.origin,
        benign: false,
        role,
        entity_type: entity_type.shared_name(),
        entity: fleet.name(entity).into(),
        metric: Arc::clone(about),
        cause_start: start,
        cause_end: end,
        effect_start,
        effect_end,
        peak_at,
        peak_deviation,
        snr_thousandths: crate::math::round_half_up(snr * 1e3),
        parent_id: None,
        root_entity: root.into(),
    }
}
