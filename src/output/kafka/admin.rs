//! Checks the topic before the first record, and creates it if the user requests that.

use std::time::Duration;

use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use super::admin_requests::Asker;
use super::client::{Client, POLL, check_timestamp, failure, open, polls};
use super::error_text::code_in_words;
use super::settings::settings;
use super::target::KafkaTarget;
use super::topic_checks::{TopicSettings, judge};
use crate::output::{OutputError, Partitions};
use crate::time::{SimTime, Span};

/// How long a broker has to answer a request.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// A request for the list of topics is split into this number of shorter tries.
const SLICES: u32 = 5;

/// The time limit for calls that should respect `DEADLINE` themselves. One call did not.
const OUTER_DEADLINE: Duration = Duration::from_secs(12);

/// The number of partitions that messages suggest for a new topic.
pub(super) const PARTITIONS: u32 = 6;

/// If the first event is older than this, a new topic keeps its records without a time limit. Otherwise it has the
/// broker's defaults.
const OLD: Span = Span::hours(1);

/// By default, brokers accept event times up to this far ahead of their clock.
const AHEAD: Span = Span::hours(1);

/// What a run needs from a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How many partitions to create the topic with if it is missing; none to refuse a missing topic.
    pub create: Option<Partitions>,
    /// The first event time.
    pub first: SimTime,
    /// The last event time, if known.
    pub last: Option<SimTime>,
    /// The most that an event time is ahead of the moment at which its record is sent, if known.
    pub lead: Option<Span>,
    /// The current time.
    pub now: SimTime,
    /// Whether to accept a topic that deletes the records at once because they are too old.
    pub allow_expiring: bool,
}

impl Wanted {
    /// Requires an existing topic, for records that begin at `first`.
    pub fn new(first: SimTime, now: SimTime) -> Wanted {
        Wanted { create: None, first, last: None, lead: None, now, allow_expiring: false }
    }

    /// Returns the fraction of the records that are older than `retention`, if known.
    pub(super) fn expiring(&self, retention: Span) -> Option<f64> {
        let length = self.last? - self.first;
        let old = (self.now - retention) - self.first;
        (length.0 > 0).then(|| (old.as_seconds() / length.as_seconds()).min(1.0))
    }
}

/// The result of checking a topic before the first record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The number of partitions.
    pub partitions: u32,
    /// The largest batch that the topic accepts, in bytes; none if that is not known.
    pub batch_bytes: Option<u64>,
    /// How far ahead of the clock the topic accepts event times; none if that is not limited or not known.
    pub ahead: Option<Span>,
    /// Whether the topic was missing and was created.
    pub is_new: bool,
    /// Warnings for the user, each of one line.
    pub warnings: Vec<String>,
}

impl KafkaTarget {
    /// Checks the topic before the first record, and creates it if `wanted` says so.
    ///
    /// Some requests to a broker create a topic just because they name it. This uses none of them.
    ///
    /// # Errors
    /// - No broker answers within 10 s.
    /// - The topic is missing and must not be created, or cannot be created.
    /// - It exists with another number of partitions.
    /// - It would refuse the event times, or delete the records without a warning.
    pub fn prepare(&self, wanted: &Wanted) -> Result<Prepared, OutputError> {
        check_timestamp(wanted.first)?;
        let client = open(&settings(self))?;
        let found = self.find(&client, wanted)?;
        let asker = Asker::of(self)?;
        let (partitions, is_new) = match found {
            Found::Topic(partitions) => (partitions, false),
            Found::Nothing(create) => self.create(&asker, &client, create, wanted)?,
        };
        self.judged(&asker, &client, wanted, Prepared { partitions, is_new, ..Prepared::default() })
    }

    /// Checks the topic as `prepare` does, but creates nothing. Returns none if the topic is missing and may be
    /// created.
    ///
    /// # Errors
    /// Those of `prepare`, except that creating the topic cannot fail.
    pub fn look(&self, wanted: &Wanted) -> Result<Option<Prepared>, OutputError> {
        check_timestamp(wanted.first)?;
        let client = open(&settings(self))?;
        match self.find(&client, wanted)? {
            Found::Topic(partitions) => {
                let prepared = Prepared { partitions, ..Prepared::default() };
                self.judged(&Asker::of(self)?, &client, wanted, prepared).map(Some)
            }
            Found::Nothing(create) => count_of(create).map(|_| None),
        }
    }

    /// Returns the partition count of a topic that exists and has the wanted size, or how to create a missing one.
    fn find(&self, client: &Client, wanted: &Wanted) -> Result<Found, OutputError> {
        let topics = self.topics(client)?;
        match (topics.iter().find(|topic| topic.name == self.topic()), wanted.create) {
            (Some(topic), create) => self.fitting(topic, create).map(Found::Topic),
            (None, Some(create)) => Ok(Found::Nothing(create)),
            (None, None) => Err(self.missing(&topics)),
        }
    }

    /// Returns the partition count of an existing topic. Fails if another count is wanted.
    fn fitting(&self, topic: &Topic, create: Option<Partitions>) -> Result<u32, OutputError> {
        match create {
            Some(Partitions::Count(wanted)) if topic.partitions != wanted => {
                Err(self.of_another_size(topic, wanted))
            }
            _ => Ok(topic.partitions),
        }
    }

    /// Reads the settings of the topic, and checks whether it can keep the records. Adds both results to `prepared`.
    fn judged(
        &self,
        asker: &Asker,
        client: &Client,
        wanted: &Wanted,
        prepared: Prepared,
    ) -> Result<Prepared, OutputError> {
        let topic = ResourceSpecifier::Topic(self.topic());
        let answer = asker.describe(client, OUTER_DEADLINE, &topic).and_then(|answer| answer);
        let settings = answer.map(|answer| TopicSettings::read(&answer));
        let batch_bytes = settings.as_ref().ok().and_then(|settings| settings.max_message_bytes);
        let ahead = settings.as_ref().ok().and_then(TopicSettings::ahead);
        let warnings = judge(self.topic(), settings, wanted)?;
        Ok(Prepared { batch_bytes, ahead, warnings, ..prepared })
    }

    /// Returns the number of partitions; none if the topic does not exist.
    pub(super) fn partitions(&self) -> Result<Option<u32>, OutputError> {
        let topics = self.topics(&open(&settings(self))?)?;
        Ok(topics.iter().find(|topic| topic.name == self.topic()).map(|topic| topic.partitions))
    }

    /// Lists all topics. A query that names a topic can create it, so this names none.
    fn topics(&self, client: &Client) -> Result<Vec<Topic>, OutputError> {
        let mut tries = 0;
        let metadata = loop {
            // In short tries, so that an error that waiting does not solve is reported at once.
            if let Ok(metadata) = client.client().fetch_metadata(None, DEADLINE / SLICES) {
                break metadata;
            }
            client.poll(POLL);
            tries += 1;
            let listener = client.context();
            if let Some(reason) = listener.final_error() {
                let help = "check the user, password and certificates in `-X` and `--kafka-config`".into();
                return Err(failure(format!("cannot connect to `{}`: {reason}", self.brokers()), [help]));
            }
            if tries == SLICES {
                let silence = || format!("no answer for {} s", DEADLINE.as_secs());
                let reason = listener.last_error().unwrap_or_else(silence);
                let help = "check the host and port, and that the broker is running".into();
                return Err(failure(format!("no broker answers at `{}`: {reason}", self.brokers()), [help]));
            }
        };
        let topics = metadata.topics().iter();
        // A topic without partitions is being created or deleted.
        Ok(topics
            .filter(|topic| !topic.partitions().is_empty())
            .map(|topic| Topic { name: topic.name().into(), partitions: topic.partitions().len() as u32 })
            .collect())
    }

    /// Creates the topic, unless another run has done so meanwhile. Returns the number of partitions, and whether the
    /// topic is new.
    fn create(
        &self,
        asker: &Asker,
        client: &Client,
        create: Partitions,
        wanted: &Wanted,
    ) -> Result<(u32, bool), OutputError> {
        let count = count_of(create)?;
        // −1 means the broker's default number of replicas.
        let mut topic = NewTopic::new(self.topic(), count, TopicReplication::Fixed(-1));
        if wanted.now - wanted.first > OLD {
            topic = topic.set("retention.ms", "-1");
        }
        let ahead = wanted.lead.map(|lead| (lead + AHEAD).0.to_string());
        if let (Some(ahead), true) = (&ahead, wanted.lead > Some(AHEAD)) {
            topic = topic.set("message.timestamp.after.max.ms", ahead);
        }
        let created = asker
            .ask(client, OUTER_DEADLINE, |admin, options| admin.create_topics([&topic], options))
            .and_then(|results| results.into_iter().next().ok_or_else(|| "the answer is empty".into()))
            .and_then(|result| match result {
                Ok(_) => Ok(true),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(false),
                Err((_, code)) => Err(code_in_words(code)),
            });
        let is_new = created
            .map_err(|reason| failure(format!("cannot create topic `{}`: {reason}", self.topic()), []))?;
        // The controller knows the topic now. The broker that answers may learn of it a moment later.
        for _ in 0..polls(DEADLINE) {
            let topics = self.topics(client)?;
            match topics.iter().find(|topic| topic.name == self.topic()) {
                Some(other) if !is_new => return Ok((self.fitting(other, Some(create))?, false)),
                Some(made) if count < 0 || made.partitions == count as u32 => {
                    return Ok((made.partitions, true));
                }
                _ => client.poll(POLL),
            }
        }
        let (topic, again) = (self.topic(), "try again in a minute".to_string());
        Err(match is_new {
            true => {
                failure(format!("topic `{topic}` was created, but the brokers do not list it yet"), [again])
            }
            false => failure(
                format!("topic `{topic}` already exists, but the brokers do not list it"),
                ["give the Kafka user the permissions Describe and Write on the topic".into(), again],
            ),
        })
    }

    fn missing(&self, topics: &[Topic]) -> OutputError {
        let (name, brokers) = (self.topic(), self.brokers());
        let distance = |topic: &Topic| strsim::osa_distance(name, &topic.name);
        let near = topics.iter().map(|topic| (distance(topic), topic.name.as_str())).min();
        let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4 && *distance < name.len());
        let mut help =
            vec![format!("add `--create-topic {PARTITIONS}` to create it with {PARTITIONS} partitions")];
        if self.has_setting("security.protocol") {
            help.push(
                "or, if it exists, give the Kafka user the permissions Describe and Write on the topic"
                    .into(),
            );
        }
        help.extend(near.map(|(_, other)| format!("did you mean `{other}`?")));
        OutputError::Kafka { message: format!("topic `{name}` does not exist at `{brokers}`"), help }
    }

    fn of_another_size(&self, topic: &Topic, wanted: u32) -> OutputError {
        failure(
            format!(
                "topic `{}` exists with a different number of partitions: {}, not {wanted}",
                topic.name, topic.partitions
            ),
            [
                format!("omit `--create-topic {wanted}` to use the existing topic"),
                "or choose the name of a topic that does not exist yet".into(),
            ],
        )
    }
}

/// The result of looking for a topic.
enum Found {
    /// The topic exists, with this number of partitions.
    Topic(u32),
    /// The topic is missing, and is to be created with these partitions.
    Nothing(Partitions),
}

/// Returns the number of partitions of a new topic; −1 means the broker's default.
fn count_of(create: Partitions) -> Result<i32, OutputError> {
    let (Partitions::Count(count) | Partitions::IfMissing(count)) = create else { return Ok(-1) };
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
        let help = format!("write `--create-topic {PARTITIONS}`");
        failure(format!("a topic cannot have {count} partitions"), [help])
    })
}

/// A topic in the cluster's list.
struct Topic {
    name: String,
    partitions: u32,
}
