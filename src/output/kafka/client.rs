//! What all connections share: their settings, the length of a wait, and what librdkafka says meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};

use super::stamp::Index;
use super::words::{complaint, why, without_value};
use crate::output::OutputError;
use crate::time::SimTime;

/// A connection that is polled by whoever owns it.
pub(super) type Client = BaseProducer<Listener>;

/// The length of a poll. `BaseProducer::poll` takes all of its time, whatever happens meanwhile, so
/// that waits can be counted in polls. A full queue lasts the broker for several of them.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// After a failure, waited for the acknowledgement of what is on its way.
pub(super) const IN_FLIGHT: Duration = Duration::from_secs(5);

/// How many polls make up a wait.
pub(super) fn polls(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(POLL.as_millis())
}

/// Connects as soon as something is asked for.
pub(super) fn open(settings: &ClientConfig) -> Result<Client, OutputError> {
    Client::from_config_and_context(settings, Listener::default()).map_err(|error| does_not_start(&error))
}

/// Most often it is a setting that the user gave. Its value may be a password.
pub(super) fn does_not_start(error: &KafkaError) -> OutputError {
    match error {
        KafkaError::ClientConfig(_, what, key, value) => OutputError::KafkaSetting {
            message: format!(
                "the Kafka client does not take the setting `{key}`: {}",
                without_value(what.trim_end(), value)
            ),
            help: "librdkafka's settings are listed in its CONFIGURATION.md; Java's have other names".into(),
        },
        KafkaError::ClientCreation(what) => OutputError::KafkaSetting {
            message: format!("the Kafka client does not start with these settings: {what}"),
            help: "look at `-X` and `--kafka-config`: settings that go together, files that are there".into(),
        },
        other => failure(format!("the Kafka client does not start: {other}"), []),
    }
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

/// This only sums up the error before it, which has the reason.
const ARE_DOWN: &str = "brokers are down";

/// This comes of our own purges.
pub(super) const OF_A_PURGE: &str = "gap-less guarantee";

/// A consumer looks for its group's coordinator, which it may not see and we don't use.
const OF_A_GROUP: &str = "FindCoordinator";

/// Hears acknowledgements, failures and errors while its connection is polled.
pub(super) struct Listener {
    acknowledged: AtomicU64,
    /// By partition.
    lanes: Mutex<BTreeMap<u32, Lane>>,
    /// The number of the first record that failed.
    first_failed: AtomicU64,
    /// Why the first failure happened, in the order in which they were reported.
    reason: Mutex<Option<String>>,
    last_error: Mutex<Option<String>>,
    /// Whether waiting is of no use.
    is_final: AtomicBool,
    /// Whether a connection that was up was lost.
    has_lost: AtomicBool,
    /// Whether one was given up because no answer came.
    has_timed_out: AtomicBool,
    /// Whether a partition acknowledged an offset that it had acknowledged before.
    has_gone_back: AtomicBool,
    /// Whether what is not delivered is given back instead of counted as failed.
    gives_back: AtomicBool,
    returned: Mutex<Vec<Returned>>,
    /// How often the client has told statistics, and how many records it had put into requests by then.
    statistics: AtomicU64,
    transmitted: AtomicU64,
}

/// What became of the records of one partition.
#[derive(Debug, Default)]
struct Lane {
    /// The due moments of those without a report, in the order in which they were sent.
    in_flight: VecDeque<SimTime>,
    /// How many had one.
    reports: u64,
    /// The offset of the last one that was acknowledged.
    reached: Option<i64>,
}

/// Where a record on its way stands: its due moment, its partition, and the reports that came there, which tell
/// whether it moved.
pub(super) type Place = (SimTime, u32, u64);

/// A record that was given to the client and was not acknowledged.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) partition: u32,
    pub(super) index: Index,
    /// How long before its due moment its event time is, in ms.
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
    /// How many records were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// A record was given to the client.
    pub(super) fn sent(&self, partition: u32, due: SimTime) {
        lock(&self.lanes).entry(partition).or_default().in_flight.push_back(due);
    }

    /// Where the oldest of them stands.
    pub(super) fn place_of_oldest(&self) -> Option<Place> {
        let lanes = lock(&self.lanes);
        let places = lanes
            .iter()
            .filter_map(|(partition, lane)| Some((*lane.in_flight.front()?, *partition, lane.reports)));
        places.min()
    }

    /// By partition, the offset of the last record that was acknowledged there.
    pub(super) fn reached(&self) -> BTreeMap<u32, i64> {
        let lanes = lock(&self.lanes);
        lanes.iter().filter_map(|(partition, lane)| Some((*partition, lane.reached?))).collect()
    }

    /// Takes over what clients before this one saw acknowledged.
    pub(super) fn go_on_from(&self, reached: &BTreeMap<u32, i64>) {
        let mut lanes = lock(&self.lanes);
        reached.iter().for_each(|(partition, offset)| {
            lanes.entry(*partition).or_default().reached = Some(*offset);
        });
    }

    /// When the oldest record without a report was due. Partitions report in order, and one can be far behind others.
    pub(super) fn oldest_in_flight(&self) -> Option<SimTime> {
        self.place_of_oldest().map(|(due, ..)| due)
    }

    /// How often statistics came.
    pub(super) fn statistics(&self) -> u64 {
        self.statistics.load(Relaxed)
    }

    /// How many records were put into requests when the last ones came; one that was sent again counts again.
    pub(super) fn transmitted(&self) -> u64 {
        self.transmitted.load(Relaxed)
    }

    /// The number of the first record that failed, if one did.
    pub(super) fn first_failed(&self) -> Option<u64> {
        Some(self.first_failed.load(Relaxed)).filter(|index| *index != u64::MAX)
    }

    /// The number of the first record that failed or was given back.
    pub(super) fn first_missing(&self) -> Option<u64> {
        let returned = lock(&self.returned).iter().map(|record| record.index.row).min();
        self.first_failed().into_iter().chain(returned).min()
    }

    /// Why records fail: the first reason that was not a consequence of stopping.
    pub(super) fn reason(&self) -> Option<String> {
        lock(&self.reason).clone()
    }

    /// What the client complained of last.
    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// What the client complained of, where waiting does not help: it may not come in, or not do this.
    pub(super) fn final_error(&self) -> Option<String> {
        if self.is_final.load(Relaxed) { self.last_error() } else { None }
    }

    /// Whether a connection was lost. What was in flight on it may have been taken by its broker or not.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.load(Relaxed)
    }

    /// Whether a connection was given up because no answer came: what it sent may be under way still.
    pub(super) fn has_timed_out(&self) -> bool {
        self.has_timed_out.load(Relaxed)
    }

    /// Whether offsets of a partition went back: its topic was deleted and created again, and its first records with it.
    pub(super) fn has_gone_back(&self) -> bool {
        self.has_gone_back.load(Relaxed)
    }

    /// From now on, what is not delivered is given back by `returned`.
    pub(super) fn give_back(&self) {
        self.gives_back.store(true, Relaxed);
    }

    /// What was given back, in the order in which it was sent.
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

/// The one number of librdkafka's statistics that we read.
#[derive(serde::Deserialize)]
struct Statistics {
    txmsgs: u64,
}

impl ClientContext for Listener {
    fn stats_raw(&self, text: &[u8]) {
        if let Ok(told) = serde_json::from_slice::<Statistics>(text) {
            self.transmitted.store(told.txmsgs, Relaxed);
            self.statistics.fetch_add(1, Relaxed);
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // The error callback hears nothing of it, and statistics do not count it.
        if facility == "FAIL" && text.contains(" in state UP") {
            self.has_lost.store(true, Relaxed);
        }
        // Its connection is closed without another line.
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
    /// How long before its due moment a record's event time is, in ms: reports of failures hold no timestamp.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, late: usize) {
        let (Ok(message) | Err((_, message))) = result;
        if let Some(lane) = lock(&self.lanes).get_mut(&(message.partition() as u32)) {
            lane.in_flight.pop_front();
            lane.reports += 1;
            // Where a broker says that it has a record already, there is no offset.
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

/// Whether the same would happen again, however long one waits. A handshake that is broken off is not of that kind.
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
