//! The events of a run, such as a created topic or an unreachable broker, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::time::{SimTime, Span};

/// Something that happens while records are sent. `Display` writes it for people, `to_json` as a line for scripts.
///
/// `docs/json.md` documents every key; a test compares the two.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All outputs are open; the first record comes next.
    Start {
        /// The id for `--resume=ID`; `None` if no output is a topic.
        run_id: Option<String>,
        /// The topics that records and labels are sent to.
        topics: Vec<Topic>,
        /// The event time of the first record that is sent; `None` if it is not known.
        first_event: Option<SimTime>,
        /// Whether this run continues an earlier one.
        resumed: bool,
        /// Whether `--resume` can continue the run.
        resumable: bool,
    },
    /// A topic was missing and was created.
    Created(Topic),
    /// The progress of the run.
    Progress {
        /// The number of records sent so far.
        rows: u64,
        /// The event time of the last record sent.
        event_time: SimTime,
        /// The number of records that the outputs have acknowledged; `None` if no output acknowledges records.
        acknowledged: Option<u64>,
        /// How late the last record was sent; `None` without a pace.
        lag: Option<Duration>,
    },
    /// A broker does not answer.
    Away {
        /// How long the run waits for the broker.
        waiting: Duration,
        /// The problem that the Kafka client reported.
        reason: String,
    },
    /// The broker answers again.
    Back {
        /// How long the broker was unavailable.
        away: Duration,
    },
    /// The user requested a stop, and some records are still in flight.
    Stopping {
        /// How long the run waits for these records.
        within: Duration,
    },
    /// Something that the user should know.
    Warning(String),
    /// The error that the program ends with.
    Error(ErrorEvent),
    /// The run has ended. Contains its summary.
    End(Value),
}

/// A topic that a run sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The name of the topic.
    pub name: String,
    /// The number of partitions.
    pub partitions: u32,
    /// What the run sends to the topic.
    pub holds: Holds,
}

/// What an output contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    /// Records, with or without labels next to them.
    #[default]
    Records,
    /// Only labels.
    Labels,
}

impl Holds {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Holds::Records => "records",
            Holds::Labels => "labels",
        }
    }
}

/// An error, with the details that scripts need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorEvent {
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: Vec<String>,
    /// The number of the first record that no broker acknowledged, if a record is missing.
    pub first_missing: Option<u64>,
    /// The program's exit status.
    pub exit_status: u8,
    /// Each mistake in a scenario, with its position.
    pub found: Vec<Value>,
}

/// Receives events as they happen.
pub type EventListener = fn(&Event);

impl Event {
    /// Returns the event as one JSON object. As text it contains no line break.
    pub fn to_json(&self) -> Value {
        match self {
            Event::Start { run_id, topics, first_event, resumed, resumable } => {
                let records = topics.iter().find(|topic| topic.holds == Holds::Records);
                json!({
                    "event": "start",
                    "run_id": run_id,
                    "topic": records.map(|topic| &topic.name),
                    "partitions": records.map(|topic| topic.partitions),
                    "topics": topics.iter().map(Topic::to_json).collect::<Vec<_>>(),
                    "first_event": first_event.map(|moment| moment.to_string()),
                    "resumed": resumed,
                    "resumable": resumable,
                })
            }
            Event::Created(topic) => {
                json!({"event": "created", "topic": topic.name, "partitions": topic.partitions})
            }
            Event::Progress { rows, event_time, acknowledged, lag } => json!({
                "event": "progress",
                "rows": rows,
                "event_time": event_time.to_string(),
                "acknowledged": acknowledged,
                "lag_ms": lag.map(ms),
            }),
            Event::Away { waiting, reason } => {
                json!({"event": "away", "waiting_ms": ms(*waiting), "reason": reason})
            }
            Event::Back { away } => json!({"event": "back", "away_ms": ms(*away)}),
            Event::Stopping { within } => json!({"event": "stopping", "within_ms": ms(*within)}),
            Event::Warning(message) => json!({"event": "warning", "message": message}),
            Event::Error(error) => error.to_json(),
            Event::End(summary) => {
                let mut end = json!({"event": "end"});
                if let (Some(end), Some(summary)) = (end.as_object_mut(), summary.as_object()) {
                    end.extend(summary.clone());
                }
                end
            }
        }
    }
}

impl Topic {
    fn to_json(&self) -> Value {
        json!({"topic": self.name, "partitions": self.partitions, "holds": self.holds.name()})
    }
}

impl ErrorEvent {
    fn to_json(&self) -> Value {
        json!({
            "event": "error",
            "message": self.message,
            "help": self.help,
            "first_missing": self.first_missing,
            "exit_status": self.exit_status,
            "found": self.found,
        })
    }
}

/// Writes the event for people. `Progress` and `End` write nothing: a progress bar and a line for each output show
/// them. A `Start` without a run id writes nothing either.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Start { run_id: None, .. } | Event::Progress { .. } | Event::End(_) => Ok(()),
            Event::Start { run_id: Some(id), first_event, resumed: true, .. } => {
                write!(f, "run {id} resumes")?;
                first_event.map_or(Ok(()), |moment| write!(f, " at {moment}"))
            }
            Event::Start { run_id: Some(id), resumable: true, .. } => {
                write!(
                    f,
                    "run {id}: if it is interrupted, run the same command with `--resume={id}` to continue it"
                )
            }
            Event::Start { run_id: Some(id), .. } => write!(f, "run {id}"),
            Event::Created(Topic { name, partitions, .. }) => {
                write!(f, "created topic `{name}` with {partitions} partition")?;
                f.write_str(if *partitions == 1 { "" } else { "s" })
            }
            Event::Away { waiting, reason } => {
                write!(f, "broker not responding, waiting up to {}: {reason}", span(*waiting))
            }
            Event::Back { away } => write!(f, "broker responding again after {}", span(*away)),
            Event::Stopping { within } => {
                let seconds = within.as_secs_f64().round();
                write!(f, "stopping, waiting up to {seconds} s for records in flight")
            }
            Event::Warning(message) => write!(f, "warning: {message}"),
            Event::Error(ErrorEvent { message, help, .. }) => {
                write!(f, "error: {message}")?;
                help.iter().try_for_each(|help| write!(f, "\n  = help: {help}"))
            }
        }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn span(time: Duration) -> Span {
    Span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// One event of each variant.
    fn all() -> Vec<Event> {
        let (topic, moment) = (Topic { name: "t".into(), partitions: 6, holds: Holds::Records }, SimTime(0));
        let time = Duration::from_millis(12_500);
        let start = Event::Start {
            run_id: Some("ID".into()),
            topics: vec![topic.clone()],
            first_event: Some(moment),
            resumed: false,
            resumable: true,
        };
        vec![
            start,
            Event::Created(topic),
            Event::Progress { rows: 1, event_time: moment, acknowledged: Some(1), lag: Some(time) },
            Event::Away { waiting: time, reason: "connection refused".into() },
            Event::Back { away: time },
            Event::Stopping { within: Duration::from_secs(10) },
            Event::Warning("w".into()),
            Event::Error(ErrorEvent { message: "m".into(), help: vec!["h".into()], ..ErrorEvent::default() }),
            Event::End(json!({"run": null})),
        ]
    }

    /// Returns the position of an event in `all`. A new variant does not compile until it has a position here.
    fn number(event: &Event) -> usize {
        match event {
            Event::Start { .. } => 0,
            Event::Created(_) => 1,
            Event::Progress { .. } => 2,
            Event::Away { .. } => 3,
            Event::Back { .. } => 4,
            Event::Stopping { .. } => 5,
            Event::Warning(_) => 6,
            Event::Error(_) => 7,
            Event::End(_) => 8,
        }
    }

    #[test]
    fn each_event_and_key_is_documented_and_no_other() {
        let page = include_str!("../../docs/json.md");
        let mut documented: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut event = None;
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("### `") {
                event = name.strip_suffix('`');
            } else if line.starts_with("## ") {
                event = None;
            } else if let (Some(event), Some(row)) = (event, line.strip_prefix("| `")) {
                documented.entry(event).or_default().extend(row.split('`').next());
            }
        }
        assert_eq!(documented.len(), all().len(), "{:?}", documented.keys());
        for (place, event) in all().iter().enumerate() {
            assert_eq!(number(event), place);
            let json = event.to_json();
            let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
            let mut keys: Vec<&str> = keys.into_iter().filter(|key| *key != "event").collect();
            keys.sort_unstable();
            let name = json["event"].as_str().unwrap();
            let mut documented = documented[name].clone();
            documented.sort_unstable();
            // `tests/events.rs` compares the keys of `end` with those of a run's summary.
            if name != "end" {
                assert_eq!(documented, keys, "{name}");
            }
            assert!(!json.to_string().contains('\n'));
        }
    }

    #[test]
    fn people_read_words() {
        let words: Vec<String> =
            all().iter().map(Event::to_string).filter(|words| !words.is_empty()).collect();
        assert_eq!(
            words,
            [
                "run ID: if it is interrupted, run the same command with `--resume=ID` to continue it",
                "created topic `t` with 6 partitions",
                "broker not responding, waiting up to 12s500ms: connection refused",
                "broker responding again after 12s500ms",
                "stopping, waiting up to 10 s for records in flight",
                "warning: w",
                "error: m\n  = help: h",
            ]
        );
    }
}
