//! What all connections share: how they are opened, how long a poll takes, and what librdkafka reports meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};

use super::error_text::{complaint, why, without_value};
use super::headers::Index;
use crate::output::OutputError;
use crate::time::SimTime;

/// A producer that its owner polls.
pub(super) type Client = BaseProducer<Listener>;

/// The length of a poll.
///
/// `BaseProducer::poll` always takes its full time, so waits can be counted in polls. A full queue keeps the broker
/// busy for several polls.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// How long the sink waits, after a failure, for acknowledgements of the records in flight.
pub(super) const IN_FLIGHT: Duration = Duration::from_secs(5);

/// Returns how many polls make up a wait, rounded up.
pub(super) fn polls(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(POLL.as_millis())
}

/// Creates a client. It connects at its first request.
pub(super) fn open(settings: &ClientConfig) -> Result<Client, OutputError> {
    Client::from_config_and_context(settings, Listener::default()).map_err(|error| does_not_start(&error))
}

/// Returns the error of a client that does not start. The cause is usually a setting from the user.
///
/// The value of a setting that the client does not accept may be a password, so the message leaves it out.
pub(super) fn does_not_start(error: &KafkaError) -> OutputError {
    match error {
        KafkaError::ClientConfig(_, what, key, value) => OutputError::KafkaSetting {
            message: format!(
                "the Kafka client does not accept the setting `{key}`: {}",
                without_value(what.trim_end(), value)
            ),
            help: "see librdkafka's CONFIGURATION.md for its settings; settings of the Java client have other names".into(),
        },
        KafkaError::ClientCreation(what) => OutputError::KafkaSetting {
            message: format!("the Kafka client cannot start with these settings: {what}"),
            help: "check `-X` and `--kafka-config`: settings that depend on each other, files that must exist".into(),
        },
        other => failure(format!("the Kafka client cannot start: {other}"), []),
    }
}

/// Returns an error with a message and help.
pub(super) fn failure<const N: usize>(message: String, help: [String; N]) -> OutputError {
    OutputError::Kafka { message, help: help.into() }
}

/// Refuses event time 0, the only one that librdkafka would replace by wall time.
pub(super) fn check_timestamp(timestamp: SimTime) -> Result<(), OutputError> {
    if timestamp != SimTime(0) {
        return Ok(());
    }
    Err(failure(
        format!(
            "a Kafka record cannot have event time {timestamp}: the client treats timestamp 0 as unset and writes \
             wall-clock time"
        ),
        ["use a later start: `--start 1970-01-01T00:00:01Z`".into()],
    ))
}

/// A part of the error that only sums up the error before it. That one contains the reason.
const ARE_DOWN: &str = "brokers are down";

/// A part of the error that reenact's own purges cause.
pub(super) const OF_A_PURGE: &str = "gap-less guarantee";

/// A part of the errors about a group's coordinator. A consumer looks for it, but reenact does not use it, and the user
/// may not be allowed to see it.
const OF_A_GROUP: &str = "FindCoordinator";

/// Collects acknowledgements, failures and errors while its client is polled.
pub(super) struct Listener {
    acknowledged: AtomicU64,
    /// The state of each partition.
    lanes: Mutex<BTreeMap<u32, Lane>>,
    /// The smallest number of a record that failed; `u64::MAX` if none did.
    first_failed: AtomicU64,
    /// The reason of the failure that was reported first. Failures that a purge caused do not count.
    reason: Mutex<Option<String>>,
    last_error: Mutex<Option<String>>,
    /// Whether an error occurred that waiting does not solve.
    is_final: AtomicBool,
    /// Whether an established connection was lost.
    has_lost: AtomicBool,
    /// Whether the client closed a connection because an answer timed out.
    has_timed_out: AtomicBool,
    /// Whether a partition acknowledged an offset that was not greater than the one before.
    has_gone_back: AtomicBool,
    /// Whether records that are not delivered go to `returned` instead of counting as failed.
    gives_back: AtomicBool,
    returned: Mutex<Vec<Returned>>,
    /// How many times the client has reported statistics.
    statistics: AtomicU64,
    /// How many records the client had put into requests at the last statistics.
    transmitted: AtomicU64,
}

/// The records of one partition that are in flight, and what was reported about the others.
#[derive(Debug, Default)]
struct Lane {
    /// The due moments of the records without a delivery report, in the order in which they were sent.
    in_flight: VecDeque<SimTime>,
    /// The number of delivery reports.
    reports: u64,
    /// The offset of the last acknowledged record.
    reached: Option<i64>,
}

/// The position of a record in flight: its due moment, its partition, and the number of delivery reports from that
/// partition. If this number does not change, the partition makes no progress.
pub(super) type Place = (SimTime, u32, u64);

/// A record that was given to the client and not acknowledged.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) partition: u32,
    pub(super) index: Index,
    /// The time from its event time to its due moment, in ms.
    pub(super) late: usize,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Returned {
    fn of(message: &BorrowedMessage<'_>, late: usize) -> Option<Returned> {
        Some(Returned {
            late,
            partition: u32::try_from(message.partition()).ok()?,
            index: Index::of(message)?,
            key: message.key()?.into(),
            value: message.payload()?.into(),
        })
    }
}

impl Default for Listener {
    fn default() -> Listener {
        Listener {
            acknowledged: AtomicU64::new(0),
            lanes: Mutex::new(BTreeMap::new()),
            first_failed: AtomicU64::new(u64::MAX),
            reason: Mutex::new(None),
            last_error: Mutex::new(None),
            is_final: AtomicBool::new(false),
            has_lost: AtomicBool::new(false),
            has_timed_out: AtomicBool::new(false),
            has_gone_back: AtomicBool::new(false),
            gives_back: AtomicBool::new(false),
            returned: Mutex::new(Vec::new()),
            statistics: AtomicU64::new(0),
            transmitted: AtomicU64::new(0),
        }
    }
}

impl Listener {
    /// The number of acknowledged records.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// Notes that a record was given to the client.
    pub(super) fn sent(&self, partition: u32, due: SimTime) {
        lock(&self.lanes).entry(partition).or_default().in_flight.push_back(due);
    }

    /// The position of the oldest record in flight; none if no record is in flight.
    pub(super) fn place_of_oldest(&self) -> Option<Place> {
        let lanes = lock(&self.lanes);
        let places = lanes
            .iter()
            .filter_map(|(partition, lane)| Some((*lane.in_flight.front()?, *partition, lane.reports)));
        places.min()
    }

    /// By partition, the offset of the last acknowledged record.
    pub(super) fn reached(&self) -> BTreeMap<u32, i64> {
        let lanes = lock(&self.lanes);
        lanes.iter().filter_map(|(partition, lane)| Some((*partition, lane.reached?))).collect()
    }

    /// Takes over the offsets that were acknowledged to earlier clients.
    pub(super) fn go_on_from(&self, reached: &BTreeMap<u32, i64>) {
        let mut lanes = lock(&self.lanes);
        reached.iter().for_each(|(partition, offset)| {
            lanes.entry(*partition).or_default().reached = Some(*offset);
        });
    }

    /// The due moment of the oldest record in flight; none if no record is in flight.
    ///
    /// Each partition reports in order, but one partition can be far behind the others.
    pub(super) fn oldest_in_flight(&self) -> Option<SimTime> {
        self.place_of_oldest().map(|(due, ..)| due)
    }

    /// How many times the client has reported statistics.
    pub(super) fn statistics(&self) -> u64 {
        self.statistics.load(Relaxed)
    }

    /// How many records the client had put into requests at the last statistics. A record that was sent again counts
    /// again.
    pub(super) fn transmitted(&self) -> u64 {
        self.transmitted.load(Relaxed)
    }

    /// The smallest number of a record that failed; none if no record failed.
    pub(super) fn first_failed(&self) -> Option<u64> {
        Some(self.first_failed.load(Relaxed)).filter(|index| *index != u64::MAX)
    }

    /// The smallest number of a record that failed or was given back; none if there is none.
    pub(super) fn first_missing(&self) -> Option<u64> {
        let returned = lock(&self.returned).iter().map(|record| record.index.row).min();
        self.first_failed().into_iter().chain(returned).min()
    }

    /// Why records fail: the first reported reason that a purge did not cause.
    pub(super) fn reason(&self) -> Option<String> {
        lock(&self.reason).clone()
    }

    /// The last error of the client.
    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// The last error of the client if waiting does not help, such as a failed authentication or a missing
    /// permission.
    pub(super) fn final_error(&self) -> Option<String> {
        if self.is_final.load(Relaxed) { self.last_error() } else { None }
    }

    /// Whether a connection was lost. The broker may or may not have written the records in flight on it.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.load(Relaxed)
    }

    /// Whether the client closed a connection because an answer timed out. What that connection sent may still arrive.
    pub(super) fn has_timed_out(&self) -> bool {
        self.has_timed_out.load(Relaxed)
    }

    /// Whether the offsets of a partition went back. The topic was then deleted and created again, and its earlier
    /// records are lost.
    pub(super) fn has_gone_back(&self) -> bool {
        self.has_gone_back.load(Relaxed)
    }

    /// From now on, `returned` gives back the records that are not delivered.
    pub(super) fn give_back(&self) {
        self.gives_back.store(true, Relaxed);
    }

    /// Takes the records that were given back, in the order in which they were sent.
    pub(super) fn returned(&self) -> Vec<Returned> {
        let mut returned = std::mem::take(&mut *lock(&self.returned));
        returned.sort_by_key(|record| record.index);
        returned
    }

    fn remember(&self, text: &str) {
        let is_no_reason = [ARE_DOWN, OF_A_PURGE, OF_A_GROUP].iter().any(|words| text.contains(words));
        if !is_no_reason {
            *lock(&self.last_error) = Some(complaint(text));
        }
    }
}

/// The only number of librdkafka's statistics that reenact reads.
#[derive(serde::Deserialize)]
struct Statistics {
    txmsgs: u64,
}

impl ClientContext for Listener {
    fn stats_raw(&self, text: &[u8]) {
        if let Ok(statistics) = serde_json::from_slice::<Statistics>(text) {
            self.transmitted.store(statistics.txmsgs, Relaxed);
            self.statistics.fetch_add(1, Relaxed);
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // librdkafka reports a lost connection only here: not to the error callback, and not in its statistics.
        if facility == "FAIL" && text.contains(" in state UP") {
            self.has_lost.store(true, Relaxed);
        }
        // The client closes the connection without another line in its log.
        if facility == "REQTMOUT" && text.contains("ProduceRequest in flight") {
            self.has_lost.store(true, Relaxed);
            self.has_timed_out.store(true, Relaxed);
        }
        if facility == "FAIL" || level as u8 <= RDKafkaLogLevel::Error as u8 {
            self.remember(text);
        }
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.remember(text);
        if error.rdkafka_error_code().is_some_and(|code| is_final(code, text)) {
            self.is_final.store(true, Relaxed);
        }
    }
}

impl ProducerContext for Listener {
    /// The time from a record's event time to its due moment, in ms. Reports of failures contain no timestamp.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, late: usize) {
        let (Ok(message) | Err((_, message))) = result;
        if let Some(lane) = lock(&self.lanes).get_mut(&(message.partition() as u32)) {
            lane.in_flight.pop_front();
            lane.reports += 1;
            // A broker that already has the record reports no offset.
            if result.is_ok() && message.offset() >= 0 {
                if lane.reached.is_some_and(|reached| message.offset() <= reached) {
                    self.has_gone_back.store(true, Relaxed);
                }
                lane.reached = Some(message.offset());
            }
        }
        let Err((error, message)) = result else {
            self.acknowledged.fetch_add(1, Relaxed);
            return;
        };
        if self.gives_back.load(Relaxed)
            && let Some(returned) = Returned::of(message, late)
        {
            lock(&self.returned).push(returned);
            return;
        }
        self.first_failed.fetch_min(Index::of(message).map_or(0, |index| index.row), Relaxed);
        let stopping = [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::PurgeInflight];
        if !error.rdkafka_error_code().is_some_and(|code| stopping.contains(&code)) {
            lock(&self.reason).get_or_insert_with(|| why(error));
        }
    }
}

/// Whether an error is final: waiting does not help, because it would occur again. A handshake that is broken off is
/// not final.
pub(super) fn is_final(code: RDKafkaErrorCode, text: &str) -> bool {
    match code {
        RDKafkaErrorCode::Authentication
        | RDKafkaErrorCode::SaslAuthenticationFailed
        | RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed
        | RDKafkaErrorCode::Fatal => true,
        RDKafkaErrorCode::SSL => text.contains("certificate"),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it copies a text")
}
