//! A connection that is lost takes with it the knowledge of whether its last request was written.
//!
//! Sending that request again would be safe if brokers always knew an idempotent producer's last batches. One that
//! starts has forgotten those of producers whose last event time is older than a day
//! (`producer.id.expiration.ms`), and writes them a second time: seen in 4 of 24 trials. So the topic itself is
//! asked, as a run that is resumed does.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};

use super::client::{IN_FLIGHT, open, why};
use super::sink::{KafkaSink, headers};
use super::tail::Tail;
use crate::output::OutputError;
use crate::pace;

/// Between two questions where the topic ends.
const AGAIN: Duration = Duration::from_millis(500);

impl KafkaSink {
    /// Goes on with a new client where the topic ends.
    pub(super) fn recover(&mut self) -> Result<(), OutputError> {
        self.listener().give_back();
        self.client.purge(PurgeConfig::default().queue().inflight());
        self.drain(IN_FLIGHT);
        if self.client.in_flight_count() != 0 {
            // What is not given back would be a gap.
            return Err(self.stop(IN_FLIGHT, "the client does not give back what it has not delivered"));
        }
        let returned = self.listener().returned();
        self.delivered_before += self.listener().acknowledged();
        let lost = self.listener().last_error();
        self.client = open(&self.settings)?;
        let Some(first) = returned.first().map(|record| record.index.row) else { return Ok(()) };
        self.away(lost.as_deref().unwrap_or("connection lost"));
        let partitions: BTreeSet<u32> = returned.iter().map(|record| record.partition).collect();
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

    /// Where the run ends in these partitions, as soon as their brokers tell it.
    fn wait_for_tail(&mut self, partitions: &BTreeSet<u32>, first: u64) -> Result<Tail, OutputError> {
        let (silence, begun) = (self.silence, pace::wall());
        loop {
            self.heed();
            match self.target.ends_of(self.stamp, partitions) {
                Ok(tail) => return Ok(tail),
                Err(error) => {
                    self.silence = silence + (pace::wall() - begun);
                    if self.silence >= self.give_up_after {
                        return Err(self.unfinished(&self.gave_up(Some(error.to_string())), first));
                    }
                }
            }
            self.client.poll(AGAIN);
        }
    }
}
