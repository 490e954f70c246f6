//! Turns `anomalies:` into entries with their targets, times and strengths, and collects every mistake.

use std::collections::BTreeMap;

use super::incidents::{Entry, Every, Strength};
use super::target::targets;
use super::warnings;
use crate::fleet::Fleet;
use crate::kinds::{self, Kind};
use crate::math::Key;
use crate::scenario::{
    AnomalyText, At, Conditions, Diagnostic, Length, Moment, Place, Scenario, Severity, TargetText, quoted,
};
use crate::time::{Clock, SimTime, Span};

/// The number of mistakes after which no further entry is read: searching similar names for millions of entries takes
/// hours.
const MOST_MISTAKES: usize = 1_000;

/// The maximum number of targets of all entries together: all of them are kept in memory.
const MOST_TARGETS: usize = 5_000_000;

/// What a schedule is placed on. A part that could not be read is `None`.
pub(super) struct Stage<'a> {
    pub key: Key,
    pub clock: Option<Clock>,
    /// Nothing goes wrong earlier than this after the start.
    pub clean: Span,
    pub fleet: Option<&'a Fleet>,
    pub warnings: Warnings,
}

/// Whether to warn about incidents that may not do what is intended. If the fleet has mistakes, such warnings have no
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Warnings {
    Report,
    Omit,
}

/// Returns the entries that could be placed, in the order of the file.
pub(super) fn schedule(stage: &Stage<'_>, scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let anomalies = scenario.keys.anomalies.as_ref().map_or(&[][..], |list| &list.value);
    check_ids(anomalies, mistakes);
    let mut placed: Vec<(&AnomalyText, Entry)> = Vec::new();
    let (mut warnings, mut num_targets) = (Vec::new(), 0);
    for text in anomalies {
        if mistakes.len() > MOST_MISTAKES {
            let message = format!("the scenario has more than {MOST_MISTAKES} errors");
            mistakes.push(
                Diagnostic::error(text.place, message).label("the rest of the scenario is not checked"),
            );
            break;
        }
        let Some(entry) = entry(&text.value, stage, mistakes) else { continue };
        if let (Some(clock), Some(fleet), Warnings::Report) = (stage.clock, stage.fleet, stage.warnings) {
            let happenings = || entry.happenings(stage.key, clock, clock.start(), clock.end());
            if let Some(first) = happenings().next() {
                warnings::of_one(&text.value, &first.incident(fleet, clock), clock, fleet, &mut warnings);
            }
            if let Some(last) = happenings().next_back() {
                warnings::of_the_last(&text.value, &last.incident(fleet, clock), clock, &mut warnings);
            }
        }
        num_targets += entry.targets.len();
        if num_targets > MOST_TARGETS {
            let message = format!("the anomalies have more than {MOST_TARGETS} targets in total");
            mistakes.push(
                Diagnostic::error(text.place, message)
                    .help("select fewer entities in each anomaly, for example with `pick`"),
            );
            break;
        }
        placed.push((&text.value, entry));
    }
    if let (Some(fleet), Some(clock)) = (stage.fleet, stage.clock) {
        warnings::of_overlaps(&placed, (stage.key, clock, fleet), &mut warnings);
        check_repeats(&placed, stage.key, clock, mistakes);
    }
    mistakes.append(&mut warnings);
    placed.into_iter().map(|(_, entry)| entry).collect()
}

/// Returns an entry of the file if all of it could be read and placed.
fn entry(text: &AnomalyText, stage: &Stage<'_>, mistakes: &mut Vec<Diagnostic>) -> Option<Entry> {
    let kind = text.kind.as_ref().and_then(|name| find_kind(name, mistakes));
    let onset =
        stage.clock.zip(text.at.as_ref()).and_then(|(clock, at)| onset(at, clock, stage.clean, mistakes));
    let id = id(text);
    let targets = stage.fleet.zip(text.target.as_ref()).and_then(|(fleet, target)| {
        let draw = stage.key.with("pick").with(id.as_deref().unwrap_or_default());
        targets(target, fleet, kind, draw, mistakes)
    });
    let strength = strength(text, kind, mistakes);
    let length = length(text, onset, stage.clock, mistakes);
    check_ramp(text, length.as_ref(), mistakes);
    let every = every(text, length.as_ref(), onset, stage, mistakes);
    let ends = onset.zip(length.as_ref()).and_then(|(onset, length)| onset.0.checked_add(length.value.0));
    if let (Some(length), Some(_)) = (&length, onset)
        && ends.is_none_or(|end| end >= SimTime::END.0)
    {
        let error = Diagnostic::error(length.place, format!("the incident ends after {}", SimTime::END));
        mistakes.push(error.help("use a shorter `for`"));
        return None;
    }
    let ramp = text.ramp.as_ref().map(|ramp| &ramp.value);
    let step = |step: Option<&Option<At<Span>>>| step.and_then(Option::as_ref).map(|step| step.value);
    Some(Entry {
        kind: kind?,
        at: onset?,
        length: length?.value,
        targets: targets?,
        strength: strength?,
        every: every?,
        id: id?,
        ramp: (step(ramp.map(|ramp| &ramp.up)), step(ramp.map(|ramp| &ramp.down))),
    })
}

/// Returns how long an entry lasts. `until-end` means until the end of the run.
fn length(
    text: &AnomalyText,
    onset: Option<SimTime>,
    clock: Option<Clock>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<At<Span>> {
    let length = text.length.as_ref()?;
    match (length.value, &text.every) {
        (Length::Lasts(span), _) => Some(At { value: span, place: length.place }),
        (Length::UntilEnd, Some(every)) => {
            mistakes.push(
                Diagnostic::error(
                    length.place,
                    "`until-end` cannot be combined with `every`: the repeats would overlap",
                )
                .related(every.place, "the repeats")
                .help("write how long each repeat lasts, or remove `every`"),
            );
            None
        }
        (Length::UntilEnd, None) => Some(At { value: clock?.end() - onset?, place: length.place }),
    }
}

/// Reads `severity:` or `with:`. An entry may have only one of them.
fn strength(
    text: &AnomalyText,
    kind: Option<&'static dyn Kind>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Strength> {
    let Some(with) = &text.with else {
        let severity =
            text.severity.as_ref().map_or_else(Severity::medium, |severity| severity.value.clone());
        return Some(Strength::Severity(severity));
    };
    if let Some(severity) = &text.severity {
        mistakes.push(
            Diagnostic::error(with.place, "`with` cannot be combined with `severity`")
                .related(severity.place, "the severity")
                .help("remove one of them: the severity of an anomaly with `with` is measured"),
        );
        return None;
    }
    let (kind, measure) = (kind?, kind?.measure());
    let mut amount = None;
    for (key, node) in &with.value {
        if key.value == measure.key {
            match crate::scenario::quantity(node, measure.quantity) {
                Ok(value) => amount = Some(value.value),
                Err(mistake) => mistakes.push(mistake),
            }
            continue;
        }
        mistakes.push(
            Diagnostic::error(key.place, format!("`with` of `{}` has no key `{}`", kind.name(), key.value))
                .label(format!("write `with: {{{}}}`", measure.example()))
                .nearest(&key.value, [measure.key]),
        );
    }
    if with.value.is_empty() {
        let error = Diagnostic::error(with.place, "`with` is empty");
        mistakes.push(error.help(format!("add the key `{}`, or use `severity` instead", measure.key)));
    }
    amount.map(Strength::Amount)
}

fn check_ramp(text: &AnomalyText, length: Option<&At<Span>>, mistakes: &mut Vec<Diagnostic>) {
    let (Some(ramp), Some(length)) = (&text.ramp, length) else { return };
    let step = |step: &Option<At<Span>>| step.as_ref().map_or(0, |step| step.value.0);
    let both = step(&ramp.value.up).saturating_add(step(&ramp.value.down));
    if both > length.value.0 {
        mistakes.push(
            Diagnostic::error(ramp.place, format!("the ramps last {}, longer than the incident", Span(both)))
                .related(length.place, "the incident")
                .help("make `up` and `down` shorter: together they can be at most as long as `for`"),
        );
    }
}

/// Returns how an entry repeats. The outer `None` means that this could not be read.
fn every(
    text: &AnomalyText,
    length: Option<&At<Span>>,
    onset: Option<SimTime>,
    stage: &Stage<'_>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Option<Every>> {
    let Some(every) = &text.every else {
        if let Some(jitter) = &text.jitter {
            let error = Diagnostic::error(jitter.place, "`jitter` requires `every`");
            mistakes.push(error.help("add `every: 1d`, or remove `jitter`"));
            return None;
        }
        return Some(None);
    };
    let (length, onset, clock) = (length?.value, onset?, stage.clock?);
    if every.value < length {
        mistakes.push(
            Diagnostic::error(every.place, format!("repeats every {} would overlap", every.value))
                .label(format!("each lasts {length}"))
                .help("make `every` at least as long as `for`"),
        );
        return None;
    }
    let Some(jitter) = &text.jitter else {
        return Some(Some(Every { distance: every.value, jitter: Span::ZERO }));
    };
    let most = ((every.value.0 - length.0) / 2).min((onset - (clock.start() + stage.clean)).0);
    if jitter.value.0 > most {
        mistakes.push(
            Diagnostic::error(jitter.place, format!("a jitter of {} is out of range", jitter.value))
                .label(format!("must be between 0s and {}", Span(most)))
                .help("the maximum is (`every` − `for`) ÷ 2, and no onset may be before the start of the run or in its `clean` part"),
        );
        return None;
    }
    Some(Some(Every { distance: every.value, jitter: jitter.value }))
}

/// Returns the entry's `id`, or one that depends only on its kind, target and onset. Returns `None` if one of these is
/// missing.
fn id(entry: &AnomalyText) -> Option<String> {
    if let Some(id) = &entry.id {
        return Some(id.value.clone());
    }
    let kind = entry.kind.as_ref()?.value.to_ascii_lowercase();
    let at = match entry.at.as_ref()?.value {
        Moment::After(span) => format!("after {}", span.0),
        Moment::At(moment) => format!("at {}", moment.0),
    };
    let target = match &entry.target.as_ref()?.value {
        TargetText::Name(name) => name.clone(),
        TargetText::Where(conditions) => canonical(conditions),
    };
    let hash = Key::new(0).with(&kind).with(&target).with(&at).bits();
    Some(format!("{kind}-{:08x}", hash >> 32))
}

/// Returns conditions as one text that does not depend on the order of the keys or on their short or long forms.
fn canonical(conditions: &Conditions) -> String {
    let Conditions { servers, services, zones, racks, pools, pick, host } = conditions;
    let lists =
        [("servers", servers), ("services", services), ("zone", zones), ("rack", racks), ("pool", pools)];
    let mut text = String::new();
    for (key, names) in lists {
        for name in names.iter().flat_map(|names| &names.value) {
            text.push_str(&format!("{key}={}\n", name.value));
        }
    }
    if let Some(pick) = pick {
        text.push_str(&format!("pick={}\n", pick.value));
    }
    if host.as_ref().is_some_and(|host| host.value) { text + "host\n" } else { text }
}

fn check_ids(entries: &[At<AnomalyText>], mistakes: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    for entry in entries {
        let Some(own) = id(&entry.value) else { continue };
        let place = entry.value.id.as_ref().map_or(entry.place, |id| id.place);
        if own.starts_with("bg.") {
            let error =
                Diagnostic::error(place, "ids that begin with `bg.` are reserved for background incidents");
            mistakes.push(error.help("choose another `id`"));
        }
        let Some(first) = seen.get(&own) else {
            seen.insert(own, place);
            continue;
        };
        let message = match &entry.value.id {
            Some(id) => format!("two anomalies have the id `{}`", id.value),
            // The same bytes of a file that is used twice.
            None if (place.start, place.end) == (first.start, first.end) && place.source != first.source => {
                "an anomaly without an `id` comes from a file that is used twice".into()
            }
            None => "two anomalies have the same kind, target and onset, so their ids would be equal".into(),
        };
        mistakes.push(
            Diagnostic::error(place, message)
                .related(*first, "first here")
                .help("give each anomaly a different `id`"),
        );
    }
}

/// Refuses an `id` that is also the id of a repeat of another entry.
fn check_repeats(placed: &[(&AnomalyText, Entry)], key: Key, clock: Clock, mistakes: &mut Vec<Diagnostic>) {
    let repeating: BTreeMap<&str, (&AnomalyText, &Entry)> = placed
        .iter()
        .filter(|(_, entry)| entry.every.is_some())
        .map(|(text, entry)| (entry.id.as_str(), (*text, entry)))
        .collect();
    for (text, entry) in placed.iter().filter(|(_, entry)| entry.every.is_none()) {
        let (Some(id), Some((base, _))) = (&text.id, entry.id.rsplit_once('.')) else { continue };
        let Some((other, repeats)) = repeating.get(base) else { continue };
        if repeats.happening(key, clock, &entry.id).is_some() {
            let message = format!("a repeat of `{base}` also has the id `{}`", entry.id);
            let error = Diagnostic::error(id.place, message).help("choose another `id`");
            mistakes.push(match &other.every {
                Some(every) => error.related(every.place, "the repeats"),
                None => error,
            });
        }
    }
}

/// Returns the kind with this name, or reports that there is none.
pub(super) fn find_kind(name: &At<String>, mistakes: &mut Vec<Diagnostic>) -> Option<&'static dyn Kind> {
    let found = kinds::named(&name.value);
    if found.is_none() {
        let there = kinds::KINDS.iter().map(|kind| kind.name());
        let list = quoted(there.clone());
        let later = kinds::NOT_YET.iter().any(|later| later.eq_ignore_ascii_case(&name.value));
        mistakes.push(if later {
            Diagnostic::error(name.place, format!("kind `{}` is not implemented yet", name.value))
                .label(format!("this version has {list}"))
        } else {
            Diagnostic::error(name.place, format!("kind `{}` does not exist", name.value))
                .label(format!("the kinds are {list}"))
                .nearest(&name.value, there)
        });
    }
    found
}

/// Returns the moment of an onset if it is in the run and not in its clean prefix.
fn onset(at: &At<Moment>, clock: Clock, clean: Span, mistakes: &mut Vec<Diagnostic>) -> Option<SimTime> {
    let onset = match at.value {
        Moment::After(span) => clock.start().0.checked_add(span.0).map(SimTime),
        Moment::At(moment) => Some(moment),
    };
    let error = |message: &str| Diagnostic::error(at.place, message);
    mistakes.push(match onset {
        Some(onset) if onset < clock.start() => error("the onset is before the start of the run")
            .label(format!("the run starts at {}", clock.start())),
        Some(onset) if onset < clock.start() + clean => error("the onset is in the clean part of the run")
            .label(format!("the clean part ends at {}", clock.start() + clean))
            .help("use a later onset, or a shorter `clock.clean`"),
        Some(onset) if onset < clock.end() => return Some(onset),
        _ => error("the onset is at or after the end of the run")
            .label(format!("the run lasts {}", clock.run()))
            .help("use a longer `clock.run`, or an earlier onset"),
    });
    None
}
