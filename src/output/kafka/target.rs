//! Parses `--out kafka:BROKERS/TOPIC`, and holds the user's settings for librdkafka.

use std::fmt;

use rdkafka::ClientConfig;

use crate::output::OutputError;
use crate::schema::EntityType;

/// Brokers and a topic, as `--out kafka:BROKERS/TOPIC` names them.
// Invariant: `brokers` is a comma list of host:port, and `topic` without `{type}` has only what Kafka allows.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaTarget {
    brokers: String,
    topic: String,
    /// Settings for librdkafka from the user, which override reenact's own. They may contain secrets.
    settings: Vec<(String, String)>,
}

/// Leaves out the settings, since they may contain a password.
impl fmt::Debug for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaTarget").field(&self.to_string()).finish()
    }
}

/// Settings that affect the order and number of records. `--resume` requires their defaults.
const OURS: [&str; 15] = [
    "acks",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "idempotence",
    "log.connection.close",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "message.timeout.ms",
    "partitioner",
    "request.required.acks",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
];

/// The topic if the user names none. It is also the predecessor's topic.
const DEFAULT_TOPIC: &str = "datacenter-metrics";

/// The placeholder for the record type in a topic name.
const TYPE: &str = "{type}";

/// The most characters that Kafka allows in a topic name.
const TOPIC_LENGTH: usize = 249;

impl KafkaTarget {
    /// Parses `BROKERS/TOPIC`, or `BROKERS` for the topic `datacenter-metrics`.
    ///
    /// ```
    /// # use reenact::output::KafkaTarget;
    /// let target = KafkaTarget::parse("[::1]:9092,localhost:9093")?;
    /// assert_eq!(target.to_string(), "kafka:[::1]:9092,localhost:9093/datacenter-metrics");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not a target. The message says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<KafkaTarget, String> {
        let (brokers, topic) = text.rsplit_once('/').unwrap_or((text, DEFAULT_TOPIC));
        if brokers.is_empty() {
            return Err(
                "the brokers before the topic are missing: write a comma-separated list of `HOST:PORT`"
                    .into(),
            );
        }
        (1..).zip(brokers.split(',')).try_for_each(|(number, broker)| check_broker(number, broker))?;
        check_topic(topic)?;
        Ok(KafkaTarget { brokers: brokers.into(), topic: topic.into(), settings: Vec::new() })
    }

    /// Adds settings for librdkafka, which override reenact's own. If a setting occurs several times, the last one
    /// wins.
    ///
    /// They are not checked here, but by [`KafkaTarget::check_settings`] or when a client is created.
    #[must_use]
    pub fn with_settings(mut self, settings: &[(String, String)]) -> KafkaTarget {
        self.settings.extend_from_slice(settings);
        self
    }

    /// Returns the name of a setting from the user that affects the order or number of records; none if there is none.
    pub fn unsafe_setting(&self) -> Option<&str> {
        // Java's names and values for what reenact sets anyway. Files that many programs share contain them.
        let is_ours = |key: &str, value: &str| {
            matches!((key, value), ("acks", "all" | "-1") | ("enable.idempotence", "true"))
        };
        let others = self.settings.iter().filter(|(key, value)| !is_ours(key, value));
        others.map(|(key, _)| key.as_str()).find(|key| OURS.contains(key))
    }

    /// The values of the settings from the user.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().map(|(_, value)| value.as_str())
    }

    pub(super) fn has_setting(&self, key: &str) -> bool {
        self.setting(key).is_some()
    }

    /// Returns the value of a setting from the user. If it occurs several times, the last one wins.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        let given = self.settings.iter().rev().find(|(name, _)| name == key);
        given.map(|(_, value)| value.as_str())
    }

    pub(super) fn apply(&self, settings: &mut ClientConfig) {
        for (key, value) in self.settings.iter().filter(|(key, _)| key != "bootstrap.servers") {
            settings.set(key, value);
        }
    }

    /// Whether each entity type has its own topic, because the name contains `{type}`.
    pub fn is_by_type(&self) -> bool {
        self.topic.contains(TYPE)
    }

    /// Returns the target with the topic of an entity type.
    #[must_use]
    pub fn of_type(&self, entity_type: &EntityType) -> KafkaTarget {
        KafkaTarget { topic: self.topic.replace(TYPE, entity_type.record()), ..self.clone() }
    }

    /// Returns a target with another topic of the same brokers.
    ///
    /// # Errors
    /// If `topic` is not a valid topic name.
    pub fn with_topic(&self, topic: &str) -> Result<KafkaTarget, OutputError> {
        check_topic(topic).map_err(|message| OutputError::Kafka { message, help: Vec::new() })?;
        Ok(KafkaTarget { topic: topic.into(), ..self.clone() })
    }

    /// The addresses of the first brokers to connect to, as a comma list of host:port.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The topic name, which may contain `{type}`.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

/// Writes the target as on the command line, always with the topic: `kafka:BROKERS/TOPIC`.
impl fmt::Display for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka:{}/{}", self.brokers, self.topic)
    }
}

/// Checks the address of a broker. Messages name the broker by its number and not by its text.
///
/// The text may contain a password, as in `user:SECRET@host`, or a part of a password that contains a comma.
fn check_broker(number: usize, broker: &str) -> Result<(), String> {
    if broker.is_empty() {
        return Err(format!("broker {number} is empty: write `HOST:PORT,HOST:PORT`"));
    }
    let is_name = |host: &str| !host.is_empty() && host.bytes().all(is_name_byte);
    let is_v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    if broker.contains('@') {
        return Err(format!(
            "broker {number} contains an `@`: write `HOST:PORT`, and set user and password with \
             `-X sasl.username=USER` and `-X sasl.password=PASSWORD`"
        ));
    }
    if is_v6(broker) {
        return Err(format!("broker {number} is an IPv6 address without a port: write `[ADDRESS]:9092`"));
    }
    let Some((host, port)) = broker.rsplit_once(':').filter(|_| !broker.ends_with(']')) else {
        return Err(format!("broker {number} has no port: write `HOST:9092`"));
    };
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        if !is_v6(address) {
            return Err(format!("the address in `[` and `]` of broker {number} is not IPv6"));
        }
    } else if !is_name(host) {
        return Err(format!(
            "broker {number} does not begin with a host name: write `HOST:PORT`, such as `localhost:9092`"
        ));
    }
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(format!("the port of broker {number} is not a number from 1 to 65535")),
    }
}

/// Checks the name of a topic. Messages do not quote it: if an address has one `/` too many, the name is a part of the
/// address and may be a password.
fn check_topic(topic: &str) -> Result<(), String> {
    let is_by_type = topic.contains(TYPE);
    let topic = &*topic.replace(TYPE, "");
    if topic.is_empty() && !is_by_type {
        return Err(format!(
            "the topic after the last `/` is missing: write one, or omit the `/` to use `{DEFAULT_TOPIC}`"
        ));
    }
    if topic == "." || topic == ".." {
        return Err(format!("`{topic}` is not a valid topic name"));
    }
    if let Some(bad) = topic.chars().find(|c| !u8::try_from(*c).is_ok_and(is_name_byte)) {
        return Err(format!(
            "the topic name contains `{bad}`: Kafka allows letters, digits, `.`, `_` and `-`"
        ));
    }
    if topic.len() > TOPIC_LENGTH {
        return Err(format!(
            "the topic name has {} characters: Kafka allows at most {TOPIC_LENGTH}",
            topic.len()
        ));
    }
    Ok(())
}

/// Whether a byte may be in a topic name, by Kafka's rule. Host names need no other characters.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slash_separates_brokers_and_topic() {
        for (text, brokers, topic) in [
            ("localhost:9092/t", "localhost:9092", "t"),
            ("localhost:9092", "localhost:9092", "datacenter-metrics"),
            ("a:1,b_2:65535/x.y-Z_9", "a:1,b_2:65535", "x.y-Z_9"),
            ("[::1]:9092/t", "[::1]:9092", "t"),
            ("[::1]:9092", "[::1]:9092", "datacenter-metrics"),
            ("h:1/{type}", "h:1", "{type}"),
            ("[2001:db8::7]:9092,10.0.0.1:9092/t", "[2001:db8::7]:9092,10.0.0.1:9092", "t"),
        ] {
            let target = KafkaTarget::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((target.brokers(), target.topic()), (brokers, topic), "{text}");
        }
    }

    #[test]
    fn an_invalid_target_names_a_valid_one() {
        let long = format!("h:1/{}", "t".repeat(250));
        let host = "broker 1 does not begin with a host name: write `HOST:PORT`, such as `localhost:9092`";
        for (text, error) in [
            ("", "the brokers before the topic are missing: write a comma-separated list of `HOST:PORT`"),
            ("/t", "the brokers before the topic are missing: write a comma-separated list of `HOST:PORT`"),
            ("a:1,,b:2/t", "broker 2 is empty: write `HOST:PORT,HOST:PORT`"),
            ("localhost/t", "broker 1 has no port: write `HOST:9092`"),
            ("a b/t", "broker 1 has no port: write `HOST:9092`"),
            ("[::1]/t", "broker 1 has no port: write `HOST:9092`"),
            ("::1/t", "broker 1 is an IPv6 address without a port: write `[ADDRESS]:9092`"),
            ("[fleet]:9092/t", "the address in `[` and `]` of broker 1 is not IPv6"),
            ("localhost:0/t", "the port of broker 1 is not a number from 1 to 65535"),
            ("localhost:+9/t", "the port of broker 1 is not a number from 1 to 65535"),
            ("localhost:99999/t", "the port of broker 1 is not a number from 1 to 65535"),
            (":9092/t", host),
            ("//h:9092/t", host),
            ("a b:9092/t", host),
            (
                "h:1/",
                "the topic after the last `/` is missing: write one, or omit the `/` to use `datacenter-metrics`",
            ),
            ("h:1/..", "`..` is not a valid topic name"),
            ("h:1/grün", "the topic name contains `ü`: Kafka allows letters, digits, `.`, `_` and `-`"),
            ("h:1/m-{kind}", "the topic name contains `{`: Kafka allows letters, digits, `.`, `_` and `-`"),
            (&long, "the topic name has 250 characters: Kafka allows at most 249"),
        ] {
            assert_eq!(KafkaTarget::parse(text).map_err(|e| e.to_string()), Err(error.to_string()), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_printed() {
        for text in [
            "user:SECRET@h:9092/t",
            "user:SECRET@h/t",
            "SECRET@h:9092/t",
            "user:SECRET/t",
            "user:x/SECRET@h:9092",
            "user:x/SECRET@h:9092/t",
            "user:x,SECRET@h:9092/t",
            "//user:SECRET@h:9092/t",
            "h:1,user:SECRET@h:2/t",
            "h:9092,SECRET/t",
            "SECRET/t",
            "SECRET:x/t",
            "h:SECRET/t",
        ] {
            let error = KafkaTarget::parse(text).map_err(|error| error.to_string()).unwrap_err();
            assert!(!error.contains("SECRET"), "{text}: {error}");
        }
    }
}
