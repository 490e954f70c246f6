//! What all connections share: their settings, the length of a wait, and what librdkafka says meanwhile.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};

use super::target::KafkaTarget;
use crate::output::OutputError;
use crate::time::SimTime;

/// A connection that is polled by whoever owns it.
pub(super) type Client = BaseProducer<Listener>;

/// The length of a poll. `BaseProducer::poll` takes all of its time, whatever happens meanwhile, so
/// that waits can be counted in polls. A full queue lasts the broker for several of them.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// How many polls make up a wait.
pub(super) fn polls(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(POLL.as_millis())
}

/// Settings of every connection.
pub(super) fn settings(target: &KafkaTarget) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", target.brokers())
        .set("client.id", "reenact")
        // librdkafka calls it a consumer's setting, but obeys it in a producer too.
        .set("allow.auto.create.topics", "false");
    settings
}

/// Connects as soon as something is asked for.
pub(super) fn open(settings: &ClientConfig) -> Result<Client, OutputError> {
    Client::from_config_and_context(settings, Listener::default())
        .map_err(|error| failure(format!("the Kafka client does not start: {error}"), []))
}

/// An error with what to do next.
pub(super) fn failure<const N: usize>(message: String, help: [String; N]) -> OutputError {
    OutputError::Kafka { message, help: help.into() }
}

/// Refuses the one event time that librdkafka would replace by wall time.
pub(super) fn check_timestamp(timestamp: SimTime) -> Result<(), OutputError> {
    if timestamp != SimTime(0) {
        return Ok(());
    }
    Err(failure(
        format!(
            "no Kafka record can have event time {timestamp}: \
             the client takes timestamp 0 for 'unset' and writes wall time"
        ),
        ["begin later: `--start 1970-01-01T00:00:01Z`".into()],
    ))
}

/// Hears acknowledgements, failures and errors while its connection is polled.
pub(super) struct Listener {
    acknowledged: AtomicU64,
    /// The smallest index that failed.
    first_failed: AtomicU64,
    /// Why the first failure happened, in the order in which they were reported.
    reason: Mutex<Option<String>>,
    last_error: Mutex<Option<String>>,
}

impl Default for Listener {
    fn default() -> Listener {
        Listener {
            acknowledged: AtomicU64::new(0),
            first_failed: AtomicU64::new(u64::MAX),
            reason: Mutex::new(None),
            last_error: Mutex::new(None),
        }
    }
}

impl Listener {
    /// How many records were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// The smallest index of a record that failed, if one did.
    pub(super) fn first_failed(&self) -> Option<u64> {
        Some(self.first_failed.load(Relaxed)).filter(|index| *index != u64::MAX)
    }

    /// Why records fail: the first reason that was not a consequence of stopping.
    pub(super) fn reason(&self) -> Option<String> {
        lock(&self.reason).clone()
    }

    /// What the client complained of last.
    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    fn remember(&self, text: &str) {
        // This only sums up the error before it, which has the reason.
        if !text.ends_with("brokers are down") {
            *lock(&self.last_error) = Some(in_words(text));
        }
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, _: &str, text: &str) {
        if level as u8 <= RDKafkaLogLevel::Error as u8 {
            self.remember(text);
        }
    }

    fn error(&self, _: KafkaError, text: &str) {
        self.remember(text);
    }
}

impl ProducerContext for Listener {
    /// The record's index. On 32 bits it wraps after 4 billion records, and only messages suffer.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let Err((error, _)) = result else {
            self.acknowledged.fetch_add(1, Relaxed);
            return;
        };
        self.first_failed.fetch_min(index as u64, Relaxed);
        let stopping = [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::PurgeInflight];
        if !error.rdkafka_error_code().is_some_and(|code| stopping.contains(&code)) {
            lock(&self.reason).get_or_insert_with(|| why(error));
        }
    }
}

/// The words of an error, without the name of its code.
pub(super) fn why(error: &KafkaError) -> String {
    match error {
        // rdkafka keeps this code to itself.
        KafkaError::AdminOp(code) => code_in_words(*code),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), code_in_words),
    }
}

/// `MessageSizeTooLarge (Broker: Message size too large)` → `Broker: Message size too large`.
pub(super) fn code_in_words(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    let inner = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(&text).to_owned()
}

/// What happened, without librdkafka's places and times.
fn in_words(text: &str) -> String {
    let text = text.split(" (after ").next().unwrap_or(text);
    let text = text.rsplit_once("/bootstrap: ").map_or(text, |(_, what)| what);
    let what = text.rsplit_once(" failed: ").map_or(text, |(_, reason)| reason);
    let mut letters = what.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), &what[first.len_utf8()..])
        }
        _ => what.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it copies a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_without_places_and_times() {
        for (text, words) in [
            (
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)",
                "connection refused",
            ),
            (
                "[thrd:nowhere:9092/bootstrap]: nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not known (after 4ms in state CONNECT)",
                "failed to resolve 'nowhere:9092': Name or service not known",
            ),
            ("SSL handshake failed: wrong version", "wrong version"),
            ("SASL", "SASL"),
            ("", ""),
        ] {
            assert_eq!(in_words(text), words);
        }
    }

    #[test]
    fn codes_lose_their_names() {
        assert_eq!(code_in_words(RDKafkaErrorCode::MessageSizeTooLarge), "Broker: Message size too large");
    }
}
