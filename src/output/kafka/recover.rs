//! A connection that is lost takes with it the knowledge of whether its last request was written.
//!
//! Sending that request again would be safe if brokers always knew an idempotent producer's last batches. One that
//! starts has forgotten those of producers whose last event time is older than a day
//! (`producer.id.expiration.ms`), and writes them a second time: seen in 4 of 24 trials. So, where events are old,
//! the topic itself is asked, as a run that is resumed does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};

use super::ask::Asker;
use super::client::{IN_FLIGHT, POLL, Place, Returned, failure, open};
use super::look::Reader;
use super::proof::RecordDigest;
use super::sink::{KafkaSink, headers};
use super::stamp::Index;
use super::tail::{Standing, Tail};
use super::wait::AWAY_AFTER;
use super::words::{is_forbidden, why};
use crate::output::OutputError;
use crate::pace;

/// Between two questions where the topic ends.
const AGAIN: Duration = Duration::from_millis(500);

/// Answers that change for so long, and longer than a broker may be away, never settle.
const UNSETTLED: Duration = Duration::from_secs(600);

/// The oldest record was on its way for so long before the topic is asked what became of it: its partition may have
/// another leader, of which the client would take minutes to hear.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What a connection had sent that nobody answered within `socket.timeout.ms` may be under way still when it is closed:
/// its operating system goes on for so long (Linux, `tcp_orphan_retries`: 8 retries are 102 s from the first).
const UNDER_WAY: Duration = Duration::from_secs(105);

/// What recovering remembers.
#[derive(Debug)]
pub(super) struct Recovery {
    /// By partition, the offset of the last record that clients before this one saw acknowledged.
    reached: BTreeMap<u32, i64>,
    /// Acknowledged when the topic was asked last.
    asked_at: Option<u64>,
    /// Where the oldest record on its way stood when a wait last looked, and waited for it since.
    oldest: Option<Place>,
    stuck: Duration,
    /// [`UNDER_WAY`]; tests have less time.
    pub(super) under_way: Duration,
}

impl Default for Recovery {
    fn default() -> Recovery {
        let (stuck, under_way) = (Duration::ZERO, UNDER_WAY);
        Recovery { reached: BTreeMap::new(), asked_at: None, oldest: None, stuck, under_way }
    }
}

/// Records of which nobody knows whether they were written.
pub(super) struct Unsure {
    /// By partition, the offset of the last record that was acknowledged there.
    pub(super) acknowledged: BTreeMap<u32, Option<i64>>,
    given: BTreeMap<(u32, Index), RecordDigest>,
}

impl Unsure {
    /// Whether a record in the topic is one of them, and no other one with its headers.
    pub(super) fn was_given(&self, message: &BorrowedMessage<'_>, index: Index) -> bool {
        self.given.get(&(message.partition() as u32, index)) == Some(&RecordDigest::of(message))
    }
}

/// What a topic answered.
struct Answer {
    standing: Standing,
    since: Instant,
    /// It counts when it has stayed the same for so long.
    within: Duration,
}

impl Recovery {
    /// Whether the oldest record on its way has stood in one place for too long, this time added.
    pub(super) fn is_due(&mut self, oldest: Option<Place>, passed: Duration) -> bool {
        self.stuck = if oldest == self.oldest { self.stuck + passed } else { Duration::ZERO };
        self.oldest = oldest;
        self.oldest.is_some() && self.stuck >= STUCK_AFTER
    }
}

impl KafkaSink {
    /// Goes on with a new client where the topic ends.
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
        // Whoever waits for the rest is not told that the broker is back.
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
        // While its client knows what happened.
        self.away();
        let under_way = if self.listener().has_timed_out() { recovery.under_way } else { Duration::ZERO };
        let from = pace::wall() + under_way;
        self.client = open(&self.settings)?;
        self.listener().go_on_from(&recovery.reached);
        let is_fruitless = recovery.asked_at == Some(self.delivered());
        let answered = self.ask_the_topic(recovery, returned, (begun, from))?;
        // Time in which the topic answered is no silence, unless nothing has come of asking it the last time. What is
        // sent again has some seconds to arrive.
        let took = pace::wall() - begun;
        self.silence += if is_fruitless { took } else { took.saturating_sub(answered) };
        self.silence = self.silence.min(self.give_up_after.saturating_sub(AWAY_AFTER));
        recovery.asked_at = Some(self.delivered());
        self.has_progressed();
        Ok(())
    }

    /// Sends again what the topic has not; gives how long it took to be certain while the topic answered.
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
            // It had room before.
            if let Err((error, _)) = self.client.send(again) {
                return Err(self.unfinished(&why(&error)));
            }
            self.listener().sent(record.partition, record.index.due);
            self.again += 1;
        }
        self.unsure_from = None;
        Ok(answered)
    }

    /// What is not delivered. Requests on connections that live are waited for: their brokers tell.
    fn take_back(&mut self, begun: Instant) -> Result<Vec<Returned>, OutputError> {
        self.listener().give_back();
        loop {
            // Those of a lost connection are in a queue again.
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
                // What is not given back would be a gap.
                return Err(self.stop(IN_FLIGHT, &self.gave_up(self.listener().last_error())));
            }
        }
    }

    /// Where the run ends in these partitions, as soon as their brokers tell it for good, at the earliest `from` then
    /// on; and for how long they told something.
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
                return Err(self.unfinished("its leaders change again and again"));
            }
            last = now;
            self.client.poll(AGAIN);
        }
    }

    /// What the topic answers now: the last answer, where it is still the same.
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
        let told = asker.settles_within(&self.client, topic, &standing.copies, |limit| self.within(limit));
        told.map_err(|reason| failure(format!("can't tell where topic `{topic}` ends: {reason}"), []))
    }
}
