//! A look at the topic before the first record.

use std::time::Duration;

use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use super::ask::Asker;
use super::client::{Client, POLL, check_timestamp, failure, open, polls};
use super::judge::{TopicSettings, judge};
use super::settings::settings;
use super::target::KafkaTarget;
use super::words::code_in_words;
use crate::output::{OutputError, Partitions};
use crate::time::{SimTime, Span};

/// A broker answers each question within this, or does not answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Questions that may go unanswered for long are asked in so many slices.
const SLICES: u32 = 5;

/// The same for calls that keep to `DEADLINE` themselves: one was seen not to.
const OUTER_DEADLINE: Duration = Duration::from_secs(12);

/// The partitions that messages suggest for a new topic.
pub(super) const PARTITIONS: u32 = 6;

/// A new topic keeps records for ever whose first is older than this; for others it has the broker's defaults.
const OLD: Span = Span::hours(1);

/// Brokers take event times that lie so far ahead, unless they are told otherwise.
const AHEAD: Span = Span::hours(1);

/// What a topic has to be fit for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Make it with so many partitions if it is missing.
    pub create: Option<Partitions>,
    /// The first event time.
    pub first: SimTime,
    /// The last one, where that is known.
    pub last: Option<SimTime>,
    /// How far event times get ahead of the moment of their sending, where that is known.
    pub lead: Option<Span>,
    /// The present.
    pub now: SimTime,
    /// Send records that the topic will delete at once.
    pub allow_expiring: bool,
}

impl Wanted {
    /// A topic that is there, for records that begin at `first`.
    pub fn new(first: SimTime, now: SimTime) -> Wanted {
        Wanted { create: None, first, last: None, lead: None, now, allow_expiring: false }
    }

    /// The share of the records that are older than a topic keeps them, if that is known.
    pub(super) fn expiring(&self, retention: Span) -> Option<f64> {
        let length = self.last? - self.first;
        let old = (self.now - retention) - self.first;
        (length.0 > 0).then(|| (old.as_seconds() / length.as_seconds()).min(1.0))
    }
}

/// A topic that was looked at before the first record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// How many partitions it has.
    pub partitions: u32,
    /// The largest batch that it takes, in bytes, where it tells.
    pub batch_bytes: Option<u64>,
    /// How far ahead of the clock it takes event times, where that is limited and it tells.
    pub ahead: Option<Span>,
    /// It was not there, and was made.
    pub is_new: bool,
    /// What the user should hear of, one a line.
    pub warnings: Vec<String>,
}

impl KafkaTarget {
    /// Looks at the topic before the first record, and makes it if asked to.
    ///
    /// Nothing here makes a topic by merely naming it.
    ///
    /// # Errors
    /// No broker answers within 10 s; the topic is missing and not to be made, or there with another
    /// number of partitions; or it would refuse such event times, or delete them without a word.
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

    /// The same without creating anything; nothing of a topic that is missing and may be created.
    ///
    /// # Errors
    /// As `prepare`.
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

    /// The topic, if it exists and has the wanted size; else how it is created.
    fn find(&self, client: &Client, wanted: &Wanted) -> Result<Found, OutputError> {
        let topics = self.topics(client)?;
        match (topics.iter().find(|topic| topic.name == self.topic()), wanted.create) {
            (Some(topic), create) => self.fitting(topic, create).map(Found::Topic),
            (None, Some(create)) => Ok(Found::Nothing(create)),
            (None, None) => Err(self.missing(&topics)),
        }
    }

    /// The partitions of a topic that exists, if they are as many as are wanted.
    fn fitting(&self, topic: &Topic, create: Option<Partitions>) -> Result<u32, OutputError> {
        match create {
            Some(Partitions::Count(wanted)) if topic.partitions != wanted => {
                Err(self.of_another_size(topic, wanted))
            }
            _ => Ok(topic.partitions),
        }
    }

    /// Takes in a topic's settings, and whether it can hold what is sent.
    fn judged(
        &self,
        asker: &Asker,
        client: &Client,
        wanted: &Wanted,
        prepared: Prepared,
    ) -> Result<Prepared, OutputError> {
        let topic = ResourceSpecifier::Topic(self.topic());
        let told = asker.describe(client, OUTER_DEADLINE, &topic).and_then(|told| told);
        let settings = told.map(|told| TopicSettings::read(&told));
        let batch_bytes = settings.as_ref().ok().and_then(|settings| settings.max_message_bytes);
        let ahead = settings.as_ref().ok().and_then(TopicSettings::ahead);
        let warnings = judge(self.topic(), settings, wanted)?;
        Ok(Prepared { batch_bytes, ahead, warnings, ..prepared })
    }

    /// How many partitions the topic has, if it is there.
    pub(super) fn partitions(&self) -> Result<Option<u32>, OutputError> {
        let topics = self.topics(&open(&settings(self))?)?;
        Ok(topics.iter().find(|topic| topic.name == self.topic()).map(|topic| topic.partitions))
    }

    /// All topics: a query that names one can create it.
    fn topics(&self, client: &Client) -> Result<Vec<Topic>, OutputError> {
        let mut tries = 0;
        let metadata = loop {
            // In slices: what is final is told at once.
            if let Ok(metadata) = client.client().fetch_metadata(None, DEADLINE / SLICES) {
                break metadata;
            }
            client.poll(POLL);
            tries += 1;
            let listener = client.context();
            if let Some(reason) = listener.final_error() {
                let help = "check user, password and certificates in `-X` and `--kafka-config`".into();
                return Err(failure(format!("`{}` lets nobody in: {reason}", self.brokers()), [help]));
            }
            if tries == SLICES {
                let silence = || format!("silence for {} s", DEADLINE.as_secs());
                let reason = listener.last_error().unwrap_or_else(silence);
                let help = "check host and port, and that the broker is up".into();
                return Err(failure(format!("no broker answers at `{}`: {reason}", self.brokers()), [help]));
            }
        };
        let topics = metadata.topics().iter();
        // One without partitions is being made, or deleted.
        Ok(topics
            .filter(|topic| !topic.partitions().is_empty())
            .map(|topic| Topic { name: topic.name().into(), partitions: topic.partitions().len() as u32 })
            .collect())
    }

    /// Creates the topic, unless another run has done so meanwhile; gives how many partitions it has, and whether it
    /// is new.
    fn create(
        &self,
        asker: &Asker,
        client: &Client,
        create: Partitions,
        wanted: &Wanted,
    ) -> Result<(u32, bool), OutputError> {
        let count = count_of(create)?;
        // −1: as many replicas as the broker's default says.
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
            .and_then(|results| results.into_iter().next().ok_or_else(|| "an empty answer".into()))
            .and_then(|result| match result {
                Ok(_) => Ok(true),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(false),
                Err((_, code)) => Err(code_in_words(code)),
            });
        let is_new = created
            .map_err(|reason| failure(format!("cannot create topic `{}`: {reason}", self.topic()), []))?;
        // The controller has it now; the broker that is asked learns of it a moment later.
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
            true => failure(format!("topic `{topic}` was created but does not appear"), [again]),
            false => failure(
                format!("topic `{topic}` exists already, but its brokers do not list it"),
                ["its user may not see it: it needs Describe and Write on the topic".into(), again],
            ),
        })
    }

    fn missing(&self, topics: &[Topic]) -> OutputError {
        let (name, brokers) = (self.topic(), self.brokers());
        let distance = |topic: &Topic| strsim::osa_distance(name, &topic.name);
        let near = topics.iter().map(|topic| (distance(topic), topic.name.as_str())).min();
        let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4 && *distance < name.len());
        let mut help = vec![format!("`--create-topic {PARTITIONS}` makes it, with {PARTITIONS} partitions")];
        if self.has_setting("security.protocol") {
            help.push("or its user may not see it: it needs Describe and Write on the topic".into());
        }
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

/// What a look for a topic found.
enum Found {
    /// It exists, with so many partitions.
    Topic(u32),
    /// It is missing, and created like this.
    Nothing(Partitions),
}

/// The partitions of a new topic; −1 for as many as its broker makes by default.
fn count_of(create: Partitions) -> Result<i32, OutputError> {
    let (Partitions::Count(count) | Partitions::IfMissing(count)) = create else { return Ok(-1) };
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
        let help = format!("write `--create-topic {PARTITIONS}`");
        failure(format!("a topic cannot have {count} partitions"), [help])
    })
}

/// A topic as the cluster lists it.
struct Topic {
    name: String,
    partitions: u32,
}
