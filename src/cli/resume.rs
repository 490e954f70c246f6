//! What `--resume` leaves to be sent.

use serde_json::json;

use super::status::Failure;
use super::{Summary, Words};
#[cfg(feature = "kafka")]
use crate::output::{KafkaTarget, RunId, Tail};
#[cfg(feature = "kafka")]
use crate::replay::Replay;
use crate::run::{OpenOptions, Run, Target};
#[cfg(feature = "kafka")]
use crate::time::SimTime;

/// What can be sent to a topic, and resumed there.
#[cfg(feature = "kafka")]
pub(super) trait Resumable {
    /// Where it ends in its topic: the newest of its runs, or this one.
    fn tail(&mut self, target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, Failure>;

    /// A newer run of it than this one, which lies behind it.
    fn newer_than(&self, target: &KafkaTarget, id: RunId) -> Result<Option<RunId>, Failure>;

    /// Goes on after that; whether anything is left.
    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure>;
}

/// A run, and how it is planned for the moment at which it began.
pub(super) struct Planned<F> {
    pub(super) run: Run,
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only topics are resumed in"))]
    pub(super) again: F,
}

#[cfg(feature = "kafka")]
impl<F: Fn(SimTime) -> Result<Run, Failure>> Resumable for Planned<F> {
    fn tail(&mut self, target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, Failure> {
        Ok(self.run.tail(target, id)?)
    }

    fn newer_than(&self, target: &KafkaTarget, id: RunId) -> Result<Option<RunId>, Failure> {
        Ok(self.run.newer_than(target, id)?)
    }

    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure> {
        // What started or was moved to now, did so then.
        let Some(left) = (self.again)(tail.id().moment())?.after(tail, has_labels) else { return Ok(false) };
        self.run = left;
        Ok(true)
    }
}

#[cfg(feature = "kafka")]
impl Resumable for Replay {
    fn tail(&mut self, target: &KafkaTarget, id: Option<RunId>) -> Result<Option<Tail>, Failure> {
        Ok(Replay::tail(self, target, id)?)
    }

    fn newer_than(&self, target: &KafkaTarget, id: RunId) -> Result<Option<RunId>, Failure> {
        Ok(Replay::newer_than(self, target, id)?)
    }

    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure> {
        Ok(Replay::resume(self, tail, has_labels)?)
    }
}

/// Turns what was sent before, to the one topic among its outputs, into its rest. An empty `id` stands for the newest
/// run. Gives the id of a run of which nothing is left.
#[cfg(feature = "kafka")]
pub(super) fn rest(
    of: &mut impl Resumable,
    id: &str,
    targets: &[Target],
    options: &mut OpenOptions,
) -> Result<Option<String>, Failure> {
    let (target, id) = place(id, targets)?;
    let has_labels = options.labels_topic.is_some();
    let Some(mut tail) = of.tail(target, id)? else { return Ok(None) };
    let mut is_left = of.resume(&tail, has_labels)?;
    // What is whole may be an older one that was resumed by its id later.
    if !is_left
        && id.is_none()
        && let Some(newer) = of.newer_than(target, tail.id())?
        && let Some(its_tail) = of.tail(target, Some(newer))?
    {
        is_left = of.resume(&its_tail, has_labels)?;
        tail = its_tail;
    }
    let whole = (!is_left).then(|| tail.id().to_string());
    options.resume = Some(tail);
    Ok(whole)
}

/// Says that nothing is left of a run.
pub(super) fn nothing_left(id: &str, words: Words) -> Result<(), Failure> {
    words.say(format_args!("nothing to resume: run {id} is whole"));
    words.tell(Summary::Stdout, || json!({ "run": id, "outputs": [], "stopped_at": null }))
}

/// The one topic, and the run in it.
#[cfg(feature = "kafka")]
fn place<'a>(id: &str, targets: &'a [Target]) -> Result<(&'a KafkaTarget, Option<RunId>), Failure> {
    let [Target::Kafka(target)] = targets else { return Err(elsewhere()) };
    if target.is_by_type() {
        let message = "`--resume` goes on in one topic, and `{type}` stands for several";
        return Err(Failure::input(message, "send the run anew, or name one topic for both record types"));
    }
    if let Some(key) = target.unsafe_setting() {
        let message = format!(
            "with another `{key}` nobody knows how a partition's records lie, and `--resume` can't go on"
        );
        return Err(Failure::input(message, "leave that setting out, and send the run anew"));
    }
    if id.is_empty() {
        return Ok((target, None));
    }
    let id = id.parse().map_err(|error: String| {
        Failure::input(
            error,
            "write the id that the run told when it began, or `--resume` for the newest run",
        )
    })?;
    Ok((target, Some(id)))
}

/// Whether what is sent to these outputs can be resumed.
#[cfg(feature = "kafka")]
pub(super) fn is_possible(targets: &[Target]) -> bool {
    place("", targets).is_ok()
}

#[cfg(not(feature = "kafka"))]
pub(super) fn is_possible(_: &[Target]) -> bool {
    false
}

#[cfg(not(feature = "kafka"))]
pub(super) fn rest<T>(
    _: &mut T,
    _: &str,
    _: &[Target],
    _: &mut OpenOptions,
) -> Result<Option<String>, Failure> {
    Err(elsewhere())
}

fn elsewhere() -> Failure {
    Failure::input(
        "`--resume` goes on in a topic, and needs it as its only output",
        "write `--out kafka:BROKERS/TOPIC`; files and datasets are whole or not there at all",
    )
}
