//! The producer: gives messages to librdkafka, waits for room and counts acknowledgements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use super::admin::Prepared;
use super::already_sent::There;
use super::client::{Client, IN_FLIGHT, Listener, POLL, check_timestamp, open, polls};
use super::encode::{KafkaPart, Message};
use super::error_text::why;
use super::headers::{INDEX, Index, RUN, RunId, Sequence, Stamp};
use super::lease::{Lease, Trust};
use super::partition::partition_of;
use super::reconnect::Recovery;
use super::resume_point::{Records, Tail};
use super::settings::producer_settings;
use super::target::KafkaTarget;
use super::waited::Waited;
use crate::output::{Acknowledgements, Delivery, EventListener, Holds, OutputError, Receipt, Sink, Stop};
use crate::pace;
use crate::time::{SimTime, Span};

/// Sends messages, and counts them as written once their broker has acknowledged them.
///
/// Records wait in the client's queue, which has room for 100,000 of them. If the queue is full, the sink waits for
/// room. If no broker answers, it waits for at most the limit that [`KafkaSink::give_up_after`] sets.
pub struct KafkaSink {
    pub(super) client: Client,
    pub(super) settings: ClientConfig,
    pub(super) target: Arc<KafkaTarget>,
    pub(super) give_up_after: Duration,
    pub(super) on_event: Option<EventListener>,
    /// Whether records or labels are sent.
    pub(super) holds: Holds,
    /// Not 0 once the user asks to stop.
    pub(super) stop: Option<Stop>,
    /// The lease of the run, if it has one.
    pub(super) lease: Option<Lease>,
    /// What the sink knows about the time before the session of its lease may have ended.
    pub(super) trust: Trust,
    /// The state of recovery from lost connections; none where the client handles them itself.
    pub(super) recovery: Option<Recovery>,
    pub(super) stamp: Stamp,
    /// The value of the run header, which is the same in all records.
    pub(super) run: [u8; 28],
    /// The number of the next record.
    pub(super) row: u64,
    /// The greatest index of the records so far, skipped ones included.
    pub(super) last: Option<Index>,
    /// Whether the topic gets the records of only one entity type. Their numbers then count from 0.
    pub(super) is_one_type: bool,
    /// During a recovery, the number of the first record that may or may not have been written.
    pub(super) unsure_from: Option<u64>,
    /// Whether the last record of the run was sent.
    pub(super) is_whole: bool,
    /// The greatest due moment of the records so far.
    pub(super) due: SimTime,
    /// The records that the topic already has.
    there: There,
    /// The number of records that were given to the client.
    pub(super) sent: u64,
    /// The number of records that were skipped because the topic already had them.
    skipped: u64,
    /// The number of records that were delivered before the current client was created.
    pub(super) delivered_before: u64,
    /// The number of times that a record was given to a client again.
    pub(super) again: u64,
    /// The total size of keys and values, in bytes.
    bytes: u64,
    /// How long the sink could not send anything.
    pub(super) waited: Waited,
    /// The number of delivered records when the sink last checked for progress.
    pub(super) seen: u64,
    /// How long the sink has waited since the last acknowledgement.
    pub(super) silence: Duration,
    /// When the current silence began: records are in flight, but none is acknowledged.
    pub(super) quiet_since: Option<Instant>,
    /// Whether acknowledgements were ever late enough that the client may have sent records again.
    pub(super) has_hitched: bool,
    /// Whether the sink has reported that the broker is away.
    pub(super) is_away: bool,
    /// Whether the sink has reported that it is stopping.
    pub(super) is_stopping: bool,
    /// The moment by which a stop must be complete.
    pub(super) end_by: Option<Instant>,
}

/// The default for how long a run waits without any acknowledgement before it fails.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// Runs whose first event is older than this recover from lost connections by reading the topic.
///
/// By default brokers remember a producer for a day after the event time of its last batch
/// (`producer.id.expiration.ms`). A broker that was killed and restarted still knows batches younger than this limit.
const REMEMBERED: Span = Span::hours(12);

/// The client's default `batch.size` in bytes. A topic may accept only smaller batches.
const BATCH: u64 = 1_000_000;

/// A time within which the client reports statistics several times.
const STATISTICS: Duration = Duration::from_secs(1);

/// While the queue has room, the sink checks for acknowledgements once per this number of records.
const LISTEN_EVERY: u64 = 1_024;

impl KafkaSink {
    /// Creates a sink for a target whose topic exists: see [`KafkaTarget::prepare`]. `row` is the number of the first
    /// record, and `age` is the age of the run's first event.
    ///
    /// If `age` is less than 12 h, the client handles lost connections: it sends records again, and its broker
    /// recognises those that it already has. Otherwise the sink reads the topic to find out what was written. That
    /// takes time and requires permission to read the topic.
    ///
    /// # Errors
    /// If the client does not start. This does not check whether a broker answers.
    pub fn connect(
        target: &KafkaTarget,
        prepared: &Prepared,
        (id, sequence): (RunId, Sequence),
        row: u64,
        age: Span,
    ) -> Result<KafkaSink, OutputError> {
        let stamp = Stamp { id, sequence, partitions: prepared.partitions };
        let recovery = (age >= REMEMBERED).then(Recovery::default);
        let mut settings = producer_settings(target, recovery.is_some());
        if let Some(bytes) =
            prepared.batch_bytes.filter(|bytes| *bytes < BATCH && !target.has_setting("batch.size"))
        {
            settings.set("batch.size", bytes.to_string());
        }
        KafkaSink::with_settings(target, &settings, stamp, row, recovery)
    }

    /// Sets whether records or labels are sent. The default is records.
    #[must_use]
    pub fn holding(mut self, holds: Holds) -> KafkaSink {
        self.holds = holds;
        self
    }

    /// Marks the sink as one that gets the records of only one entity type. Their numbers count from 0 in this topic.
    #[must_use]
    pub fn of_one_type(mut self) -> KafkaSink {
        (self.is_one_type, self.row) = (true, 0);
        self
    }

    /// Continues the run after `tail`: the sink skips the records that the topic already has.
    #[must_use]
    pub fn after(mut self, tail: Option<Tail>) -> KafkaSink {
        self.there = tail.map_or(There::Nothing, There::Until);
        self
    }

    /// Skips records that are among `records`.
    #[must_use]
    pub fn without(mut self, records: Option<Records>) -> KafkaSink {
        self.there = records.map_or(There::Nothing, There::Each);
        self
    }

    pub(super) fn with_settings(
        target: &KafkaTarget,
        settings: &ClientConfig,
        stamp: Stamp,
        row: u64,
        recovery: Option<Recovery>,
    ) -> Result<KafkaSink, OutputError> {
        Ok(KafkaSink {
            client: open(settings)?,
            target: Arc::new(target.clone()),
            give_up_after: GIVE_UP_AFTER,
            on_event: None,
            holds: Holds::Records,
            stop: None,
            lease: None,
            trust: Trust::default(),
            recovery,
            settings: settings.clone(),
            run: stamp.to_bytes(),
            stamp,
            row,
            last: None,
            is_one_type: false,
            unsure_from: None,
            is_whole: false,
            due: SimTime(i64::MIN),
            there: There::Nothing,
            sent: 0,
            skipped: 0,
            delivered_before: 0,
            again: 0,
            bytes: 0,
            waited: Waited::default(),
            seen: 0,
            silence: Duration::ZERO,
            quiet_since: None,
            has_hitched: false,
            is_away: false,
            is_stopping: false,
            end_by: None,
        })
    }

    /// Sets how long the sink waits without any acknowledgement before it gives up (default 5 min).
    ///
    /// Three kinds of time count: waits for room in the queue, waits for the last records, and time in which there is
    /// nothing to write.
    #[must_use]
    pub fn give_up_after(mut self, limit: Duration) -> KafkaSink {
        self.give_up_after = limit;
        self
    }

    /// Sets a function that reports when the broker goes away or comes back, and when a stop takes time.
    #[must_use]
    pub fn on_event(mut self, on_event: Option<EventListener>) -> KafkaSink {
        self.on_event = on_event;
        self
    }

    /// Sets a flag. Once it is not 0, the sink waits at most 10 s more for acknowledgements.
    #[must_use]
    pub fn stop_when(mut self, stop: Option<Stop>) -> KafkaSink {
        self.stop = stop;
        self
    }

    /// Sets the lease of the run. The sink fails if another process takes over the run.
    #[must_use]
    pub fn under(mut self, lease: Option<Lease>) -> KafkaSink {
        self.lease = lease;
        self
    }

    pub(super) fn listener(&self) -> &Listener {
        self.client.context()
    }

    /// Sends the next record of the run.
    fn send(&mut self, message: Message<'_>) -> Result<(), OutputError> {
        self.due = message.timestamp.max(self.due);
        let index = Index { due: self.due, row: self.row, copy: 0 };
        let is_sent = self.give(message, index)?;
        self.row += 1;
        self.listen_at_times(is_sent)
    }

    /// Sends a message with its index, unless the topic already has it.
    pub(super) fn put(&mut self, message: Message<'_>, index: Index) -> Result<(), OutputError> {
        let is_sent = self.give(message, index)?;
        self.listen_at_times(is_sent)
    }

    /// Checks for acknowledgements after every [`LISTEN_EVERY`] records that were sent.
    fn listen_at_times(&mut self, is_sent: bool) -> Result<(), OutputError> {
        if is_sent && self.sent.is_multiple_of(LISTEN_EVERY) { self.listen(Duration::ZERO) } else { Ok(()) }
    }

    /// Gives a message to the client. Returns false if the topic already has it.
    fn give(&mut self, message: Message<'_>, index: Index) -> Result<bool, OutputError> {
        check_timestamp(message.timestamp)?;
        self.due = self.due.max(index.due);
        self.last = self.last.max(Some(index));
        let late = (index.due - message.timestamp).0 as usize;
        let partition = partition_of(message.key.as_bytes(), self.stamp.partitions);
        if self.there.has(partition, index, &message) {
            self.skipped += 1;
            return Ok(false);
        }
        let (target, run, due, index) = (Arc::clone(&self.target), self.run, index.due, index.to_bytes());
        let mut record = BaseRecord::with_opaque_to(target.topic(), late)
            .partition(partition as i32)
            .key(message.key)
            .payload(message.value)
            .timestamp(message.timestamp.0)
            .headers(headers(&run, &index));
        let mut is_full = false;
        loop {
            match self.client.send(record) {
                Ok(()) => break self.listener().sent(partition, due),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    is_full = true;
                    self.waited.full(pace::wall());
                    self.wait()?;
                }
                Err((error, _)) => return Err(self.stop(IN_FLIGHT, &why(&error))),
            }
        }
        if is_full {
            self.waited.has_room(pace::wall());
        }
        self.sent += 1;
        self.bytes += (message.key.len() + message.value.len()) as u64;
        Ok(true)
    }

    /// The number of records given to the client that are safely in the topic.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered_before + self.listener().acknowledged()
    }

    /// How many times a record was sent again, by the client or after a lost connection.
    fn retried(&self) -> u64 {
        if self.has_hitched || self.listener().last_error().is_some() {
            // The last statistics may be older than the last retry.
            let seen = self.listener().statistics();
            for _ in 0..polls(self.within(STATISTICS)) {
                if self.listener().statistics() >= seen + 2 {
                    break;
                }
                self.client.poll(POLL);
            }
        }
        let given = self.sent - self.delivered_before;
        self.again + self.listener().transmitted().saturating_sub(given)
    }

    /// Takes the delivery reports that arrive within `time`. Fails at the first failed delivery.
    pub(super) fn listen(&mut self, time: Duration) -> Result<(), OutputError> {
        loop {
            let before = self.listener().acknowledged();
            self.client.poll(time);
            // A poll with a time of zero takes only one event. More may be waiting, and one may be a failure.
            if time > Duration::ZERO || self.listener().acknowledged() == before {
                break;
            }
        }
        if self.listener().first_failed().is_some() {
            return Err(self.stop(IN_FLIGHT, "a record was dropped"));
        }
        if self.listener().has_gone_back() {
            return Err(self.stop(IN_FLIGHT, "its offsets went back"));
        }
        self.has_progressed();
        if self.recovery.is_some() && self.listener().has_lost() { self.recover() } else { Ok(()) }
    }
}

impl Sink for KafkaSink {
    type Part = KafkaPart;

    fn write(&mut self, part: KafkaPart) -> Result<(), OutputError> {
        self.check_lease()?;
        part.messages().try_for_each(|message| self.send(message))?;
        self.listen(Duration::ZERO)
    }

    fn acknowledgements(&mut self) -> Option<&mut dyn Acknowledgements> {
        Some(self)
    }

    fn finish(mut self) -> Result<Receipt, OutputError> {
        // A run that was stopped has more records to send.
        self.is_whole = !self.is_stopped();
        // Only reports count: a flush can return Ok after timeouts.
        while self.delivered() < self.sent {
            self.wait()?;
        }
        let retried = self.retried();
        let delivery = Delivery {
            sent: self.sent,
            acknowledged: self.delivered(),
            already: self.there.count().unwrap_or(self.skipped),
            retried,
            waited: self.waited.total(),
        };
        Ok(Receipt {
            target: self.target.to_string(),
            holds: self.holds,
            rows: self.sent,
            bytes: self.bytes,
            delivery: Some(delivery),
            ..Receipt::default()
        })
    }
}

pub(super) fn headers(run: &[u8; 28], index: &[u8; 18]) -> OwnedHeaders {
    OwnedHeaders::new_with_capacity(2)
        .insert(Header { key: RUN, value: Some(run) })
        .insert(Header { key: INDEX, value: Some(index) })
}
