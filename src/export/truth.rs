//! Derives from the labels when each entity or series counts as an anomaly.

use std::collections::BTreeMap;

use crate::label::{Label, Role};
use crate::time::SimTime;

/// The times at which an entity or a series is an anomaly: while a label row that is neither benign nor a recovery has
/// an effect. Intervals are half-open, disjoint and sorted.
pub(super) struct Truth {
    /// The intervals of each entity.
    entities: BTreeMap<String, Vec<(SimTime, SimTime)>>,
    /// The intervals of each series, by metric and then by entity.
    series: BTreeMap<String, BTreeMap<String, Vec<(SimTime, SimTime)>>>,
}

impl Truth {
    pub(super) fn new(labels: &[Label]) -> Truth {
        let mut truth = Truth { entities: BTreeMap::new(), series: BTreeMap::new() };
        for label in labels.iter().filter(|label| !label.benign && label.role != Role::Recovery) {
            let interval = (label.effect_start, label.effect_end);
            truth.entities.entry(label.entity.clone()).or_default().push(interval);
            let of_metric = truth.series.entry(label.metric.name().into()).or_default();
            of_metric.entry(label.entity.clone()).or_default().push(interval);
        }
        let series = truth.series.values_mut().flat_map(BTreeMap::values_mut);
        truth.entities.values_mut().chain(series).for_each(merge);
        truth
    }

    pub(super) fn is_anomaly(&self, entity: &str, moment: SimTime) -> bool {
        self.entities.get(entity).is_some_and(|intervals| holding(intervals, moment).is_some())
    }

    /// Returns the index of the interval of a series that contains `moment`.
    pub(super) fn of_series(&self, entity: &str, metric: &str, moment: SimTime) -> Option<usize> {
        holding(self.series.get(metric)?.get(entity)?, moment)
    }
}

fn holding(intervals: &[(SimTime, SimTime)], moment: SimTime) -> Option<usize> {
    let index = intervals.partition_point(|(start, _)| *start <= moment).checked_sub(1)?;
    (moment < intervals[index].1).then_some(index)
}

/// Merges intervals that overlap or touch, and sorts them.
fn merge(intervals: &mut Vec<(SimTime, SimTime)>) {
    intervals.sort();
    let mut merged: Vec<(SimTime, SimTime)> = Vec::new();
    for (start, end) in intervals.drain(..) {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    *intervals = merged;
}
