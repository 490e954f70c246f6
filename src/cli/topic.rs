//! What an output to Kafka can be told.

use std::path::PathBuf;

use super::Words;
use super::status::Failure;
use super::window::duration;
use crate::output::Partitions;
use crate::player::Pace;
use crate::run::{OpenOptions, Target};

/// Outputs to Kafka
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct TopicArgs {
    /// Make the topic with so many partitions if it is missing, so that it takes and keeps what is sent
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(u32).range(1..))]
    create_topic: Option<u32>,

    /// Send the labels to this topic of the same brokers, each incident's when it is over
    #[arg(long, value_name = "TOPIC")]
    pub(super) labels_topic: Option<String>,

    /// Go on where a run with the same arguments ends in its topic: the newest one, or `ID`
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) resume: Option<String>,

    /// Wait so long for a broker that does not answer, before it counts as gone
    #[arg(long, value_name = "D", default_value = "5m")]
    give_up_after: String,

    /// Send records that are older than the topic keeps them
    #[arg(long)]
    allow_expiring: bool,

    /// A file with librdkafka's settings, `key=value` a line; with `bootstrap.servers`, `--out kafka:/TOPIC` is
    /// enough
    #[arg(long, value_name = "FILE")]
    kafka_config: Option<PathBuf>,

    /// One of librdkafka's settings, over those of the file; repeatable
    #[arg(short = 'X', value_name = "KEY=VALUE")]
    setting: Vec<String>,
}

/// The setting that names brokers.
const BROKERS: &str = "bootstrap.servers";

impl TopicArgs {
    /// What `--out` names, with the settings of clients; standard output where it names nothing.
    ///
    /// `old` is that of the predecessor's flags.
    pub(super) fn targets(&self, outputs: &[String], old: Option<&str>) -> Result<Vec<Target>, Failure> {
        if outputs.is_empty() && old.is_none() {
            self.check(&[Target::Stdout])?;
            return Ok(vec![Target::Stdout]);
        }
        let settings = self.settings()?;
        let brokers = settings.iter().rev().find(|(key, _)| key == BROKERS).map(|(_, value)| value);
        let parse = |text: &String| {
            let text = match (text.strip_prefix("kafka:/"), brokers) {
                (Some(topic), Some(brokers)) => format!("kafka:{brokers}/{topic}"),
                _ => text.clone(),
            };
            Target::parse(&text).map(|target| target.with_settings(&settings))
        };
        let mut targets = outputs.iter().map(parse).collect::<Result<Vec<Target>, _>>()?;
        if let Some(old) = old {
            let gzip = [("compression.type".to_string(), "gzip".to_string())];
            targets.push(Target::parse(old)?.with_settings(&gzip).with_settings(&settings));
        }
        self.check(&targets)?;
        Ok(targets)
    }

    /// How outputs are opened.
    ///
    /// The predecessor's topic was made by itself.
    pub(super) fn options(&self, pace: Pace, is_old: bool, words: Words) -> Result<OpenOptions, Failure> {
        let limit = duration("--give-up-after", &self.give_up_after)?;
        Ok(OpenOptions {
            create_topic: self.create_topic.map(Partitions::Count).or(is_old.then_some(Partitions::Default)),
            labels_topic: self.labels_topic.clone(),
            allow_expiring: self.allow_expiring,
            give_up_after: Some(std::time::Duration::from_millis(limit.0.unsigned_abs())),
            pace,
            tell: words.teller(),
            ..OpenOptions::default()
        })
    }

    /// What needs a topic among the outputs.
    fn check(&self, targets: &[Target]) -> Result<(), Failure> {
        let needs = [
            ("--labels-topic", self.labels_topic.is_some()),
            ("--create-topic", self.create_topic.is_some()),
            ("--allow-expiring", self.allow_expiring),
            ("--kafka-config", self.kafka_config.is_some()),
            ("-X", !self.setting.is_empty()),
        ];
        let given = needs.iter().find(|(_, is_given)| *is_given);
        match given {
            Some((flag, _)) if targets.iter().all(|target| target.path().is_some()) => Err(Failure::input(
                format!("`{flag}` is for Kafka, and no output goes there"),
                "write `--out kafka:BROKERS/TOPIC`",
            )),
            _ => Ok(()),
        }
    }

    /// Those of the file first, so that later ones win.
    fn settings(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut settings = Vec::new();
        if let Some(path) = &self.kafka_config {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::input(format!("cannot read `{}`: {error}", path.display()), "check the path")
            })?;
            // Some editors begin a file with a mark of its encoding.
            for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with(['#', '!']) {
                    continue;
                }
                // The line itself may be a password.
                settings.push(setting(line).ok_or_else(|| {
                    Failure::input(
                        format!("line {number} of `{}` is no setting", path.display()),
                        "write `key=value`, and `#` before remarks",
                    )
                })?);
            }
        }
        for text in &self.setting {
            // Not its text: there may be a password in it, after a wrong sign.
            settings.push(setting(text).ok_or_else(|| {
                Failure::input("one `-X` sets nothing: there is no `=` after a name", "write `-X key=value`")
            })?);
        }
        Ok(settings)
    }
}

fn setting(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    (!key.is_empty()).then(|| (key.into(), value.into()))
}
