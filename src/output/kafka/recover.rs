//! A connection that is lost takes with it the knowledge of whether its last request was written.
//!
//! Sending that request again would be safe if brokers always knew an idempotent producer's last batches. One that
//! starts has forgotten those of producers whose last event time is older than a day
//! (`producer.id.expiration.ms`), and writes them a second time: seen in 4 of 24 trials. So, where events are old,
//! the topic itself is asked, as a run that is resumed does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};

use super::client::{IN_FLIGHT, POLL, Returned, open, why};
use super::look::APART;
use super::sink::{KafkaSink, headers, is_forbidden};
use super::tail::{Standing, Tail};
use crate::output::OutputError;
use crate::pace;

/// Between two questions where the topic ends.
const AGAIN: Duration = Duration::from_millis(500);

impl KafkaSink {
    /// Goes on with a new client where the topic ends.
    pub(super) fn recover(&mut self) -> Result<(), OutputError> {
        let returned = self.take_back()?;
        self.reached.extend(self.listener().reached());
        self.delivered_before += self.listener().acknowledged();
        let lost = self.listener().last_error();
        self.client = open(&self.settings)?;
        let Some(first) = returned.first().map(|record| record.index.row) else { return Ok(()) };
        self.away(lost.as_deref().unwrap_or("connection lost"));
        let of = |record: &Returned| (record.partition, self.reached.get(&record.partition).copied());
        let partitions: BTreeMap<u32, Option<i64>> = returned.iter().map(of).collect();
        let tail = self.wait_for_tail(&partitions, first)?;
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
                return Err(self.stop(IN_FLIGHT, &why(&error)));
            }
            self.listener().sent(record.partition, record.index.due);
            self.again += 1;
        }
        Ok(())
    }

    /// What is not delivered. Requests on connections that live are waited for: their brokers tell.
    fn take_back(&mut self) -> Result<Vec<Returned>, OutputError> {
        self.listener().give_back();
        let begun = pace::wall();
        loop {
            // Those of a lost connection are in a queue again.
            self.client.purge(PurgeConfig::default().queue());
            self.client.poll(POLL);
            if self.client.in_flight_count() == 0 {
                return Ok(self.listener().returned());
            }
            self.heed();
            if self.is_overdue() {
                return Err(self.stop(Duration::ZERO, &self.overdue()));
            }
            if pace::wall() - begun >= self.give_up_after {
                // What is not given back would be a gap.
                return Err(self.stop(IN_FLIGHT, "what is on its way does not come back"));
            }
        }
    }

    /// Where the run ends in these partitions, as soon as their brokers tell it for good.
    fn wait_for_tail(
        &mut self,
        partitions: &BTreeMap<u32, Option<i64>>,
        first: u64,
    ) -> Result<Tail, OutputError> {
        let reader = self.target.reader()?;
        let mut seen: Option<(Instant, Standing)> = None;
        loop {
            self.heed();
            let asked = pace::wall();
            match self.target.standing(&reader, self.stamp, partitions) {
                Ok(standing) => {
                    self.back();
                    match seen.take().filter(|(_, last)| *last == standing) {
                        Some((since, _)) if asked - since >= self.settles_within(&standing) => {
                            return Ok(standing.tail);
                        }
                        again => seen = Some(again.unwrap_or((asked, standing))),
                    }
                }
                Err(error) => {
                    seen = None;
                    self.silence += pace::wall() - asked + AGAIN;
                    let reason = error.to_string();
                    if is_forbidden(&reason) || self.silence >= self.give_up_after {
                        return Err(self.unfinished(&self.gave_up(Some(reason)), first));
                    }
                }
            }
            if self.is_overdue() {
                return Err(self.unfinished(&self.overdue(), first));
            }
            self.client.poll(AGAIN);
        }
    }

    /// How long an answer has to stay the same. What a leader has written shows when all followers have it, or when
    /// it has given up on those that don't; a topic without copies shows all at once.
    fn settles_within(&mut self, standing: &Standing) -> Duration {
        match standing.leaders.first() {
            Some(leader) if standing.copies > 1 => {
                // It looks twice within that time who lags.
                let lag = *self.lag.get_or_insert_with(|| self.target.replica_lag(&self.client, *leader));
                APART + lag * 3 / 2
            }
            _ => APART,
        }
    }
}
