//! What verbs that write have in common: `--out`, and what is told of it at the end.

use serde_json::{Value, json};

use super::Words;
use super::status::Failure;
use crate::output::Receipt;
use crate::run::{Opened, RunError, Target};
use crate::scenario::count;

/// What `--out` names; standard output where it names nothing.
pub(super) fn targets(outputs: &[String]) -> Result<Vec<Target>, RunError> {
    match outputs {
        [] => Ok(vec![Target::Stdout]),
        named => named.iter().map(|text| Target::parse(text)).collect(),
    }
}

/// Labels can be sent to a topic only where records are.
pub(super) fn check_labels_topic(topic: Option<&String>, targets: &[Target]) -> Result<(), Failure> {
    match topic {
        Some(topic) if targets.iter().all(|target| target.path().is_some()) => Err(Failure::input(
            format!("`--labels-topic {topic}` is for a run that goes to Kafka, and no output does"),
            "write `--out kafka:BROKERS/TOPIC`, or `--labels FILE`",
        )),
        _ => Ok(()),
    }
}

/// What was written where, for scripts.
pub(super) fn outputs(receipts: &[Receipt]) -> Vec<Value> {
    let one = |receipt: &Receipt| {
        json!({
            "target": receipt.target, "rows": receipt.rows, "digest": receipt.digest, "notes": receipt.notes,
        })
    };
    receipts.iter().map(one).collect()
}

/// What was written where.
pub(super) fn tell(receipts: &[Receipt], words: Words) {
    for receipt in receipts.iter().filter(|receipt| receipt.target != "ndjson:-") {
        let notes: String = receipt.notes.iter().map(|note| format!(", {note}")).collect();
        words.say(format_args!("{}: {}{notes}", receipt.target, count(receipt.rows, "row")));
    }
}

/// What a run is called where it goes.
pub(super) struct Ids {
    /// In its topic.
    pub(super) in_topic: Option<String>,
}

impl Ids {
    pub(super) fn of(opened: &Opened) -> Ids {
        #[cfg(feature = "kafka")]
        let in_topic = opened.run_id.map(|id| id.to_string());
        #[cfg(not(feature = "kafka"))]
        let in_topic = {
            let _ = opened;
            None
        };
        Ids { in_topic }
    }

    /// The end of a sentence about something that was stopped.
    pub(super) fn how_to_go_on(&self) -> &'static str {
        match self.in_topic {
            Some(_) => "; the same command with `--resume` goes on",
            None => "",
        }
    }
}
