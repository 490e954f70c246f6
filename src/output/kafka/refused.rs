//! Settings of librdkafka that a run cannot work with, or that would silently have no effect.

use super::target::KafkaTarget;
use crate::output::OutputError;

/// Which values of a setting are refused.
#[derive(Clone, Copy, Debug)]
enum Values {
    All,
    /// Only these values.
    Any(&'static [&'static str]),
    /// All values but these.
    Not(&'static [&'static str]),
    Below(u64),
    Above(u64),
}

use Values::{Above, All, Any, Below, Not};

/// The words that librdkafka reads as true and as false.
const YES: &[&str] = &["true", "t", "1"];
const NO: &[&str] = &["false", "f", "0"];

const TRANSACTIONS: &str = "reenact does not use transactions";
const GROUP: &str = "reenact joins only its own consumer groups";
const ACKNOWLEDGED: &str = "reenact counts a record as sent only when the broker acknowledges it";
const LINGERS: &str = "reenact treats a broker that acknowledges nothing for 5 s as not responding";

/// The refused settings: name, refused values, and reason.
const REFUSED: &[(&str, Values, &str)] = &[
    ("transactional.id", All, TRANSACTIONS),
    ("transaction.timeout.ms", All, TRANSACTIONS),
    ("group.id", All, GROUP),
    ("group.instance.id", All, GROUP),
    ("group.protocol", All, GROUP),
    ("group.protocol.type", All, GROUP),
    ("group.remote.assignor", All, GROUP),
    ("partition.assignment.strategy", All, GROUP),
    ("session.timeout.ms", All, GROUP),
    ("heartbeat.interval.ms", All, GROUP),
    ("max.poll.interval.ms", All, GROUP),
    ("metadata.broker.list", All, "name the brokers with `--out kafka:BROKERS/TOPIC` or `bootstrap.servers`"),
    ("topic.blacklist", All, "reenact would treat a topic that it hides as missing"),
    (
        "allow.auto.create.topics",
        Not(NO),
        "it would create a topic whose name is misspelt, which `--create-topic` avoids",
    ),
    ("acks", Any(&["0"]), ACKNOWLEDGED),
    ("request.required.acks", Any(&["0"]), ACKNOWLEDGED),
    ("delivery.report.only.error", Not(NO), ACKNOWLEDGED),
    (
        "partitioner",
        Not(&["murmur2_random", "murmur2"]),
        "reenact computes partitions itself, like the default of the Java client",
    ),
    ("queuing.strategy", Not(&["fifo"]), "reenact sends records in the order of their event times"),
    ("api.version.request", Not(YES), "reenact requires it to write headers and event times"),
    ("queue.buffering.max.messages", Below(1_000), "the queue must hold at least 1000 records"),
    ("queue.buffering.max.kbytes", Below(1_024), "the queue must hold at least 1024 kB"),
    ("linger.ms", Above(4_000), LINGERS),
    ("queue.buffering.max.ms", Above(4_000), LINGERS),
    ("statistics.interval.ms", All, "reenact sets it to count records that are sent again"),
    ("log_level", All, "reenact sets it to detect lost connections"),
    ("debug", All, "reenact does not print librdkafka's log"),
    ("test.mock.num.brokers", All, "records would not reach a real broker"),
    ("test.mock.broker.rtt", All, "records would not reach a real broker"),
];

impl Values {
    fn have(self, value: &str) -> bool {
        let number = || value.parse::<f64>().ok();
        match self {
            All => true,
            Any(wrong) => wrong.contains(&value),
            Not(fine) => !fine.contains(&value),
            // librdkafka itself reports a value that is not a number.
            Below(least) => number().is_some_and(|number| number < least as f64),
            Above(most) => number().is_some_and(|number| number > most as f64),
        }
    }
}

impl KafkaTarget {
    /// Returns a warning if the settings of the target put records at risk.
    pub fn risk(&self) -> Option<String> {
        self.setting("enable.idempotence").filter(|value| NO.contains(value)).map(|_| {
            "with `enable.idempotence=false`, an outage of a broker can lose, duplicate or reorder records".into()
        })
    }

    /// Checks that the target has no refused setting.
    ///
    /// # Errors
    /// If it has. The message lists all refused settings, each with the reason.
    pub(super) fn check_refused(&self) -> Result<(), OutputError> {
        let refused = REFUSED
            .iter()
            .filter(|(key, values, _)| self.setting(key).is_some_and(|value| values.have(value)));
        let reasons: Vec<String> = refused
            .map(|(key, _, reason)| format!("`{key}` cannot be set to this value: {reason}"))
            .collect();
        match reasons.is_empty() {
            true => Ok(()),
            false => Err(OutputError::KafkaSetting {
                message: reasons.join("; "),
                help: "remove it from `-X` and `--kafka-config`".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: &[(&str, &str)]) -> Option<String> {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let target = KafkaTarget::parse("h:1/t").unwrap().with_settings(&settings);
        target.check_settings().err().map(|error| error.to_string())
    }

    #[test]
    fn settings_that_no_run_can_work_with_are_refused_all_at_once() {
        for (key, values, reason) in REFUSED {
            let value = match values {
                All | Below(_) => "2",
                Any(wrong) => wrong[0],
                Not(_) => "random",
                Above(_) => "5000",
            };
            assert_eq!(
                refused(&[(key, value)]),
                Some(format!("`{key}` cannot be set to this value: {reason}"))
            );
        }
        let two = refused(&[("transactional.id", "a"), ("debug", "all")]).unwrap();
        assert!(two.contains("transactional.id") && two.contains("debug"), "{two}");
    }

    #[test]
    fn a_refused_setting_has_a_help() {
        let target = KafkaTarget::parse("h:1/t").unwrap().with_settings(&[("debug".into(), "all".into())]);
        let error = target.check_settings().unwrap_err();
        assert_eq!(error.help(), ["remove it from `-X` and `--kafka-config`"]);
    }

    #[test]
    fn what_changes_nothing_is_taken() {
        for (key, values, _) in REFUSED {
            let value = match values {
                All | Any(_) => continue,
                Not(fine) => fine[0],
                Below(least) => &least.to_string(),
                Above(most) => &most.to_string(),
            };
            assert_eq!(refused(&[(key, value)]), None, "{key}={value}");
        }
        assert_eq!(refused(&[("linger.ms", "9999"), ("linger.ms", "5")]), None, "the last one wins");
    }
}
