//! The errors of a run if its topic does not take every record.

use std::time::Duration;

use rdkafka::producer::{Producer as _, PurgeConfig};

use super::client::{IN_FLIGHT, OF_A_PURGE, POLL, polls};
use super::error_text::{is_forbidden, is_of_time};
use super::sink::KafkaSink;
use crate::output::{Holds, OutputError};
use crate::pace;
use crate::time::Span;

/// The reason why a run that is being stopped gives up.
const OVERDUE: &str = "the run was stopped, and records in flight were not acknowledged in time";

/// How long the sink waits at least for the client to report the records that it has dropped. That takes a few
/// milliseconds, so the sink waits even if a stop has no time left.
const PURGED: Duration = Duration::from_millis(500);

impl KafkaSink {
    /// Drops the records in the queue, waits for those in flight, and returns an error that names the first missing
    /// record.
    ///
    /// That record is not known earlier, since partitions fail one by one.
    pub(super) fn stop(&self, in_flight: Duration, reason: &str) -> OutputError {
        let fatal = self.client.client().fatal_error().map(|(_, text)| text);
        let fatal = fatal.filter(|text| !text.contains(OF_A_PURGE));
        // Non-blocking, since a thread of the client may be in a DNS lookup.
        self.client.purge(PurgeConfig::default().queue().non_blocking());
        self.drain(self.within(in_flight));
        self.client.purge(PurgeConfig::default().queue().inflight().non_blocking());
        self.drain(self.within(IN_FLIGHT).max(PURGED));
        let reason = self.listener().reason().or(fatal).unwrap_or_else(|| reason.into());
        self.unfinished(&reason)
    }

    /// Returns the number of the first record that no broker acknowledged. If all sent records were acknowledged, this
    /// is the next one to send, or none if no record is left.
    fn first_missing(&self) -> Option<u64> {
        let unacknowledged = self.listener().first_missing().into_iter().chain(self.unsure_from).min();
        // Labels have their own numbers.
        unacknowledged.or((!self.is_whole).then_some(self.row)).filter(|_| self.holds == Holds::Records)
    }

    /// Returns the error of a run that ends early. The message says how many records were sent and acknowledged, and
    /// names the first missing record.
    pub(super) fn unfinished(&self, reason: &str) -> OutputError {
        let (target, sent, acknowledged) = (&self.target, self.sent, self.delivered());
        let fate = self.fate(reason);
        let mut help = Vec::new();
        let reason = match fate {
            Some(fate) => fate,
            None if is_of_time(reason) => &self.refused_time(&mut help),
            None => reason,
        };
        if is_forbidden(reason) {
            let needed = "give the Kafka user the permissions Describe and Write on the topic, and Read, so that \
                          reenact can check what was written";
            help.push(needed.into());
        }
        let first_missing = self.first_missing();
        let whole = if self.is_one_type { "this topic" } else { "the run" };
        let at = first_missing.map_or(String::new(), |first| {
            format!(", the first missing one is record {first} of {whole} (counted from 0)")
        });
        let message = format!(
            "`{target}` did not acknowledge every record: {reason}; {sent} sent, {acknowledged} acknowledged{at}"
        );
        if fate.is_some() {
            let help = match self.holds {
                Holds::Records => {
                    "acknowledged records are lost: send the run again from its start, to a new or an empty topic"
                }
                Holds::Labels => {
                    "no record is lost: run the same command with `--resume --create-topic N` to send the labels again"
                }
            };
            return OutputError::Kafka { message, help: vec![help.into()] };
        }
        OutputError::Unfinished { message, first_missing, help }
    }

    /// Returns the reason why a broker refused event times. Adds what the user can do to `help`.
    fn refused_time(&self, help: &mut Vec<String>) -> String {
        let lead = self.due - pace::now();
        let (is_ahead, by) = (lead.0 > 0, Span(lead.0.saturating_abs()));
        let (side, setting) = match is_ahead {
            true => ("ahead of", "message.timestamp.after.max.ms"),
            false => ("behind", "message.timestamp.before.max.ms"),
        };
        help.push(format!(
            "raise `{setting}` of the topic, or send the run to a new topic that `--create-topic` creates"
        ));
        help.push(match is_ahead {
            true => "or keep event times near the current time: use `--live`, a lower `--speed` or `replay --rebase end`"
                .into(),
            false => "or move event times to the present: use `--start now`, `--live` or `--rebase end`".into(),
        });
        format!(
            "the broker rejected records as invalid, most likely because event times are {by} {side} this machine's \
             clock (the limit of the topic is `{setting}`)"
        )
    }

    /// Returns the reason why a run that is being stopped gives up, with the client's last error.
    pub(super) fn overdue(&self) -> String {
        self.listener().last_error().map_or(OVERDUE.into(), |error| format!("{OVERDUE}, {error}"))
    }

    /// Polls until no record is queued or in flight, or until `limit` is over.
    pub(super) fn drain(&self, limit: Duration) {
        for _ in 0..polls(limit) {
            if self.client.in_flight_count() == 0 {
                return;
            }
            self.client.poll(POLL);
        }
    }
}
