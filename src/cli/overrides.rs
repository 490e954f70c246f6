//! The flags that override parts of a scenario, such as `--seed`, and their form in lock entries.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser as _;

use super::status::Failure;
use crate::kinds;
use crate::pace;
use crate::scenario::{At, Scenario, ServersText, ServicesText, is_path};
use crate::time::{SimTime, Span};

/// Flags that change the scenario, without changing its file
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Scenario overrides")]
pub(super) struct Overrides {
    /// Set a value by its path, such as `clock.step=5s` or `anomalies.leak.severity=high`; repeatable
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,

    /// The seed
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<String>,

    /// The time between two samples
    #[arg(long, value_name = "D")]
    step: Option<String>,

    /// The start of the run: an RFC 3339 time, or `now`
    #[arg(long, value_name = "T|now")]
    start: Option<String>,

    /// The number of servers, if the scenario does not name its pools
    #[arg(long, value_name = "N")]
    servers: Option<String>,

    /// The number of service instances, if the scenario does not name its services
    #[arg(long, value_name = "N")]
    services: Option<String>,

    /// Same as `--step`, in seconds
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, help_heading = "Older names")]
    interval: Option<String>,

    /// Fraction of time that each eligible entity spends inside a background incident
    #[arg(long, value_name = "P", allow_hyphen_values = true, help_heading = "Older names")]
    anomaly_prob: Option<String>,

    /// The kinds of background incidents; write the scenario before this flag, which takes all arguments that follow
    #[arg(long, value_name = "KIND", num_args = 1.., help_heading = "Older names")]
    anomalies: Vec<String>,

    /// Render the days before now (see `--backfill-days`) instead of the scenario's time range; the end is rounded down to the minute
    #[arg(long, conflicts_with = "start", help_heading = "Older names")]
    backfill: bool,

    /// The number of days that `--backfill` goes back
    #[arg(
        long,
        value_name = "DAYS",
        requires = "backfill",
        default_value = "7",
        help_heading = "Older names"
    )]
    backfill_days: f64,

    /// The step of `--backfill` in seconds; 300 by default, unless `--interval` or `--step` is set
    #[arg(long, value_name = "SECONDS", requires = "backfill", help_heading = "Older names")]
    backfill_interval: Option<String>,

    /// Where they are written, as messages call it; the command line if it is not said.
    #[arg(skip)]
    source: Option<String>,
}

/// Overrides alone, as an entry of a lock has them.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Alone {
    #[command(flatten)]
    overrides: Overrides,
}

/// The value of `--start` that means the current time.
const NOW: &str = "now";

/// A value that a flag sets.
struct Change {
    /// The text before the value: `--seed `, `--set seed=`.
    words: String,
    path: String,
    value: String,
    /// Whether it sets the start to the current time, which is rounded down to a multiple of the step.
    is_now: bool,
}

impl Overrides {
    /// Returns the scenario with all changes that the flags make.
    pub(super) fn apply(&self, scenario: Scenario) -> Result<Scenario, Failure> {
        self.apply_at(scenario, pace::now(), false)
    }

    /// Returns the same for a run that begins at `now`. A live run also starts at this moment.
    pub(super) fn apply_at(
        &self,
        mut scenario: Scenario,
        now: SimTime,
        is_live: bool,
    ) -> Result<Scenario, Failure> {
        let mut changes = self.changes(&scenario, now)?;
        if is_live {
            let (words, path) = ("--live ".into(), "clock.start".into());
            changes.push(Change { words, path, value: String::new(), is_now: true });
        }
        check_apart(&changes)?;
        let source = self.source.as_deref().unwrap_or("the command line");
        for Change { words, path, value, is_now } in changes {
            // The changes of the step come earlier in the list.
            let value = if is_now { yaml_scalar(&down_to_a_step(now, &scenario).to_string()) } else { value };
            scenario = scenario.overridden(source, &words, &path, &value);
        }
        Ok(scenario)
    }

    fn changes(&self, scenario: &Scenario, now: SimTime) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        for text in &self.set {
            let Some((path, value)) = text.split_once('=') else {
                let help = "write the path of a key, `=` and a value, such as `--set clock.step=5s`";
                return Err(Failure::input(format!("`--set {text}` has no `=`"), help));
            };
            let (words, path) = (format!("--set {path}="), path.trim().to_string());
            changes.push(Change { words, path, value: value.into(), is_now: false });
        }
        let mut flag = |flag: &str, path: &str, value: String| {
            let is_now = flag == "--start" && self.starts_now();
            changes.push(Change { words: format!("{flag} "), path: path.into(), value, is_now });
        };
        let named = [
            ("--seed", "seed", &self.seed),
            ("--servers", "fleet.servers", &self.servers),
            ("--services", "fleet.services", &self.services),
            ("--anomaly-prob", "background.share", &self.anomaly_prob),
        ];
        for (name, path, value) in named {
            if let Some(value) = value {
                flag(name, path, value.clone());
            }
        }
        if let Some(step) = &self.step {
            flag("--step", "clock.step", yaml_scalar(step));
        }
        if let Some(seconds) = &self.interval {
            flag("--interval", "clock.step", seconds_of("--interval", seconds)?);
        }
        if let Some(start) = &self.start {
            flag("--start", "clock.start", yaml_scalar(start));
        }
        if !self.anomalies.is_empty() {
            flag("--anomalies", "background.kinds", kinds(&self.anomalies)?);
        }
        if self.backfill {
            let run = whole_milliseconds(self.backfill_days * 86_400.0).filter(|run| run.0 < now.0);
            let Some(run) = run else {
                let message =
                    format!("`--backfill-days {}` is not a valid number of days", self.backfill_days);
                let help = "write a number above 0 that does not go back before 1970: `--backfill-days 7`";
                return Err(Failure::input(message, help));
            };
            let start = SimTime((now.0 - run.0).div_euclid(60_000) * 60_000);
            flag("--backfill-days", "clock.run", yaml_scalar(&run.to_string()));
            flag("--backfill", "clock.start", yaml_scalar(&start.to_string()));
            if let Some(step) = self
                .backfill_interval
                .as_deref()
                .or((self.interval.is_none() && self.step.is_none()).then_some("300"))
            {
                flag("--backfill-interval", "clock.step", seconds_of("--backfill-interval", step)?);
            }
        }
        check_numbers(scenario, self)?;
        Ok(changes)
    }

    /// Returns the flags as pairs in a fixed order, whatever order the user gave them in.
    ///
    /// # Errors
    /// If the result of the flags depends on the current time.
    pub(super) fn flags(&self) -> Result<Vec<String>, Failure> {
        if self.backfill || self.starts_now() {
            let flag = if self.backfill { "--backfill" } else { "--start now" };
            let message =
                format!("a lock file cannot contain `{flag}`: it produces different rows each time");
            return Err(Failure::input(message, "write a time, such as `--start 2026-01-05T08:00:00Z`"));
        }
        let single = [
            ("--seed", &self.seed),
            ("--start", &self.start),
            ("--step", &self.step),
            ("--interval", &self.interval),
            ("--servers", &self.servers),
            ("--services", &self.services),
            ("--anomaly-prob", &self.anomaly_prob),
        ];
        let single = single.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        let sorted = |values: &[String]| values.iter().cloned().collect::<BTreeSet<String>>();
        let (kinds, set) = (sorted(&self.anomalies), sorted(&self.set));
        let kinds = kinds.iter().map(|kind| ("--anomalies", kind));
        let set = set.iter().map(|set| ("--set", set));
        Ok(single.chain(kinds).chain(set).flat_map(|(flag, value)| [flag.into(), value.clone()]).collect())
    }

    /// Reads overrides from the flags of an entry of a lock. Returns `None` if they are not as `flags` writes them.
    pub(super) fn of_entry(lock: &Path, flags: &[String]) -> Option<Overrides> {
        let read = Alone::try_parse_from(flags).ok().map(|alone| alone.overrides);
        let own = read.filter(|overrides| overrides.flags().is_ok_and(|own| own == flags))?;
        Some(Overrides { source: Some(format!("an entry of {}", lock.display())), ..own })
    }

    /// Whether the scenario starts at the moment at which the run begins.
    pub(super) fn starts_now(&self) -> bool {
        self.start.as_deref() == Some(NOW)
    }

    /// Whether the run ends now, whatever the scenario says.
    pub(super) fn is_backfill(&self) -> bool {
        self.backfill
    }
}

/// Refuses two flags that change the same key: the result would depend on their order.
fn check_apart(changes: &[Change]) -> Result<(), Failure> {
    let holds = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            // These keys exclude each other.
            || ["background.share", "background.rate"] == [outer, inner]
    };
    for (i, change) in changes.iter().enumerate() {
        let same = |other: &&Change| holds(&other.path, &change.path) || holds(&change.path, &other.path);
        if let Some(other) = changes[..i].iter().find(same) {
            let name = |change: &Change| change.words.trim_end().trim_end_matches('=').to_string();
            let message = format!("`{}` and `{}` change the same key", name(other), name(change));
            return Err(Failure::input(message, format!("keep one of them: both set `{}`", change.path)));
        }
    }
    Ok(())
}

/// Refuses `--servers` and `--services` if the scenario names its pools or services: a number would replace them with
/// all their settings.
fn check_numbers(scenario: &Scenario, flags: &Overrides) -> Result<(), Failure> {
    let Some(fleet) = &scenario.keys.fleet else { return Ok(()) };
    let named = |flag: &str, set: String| {
        let message = format!("`{flag}` cannot be combined with a scenario that names its pools or services");
        Err(Failure::input(message, format!("change one of them, such as `--set {set}=3`")))
    };
    let first = |name: &At<String>| name.value.clone();
    if let (Some(_), Some(ServersText::Pools(pools))) =
        (&flags.servers, fleet.value.servers.as_ref().map(|servers| &servers.value))
    {
        let pool = pools.first().map_or_else(String::new, |(name, _)| first(name));
        return named("--servers", format!("fleet.servers.{pool}.count"));
    }
    if let (Some(_), Some(ServicesText::Named(services))) =
        (&flags.services, fleet.value.services.as_ref().map(|services| &services.value))
    {
        let service = services.first().map_or_else(String::new, |(name, _)| first(name));
        return named("--services", format!("fleet.services.{service}.instances"));
    }
    Ok(())
}

/// Returns kinds as a YAML list. Refuses a name that is not a kind but could be the scenario: the scenario must come
/// before `--anomalies`.
fn kinds(names: &[String]) -> Result<String, Failure> {
    let is_scenario =
        |name: &&String| kinds::named(name).is_none() && (is_path(name) || Scenario::preset(name).is_ok());
    if let Some(name) = names.iter().find(is_scenario) {
        let message = format!("`--anomalies` takes all arguments that follow it, but `{name}` is not a kind");
        return Err(Failure::input(message, format!("write the scenario first: `{name} --anomalies …`")));
    }
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let shown = |name: &String| match is_plain(name) {
        true => name.clone(),
        false => serde_json::Value::from(name.as_str()).to_string(),
    };
    Ok(format!("[{}]", names.iter().map(shown).collect::<Vec<_>>().join(", ")))
}

/// Converts a number of seconds into a duration.
pub(super) fn seconds_of(flag: &str, text: &str) -> Result<String, Failure> {
    let span = text.parse::<f64>().ok().and_then(whole_milliseconds);
    span.map(|span| yaml_scalar(&span.to_string())).ok_or_else(|| {
        let help = match Span::parse(text) {
            Some(_) => format!("write seconds without a unit: `{flag} 60`"),
            None => format!("write a number of seconds above 0, with at most three decimals: `{flag} 1.5`"),
        };
        Failure::input(format!("`{flag} {text}` is not a valid number of seconds"), help)
    })
}

fn whole_milliseconds(seconds: f64) -> Option<Span> {
    let milliseconds = seconds * 1e3;
    let is_whole = (milliseconds - (milliseconds + 0.5).floor()).abs() < 1e-6;
    (is_whole && (1.0..9e15).contains(&milliseconds)).then_some(Span((milliseconds + 0.5) as i64))
}

/// Returns a flag's value as a YAML scalar: a number as it is, everything else as quoted text. So the error for
/// `--step 5` is that a unit is missing.
pub(super) fn yaml_scalar(text: &str) -> String {
    let number = text.parse::<f64>().is_ok();
    if number { text.to_string() } else { serde_json::Value::from(text).to_string() }
}

/// Rounds a moment down to a multiple of the step since 1970.
fn down_to_a_step(now: SimTime, scenario: &Scenario) -> SimTime {
    let clock = scenario.keys.clock.as_ref().map(|clock| &clock.value);
    let step = clock.and_then(|clock| clock.step.as_ref()).map_or(1, |step| step.value.0.max(1));
    SimTime(now.0 - now.0.rem_euclid(step))
}
