//! Turns librdkafka's errors into words for users.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::time::Span;

/// Returns the text of an error, without the name of its code.
pub(super) fn why(error: &KafkaError) -> String {
    match error {
        // `rdkafka_error_code` does not return this code.
        KafkaError::AdminOp(code) => code_in_words(*code),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), code_in_words),
    }
}

/// The codes with which the client reports an event time that a topic does not accept. It reports the first one only if
/// the batch has a single bad record. A broker that validates values would cause the other two as well.
const OF_TIME: [RDKafkaErrorCode; 3] = [
    RDKafkaErrorCode::InvalidTimestamp,
    RDKafkaErrorCode::InvalidRecord,
    RDKafkaErrorCode::InvalidDifferentRecord,
];

/// Whether a reason says that the broker refused records as invalid. In reenact's records, only the event times can be
/// invalid.
pub(super) fn is_of_time(reason: &str) -> bool {
    OF_TIME.into_iter().any(|code| reason == code_in_words(code))
}

/// Returns the text of a code without its name:
/// `MessageSizeTooLarge (Broker: Message size too large)` → `Broker: Message size too large`.
pub(super) fn code_in_words(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    let inner = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(&text).to_owned()
}

/// Returns what a message of librdkafka says, without addresses, threads and times.
pub(super) fn complaint(text: &str) -> String {
    // Before client and broker have agreed on a version, there are two possible causes. librdkafka names other ones.
    if text.contains("in state APIVERSION_QUERY") {
        return match text.contains("Disconnected") {
            true => {
                "the broker closes the connection immediately, which suggests that it expects TLS \
                 (`-X security.protocol=ssl`)"
            }
            false => "the broker accepts the connection but does not answer",
        }
        .into();
    }
    // OpenSSL's words. librdkafka adds its own most of the time.
    if text.contains("certificate verify failed") {
        return "broker certificate could not be verified, check that `ssl.ca.location` names its certificate authority"
            .into();
    }
    let text = text.split(" (after ").next().unwrap_or(text);
    // `[thrd:HOST:PORT/1]: HOST:PORT/1: what happened`
    let text =
        text.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(text, |(_, rest)| rest);
    let is_broker = |name: &str| name.contains('/') && !name.contains(' ');
    let text = text.split_once(": ").filter(|(name, _)| is_broker(name)).map_or(text, |(_, what)| what);
    let what = text.rsplit_once(" failed: ").map_or(text, |(_, reason)| reason);
    let mut letters = what.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), &what[first.len_utf8()..])
        }
        _ => what.to_owned(),
    }
}

/// Whether a reason says that the user lacks a permission.
pub(super) fn is_forbidden(reason: &str) -> bool {
    reason.contains("authorization failed")
}

/// Returns a duration as a `Span`, which displays in words for users.
pub(super) fn in_words(time: Duration) -> Span {
    Span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// Returns a text in which `…` replaces a value wherever the value is a whole word.
pub(super) fn without_value(text: &str, value: &str) -> String {
    if value.is_empty() {
        return text.into();
    }
    let (mut safe, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let touches = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
        let is_part =
            touches(before.chars().next_back().or(safe.chars().next_back())) || touches(after.chars().next());
        safe.push_str(before);
        safe.push_str(if is_part { value } else { "…" });
        rest = after;
    }
    safe + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shown_without_source_places_and_times() {
        for (text, words) in [
            (
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)",
                "connection refused",
            ),
            (
                "[thrd:nowhere:9092/bootstrap]: nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not known (after 4ms in state CONNECT)",
                "failed to resolve 'nowhere:9092': Name or service not known",
            ),
            (
                "[thrd:127.0.0.1:1/2]: 127.0.0.1:1/2: Disconnected: verify that security.protocol is right (after 9ms in state UP)",
                "disconnected: verify that security.protocol is right",
            ),
            ("[thrd:app]: sasl_ssl://h:1/2: Receive failed: broken pipe", "broken pipe"),
            ("SSL handshake failed: wrong version", "wrong version"),
            (
                "ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed (after 9ms in state SSL_HANDSHAKE)",
                "broker certificate could not be verified, check that `ssl.ca.location` names its certificate \
                 authority",
            ),
            (
                "127.0.0.1:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 2ms in state APIVERSION_QUERY)",
                "the broker closes the connection immediately, which suggests that it expects TLS \
                 (`-X security.protocol=ssl`)",
            ),
            (
                "127.0.0.1:1/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after 9998ms in state APIVERSION_QUERY)",
                "the broker accepts the connection but does not answer",
            ),
            ("SASL", "SASL"),
            ("", ""),
        ] {
            assert_eq!(complaint(text), words);
        }
    }

    #[test]
    fn codes_lose_their_names() {
        assert_eq!(code_in_words(RDKafkaErrorCode::MessageSizeTooLarge), "Broker: Message size too large");
    }

    #[test]
    fn a_value_is_replaced_where_it_is_a_whole_word() {
        for (text, value, safe) in [
            (r#"Invalid value "SECRET" for "a.b""#, "SECRET", r#"Invalid value "…" for "a.b""#),
            (
                "value 9000000 is outside allowed range 10..300000",
                "9000000",
                "value … is outside allowed range 10..300000",
            ),
            ("an a and a", "a", "an … and …"),
            ("aaa a-a", "a", "aaa …-…"),
            ("nothing", "", "nothing"),
            ("x/SECRET/y failed", "x/SECRET/y", "… failed"),
        ] {
            assert_eq!(without_value(text, value), safe, "{text}");
        }
    }
}
