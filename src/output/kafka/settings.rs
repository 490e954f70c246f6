//! The settings that differ from librdkafka's own, which are good: batches of 1 MB among them.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::client::open;
use super::target::KafkaTarget;
use super::words::without_value;
use crate::output::OutputError;

/// Records that may wait in the client's queue; more would only cost memory.
const QUEUE: &str = "100000";

/// Between two statistics, in ms.
const STATISTICS: &str = "200";

/// The client's own wait before it sends a request again, in ms, where the sink asks the topic first. It can't be
/// longer; the sink hears of a lost connection long before.
const RETRY: &str = "300000";

/// Values that cannot be secrets. librdkafka's messages about settings that do not go together have them.
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

/// Settings of every connection.
pub(super) fn settings(target: &KafkaTarget) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", target.brokers())
        .set("client.id", "reenact")
        // librdkafka calls it a consumer's setting, but obeys it in a producer too.
        .set("allow.auto.create.topics", "false")
        // Half of the time that an answer is waited for: the default is all of it, and then the reason came too late to be
        // reported on a busy machine.
        .set("api.version.request.timeout.ms", "5000")
        // Why connections fail is told at this level.
        .set_log_level(RDKafkaLogLevel::Info);
    target.apply(&mut settings);
    settings
}

/// Those of a producer, whose sink `asks` the topic what was written when a connection is lost.
pub(super) fn producer_settings(target: &KafkaTarget, asks: bool) -> ClientConfig {
    let mut settings = settings(target);
    settings
        // Each partition holds its records in order and once, whatever happens to connections.
        .set("enable.idempotence", "true")
        // What a broker refuses ends the run: a later batch of the partition would hide the gap from `--resume`.
        .set("enable.gapless.guarantee", "true")
        // With five, a broker that was killed and came back had a batch of 2,163 records twice, in one of six
        // trials (librdkafka's issue 4953 is alike). One costs nothing: 1,000,320 records took 2.7 s, and 2.8 s
        // with five.
        .set("max.in.flight.requests.per.connection", "1")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        // Java's: librdkafka's own default agrees with it on 38 of 300 keys, this on 300 of 300.
        .set("partitioner", "murmur2_random")
        // No limit a record: the sink gives up as a whole.
        .set("message.timeout.ms", "0")
        .set("queue.buffering.max.messages", QUEUE);
    if asks {
        // A request that fails is not sent again before the sink has heard of it: see `recover`.
        settings.set("retry.backoff.ms", RETRY).set("retry.backoff.max.ms", RETRY);
    }
    target.apply(&mut settings);
    // What was sent more than once is told by them alone.
    settings.set("statistics.interval.ms", STATISTICS);
    // Without the one there is no other, and who wants neither can't resume.
    if settings.get("enable.idempotence").is_some_and(|value| value == "false") {
        settings.remove("enable.gapless.guarantee");
    }
    settings
}

impl KafkaTarget {
    /// Whether a run can work with the settings of this target, and a client takes them.
    ///
    /// # Errors
    /// If not, with the reason.
    pub fn check_settings(&self) -> Result<(), OutputError> {
        self.check_refused()?;
        open(&producer_settings(self, true)).map(drop).map_err(|error| self.without_values(error))
    }

    /// An error of the client without the values that the user gave, except for words of librdkafka.
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

    /// What librdkafka takes only from a list, as a number, or as the name of a file; and names.
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
