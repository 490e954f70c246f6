use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::time::{SimTime, Span};

/// What happens while records are sent: `Display` gives the words for people, `to_json` a line for scripts.
///
/// `docs/json.md` documents every key; a test compares the two.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All outputs are open; the first record comes next.
    Start {
        /// The id that `--resume=ID` takes; none without a topic.
        run_id: Option<String>,
        /// Where records and labels go.
        topics: Vec<Topic>,
        /// The event time of the first record that is sent; none where it is not known.
        first_event: Option<SimTime>,
        /// Whether a part of the run was sent before.
        resumed: bool,
        /// Whether `--resume` can continue it.
        resumable: bool,
    },
    /// A topic was missing and was created.
    Created(Topic),
    /// How far the run is.
    Progress {
        /// Records that have left.
        rows: u64,
        /// The event time of the last of them.
        event_time: SimTime,
        /// Records that an output has acknowledged; none if no output does.
        acknowledged: Option<u64>,
        /// How late the last one left; none without a pace.
        lag: Option<Duration>,
    },
    /// A broker does not answer.
    Away {
        /// How long it is waited for.
        waiting: Duration,
        /// What the client complained of.
        reason: String,
    },
    /// It answers again.
    Back {
        /// How long it was away.
        away: Duration,
    },
    /// The user asked to stop, and records are still on their way.
    Stopping {
        /// How long they have to arrive.
        within: Duration,
    },
    /// Something that the user should know.
    Warning(String),
    /// Why the program did not do what it was asked.
    Error(ErrorEvent),
    /// The run has ended: its summary.
    End(Value),
}

/// A topic that a run sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// What is sent to it.
    pub holds: Holds,
}

/// What an output holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    /// Records, with or without labels next to them.
    #[default]
    Records,
    /// Labels alone.
    Labels,
}

impl Holds {
    /// The word for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Holds::Records => "records",
            Holds::Labels => "labels",
        }
    }
}

/// An error, as scripts want it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorEvent {
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: Vec<String>,
    /// The number of the first record that no broker acknowledged, where one is missing.
    pub first_missing: Option<u64>,
    /// The program's exit status.
    pub exit_status: u8,
    /// Each mistake of a scenario, with its place.
    pub found: Vec<Value>,
}

/// Hears events as they happen.
pub type Tell = fn(&Event);

impl Event {
    /// One object; as text it has no line break.
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

/// What people read. A bar shows progress to them, and each output has a line at the end: these two have no words here.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Start { run_id: None, .. } | Event::Progress { .. } | Event::End(_) => Ok(()),
            Event::Start { run_id: Some(id), first_event, resumed: true, .. } => {
                write!(f, "run {id} goes on")?;
                first_event.map_or(Ok(()), |moment| write!(f, " at {moment}"))
            }
            Event::Start { run_id: Some(id), resumable: true, .. } => {
                write!(f, "run {id}: if it is cut off, the same command with `--resume={id}` goes on")
            }
            Event::Start { run_id: Some(id), .. } => write!(f, "run {id}"),
            Event::Created(Topic { name, partitions, .. }) => {
                write!(f, "created topic `{name}` with {partitions} partition")?;
                f.write_str(if *partitions == 1 { "" } else { "s" })
            }
            Event::Away { waiting, reason } => {
                write!(f, "broker away, waiting for {} at most: {reason}", span(*waiting))
            }
            Event::Back { away } => write!(f, "broker back after {}", span(*away)),
            Event::Stopping { within } => {
                let seconds = within.as_secs_f64().round();
                write!(f, "stopping, waiting up to {seconds} s for what is on its way")
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

    /// One of each.
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

    /// How many events there are: a new one does not compile without a place here.
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
            // The keys of a summary are those of a run: `tests/events.rs` compares them.
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
                "run ID: if it is cut off, the same command with `--resume=ID` goes on",
                "created topic `t` with 6 partitions",
                "broker away, waiting for 12s500ms at most: connection refused",
                "broker back after 12s500ms",
                "stopping, waiting up to 10 s for what is on its way",
                "warning: w",
                "error: m\n  = help: h",
            ]
        );
    }
}
