//! Recovery from a lost connection.
//!
//! When a connection is lost, the client does not know whether the broker has written the last request. Sending it
//! again would be safe if brokers always knew the last batches of an idempotent producer. But a broker that restarts
//! forgets producers whose last event time is older than a day (`producer.id.expiration.ms`). It then writes their
//! batches a second time. This happened in 4 of 24 trials. So if events are old, the sink reads the topic to find out
//! what was written, as `--resume` does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};

use super::admin_requests::Asker;
use super::client::{IN_FLIGHT, POLL, Place, Returned, failure, open};
use super::error_text::{is_forbidden, why};
use super::headers::Index;
use super::proof::RecordDigest;
use super::resume_point::{Standing, Tail};
use super::scan::Reader;
use super::sink::{KafkaSink, headers};
use super::timeouts::AWAY_AFTER;
use crate::output::OutputError;
use crate::pace;

/// The time between two requests for where the topic ends.
const AGAIN: Duration = Duration::from_millis(500);

/// The sink gives up if the topic's answers still change this long after [`KafkaSink::give_up_after`] is over.
const UNSETTLED: Duration = Duration::from_secs(600);

/// How long the oldest record is in flight without progress before the sink asks the topic what happened to it. Its
/// partition may have a new leader, and the client would take minutes to notice that.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// How long the operating system may still send the data of a closed connection.
///
/// The client closes a connection that gets no answer within `socket.timeout.ms`. Linux then goes on sending for 102 s
/// (`tcp_orphan_retries`: 8 retries take that long, counted from the first).
const UNDER_WAY: Duration = Duration::from_secs(105);

/// The state that recovery keeps from one lost connection to the next.
#[derive(Debug)]
pub(super) struct Recovery {
    /// By partition, the offset of the last record that was acknowledged to an earlier client.
    reached: BTreeMap<u32, i64>,
    /// The number of delivered records when the topic was last asked.
    asked_at: Option<u64>,
    /// The position of the oldest record in flight when a wait last checked it.
    oldest: Option<Place>,
    /// How long that position has not changed.
    stuck: Duration,
    /// [`UNDER_WAY`]; less in tests.
    pub(super) under_way: Duration,
}

impl Default for Recovery {
    fn default() -> Recovery {
        let (stuck, under_way) = (Duration::ZERO, UNDER_WAY);
        Recovery { reached: BTreeMap::new(), asked_at: None, oldest: None, stuck, under_way }
    }
}

/// Records that may or may not have been written.
pub(super) struct Unsure {
    /// By partition, the offset of the last acknowledged record.
    pub(super) acknowledged: BTreeMap<u32, Option<i64>>,
    /// The digests of the records, by partition and index.
    given: BTreeMap<(u32, Index), RecordDigest>,
}

impl Unsure {
    /// Whether a record in the topic is one of these, and not another record with the same headers.
    pub(super) fn was_given(&self, message: &BorrowedMessage<'_>, index: Index) -> bool {
        self.given.get(&(message.partition() as u32, index)) == Some(&RecordDigest::of(message))
    }
}

/// An answer of the topic about where the run ends.
struct Answer {
    standing: Standing,
    /// When this answer was first received.
    since: Instant,
    /// How long the answer must stay the same before it counts.
    within: Duration,
}

impl Recovery {
    /// Adds a time that has passed. Returns whether the oldest record in flight has made no progress for too long.
    pub(super) fn is_due(&mut self, oldest: Option<Place>, passed: Duration) -> bool {
        self.stuck = if oldest == self.oldest { self.stuck + passed } else { Duration::ZERO };
        self.oldest = oldest;
        self.oldest.is_some() && self.stuck >= STUCK_AFTER
    }
}

impl KafkaSink {
    /// Continues with a new client from where the topic ends.
    pub(super) fn recover(&mut self) -> Result<(), OutputError> {
        let mut recovery = self.recovery.take().unwrap_or_default();
        let recovered = self.recover_with(&mut recovery);
        self.recovery = Some(recovery);
        recovered
    }

    fn recover_with(&mut self, recovery: &mut Recovery) -> Result<(), OutputError> {
        let begun = pace::wall();
        (recovery.stuck, recovery.oldest) = (Duration::ZERO, None);
        self.quiet_since.get_or_insert(begun);
        let returned = self.take_back(begun)?;
        // This does not report that the broker is back, since the sink still waits for the other records.
        if self.note_progress() {
            self.silence = Duration::ZERO;
        }
        recovery.reached.extend(self.listener().reached());
        self.delivered_before += self.listener().acknowledged();
        if returned.is_empty() {
            self.client = open(&self.settings)?;
            self.listener().go_on_from(&recovery.reached);
            return Ok(());
        }
        // This comes before the client is replaced, since only the old client knows what happened.
        self.away();
        let under_way = if self.listener().has_timed_out() { recovery.under_way } else { Duration::ZERO };
        let from = pace::wall() + under_way;
        self.client = open(&self.settings)?;
        self.listener().go_on_from(&recovery.reached);
        let is_fruitless = recovery.asked_at == Some(self.delivered());
        let answered = self.ask_the_topic(recovery, returned, (begun, from))?;
        // The time in which the topic answered does not count as silence, unless no record was delivered since the
        // topic was last asked. The silence stays below the limit, so that records that were sent again have a few
        // seconds to arrive.
        let took = pace::wall() - begun;
        self.silence += if is_fruitless { took } else { took.saturating_sub(answered) };
        self.silence = self.silence.min(self.give_up_after.saturating_sub(AWAY_AFTER));
        recovery.asked_at = Some(self.delivered());
        self.has_progressed();
        Ok(())
    }

    /// Finds out which records the topic lacks, and sends these again. Returns for how long the topic answered until
    /// the result was certain.
    fn ask_the_topic(
        &mut self,
        recovery: &Recovery,
        returned: Vec<Returned>,
        (begun, from): (Instant, Instant),
    ) -> Result<Duration, OutputError> {
        self.unsure_from = Some(returned[0].index.row);
        let of = |record: &Returned| (record.partition, recovery.reached.get(&record.partition).copied());
        let given = |record: &Returned| {
            let digest = RecordDigest::new(&record.key, &record.value);
            ((record.partition, record.index), digest)
        };
        let unsure = Unsure {
            acknowledged: returned.iter().map(of).collect(),
            given: returned.iter().map(given).collect(),
        };
        let (tail, answered) = self.wait_for_tail(&unsure, (begun, from))?;
        for record in returned {
            if tail.has(record.partition, record.index) {
                self.delivered_before += 1;
                continue;
            }
            let index = record.index.to_bytes();
            let again = BaseRecord::with_opaque_to(self.target.topic(), record.late)
                .partition(record.partition as i32)
                .key(&record.key)
                .payload(&record.value)
                .timestamp(record.index.due.0 - record.late as i64)
                .headers(headers(&self.run, &index));
            // The queue had room for these records before, so it cannot be full.
            if let Err((error, _)) = self.client.send(again) {
                return Err(self.unfinished(&why(&error)));
            }
            self.listener().sent(record.partition, record.index.due);
            self.again += 1;
        }
        self.unsure_from = None;
        Ok(answered)
    }

    /// Takes back the records that are not delivered. Waits for requests on working connections, since their brokers
    /// still report the result.
    fn take_back(&mut self, begun: Instant) -> Result<Vec<Returned>, OutputError> {
        self.listener().give_back();
        loop {
            // Records of a lost connection are back in the queue.
            self.client.purge(PurgeConfig::default().queue().non_blocking());
            self.client.poll(POLL);
            if self.client.in_flight_count() == 0 {
                return Ok(self.listener().returned());
            }
            self.heed();
            if self.is_overdue() {
                return Err(self.stop(Duration::ZERO, &self.overdue()));
            }
            let waited = pace::wall() - begun;
            if waited >= AWAY_AFTER {
                self.away();
            }
            if self.silence + waited >= self.give_up_after {
                self.silence += waited;
                // A record that the client does not give back would be a gap in the topic.
                return Err(self.stop(IN_FLIGHT, &self.gave_up(self.listener().last_error())));
            }
        }
    }

    /// Waits until the topic's answer about where the run ends is final. Returns where it ends, and for how long the
    /// topic answered. An answer is final once it has stayed the same for long enough, counted from `from` at the
    /// earliest.
    fn wait_for_tail(
        &mut self,
        unsure: &Unsure,
        (begun, from): (Instant, Instant),
    ) -> Result<(Tail, Duration), OutputError> {
        let reader = self.target.reader()?;
        let asker = Asker::of(&self.target)?.stop_when(self.stop.clone());
        let mut answer: Option<Answer> = None;
        let (mut last, mut answered) = (pace::wall(), Duration::ZERO);
        loop {
            self.heed();
            self.check_lease()?;
            let asked = pace::wall();
            let looked = self.look(&reader, &asker, unsure, answer.take());
            self.heed_since(asked);
            let now = pace::wall();
            match looked {
                Ok(same) => {
                    answered += now - last;
                    if asked.saturating_duration_since(same.since.max(from)) < same.within {
                        answer = Some(same);
                    } else if self.settles_within(&asker, &same.standing).is_ok() {
                        return Ok((same.standing.tail, answered));
                    }
                }
                Err(error) => {
                    let (reason, silence) = (error.to_string(), (now - begun).saturating_sub(answered));
                    if is_forbidden(&reason) || self.silence + silence >= self.give_up_after {
                        self.silence += silence;
                        return Err(self.unfinished(&self.gave_up(Some(reason))));
                    }
                }
            }
            if self.is_overdue() {
                return Err(self.unfinished(&self.overdue()));
            }
            if now - begun >= self.give_up_after + UNSETTLED {
                return Err(self.unfinished("the leaders of its partitions keep changing"));
            }
            last = now;
            self.client.poll(AGAIN);
        }
    }

    /// Asks the topic where the run ends. Returns the last answer if it is still the same, and a new one otherwise.
    fn look(
        &self,
        reader: &Reader,
        asker: &Asker,
        unsure: &Unsure,
        last: Option<Answer>,
    ) -> Result<Answer, OutputError> {
        let standing = self.target.standing(reader, self.stamp, unsure, |limit| self.within(limit))?;
        if let Some(last) = last.filter(|last| last.standing == standing) {
            return Ok(last);
        }
        let within = self.settles_within(asker, &standing)?;
        Ok(Answer { standing, since: pace::wall(), within })
    }

    fn settles_within(&self, asker: &Asker, standing: &Standing) -> Result<Duration, OutputError> {
        let topic = self.target.topic();
        let answer = asker.settles_within(&self.client, topic, &standing.copies, |limit| self.within(limit));
        answer.map_err(|reason| failure(format!("cannot determine where topic `{topic}` ends: {reason}"), []))
    }
}
