use crate::batch::{Batch, Metric, RecordType};
use crate::label::{Label, Origin, Role, VISIBLE};
use crate::plan::{Entity, Incident, Plan};
use crate::time::SimTime;

/// Follows how far a run differs from its twin: one pass, fixed memory.
pub(super) struct Tracker<'a> {
    plan: &'a Plan,
    incident: &'a Incident,
    /// By entity in stream order, by metric: while the cause is active, and after.
    series: Vec<[Trace; 2]>,
    /// The first series of each entity.
    first: Vec<usize>,
}

#[derive(Clone, Copy, Default)]
struct Trace {
    /// Smallest deviation that counts, in stored units; computed when a first difference is seen.
    threshold: Option<f64>,
    /// The first and the last tick that reached it.
    visible: Option<(SimTime, SimTime)>,
    /// The largest deviation and its tick.
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
}

impl<'a> Tracker<'a> {
    pub(super) fn new(plan: &'a Plan, incident: &'a Incident) -> Tracker<'a> {
        let mut first = Vec::new();
        let mut series = 0;
        for entity in plan.fleet().all() {
            first.push(series);
            series += entity.record().metrics().len();
        }
        Tracker { plan, incident, series: vec![Default::default(); series], first }
    }

    /// Takes in the same rows of the run and of its twin.
    pub(super) fn compare(&mut self, run: &Batch, twin: &Batch) {
        for record in RecordType::ALL {
            let (ours, theirs) = (run.table(record), twin.table(record));
            for (column, metric) in record.metrics().iter().enumerate() {
                let pairs = ours.columns[column].iter().zip(&theirs.columns[column]);
                for (row, (a, b)) in pairs.enumerate().filter(|(_, (a, b))| a != b) {
                    let entity = match record {
                        RecordType::ServerMetric => Entity::Server(ours.entity[row]),
                        RecordType::ApplicationMetric => Entity::Service(ours.entity[row]),
                    };
                    self.note(entity, *metric, ours.timestamp[row], a - b);
                }
            }
        }
    }

    fn place(&self, entity: Entity) -> usize {
        let offset = if matches!(entity, Entity::Service(_)) { self.plan.fleet().servers.len() } else { 0 };
        self.first[offset + entity.index() as usize]
    }

    fn note(&mut self, entity: Entity, metric: Metric, moment: SimTime, deviation: i64) {
        let place = self.place(entity) + metric.column();
        let after = usize::from(moment >= self.incident.end());
        let plan = self.plan;
        let threshold = || VISIBLE * plan.scale(entity, metric) * metric.units() as f64;
        self.series[place][after].note(moment, deviation, threshold);
    }

    /// The rows, in the order of a labels file.
    pub(super) fn finish(self) -> Vec<Label> {
        let mut labels = Vec::new();
        for entity in self.plan.fleet().all() {
            for metric in entity.record().metrics() {
                let [during, after] = &self.series[self.place(entity) + metric.column()];
                let role = self.role(entity, *metric);
                if role == Role::Cause || during.visible.is_some() {
                    labels.push(self.label(entity, *metric, role, during));
                }
                if after.visible.is_some() {
                    labels.push(self.label(entity, *metric, Role::Recovery, after));
                }
            }
        }
        labels.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        labels
    }

    fn role(&self, entity: Entity, metric: Metric) -> Role {
        match (self.incident.acts_on(entity), metric == self.incident.kind.carrier()) {
            (true, true) => Role::Cause,
            (true, false) => Role::Effect,
            (false, _) => Role::Propagated,
        }
    }

    fn label(&self, entity: Entity, metric: Metric, role: Role, trace: &Trace) -> Label {
        let incident = self.incident;
        let (start, end) = (incident.start(), incident.end());
        let step = self.plan.clock().step();
        let (effect_start, effect_end) = match trace.visible {
            Some((first, last)) if role == Role::Recovery => (first, last + step),
            Some((first, last)) => (first, (last + step).min(end)),
            // A carrier that stayed below the threshold: its effect interval is the cause's.
            None => (start, end),
        };
        let (peak_at, peak_deviation) = trace.peak.unwrap_or((start, 0));
        let scale = self.plan.scale(entity, metric) * metric.units() as f64;
        let snr = peak_deviation.unsigned_abs() as f64 / scale;
        let fleet = self.plan.fleet();
        let root = incident.changes.first().map_or("", |(target, _)| fleet.name(*target));
        Label {
            incident_id: incident.id.clone(),
            kind: incident.kind.name().into(),
            severity: incident.severity.text.clone(),
            severity_value: incident.severity.value,
            source: Origin::Scheduled,
            benign: false,
            role,
            entity_type: entity.type_name(),
            entity: fleet.name(entity).into(),
            metric,
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
}
