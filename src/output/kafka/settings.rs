//! The settings that differ from librdkafka's defaults. The other defaults are good, such as batches of 1 MB.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::client::open;
use super::error_text::without_value;
use super::target::KafkaTarget;
use crate::output::OutputError;

/// How many records may wait in the client's queue. A longer queue would only cost memory.
const QUEUE: &str = "100000";

/// The time between two statistics, in ms.
const STATISTICS: &str = "200";

/// How long the client waits before it sends a request again, in ms, if the sink asks the topic first. This is
/// librdkafka's maximum. The sink notices a lost connection long before.
const RETRY: &str = "300000";

/// Values that cannot be secrets. librdkafka's messages about settings that contradict each other contain them.
const WORDS: [&str; 14] = [
    "true",
    "false",
    "all",
    "-1",
    "0",
    "1",
    "none",
    "plaintext",
    "ssl",
    "sasl_plaintext",
    "sasl_ssl",
    "plain",
    "gssapi",
    "oauthbearer",
];

/// Returns the settings of every connection.
pub(super) fn settings(target: &KafkaTarget) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", target.brokers())
        .set("client.id", "reenact")
        // librdkafka documents this as a consumer's setting, but also respects it in a producer.
        .set("allow.auto.create.topics", "false")
        // Half of `admin::DEADLINE`. The default of 10 s is all of it, and on a busy machine the reason then came too
        // late to be reported.
        .set("api.version.request.timeout.ms", "5000")
        // librdkafka logs at this level why connections fail.
        .set_log_level(RDKafkaLogLevel::Info);
    target.apply(&mut settings);
    settings
}

/// Returns the settings of a producer. `asks` says whether the sink reads the topic after a lost connection, to find
/// out what was written.
pub(super) fn producer_settings(target: &KafkaTarget, asks: bool) -> ClientConfig {
    let mut settings = settings(target);
    settings
        // Each partition then contains its records once and in order, whatever happens to connections.
        .set("enable.idempotence", "true")
        // A refused batch then ends the run. A later batch of the partition would hide the gap from `--resume`.
        .set("enable.gapless.guarantee", "true")
        // With 5, a broker that was killed and restarted had a batch of 2,163 records twice, in one of six trials
        // (librdkafka's issue 4953 is similar). A limit of 1 costs nothing: 1,000,320 records took 2.7 s, and 2.8 s
        // with 5.
        .set("max.in.flight.requests.per.connection", "1")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        // The default of the Java client. This one agrees with Java on 300 of 300 keys, librdkafka's default on 38.
        .set("partitioner", "murmur2_random")
        // No time limit for a single record. The sink as a whole gives up.
        .set("message.timeout.ms", "0")
        .set("queue.buffering.max.messages", QUEUE);
    if asks {
        // The sink has to notice a failed request before the client sends it again: see `recover`.
        settings.set("retry.backoff.ms", RETRY).set("retry.backoff.max.ms", RETRY);
    }
    target.apply(&mut settings);
    // Only the statistics show how many records were sent again.
    settings.set("statistics.interval.ms", STATISTICS);
    // `enable.gapless.guarantee` requires idempotence. A run without idempotence cannot be resumed anyway.
    if settings.get("enable.idempotence").is_some_and(|value| value == "false") {
        settings.remove("enable.gapless.guarantee");
    }
    settings
}

impl KafkaTarget {
    /// Checks that a run can work with the settings of this target, and that a client accepts them.
    ///
    /// # Errors
    /// If not. The message gives the reason.
    pub fn check_settings(&self) -> Result<(), OutputError> {
        self.check_refused()?;
        open(&producer_settings(self, true)).map(drop).map_err(|error| self.without_values(error))
    }

    /// Removes the values that the user gave from an error of the client, except for librdkafka's own words.
    fn without_values(&self, error: OutputError) -> OutputError {
        let OutputError::KafkaSetting { message, help } = error else { return error };
        let is_word = |value: &str| WORDS.iter().any(|word| word.eq_ignore_ascii_case(value));
        let secrets = self.values().filter(|value| !is_word(value));
        let message = secrets.fold(message, |text, value| without_value(&text, value));
        OutputError::KafkaSetting { message, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings for which librdkafka only accepts values from a list, numbers or file names, and settings for names.
    const KEYS: [&str; 33] = [
        "acks",
        "auto.offset.reset",
        "broker.address.family",
        "builtin.features",
        "client.dns.lookup",
        "compression.codec",
        "compression.type",
        "debug",
        "enable.idempotence",
        "group.protocol",
        "isolation.level",
        "linger.ms",
        "partitioner",
        "plugin.library.paths",
        "queuing.strategy",
        "sasl.kerberos.service.name",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.oauthbearer.method",
        "security.protocol",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.cipher.suites",
        "ssl.curves.list",
        "ssl.endpoint.identification.algorithm",
        "ssl.engine.location",
        "ssl.key.location",
        "ssl.key.pem",
        "ssl.keystore.location",
        "ssl.providers",
        "ssl.sigalgs.list",
    ];

    #[test]
    fn no_message_shows_the_value_of_a_setting() {
        let mut refused = 0;
        for key in KEYS {
            for protocol in ["plaintext", "sasl_ssl"] {
                let settings = [("security.protocol", protocol), (key, "hunter2")];
                let settings = settings.map(|(key, value)| (key.to_string(), value.to_string()));
                let target = KafkaTarget::parse("h:1/t").unwrap().with_settings(&settings);
                let Err(error) = target.check_settings() else { continue };
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{key}: {error}");
                refused += 1;
            }
        }
        assert!(refused > KEYS.len(), "{refused}");
    }
}
