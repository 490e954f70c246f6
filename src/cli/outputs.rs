//! What the verbs that write have in common: `--out`, and the report about outputs at the end.

use serde_json::{Value, json};

use super::Words;
use super::status::Failure;
use crate::output::{Event, OutputError, Receipt, Topic};
use crate::run::{Opened, RunError};
use crate::scenario::count;
use crate::time::SimTime;

/// Returns what was written to each output, for scripts.
pub(super) fn outputs(receipts: &[Receipt]) -> Vec<Value> {
    let one = |receipt: &Receipt| {
        json!({
            "target": receipt.target, "holds": receipt.holds.name(), "rows": receipt.rows, "digest": receipt.digest, "notes": receipt.notes,
            "delivery": receipt.delivery.map(|delivery| json!({
                "sent": delivery.sent,
                "acknowledged": delivery.acknowledged,
                "already_there": delivery.already,
                "retried": delivery.retried,
                "waited_ms": delivery.waited.as_millis() as u64,
            })),
        })
    };
    receipts.iter().map(one).collect()
}

/// Prints what was written to each output.
pub(super) fn print_outputs(receipts: &[Receipt], words: Words) {
    for receipt in receipts.iter().filter(|receipt| receipt.target != "ndjson:-") {
        let delivery = receipt.delivery.map(|delivery| delivery.words());
        let notes: String = delivery.iter().chain(&receipt.notes).map(|note| format!(", {note}")).collect();
        words.say(format_args!("{}: {}{notes}", receipt.target, count(receipt.rows, "row")));
    }
}

/// How a run is identified in its outputs.
pub(super) struct Ids {
    /// Its id in its topic, if it has one.
    pub(super) in_topic: Option<String>,
    /// Whether it can be resumed there.
    can_resume: bool,
    /// Whether it has outputs that get their names only at the end.
    has_files: bool,
}

impl Ids {
    pub(super) fn of(opened: &Opened, can_resume: bool) -> Ids {
        #[cfg(feature = "kafka")]
        let in_topic = opened.run_id.map(|id| id.to_string());
        #[cfg(not(feature = "kafka"))]
        let in_topic = {
            let _ = opened;
            None
        };
        Ids { in_topic, can_resume, has_files: opened.has_files() }
    }

    /// Returns the event before the first record, with the event time of this record if it is known.
    pub(super) fn start(&self, topics: &[Topic], first_event: Option<SimTime>, resumed: bool) -> Event {
        Event::Start {
            run_id: self.in_topic.clone(),
            topics: topics.to_vec(),
            first_event,
            resumed,
            resumable: self.in_topic.is_some() && self.can_resume,
        }
    }

    /// Returns the failure for an error, with advice about what was written.
    pub(super) fn failed(&self, error: RunError) -> Failure {
        let is_unfinished = matches!(error, RunError::Output(OutputError::Unfinished { .. }));
        let is_unpublished = matches!(error, RunError::Output(_)) && self.has_files;
        let mut failure = Failure::from(error);
        if is_unpublished {
            failure = failure.advised("no file or dataset of this run was published".into());
        }
        match &self.in_topic {
            Some(id) if is_unfinished && self.can_resume => failure.advised(format!(
                "the acknowledged records are in the topic: run the same command with `--resume={id}` to send the rest"
            )),
            _ => failure,
        }
    }

    /// Prints that the run was stopped, and what was written.
    pub(super) fn print_stop(&self, moment: SimTime, is_stalled: bool, words: Words) {
        let what = match is_stalled {
            true => "the last row in a pipe may be incomplete, because its reader stopped reading",
            false => "everything that was written is complete",
        };
        let next = if self.can_resume { "; run the same command with `--resume` to continue" } else { "" };
        words.say(format_args!("stopped at {moment}; {what}{next}"));
    }
}
