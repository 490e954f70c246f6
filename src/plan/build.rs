//! Builds a plan from a scenario and collects every mistake.

use std::sync::Arc;

use super::background::background;
use super::incidents::Entry;
use super::schedule::{Stage, Warnings, find_kind, schedule};
use super::{Plan, VALUES_EPOCH};
use crate::engine::models::{builtin, populate};
use crate::fleet::{Calendar, Keys, Load, assemble, fleet_spec};
use crate::math::Key;
use crate::scenario::{At, ClockText, Diagnostic, Diagnostics, Level, Scenario, count};
use crate::time::{Clock, SimTime, Span};

impl Scenario {
    /// Validates the scenario. Returns a plan if there are no mistakes.
    ///
    /// # Errors
    /// Returns all mistakes at once, in the order of the file. Warnings alone are not an error: they are in
    /// [`Plan::warnings`].
    ///
    /// ```
    /// use reenact::scenario::Scenario;
    /// let plan = Scenario::preset("dev")?.plan()?;
    /// assert_eq!((plan.fleet().servers.len(), plan.fleet().instances.len()), (3, 2));
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn plan(&self) -> Result<Plan, Diagnostics> {
        let mut mistakes = self.mistakes.clone();
        let seed = self.keys.seed.as_ref().map_or(0, |seed| seed.value);
        check_epoch(self, &mut mistakes);
        let clock = clock(self, &mut mistakes);
        let zone = self.keys.clock.as_ref().and_then(|clock| clock.value.timezone.as_ref());
        let start = clock.map_or(SimTime(0), |clock| clock.start());
        let calendar = Calendar::of(zone, start, &mut mistakes);
        let clean = clean(self, clock, &mut mistakes);
        let before_fleet = mistakes.len();
        let fleet = match &self.keys.fleet {
            Some(text) => {
                let fleet_spec = fleet_spec(
                    text,
                    (load(self), calendar.unwrap_or_default()),
                    &self.sources,
                    &mut mistakes,
                );
                let fleet_seed = text.value.seed.as_ref().map_or(0, |seed| seed.value);
                let keys = Keys { fleet: Key::new(fleet_seed), noise: Key::new(seed) };
                let fleet = fleet_spec.and_then(|fleet_spec| assemble(keys, &fleet_spec, &mut mistakes));
                fleet.map(|mut fleet| {
                    populate(&mut fleet);
                    fleet
                })
            }
            None => {
                missing(self, "fleet", "{servers: 3, services: 2}", &mut mistakes);
                None
            }
        };
        let is_whole = self.keys.fleet.as_ref().is_some_and(|text| text.value.is_whole);
        let known = fleet.as_ref().filter(|_| is_whole);
        let warnings = if mistakes.len() > before_fleet { Warnings::Omit } else { Warnings::Report };
        let stage = Stage { key: Key::new(seed), clock, clean, fleet: known, warnings };
        let entries = schedule(&stage, self, &mut mistakes);
        let background = self
            .keys
            .background
            .as_ref()
            .and_then(|text| background(&text.value, builtin(), clean, &mut mistakes));
        let unmet = unmet(self, &stage, &entries, &mut mistakes);
        let unseen = unseen(self, &stage, &entries);
        let list = self.diagnostics(mistakes);
        match (clock, fleet) {
            (Some(clock), Some(fleet)) if list.count(Level::Error) == 0 => {
                let (scenario_yaml, scenario_json) = self.pinned(VALUES_EPOCH);
                Ok(Plan {
                    name: self
                        .keys
                        .name
                        .as_ref()
                        .map_or_else(|| "scenario".into(), |name| name.value.clone()),
                    about: self.keys.about.as_ref().map_or_else(String::new, |about| about.value.clone()),
                    seed,
                    clock,
                    fleet: Arc::new(fleet),
                    schedule: entries.into(),
                    background,
                    without: Vec::new(),
                    warnings: list,
                    unmet: self.diagnostics(unmet),
                    unseen: self.diagnostics(unseen),
                    expects_visible: self
                        .keys
                        .expect
                        .as_ref()
                        .is_some_and(|expect| expect.value.visible.is_some()),
                    scenario_yaml: scenario_yaml.into(),
                    scenario_json: scenario_json.into(),
                })
            }
            _ => Err(list),
        }
    }
}

fn missing(scenario: &Scenario, key: &str, example: &str, mistakes: &mut Vec<Diagnostic>) {
    // A key that exists but could not be read was reported, and so was a file that is not a mapping. A used file that
    // could not be read may contain the key.
    if scenario.is_whole() && scenario.is_mapping() && !scenario.has(key) {
        mistakes.push(
            Diagnostic::error(scenario.start(), format!("a scenario without `use` requires the key `{key}`"))
                .help(format!("add `{key}: {example}`, or `use: dev` to take it from a preset")),
        );
    }
}

/// Returns the shape of demand that `load` describes.
fn load(scenario: &Scenario) -> Load {
    let default = Load::default();
    let Some(text) = &scenario.keys.load else { return default };
    let value = |read: &Option<At<f64>>| read.as_ref().map(|read| read.value);
    Load {
        daily: value(&text.value.daily),
        weekend: value(&text.value.weekend),
        peak_hour: text
            .value
            .peak
            .as_ref()
            .map_or(default.peak_hour, |peak| peak.value.as_seconds() / 3_600.0),
        bursts_per_hour: value(&text.value.bursts).map_or(default.bursts_per_hour, |rate| rate * 3_600.0),
    }
}

/// Returns the length of the prefix of the run in which nothing goes wrong.
fn clean(scenario: &Scenario, clock: Option<Clock>, mistakes: &mut Vec<Diagnostic>) -> Span {
    let clean = scenario.keys.clock.as_ref().and_then(|clock| clock.value.clean.as_ref());
    let Some(clean) = clean else { return Span::ZERO };
    if let Some(clock) = clock
        && clean.value >= clock.run()
    {
        let error = Diagnostic::error(
            clean.place,
            format!("`clean` is {}, which is not shorter than the run", clean.value),
        );
        mistakes.push(error.label(format!("the run lasts {}", clock.run())).help("use a shorter `clean`"));
        return Span::ZERO;
    }
    clean.value
}

/// Returns the numbers of incidents in `expect` that differ from what the schedule makes.
fn unmet(
    scenario: &Scenario,
    stage: &Stage<'_>,
    entries: &[Entry],
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let mut unmet = Vec::new();
    for (kind, number) in
        scenario.keys.expect.iter().flat_map(|expect| &expect.value.incidents).flat_map(|list| &list.value)
    {
        let (Some(kind), Some(clock)) = (find_kind(kind, mistakes), stage.clock) else { continue };
        let of_kind = entries.iter().filter(|entry| entry.kind.name() == kind.name());
        let made = of_kind.map(|entry| entry.num_happenings(stage.key, clock)).sum::<u64>();
        if made != number.value {
            let incidents = count(made, "incident");
            let message = format!("the schedule has {incidents} of `{}`", kind.name());
            unmet.push(Diagnostic::error(number.place, message).label(format!("{} expected", number.value)));
        }
    }
    unmet
}

/// Returns the scheduled incidents that `expect` requires to be visible, but that probably are not.
fn unseen(scenario: &Scenario, stage: &Stage<'_>, entries: &[Entry]) -> Vec<Diagnostic> {
    let place =
        scenario.keys.expect.as_ref().and_then(|expect| expect.value.visible.as_ref()).map(|it| it.place);
    let (Some(place), Some(clock), Some(fleet)) = (place, stage.clock, stage.fleet) else {
        return Vec::new();
    };
    let named = |entry: &Entry| {
        let first = entry.happenings(stage.key, clock, clock.start(), clock.end()).next()?;
        let tiny = Some(first.incident(fleet, clock)).filter(|incident| incident.is_tiny)?;
        let error = Diagnostic::error(place, format!("`{}` may not be visible in any metric", tiny.id));
        Some(
            error
                .label("every incident is expected to be visible")
                .help("increase its severity, or remove `visible`"),
        )
    };
    entries.iter().filter_map(named).collect()
}

fn check_epoch(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) {
    if let Some(epoch) = &scenario.keys.epoch
        && epoch.value != VALUES_EPOCH
    {
        mistakes.push(
            Diagnostic::error(epoch.place, format!("this program cannot generate the values of epoch {}", epoch.value))
                .label(format!("it has epoch {VALUES_EPOCH}"))
                .help(format!("use a version of reenact with this epoch, or write `epoch: {VALUES_EPOCH}` and regenerate everything that depends on the values")),
        );
    }
}

fn clock(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) -> Option<Clock> {
    let example = "{start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}";
    let Some(text) = &scenario.keys.clock else {
        missing(scenario, "clock", example, mistakes);
        return None;
    };
    let ClockText { start, run, step, .. } = &text.value;
    let known = mistakes.len();
    if let Some(start) = start.as_ref().filter(|start| start.value < SimTime(0)) {
        let error = Diagnostic::error(start.place, "`start` is before 1970");
        mistakes.push(error.help("use 1970-01-01T00:00:00Z or later"));
    }
    for (text, what) in [(run, "run"), (step, "step")] {
        if let Some(text) = text.as_ref().filter(|text| text.value < Span(1)) {
            let error = Diagnostic::error(text.place, format!("`{what}` is {}", text.value));
            mistakes.push(error.label("must be at least 1ms"));
        }
    }
    if let Some(step) = step.as_ref().filter(|step| step.value > Span::hours(24 * 366)) {
        mistakes.push(
            Diagnostic::error(step.place, format!("`step` is {}", step.value)).label("must be at most 366d"),
        );
    }
    let (start, run, step) = (start.as_ref()?, run.as_ref()?, step.as_ref()?);
    if mistakes.len() > known {
        return None;
    }
    let clock = Clock::new(start.value, run.value, step.value);
    if clock.is_none() {
        mistakes.push(
            Diagnostic::error(run.place, "the run ends after the year 9999")
                .help("use a shorter `run`, or an earlier `start`"),
        );
    }
    clock
}
