//! Questions about brokers and topics that only an admin client can ask.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaResult;

use super::admin::DEADLINE;
use super::client::{Client, POLL, does_not_start, polls};
use super::judge::TopicSettings;
use super::look::{APART, LOOK, PATIENCE};
use super::settings::settings;
use super::tail::Copies;
use super::target::KafkaTarget;
use super::words::{code_in_words, why};
use crate::output::{OutputError, Stop, is_asked};

/// `replica.lag.time.max.ms` of a broker that was told nothing else.
const REPLICA_LAG: Duration = Duration::from_secs(30);

/// Asks what only an admin client can ask.
///
/// One that did not answer may hang in its end as well: that is left to the end of the process.
pub(super) struct Asker {
    admin: Option<AdminClient<DefaultClientContext>>,
    is_silent: Cell<bool>,
    /// Not 0 when somebody wants to stop.
    stop: Option<Stop>,
}

impl Asker {
    pub(super) fn of(target: &KafkaTarget) -> Result<Asker, OutputError> {
        let admin = settings(target).create().map_err(|error| does_not_start(&error))?;
        Ok(Asker { admin: Some(admin), is_silent: Cell::new(false), stop: None })
    }

    /// Waits a second for each answer, and no longer, when this is not 0 any more.
    pub(super) fn stop_when(mut self, stop: Option<Stop>) -> Asker {
        self.stop = stop;
        self
    }

    /// Takes in who is there now: else a client that was made while a broker was away would not hear of its return
    /// for minutes.
    fn learn_brokers(&self, topic: &str, limit: Duration) -> Result<(), String> {
        let admin = self.admin.as_ref().expect("it is there until the end");
        admin.inner().fetch_metadata(Some(topic), limit).map(drop).map_err(|error| why(&error))
    }

    /// Waits for an answer, but not longer than the deadline; meanwhile `client` hears what comes.
    pub(super) fn ask<T, F: Future<Output = KafkaResult<T>>>(
        &self,
        client: &Client,
        deadline: Duration,
        question: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> F,
    ) -> Result<T, String> {
        let admin = self.admin.as_ref().expect("it is there until the end");
        let options = AdminOptions::new().request_timeout(Some(DEADLINE)).operation_timeout(Some(DEADLINE));
        let mut answer = pin!(question(admin, &options));
        let mut context = Context::from_waker(Waker::noop());
        for waited in 0..polls(deadline) {
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
                return answer.map_err(|error| why(&error));
            }
            if is_asked(self.stop.as_ref()) && waited >= polls(APART) {
                break;
            }
            client.poll(POLL);
        }
        self.is_silent.set(true);
        Err(format!("no answer for {} s", deadline.as_secs()))
    }

    /// Settings, or why they are not told; an error where nobody answers.
    pub(super) fn describe(
        &self,
        client: &Client,
        deadline: Duration,
        of: &ResourceSpecifier<'_>,
    ) -> Result<Result<ConfigResource, String>, String> {
        let told = self.ask(client, deadline, |admin, options| admin.describe_configs([of], options))?;
        Ok(told.into_iter().next().ok_or("an empty answer")?.map_err(code_in_words))
    }

    /// How long a follower may lag before this broker goes on without it; the default where it does not tell.
    fn replica_lag(&self, client: &Client, broker: i32, limit: Duration) -> Result<Duration, String> {
        // To be refused is an answer too.
        let told = self.describe(client, limit, &ResourceSpecifier::Broker(broker))?.ok();
        let value = told
            .as_ref()
            .and_then(|told| told.get("replica.lag.time.max.ms")?.value.as_deref()?.parse().ok());
        Ok(value.map_or(REPLICA_LAG, Duration::from_millis))
    }

    /// How long an answer about ends has to stay the same until it tells of all that leaders have written.
    ///
    /// That shows when all copies in sync have it. One that lags is no longer in sync a while later; but where the
    /// controller is away nobody says so, and so each has to answer. A topic without copies shows all at once. `within`
    /// shortens a wait to what a stop allows.
    ///
    /// # Errors
    /// A copy in sync does not answer; or there are fewer of them than are needed to show anything.
    pub(super) fn settles_within(
        &self,
        client: &Client,
        topic: &str,
        copies: &[Copies],
        within: impl Fn(Duration) -> Duration,
    ) -> Result<Duration, String> {
        if copies.iter().all(|partition| partition.count < 2) {
            return Ok(APART);
        }
        self.learn_brokers(topic, within(LOOK))?;
        let mut lag = Duration::ZERO;
        for broker in copies.iter().flat_map(|partition| &partition.in_sync).collect::<BTreeSet<_>>() {
            let its = self.replica_lag(client, *broker, within(PATIENCE));
            lag = lag.max(its.map_err(|reason| format!("broker {broker} holds it in sync: {reason}"))?);
        }
        let told = self.describe(client, within(PATIENCE), &ResourceSpecifier::Topic(topic))?;
        let least = told.ok().and_then(|told| TopicSettings::read(&told).min_in_sync).unwrap_or(1);
        if copies.iter().any(|partition| partition.in_sync.len() < least.min(partition.count)) {
            return Err(format!("too few of its copies are in sync (`min.insync.replicas={least}`)"));
        }
        // Leaders look twice within that time who lags.
        Ok(APART + lag * 3 / 2)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if self.is_silent.get() {
            std::mem::forget(self.admin.take());
        }
    }
}
