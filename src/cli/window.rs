//! The flags that select a part of a run, such as `--from`, and the parsers for durations and times.

use super::overrides::{seconds_of, yaml_scalar};
use super::status::Failure;
use crate::plan::Plan;
use crate::player::Pace;
use crate::recording::Manifest;
use crate::run::{Rebase, Run};
use crate::scenario::Scenario;
use crate::time::{SimTime, Span};

/// Which part of a run is rendered
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Window")]
pub(super) struct WindowArgs {
    /// Begin at this event time: a duration after the start of the run, or an RFC 3339 time
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,

    /// End before this event time
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,

    /// The duration of the window, from `--from` or the start; if the window ends after the run, the run is extended
    #[arg(long = "for", value_name = "D", conflicts_with = "to")]
    length: Option<String>,

    /// Same as `--for`, in seconds
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, conflicts_with_all = ["length", "to"], help_heading = "Older names")]
    duration: Option<String>,

    /// Render the I-th of N contiguous parts of the window; `cat` of all parts is the whole window
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
}

/// The length of a run without an end: a century.
const ENDLESS: Span = Span::hours(24 * 36_525);

impl WindowArgs {
    /// Returns the scenario. Makes its run longer if `--for` ends after it, or if the run lasts until the user stops
    /// it.
    pub(super) fn lengthened(&self, scenario: Scenario, is_endless: bool) -> Result<Scenario, Failure> {
        let is_endless = is_endless && self.to.is_none();
        let Some(length) = self.length()?.or(is_endless.then_some(ENDLESS)) else { return Ok(scenario) };
        let clock = scenario.keys.clock.as_ref().map(|clock| &clock.value);
        let (run, start) =
            (clock.and_then(|clock| clock.run.as_ref()), clock.and_then(|clock| clock.start.as_ref()));
        let (Some(run), Some(start)) = (run, start) else { return Ok(scenario) };
        let start = start.value;
        let from = self.from.as_ref().map_or(Ok(start), |text| moment("--from", text, start))?;
        let needed = Span((from - start).0.saturating_add(length.0));
        if needed <= run.value {
            return Ok(scenario);
        }
        let words = match (&self.duration, &self.length) {
            (Some(_), _) => "--duration ",
            (_, Some(_)) => "--for ",
            _ => "--kafka-servers ",
        };
        Ok(scenario.overridden("the command line", words, "clock.run", &yaml_scalar(&needed.to_string())))
    }

    /// Returns the length of the window that `--for` or `--duration` requests.
    fn length(&self) -> Result<Option<Span>, Failure> {
        if let Some(seconds) = &self.duration {
            let text = seconds_of("--duration", seconds)?;
            return Ok(Span::parse(text.trim_matches('"')));
        }
        self.length.as_ref().map(|text| duration("--for", text)).transpose()
    }

    /// Returns the requested part of a plan. By default, this is the part that is in the scenario's dataset.
    pub(super) fn of(&self, plan: Plan, manifest: Option<&Manifest>) -> Result<Run, Failure> {
        let start = plan.clock().start();
        let mut run = plan.run();
        let given = |flag: &str, text: &Option<String>| {
            text.as_ref().map(|text| moment(flag, text, start)).transpose()
        };
        let (mut from, mut to) = (given("--from", &self.from)?, given("--to", &self.to)?);
        if let Some(length) = self.length()? {
            to = Some(SimTime(from.unwrap_or(start).0.saturating_add(length.0)));
        }
        let mut part = self.shard.as_ref();
        if let Some(manifest) = manifest {
            for id in &manifest.without {
                run = run.without(id)?;
            }
            // The shard of the dataset does not apply to another window.
            if from.is_none() && to.is_none() {
                part = part.or(manifest.shard.as_ref());
            }
            // A bound that is not requested is that of the dataset. If the dataset covers the whole run, this run is
            // whole too, even if its clock is different.
            if !manifest.covers_the_run() {
                let end = run.plan().clock().end();
                from = from.or_else(|| SimTime::parse(&manifest.window.from));
                to = to.or_else(|| SimTime::parse(&manifest.window.to).map(|to| to.min(end)));
            }
        }
        if from.is_some() || to.is_some() {
            run = run.between(from, to)?;
        }
        if let Some(text) = part {
            let (i, n) = shard(text)?;
            run = run.shard(i, n)?;
        }
        Ok(run)
    }
}

fn shard(text: &str) -> Result<(u64, u64), Failure> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n > 0);
    let parts = text.split_once('/').and_then(|(i, n)| Some((number(i)?, number(n)?)));
    parts.ok_or_else(|| {
        Failure::input(
            format!("`--shard {text}` is not a valid shard"),
            "write `--shard 1/4` for the first of four",
        )
    })
}

pub(super) fn duration(flag: &str, text: &str) -> Result<Span, Failure> {
    let span = Span::parse(text).filter(|span| span.0 > 0);
    span.ok_or_else(|| {
        let help = match text.parse::<f64>() {
            Ok(_) => format!("a duration needs a unit: write `{flag} {text}s` for seconds"),
            Err(_) => format!("write a duration such as `{flag} 90s` or `{flag} 1h30m`"),
        };
        Failure::input(format!("`{flag} {text}` is not a valid duration"), help)
    })
}

pub(super) fn moment(flag: &str, text: &str, start: SimTime) -> Result<SimTime, Failure> {
    let after = Span::parse(text).and_then(|span| start.0.checked_add(span.0)).map(SimTime);
    after.or_else(|| SimTime::parse(text)).ok_or_else(|| {
        let help = format!(
            "write a duration after the start of the run, `{flag} 90s`, or an RFC 3339 time, \
             `{flag} 2026-01-05T08:00:00Z`"
        );
        Failure::input(format!("`{flag} {text}` is not a valid time"), help)
    })
}

/// Parses `--rebase`.
pub(super) fn rebase(text: Option<&str>, pace: Pace) -> Result<Rebase, Failure> {
    Ok(match text {
        None => Rebase::Keep,
        Some("now") => Rebase::Now,
        Some("end") => Rebase::End(pace),
        Some(text) => Rebase::At(SimTime::parse(text).ok_or_else(|| {
            Failure::input(
                format!("`--rebase {text}` is not a valid time"),
                "write `--rebase now`, `--rebase end` or an RFC 3339 time, `--rebase 2026-01-05T08:00:00Z`",
            )
        })?),
    })
}
