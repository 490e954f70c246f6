//! Puts a plan together from a scenario, collecting every mistake.

use std::sync::Arc;

use super::assemble::assemble;
use super::background::background;
use super::roster::roster;
use super::schedule::schedule;
use super::{Plan, VALUES_EPOCH};
use crate::math::Key;
use crate::scenario::{ClockText, Diagnostic, Diagnostics, Level, Scenario};
use crate::time::{Clock, SimTime, Span};

impl Scenario {
    /// Validates: every mistake of the file, in the file's order; a plan only if there is none.
    ///
    /// # Errors
    /// All mistakes at once. Warnings alone are no error: the plan has them.
    ///
    /// ```
    /// use reenact::scenario::Scenario;
    /// let plan = Scenario::preset("dev").unwrap().plan()?;
    /// assert_eq!((plan.fleet().servers.len(), plan.fleet().instances.len()), (3, 2));
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn plan(&self) -> Result<Plan, Diagnostics> {
        let mut mistakes = self.mistakes.clone();
        let seed = self.seed.as_ref().map_or(0, |seed| seed.value);
        check_epoch(self, &mut mistakes);
        let clock = clock(self, &mut mistakes);
        let fleet = match &self.fleet {
            Some(text) => {
                let roster = roster(text, &mut mistakes);
                roster.and_then(|roster| assemble(Key::new(seed), &roster, &mut mistakes))
            }
            None => {
                missing(self, "fleet", "{servers: 3, services: 2}", &mut mistakes);
                None
            }
        };
        let entries = schedule(Key::new(seed), self, clock, fleet.as_ref(), &mut mistakes);
        let background = self.background.as_ref().and_then(|text| background(&text.value, &mut mistakes));
        let list = Diagnostics::new(self.sources.clone(), mistakes);
        match (clock, fleet) {
            (Some(clock), Some(fleet)) if list.count(Level::Error) == 0 => {
                let (scenario_yaml, scenario_json) = self.pinned(VALUES_EPOCH);
                Ok(Plan {
                    name: self.name.as_ref().map_or_else(|| "scenario".into(), |name| name.value.clone()),
                    about: self.about.as_ref().map_or_else(String::new, |about| about.value.clone()),
                    seed,
                    clock,
                    fleet: Arc::new(fleet),
                    schedule: entries.into(),
                    background,
                    without: Vec::new(),
                    warnings: list,
                    scenario_yaml: scenario_yaml.into(),
                    scenario_json: scenario_json.into(),
                })
            }
            _ => Err(list),
        }
    }
}

fn missing(scenario: &Scenario, key: &str, example: &str, mistakes: &mut Vec<Diagnostic>) {
    // What is there but could not be read has been told, and so has a file that is no mapping at all.
    if scenario.is_mapping() && !scenario.has(key) {
        mistakes.push(
            Diagnostic::error(scenario.start(), format!("a scenario without `use` needs `{key}`"))
                .help(format!("add `{key}: {example}`, or `use: dev` to take it from a preset")),
        );
    }
}

fn check_epoch(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) {
    if let Some(epoch) = &scenario.epoch
        && epoch.value != VALUES_EPOCH
    {
        mistakes.push(
            Diagnostic::error(epoch.place, format!("this program does not have the values of epoch {}", epoch.value))
                .label(format!("it has epoch {VALUES_EPOCH}"))
                .help(format!("take a version of reenact that has it, or write `epoch: {VALUES_EPOCH}` and renew what depends on the values")),
        );
    }
}

fn clock(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) -> Option<Clock> {
    let example = "{start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}";
    let Some(text) = &scenario.clock else {
        missing(scenario, "clock", example, mistakes);
        return None;
    };
    let ClockText { start, run, step } = &text.value;
    let known = mistakes.len();
    if let Some(start) = start.as_ref().filter(|start| start.value < SimTime(0)) {
        let error = Diagnostic::error(start.place, "the start lies before 1970");
        mistakes.push(error.help("begin at 1970-01-01T00:00:00Z or later"));
    }
    for (text, what) in [(run, "run"), (step, "step")] {
        if let Some(text) = text.as_ref().filter(|text| text.value < Span(1)) {
            let error = Diagnostic::error(text.place, format!("`{what}` is {}", text.value));
            mistakes.push(error.label("at least 1ms"));
        }
    }
    if let Some(step) = step.as_ref().filter(|step| step.value > Span::hours(24 * 366)) {
        mistakes
            .push(Diagnostic::error(step.place, format!("`step` is {}", step.value)).label("at most 366d"));
    }
    let (start, run, step) = (start.as_ref()?, run.as_ref()?, step.as_ref()?);
    if mistakes.len() > known {
        return None;
    }
    let clock = Clock::new(start.value, run.value, step.value);
    if clock.is_none() {
        mistakes.push(
            Diagnostic::error(run.place, "the run ends after the year 9999")
                .help("make it shorter, or begin earlier"),
        );
    }
    clock
}
