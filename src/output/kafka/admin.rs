//! A look at the topic before the first record.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer;

use super::client::{Client, POLL, check_timestamp, code_in_words, failure, open, polls, settings, why};
use super::target::KafkaTarget;
use crate::output::OutputError;
use crate::time::{SimTime, Span};

/// A broker answers each question within this, or does not answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The same for calls that keep to `DEADLINE` themselves: one was seen not to.
const OUTER_DEADLINE: Duration = Duration::from_secs(12);

/// The partitions that messages suggest for a new topic.
const PARTITIONS: u32 = 6;

/// A topic that was looked at before the first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// How many partitions it has.
    pub partitions: u32,
    /// What the user should hear of, one a line.
    pub warnings: Vec<String>,
}

impl KafkaTarget {
    /// Looks at the topic before the first record, and makes it if asked to.
    ///
    /// `create` are the partitions of `--create-topic`; `earliest` is the event time of the first
    /// record, `now` the present. Nothing here makes a topic by merely naming it.
    ///
    /// # Errors
    /// No broker answers within 10 s; the topic is missing and not to be made, or there with another
    /// number of partitions; or it would delete such old records again without a word.
    pub fn prepare(
        &self,
        create: Option<u32>,
        earliest: SimTime,
        now: SimTime,
    ) -> Result<Prepared, OutputError> {
        check_timestamp(earliest)?;
        let client = open(&settings(self))?;
        let topics = self.topics(&client)?;
        let found = topics.iter().find(|topic| topic.name == self.topic());
        let partitions = match (found, create) {
            (Some(topic), Some(wanted)) if topic.partitions != wanted => {
                return Err(self.of_another_size(topic, wanted));
            }
            (Some(topic), _) => topic.partitions,
            (None, Some(partitions)) => {
                self.create(&client, partitions)?;
                partitions
            }
            (None, None) => return Err(self.missing(&topics)),
        };
        let warnings = judge(self.topic(), self.describe(&client), earliest, now)?;
        Ok(Prepared { partitions, warnings })
    }

    /// How many partitions the topic has, if it is there.
    pub(super) fn partitions(&self) -> Result<Option<u32>, OutputError> {
        let topics = self.topics(&open(&settings(self))?)?;
        Ok(topics.iter().find(|topic| topic.name == self.topic()).map(|topic| topic.partitions))
    }

    /// All topics: a query that names one can create it.
    fn topics(&self, client: &Client) -> Result<Vec<Topic>, OutputError> {
        let metadata = client.client().fetch_metadata(None, DEADLINE).map_err(|_| {
            client.poll(POLL);
            let reason = client
                .context()
                .last_error()
                .unwrap_or_else(|| format!("silence for {} s", DEADLINE.as_secs()));
            let help = "check host and port, and that the broker is up".into();
            failure(format!("no broker answers at `{}`: {reason}", self.brokers()), [help])
        })?;
        let topics = metadata.topics().iter();
        Ok(topics
            .map(|topic| Topic { name: topic.name().into(), partitions: topic.partitions().len() as u32 })
            .collect())
    }

    fn create(&self, client: &Client, partitions: u32) -> Result<(), OutputError> {
        let count = i32::try_from(partitions).ok().filter(|count| *count > 0).ok_or_else(|| {
            failure(
                format!("no topic can have {partitions} partitions"),
                [format!("write `--create-topic {PARTITIONS}`")],
            )
        })?;
        // −1: as many replicas as the broker's default says.
        let topic = NewTopic::new(self.topic(), count, TopicReplication::Fixed(-1)).set("retention.ms", "-1");
        let created = ask(self, client, |admin, options| admin.create_topics([&topic], options))
            .and_then(|results| results.into_iter().next().ok_or_else(|| "an empty answer".into()))
            .and_then(|result| result.map_err(|(_, code)| code_in_words(code)));
        created.map_err(|reason| failure(format!("can't create topic `{}`: {reason}", self.topic()), []))?;
        // The controller has it now; the broker that is asked learns of it a moment later.
        for _ in 0..polls(DEADLINE) {
            if self
                .topics(client)?
                .iter()
                .any(|topic| topic.name == self.topic() && topic.partitions == partitions)
            {
                return Ok(());
            }
            client.poll(POLL);
        }
        Err(failure(
            format!("topic `{}` was created but does not appear", self.topic()),
            ["try again in a minute".into()],
        ))
    }

    fn describe(&self, client: &Client) -> Result<TopicSettings, String> {
        let topic = ResourceSpecifier::Topic(self.topic());
        let resources = ask(self, client, |admin, options| admin.describe_configs([&topic], options))?;
        let resource = resources.into_iter().next().ok_or("an empty answer")?;
        resource.map(|resource| TopicSettings::read(&resource)).map_err(code_in_words)
    }

    fn missing(&self, topics: &[Topic]) -> OutputError {
        let (name, brokers) = (self.topic(), self.brokers());
        let distance = |topic: &Topic| strsim::osa_distance(name, &topic.name);
        let near = topics.iter().map(|topic| (distance(topic), topic.name.as_str())).min();
        let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4 && *distance < name.len());
        let mut help = vec![format!(
            "`--create-topic {PARTITIONS}` makes it, \
             with {PARTITIONS} partitions and without an end to what it keeps"
        )];
        help.extend(near.map(|(_, other)| format!("did you mean `{other}`?")));
        OutputError::Kafka { message: format!("there is no topic `{name}` at `{brokers}`"), help }
    }

    fn of_another_size(&self, topic: &Topic, wanted: u32) -> OutputError {
        failure(
            format!(
                "topic `{}` is there with another number of partitions: {}, not {wanted}",
                topic.name, topic.partitions
            ),
            [
                format!("leave `--create-topic {wanted}` out to use it as it is"),
                "or name a topic that does not exist yet".into(),
            ],
        )
    }
}

/// A topic as the cluster lists it.
struct Topic {
    name: String,
    partitions: u32,
}

/// Asks the admin client, and waits for its answer but not longer than the outer deadline.
fn ask<T, F: Future<Output = KafkaResult<T>>>(
    target: &KafkaTarget,
    client: &Client,
    question: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> F,
) -> Result<T, String> {
    let admin: AdminClient<_> = settings(target).create().map_err(|error| why(&error))?;
    let options = AdminOptions::new().request_timeout(Some(DEADLINE)).operation_timeout(Some(DEADLINE));
    let mut answer = pin!(question(&admin, &options));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls(OUTER_DEADLINE) {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return answer.map_err(|error| why(&error));
        }
        client.poll(POLL);
    }
    // A client that hangs may hang in its end as well: that is left to the end of the process.
    std::mem::forget(admin);
    Err(format!("no answer for {} s", OUTER_DEADLINE.as_secs()))
}

/// What decides about event times; a value that the broker does not show is missing.
#[derive(Clone, Debug, Default)]
struct TopicSettings {
    retention_ms: Option<i64>,
    timestamp_type: Option<String>,
    cleanup_policy: Option<String>,
}

impl TopicSettings {
    fn read(resource: &ConfigResource) -> TopicSettings {
        let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
        TopicSettings {
            retention_ms: value("retention.ms").and_then(|text| text.parse().ok()),
            timestamp_type: value("message.timestamp.type"),
            cleanup_policy: value("cleanup.policy"),
        }
    }
}

/// Warnings, or the error that the topic would delete records of this age.
fn judge(
    topic: &str,
    settings: Result<TopicSettings, String>,
    earliest: SimTime,
    now: SimTime,
) -> Result<Vec<String>, OutputError> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(reason) => {
            return Ok(vec![format!(
                "can't see the settings of topic `{topic}`; retention not checked: {reason}"
            )]);
        }
    };
    let mut warnings = Vec::new();
    if settings.timestamp_type.as_deref() == Some("LogAppendTime") {
        warnings.push(format!(
            "topic `{topic}` has `message.timestamp.type=LogAppendTime`: \
             its broker writes its own time over event time"
        ));
    }
    let policy = settings.cleanup_policy.as_deref().unwrap_or("delete");
    if policy.contains("compact") {
        warnings.push(format!(
            "topic `{topic}` has `cleanup.policy={policy}`: \
             of each entity it will keep the newest record alone"
        ));
    }
    match settings.retention_ms {
        _ if !policy.contains("delete") => {}
        None => warnings.push(format!("can't see `retention.ms` of topic `{topic}`; not checked")),
        Some(retention) if retention >= 0 && earliest.0 < now.0.saturating_sub(retention) => {
            return Err(too_old(topic, earliest, now, Span(retention)));
        }
        Some(_) => {}
    }
    Ok(warnings)
}

/// Kafka would take the records, acknowledge them, and delete them within minutes.
fn too_old(topic: &str, earliest: SimTime, now: SimTime, retention: Span) -> OutputError {
    failure(
        format!(
            "topic `{topic}` keeps records for {retention} (`retention.ms={}`), \
             and the first one of this run is {} old: Kafka would acknowledge it and then delete it without a word",
            retention.0,
            now - earliest
        ),
        [
            format!("`--create-topic {PARTITIONS}` with the name of a new topic makes one that keeps all"),
            format!("or set `retention.ms` of `{topic}` to -1"),
            "or move the records to the present: `reenact replay RECORDING --rebase now`".into(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime(1_000_000_000);

    fn judged(settings: TopicSettings, age: Span) -> Result<Vec<String>, String> {
        judge("t", Ok(settings), NOW - age, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn records_older_than_the_topic_keeps_are_refused() {
        let keeps = |retention_ms: i64| TopicSettings {
            retention_ms: Some(retention_ms),
            ..TopicSettings::default()
        };
        for (retention_ms, age) in [
            (-1, Span::hours(200)),
            (i64::MAX, Span::hours(200)),
            (3_600_000, Span::hours(1)),
            (3_600_000, Span::hours(-1)),
        ] {
            assert_eq!(judged(keeps(retention_ms), age), Ok(vec![]), "{retention_ms} {age}");
        }
        assert_eq!(
            judged(keeps(3_600_000), Span::minutes(90)),
            Err("topic `t` keeps records for 1h (`retention.ms=3600000`), \
                 and the first one of this run is 1h30m old: Kafka would acknowledge it and then delete it without a word"
                .into())
        );
    }

    #[test]
    fn what_a_topic_does_to_event_times_is_warned_of() {
        let is = |timestamp_type: &str, cleanup_policy: &str| TopicSettings {
            retention_ms: Some(0),
            timestamp_type: Some(timestamp_type.into()),
            cleanup_policy: Some(cleanup_policy.into()),
        };
        let overwritten = "topic `t` has `message.timestamp.type=LogAppendTime`: \
                           its broker writes its own time over event time";
        let compacted =
            "topic `t` has `cleanup.policy=compact`: of each entity it will keep the newest record alone";
        // Retention does not matter where nothing is deleted by age.
        assert_eq!(judged(is("CreateTime", "compact"), Span::hours(1)), Ok(vec![compacted.into()]));
        let both = vec![overwritten.into(), compacted.into()];
        assert_eq!(judged(is("LogAppendTime", "compact"), Span::hours(1)), Ok(both));
        assert!(judged(is("CreateTime", "compact,delete"), Span::hours(1)).is_err());
    }

    #[test]
    fn what_can_t_be_seen_is_warned_of() {
        let hidden = "can't see `retention.ms` of topic `t`; not checked";
        assert_eq!(judged(TopicSettings::default(), Span::hours(1)), Ok(vec![hidden.into()]));
        let refused = judge("t", Err("Broker: Topic authorization failed".into()), NOW, NOW);
        let reason =
            "can't see the settings of topic `t`; retention not checked: Broker: Topic authorization failed";
        assert_eq!(refused.map_err(|error| error.to_string()), Ok(vec![reason.into()]));
    }
}
