use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use super::admin::Prepared;
use super::client::{Client, IN_FLIGHT, Listener, POLL, check_timestamp, open, polls};
use super::encode::{KafkaPart, Message};
use super::lease::{Lease, Trust};
use super::partition::partition_of;
use super::recover::Recovery;
use super::settings::producer_settings;
use super::stamp::{INDEX, Index, RUN, RunId, Sequence, Stamp};
use super::tail::{Records, Tail};
use super::target::KafkaTarget;
use super::there::There;
use super::waited::Waited;
use super::words::why;
use crate::output::{Acknowledgements, Delivery, Holds, OutputError, Receipt, Sink, Stop, Tell};
use crate::pace;
use crate::time::{SimTime, Span};

/// Sends messages, and counts them as written when their broker has acknowledged them.
///
/// What `send` takes lies in a queue of 100,000 records; a full queue is waited for. Lost brokers are
/// waited for too, as long as [`KafkaSink::give_up_after`] says.
pub struct KafkaSink {
    pub(super) client: Client,
    pub(super) settings: ClientConfig,
    pub(super) target: Arc<KafkaTarget>,
    pub(super) give_up_after: Duration,
    pub(super) tell: Option<Tell>,
    /// What is sent.
    pub(super) holds: Holds,
    /// Not 0 when somebody wants to stop.
    pub(super) stop: Option<Stop>,
    /// That of the run, if it has one.
    pub(super) lease: Option<Lease>,
    /// What is known of the time before its session may have ended.
    pub(super) trust: Trust,
    /// Where lost connections are not left to the client.
    pub(super) recovery: Option<Recovery>,
    pub(super) stamp: Stamp,
    /// The header that all records have.
    pub(super) run: [u8; 28],
    /// The next record's number.
    pub(super) row: u64,
    /// The greatest index that was sent.
    pub(super) last: Option<Index>,
    /// Its topic takes the records of one type alone, which count from 0.
    pub(super) is_one_type: bool,
    /// The number of the first record of which it is not known whether it was written.
    pub(super) unsure_from: Option<u64>,
    /// Whether the last record of the run was sent.
    pub(super) is_whole: bool,
    /// Event time up to which all records have been here.
    pub(super) due: SimTime,
    /// What the topic has already.
    there: There,
    /// Records given to the client.
    pub(super) sent: u64,
    /// Records that the topic had already.
    skipped: u64,
    /// Records that clients before this one have delivered.
    pub(super) delivered_before: u64,
    /// Records that were given to a client a second time.
    pub(super) again: u64,
    /// Of keys and values.
    bytes: u64,
    /// How long nothing could be sent.
    pub(super) waited: Waited,
    /// Acknowledged when a wait last saw that number grow, and waited since.
    pub(super) seen: u64,
    pub(super) silence: Duration,
    /// Since when nothing was acknowledged, though something is on its way.
    pub(super) quiet_since: Option<Instant>,
    /// Whether acknowledgements were ever late enough for something to be sent again.
    pub(super) has_hitched: bool,
    /// Whether it was reported that the broker is away, and that the sink is stopping.
    pub(super) is_away: bool,
    pub(super) is_stopping: bool,
    /// When it has to be at its end.
    pub(super) end_by: Option<Instant>,
}

/// Waited without any acknowledgement before a run ends as failed.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// Brokers remember a producer for a day after the event time of its last batch, unless they are told otherwise
/// (`producer.id.expiration.ms`): one that was killed and comes back knows batches again that are younger than this.
const REMEMBERED: Span = Span::hours(12);

/// The client's own `batch.size`; a topic may take less.
const BATCH: u64 = 1_000_000;

/// Statistics come several times within this.
const STATISTICS: Duration = Duration::from_secs(1);

/// So often, in records, are acknowledgements looked for while there is room in the queue.
const LISTEN_EVERY: u64 = 1_024;

impl KafkaSink {
    /// A sink for a target whose topic is there: see [`KafkaTarget::prepare`]. The first record has the number
    /// `row`, and the first event of the run is so old.
    ///
    /// Where no event is older than brokers remember producers, lost connections are left to the client, which sends
    /// again what its broker then knows it has. Else the topic is read: that needs a permission, and time.
    ///
    /// # Errors
    /// If the client does not start. Whether a broker answers is not asked here.
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

    /// What is sent; records where nothing is said.
    #[must_use]
    pub fn holding(mut self, holds: Holds) -> KafkaSink {
        self.holds = holds;
        self
    }

    /// Records of one type, of several in the run: their numbers count from 0 in this topic.
    #[must_use]
    pub fn of_one_type(mut self) -> KafkaSink {
        (self.is_one_type, self.row) = (true, 0);
        self
    }

    /// Goes on where its run ends: what the topic has is sent no second time.
    #[must_use]
    pub fn after(mut self, tail: Option<Tail>) -> KafkaSink {
        self.there = tail.map_or(There::Nothing, There::Until);
        self
    }

    /// Sends what is not among these.
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
            tell: None,
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

    /// Gives up after waiting so long without any acknowledgement (default 5 min).
    ///
    /// What counts is waiting for room in the queue and for the last records, and time in which there is nothing to
    /// write.
    #[must_use]
    pub fn give_up_after(mut self, limit: Duration) -> KafkaSink {
        self.give_up_after = limit;
        self
    }

    /// Reports when its broker goes away and comes back, and that a stop takes time.
    #[must_use]
    pub fn tell(mut self, tell: Option<Tell>) -> KafkaSink {
        self.tell = tell;
        self
    }

    /// Waits no longer than a few seconds when this is not 0 any more.
    #[must_use]
    pub fn stop_when(mut self, stop: Option<Stop>) -> KafkaSink {
        self.stop = stop;
        self
    }

    /// Ends where another process takes over the run that this is the lease of.
    #[must_use]
    pub fn under(mut self, lease: Option<Lease>) -> KafkaSink {
        self.lease = lease;
        self
    }

    pub(super) fn listener(&self) -> &Listener {
        self.client.context()
    }

    /// Sends the next record.
    fn send(&mut self, message: Message<'_>) -> Result<(), OutputError> {
        self.due = message.timestamp.max(self.due);
        let index = Index { due: self.due, row: self.row, copy: 0 };
        let is_sent = self.give(message, index)?;
        self.row += 1;
        self.listen_at_times(is_sent)
    }

    /// Sends a message with its index, unless the topic has it already.
    pub(super) fn put(&mut self, message: Message<'_>, index: Index) -> Result<(), OutputError> {
        let is_sent = self.give(message, index)?;
        self.listen_at_times(is_sent)
    }

    /// Looks for acknowledgements after every [`LISTEN_EVERY`] records that were sent.
    fn listen_at_times(&mut self, is_sent: bool) -> Result<(), OutputError> {
        if is_sent && self.sent.is_multiple_of(LISTEN_EVERY) { self.listen(Duration::ZERO) } else { Ok(()) }
    }

    /// Gives a message to the client; false where the topic has it already.
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

    /// Records given to the client that are safely in the topic.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered_before + self.listener().acknowledged()
    }

    /// Records that were sent more than once, by the client or after a lost connection.
    fn retried(&self) -> u64 {
        if self.has_hitched || self.listener().last_error().is_some() {
            // The last statistics may be older than what was sent again.
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

    /// Takes the reports that come within this time; the first failed delivery ends the output.
    pub(super) fn listen(&mut self, time: Duration) -> Result<(), OutputError> {
        loop {
            let before = self.listener().acknowledged();
            self.client.poll(time);
            // A poll without time takes one event, and more can be there: a failure among them.
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
        // A run that was stopped has more records.
        self.is_whole = !self.is_stopped();
        // Reports alone tell: a flush can answer Ok after timeouts.
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
