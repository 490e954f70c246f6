//! Warnings about scheduled incidents that may not do what is intended.

use std::collections::{BTreeMap, BTreeSet};

use super::incidents::{Entry, Incident};
use crate::fleet::{Entity, Fleet};
use crate::label::VISIBLE;
use crate::math::Key;
use crate::scenario::{AnomalyText, Diagnostic, Place};
use crate::time::{Clock, Span};

/// Warns about a single incident.
pub(super) fn of_one(
    entry: &AnomalyText,
    incident: &Incident,
    clock: Clock,
    fleet: &Fleet,
    warnings: &mut Vec<Diagnostic>,
) {
    let id = &incident.id;
    let at_length = entry.length.as_ref().map_or_else(Place::default, |length| length.place);
    let at_kind = entry.kind.as_ref().map_or(at_length, |kind| kind.place);
    let at_with = entry.with.as_ref().map_or(at_kind, |with| with.place);
    let at_severity = entry.severity.as_ref().map_or(at_with, |severity| severity.place);
    let mut warn = |place, message: String, label: String, help: &str| {
        let warning = Diagnostic::warning(place, message).label(label);
        warnings.push(if help.is_empty() { warning } else { warning.help(help) });
    };
    let (length, step) = (incident.end() - incident.start(), clock.step());
    let ramp = incident.envelope.up();
    // A ramp of 0 is intended.
    let is_sudden = ramp < step && (entry.ramp.is_none() || ramp > Span::ZERO);
    if length < step {
        let message = format!("`{id}` is shorter than the step and may fall between two ticks");
        warn(at_length, message, format!("the step is {step}"), "");
    } else if is_sudden {
        let message = format!("`{id}` has a ramp of {ramp}, which is shorter than the step");
        warn(
            at_length,
            message,
            format!("the step is {step}"),
            "it will look like a sudden jump: use a smaller `clock.step`",
        );
    }
    if let Some(least) = incident.kind.shortest().filter(|least| length < *least) {
        let message = format!("`{id}` is too short for a {} to reach its severity", incident.kind.name());
        warn(at_length, message, format!("at least {least}"), "");
    }
    if incident.is_tiny {
        let message = format!("`{id}` may not be visible in any metric");
        let label = format!("below {VISIBLE} of the scale, only its `cause` row is labelled");
        warn(at_severity, message, label, "");
    }
    let cut = incident.changes.iter().find_map(|(entity, change)| change.bound.map(|bound| (*entity, bound)));
    if let Some((entity, bound)) = cut {
        let name = fleet.name(entity);
        let (message, help) = match &entry.with {
            None => (
                format!("`{id}` may not reach its severity on `{name}`"),
                "the `snr` of the label is the size that was reached; lower the severity, or make the incident longer",
            ),
            Some(_) => (
                format!("`{id}` reaches a limit on `{name}`"),
                "reenact applies the limit; the `severity` of the label is the size that was reached",
            ),
        };
        warn(at_severity, message, bound.into(), help);
    }
}

/// Warns if the last incident of an entry ends after the run.
pub(super) fn of_the_last(
    entry: &AnomalyText,
    incident: &Incident,
    clock: Clock,
    warnings: &mut Vec<Diagnostic>,
) {
    if incident.end() > clock.end() {
        let place = entry.length.as_ref().map_or_else(Place::default, |length| length.place);
        let message = format!("`{}` ends after the end of the run", incident.id);
        warnings.push(Diagnostic::warning(place, message).label(format!("the run ends at {}", clock.end())));
    }
}

/// Warns about incidents that overlap on the carrier of one entity: each hides a part of the other.
pub(super) fn of_overlaps(
    placed: &[(&AnomalyText, Entry)],
    (key, clock, fleet): (Key, Clock, &Fleet),
    warnings: &mut Vec<Diagnostic>,
) {
    // By carrier and target, the entries that come earlier in the file.
    let mut before: BTreeMap<(&str, Entity), Vec<usize>> = BTreeMap::new();
    for (i, (text, entry)) in placed.iter().enumerate() {
        let mut found = None;
        // Whether two entries overlap does not depend on the target.
        let mut compared = BTreeSet::new();
        for target in &entry.targets {
            let others = before.entry((entry.kind.carrier().metric, *target)).or_default();
            let overlap = |other: &usize| {
                let both = overlap(&placed[*other].1, entry, key, clock)?;
                Some((*other, *target, both))
            };
            let new = others.iter().rev().take(MOST_COMPARED).filter(|other| compared.insert(**other));
            found = found.or_else(|| new.into_iter().find_map(overlap));
            others.push(i);
        }
        let Some((other, target, (first, second))) = found else { continue };
        let place = |entry: &AnomalyText| entry.at.as_ref().map_or_else(Place::default, |at| at.place);
        let metric = entry.kind.carrier().metric;
        let message = format!("`{first}` and `{second}` overlap on `{metric}` of `{}`", fleet.name(target));
        warnings.push(
            Diagnostic::warning(place(text), message)
                .related(place(placed[other].0), "the other begins here")
                .help("each is labelled with what it adds to the other"),
        );
    }
}

/// The maximum number of entries that an entry is compared with on one target, and of repeats of each.
const MOST_COMPARED: usize = 1_000;

/// Returns the ids of the first two happenings of two entries that overlap.
fn overlap(a: &Entry, b: &Entry, key: Key, clock: Clock) -> Option<(String, String)> {
    // Compare each happening of the entry that repeats less often with the happenings of the other around it.
    let distance = |entry: &Entry| entry.every.map_or(i64::MAX, |every| every.distance.0);
    let (rare, often, turned) = if distance(a) >= distance(b) { (a, b, false) } else { (b, a, true) };
    let happenings = rare.happenings(key, clock, clock.start(), clock.end()).take(MOST_COMPARED);
    let both = happenings.filter_map(|one| {
        let other = often.happenings(key, clock, one.start(), one.end()).next()?;
        Some((one.id(), other.id()))
    });
    both.map(|(one, other)| if turned { (other, one) } else { (one, other) }).next()
}
