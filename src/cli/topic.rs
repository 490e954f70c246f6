//! The options of an output to Kafka.

use std::ffi::OsString;
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
    /// Create the topic with this number of partitions if it is missing, with settings that accept and keep all records
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(u32).range(1..))]
    create_topic: Option<u32>,

    /// Send labels to this topic on the same brokers; the labels of an incident are sent when it is over
    #[arg(long, value_name = "TOPIC")]
    pub(super) labels_topic: Option<String>,

    /// Continue an interrupted run that had the same arguments, from its end in the topic: the newest run, or the one with this id
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) resume: Option<String>,

    /// How long to wait for an unreachable broker before giving up
    #[arg(long, value_name = "D", default_value = "5m")]
    give_up_after: String,

    /// Send records even if they are older than the retention time of the topic
    #[arg(long)]
    allow_expiring: bool,

    /// A file with librdkafka settings, one `key=value` per line; if it contains `bootstrap.servers`,
    /// `--out kafka:/TOPIC` is enough
    #[arg(long, value_name = "FILE")]
    kafka_config: Option<PathBuf>,

    /// A librdkafka setting, which takes precedence over the file; repeatable
    #[arg(short = 'X', value_name = "KEY=VALUE")]
    setting: Vec<String>,
}

/// The setting that names brokers.
const BROKERS: &str = "bootstrap.servers";

impl TopicArgs {
    /// Returns the outputs that `--out` names, with the settings of Kafka clients. Without any, it is standard output.
    ///
    /// `old` is the output that the flags of reenact's predecessor name.
    pub(super) fn targets(&self, outputs: &[String], old: Option<&str>) -> Result<Vec<Target>, Failure> {
        if outputs.is_empty() && old.is_none() {
            self.check(&[Target::stdout()])?;
            return Ok(vec![Target::stdout()]);
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

    /// Returns the options for opening outputs.
    ///
    /// `is_old` means the flags of reenact's predecessor: its topic was created automatically.
    pub(super) fn options(&self, pace: Pace, is_old: bool, words: Words) -> Result<OpenOptions, Failure> {
        let limit = duration("--give-up-after", &self.give_up_after)?;
        Ok(OpenOptions {
            create_topic: self.create_topic.map(Partitions::Count).or(is_old.then_some(Partitions::Default)),
            labels_topic: self.labels_topic.clone(),
            allow_expiring: self.allow_expiring,
            give_up_after: Some(std::time::Duration::from_millis(limit.0.unsigned_abs())),
            pace,
            on_event: words.event_listener(),
            ..OpenOptions::default()
        })
    }

    /// Refuses flags that need a topic if no output is one.
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
                format!("`{flag}` requires a Kafka output"),
                "write `--out kafka:BROKERS/TOPIC`",
            )),
            _ => Ok(()),
        }
    }

    /// Returns the settings: those of the file first, so that those of `-X` win.
    fn settings(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut settings = Vec::new();
        if let Some(path) = &self.kafka_config {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::input(format!("cannot read `{}`: {error}", path.display()), "check the path")
            })?;
            // Some editors begin a file with a byte order mark.
            for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with(['#', '!']) {
                    continue;
                }
                // Do not quote the line: it may be a password.
                settings.push(setting(line).ok_or_else(|| {
                    Failure::input(
                        format!("line {number} of `{}` is not a setting", path.display()),
                        "write `key=value`, and `#` before comments",
                    )
                })?);
            }
        }
        for (number, text) in (1..).zip(&self.setting) {
            settings.push(setting(text).ok_or_else(|| no_setting(number))?);
        }
        Ok(settings)
    }
}

/// Parses `key=value`. Returns `None` if the key cannot be a name: in `sasl.password: A=B`, the text that would be
/// printed as the key contains a password.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!key.is_empty() && key.chars().all(is_name)).then(|| (key.into(), value.into()))
}

fn no_setting(number: usize) -> Failure {
    let message = format!("`-X` number {number} is not a setting: it does not begin with a name and `=`");
    Failure::input(message, "write `-X key=value`; its text is not shown, because it may be a password")
}

/// Refuses arguments that would print a password if they were read as something else. One is the first `-X` that is
/// not a setting: without quotes, `-X sasl.password: SECRET` is a setting and a scenario. The other is an address with
/// a user that does not follow `--out`.
pub(super) fn misplaced(arguments: &[OsString]) -> Option<Failure> {
    let (mut number, mut before) = (0, String::new());
    let mut left = arguments.iter().map(|argument| argument.to_string_lossy()).take_while(|it| it != "--");
    while let Some(argument) = left.next() {
        if argument.starts_with("kafka:") && argument.contains('@') && before != "--out" {
            return Some(Failure::input(
                "a Kafka address must follow `--out`",
                "write `--out kafka:BROKERS/TOPIC`",
            ));
        }
        if let Some(text) = argument.strip_prefix("-X") {
            number += 1;
            let text = if text.is_empty() { left.next()? } else { text.into() };
            if setting(&text).is_none() {
                return Some(no_setting(number));
            }
        }
        before = argument.into_owned();
    }
    None
}

/// Returns a text without the part between a `:` and an `@`, as in `user:SECRET@host`.
pub(super) fn without_passwords(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || c == '\'' || c == '`') {
        match (word.find(':'), word.rfind('@')) {
            (Some(colon), Some(at)) if colon < at => {
                safe.push_str(&word[..=colon]);
                safe.push('…');
                safe.push_str(&word[at..]);
            }
            _ => safe.push_str(word),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_can_be_set() {
        for (text, is_setting) in [
            ("sasl.password=a=b", true),
            (" acks = all ", true),
            ("sasl.password: a=b", false),
            ("{\"sasl.password\":\"a=b\"}", false),
            ("\"sasl.password\" = \"a\"", false),
            ("sasl.password", false),
            ("=a", false),
        ] {
            assert_eq!(setting(text).is_some(), is_setting, "{text}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_found_before_arguments_are_read() {
        for (arguments, is_misplaced) in [
            (&["reenact", "run", "-X", "sasl.password:", "SECRET"][..], true),
            (&["reenact", "run", "-Xsasl.password:SECRET"], true),
            (&["reenact", "run", "-X", "a=b", "-Xc=d"], false),
            (&["reenact", "run", "--", "-X", "a"], false),
            (&["reenact", "run", "-X"], false),
            (&["reenact", "run", "kafka:u:SECRET@h:1/t"], true),
            (&["reenact", "run", "--out", "kafka:u:SECRET@h:1/t"], false),
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(misplaced(&arguments).is_some(), is_misplaced, "{arguments:?}");
        }
    }

    #[test]
    fn an_address_loses_its_password() {
        for (text, safe) in [
            ("unexpected 'kafka:user:SECRET@host:1/t' found", "unexpected 'kafka:…@host:1/t' found"),
            ("a:b and c@d", "a:b and c@d"),
            ("`u:S:E@C@h`", "`u:…@h`"),
        ] {
            assert_eq!(without_passwords(text), safe);
        }
    }
}
