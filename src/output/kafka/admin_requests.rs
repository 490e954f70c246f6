//! Requests about brokers and topics that only an admin client can send.

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
use super::error_text::{code_in_words, why};
use super::resume_point::Copies;
use super::scan::{APART, LOOK, PATIENCE};
use super::settings::settings;
use super::target::KafkaTarget;
use super::topic_checks::TopicSettings;
use crate::output::{OutputError, Stop, is_asked};

/// The brokers' default for `replica.lag.time.max.ms`.
const REPLICA_LAG: Duration = Duration::from_secs(30);

/// Sends requests that only an admin client can send.
///
/// If a request got no answer, dropping the admin client may hang as well. Such a client is never dropped. It ends
/// with the process.
pub(super) struct Asker {
    admin: Option<AdminClient<DefaultClientContext>>,
    /// Whether a request got no answer.
    is_silent: Cell<bool>,
    /// Not 0 once the user asks to stop.
    stop: Option<Stop>,
}

impl Asker {
    pub(super) fn of(target: &KafkaTarget) -> Result<Asker, OutputError> {
        let admin = settings(target).create().map_err(|error| does_not_start(&error))?;
        Ok(Asker { admin: Some(admin), is_silent: Cell::new(false), stop: None })
    }

    /// Sets the flag that limits the wait for each answer to 1 s once it is not 0.
    pub(super) fn stop_when(mut self, stop: Option<Stop>) -> Asker {
        self.stop = stop;
        self
    }

    /// Updates the admin client's list of brokers. Without this, a client that was created while a broker was away
    /// would not notice its return for minutes.
    fn learn_brokers(&self, topic: &str, limit: Duration) -> Result<(), String> {
        let admin = self.admin.as_ref().expect("it is there until the end");
        admin.inner().fetch_metadata(Some(topic), limit).map(drop).map_err(|error| why(&error))
    }

    /// Sends a request and waits for the answer, up to the deadline. Polls `client` meanwhile.
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

    /// Returns the settings of a topic or a broker, or the reason why the broker does not reveal them.
    ///
    /// # Errors
    /// If no broker answers.
    pub(super) fn describe(
        &self,
        client: &Client,
        deadline: Duration,
        of: &ResourceSpecifier<'_>,
    ) -> Result<Result<ConfigResource, String>, String> {
        let answer = self.ask(client, deadline, |admin, options| admin.describe_configs([of], options))?;
        Ok(answer.into_iter().next().ok_or("the answer is empty")?.map_err(code_in_words))
    }

    /// Returns how long a follower may lag before this broker continues without it. If the broker does not reveal that,
    /// returns the default.
    fn replica_lag(&self, client: &Client, broker: i32, limit: Duration) -> Result<Duration, String> {
        // A refusal is an answer too.
        let answer = self.describe(client, limit, &ResourceSpecifier::Broker(broker))?.ok();
        let value = answer
            .as_ref()
            .and_then(|answer| answer.get("replica.lag.time.max.ms")?.value.as_deref()?.parse().ok());
        Ok(value.map_or(REPLICA_LAG, Duration::from_millis))
    }

    /// Returns how long the ends of a topic have to stay the same until they include everything that leaders have
    /// written.
    ///
    /// A record becomes visible once all in-sync replicas have it. A replica that lags leaves the in-sync set after a
    /// while. But if the controller is away, it stays in the set, and so every broker in the set has to answer. A topic
    /// without further replicas shows every record at once. `within` shortens a wait to what a stop allows.
    ///
    /// # Errors
    /// A broker with an in-sync replica does not answer, or there are fewer in-sync replicas than `min.insync.replicas`
    /// requires.
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
            lag = lag.max(its.map_err(|reason| {
                format!("cannot query broker {broker}, which has an in-sync replica: {reason}")
            })?);
        }
        let answer = self.describe(client, within(PATIENCE), &ResourceSpecifier::Topic(topic))?;
        let least = answer.ok().and_then(|answer| TopicSettings::read(&answer).min_in_sync).unwrap_or(1);
        if copies.iter().any(|partition| partition.in_sync.len() < least.min(partition.count)) {
            return Err(format!("too few of its replicas are in sync (`min.insync.replicas={least}`)"));
        }
        // Leaders check twice within the allowed lag which followers are too late.
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
