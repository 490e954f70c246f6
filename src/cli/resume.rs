//! What `--resume` leaves to be sent.

use super::Words;
use super::status::Failure;
#[cfg(feature = "kafka")]
use crate::output::{KafkaTarget, RunId};
use crate::replay::Replay;
use crate::run::{OpenOptions, Run, Target};
use crate::time::SimTime;

/// The rest of a run that was sent before to the one topic among its outputs; none if nothing is missing.
/// An empty `id` stands for the newest run. `again` plans the run for the moment at which it began.
#[cfg(feature = "kafka")]
pub(super) fn rest(
    run: Run,
    again: impl Fn(SimTime) -> Result<Run, Failure>,
    id: &str,
    targets: &[Target],
    options: &mut OpenOptions,
    words: Words,
) -> Result<Option<Run>, Failure> {
    let (target, id) = place(id, targets)?;
    let has_labels = options.labels_topic.is_some();
    let Some(mut tail) = run.tail(target, id)? else { return Ok(Some(run)) };
    // What started or was moved to now, did so then.
    let mut left = again(tail.id().moment())?.after(&tail, has_labels);
    // What is whole may be an older one that was resumed by its id later.
    if let (None, None, Some(newer)) = (&left, id, run.newer_than(target, tail.id())?)
        && let Some(its_tail) = run.tail(target, Some(newer))?
    {
        left = again(newer.moment())?.after(&its_tail, has_labels);
        tail = its_tail;
    }
    let Some(run) = left else {
        words.say(format_args!("nothing to resume: run {} is whole", tail.id()));
        return Ok(None);
    };
    options.resume = Some(tail);
    Ok(Some(run))
}

/// A replay that was sent before, as it began then, and how many of its rows are in the topic for sure. `again` opens
/// it for the moment at which it began.
#[cfg(feature = "kafka")]
pub(super) fn rest_of_replay(
    replay: Replay,
    again: impl FnOnce(SimTime) -> Result<Replay, Failure>,
    id: &str,
    targets: &[Target],
    options: &mut OpenOptions,
) -> Result<(Replay, u64), Failure> {
    let (target, id) = place(id, targets)?;
    let Some(tail) = replay.about().tail(target, id)? else { return Ok((replay, 0)) };
    let there = tail.first_row();
    let replay = again(tail.id().moment())?;
    options.resume = Some(tail);
    Ok((replay, there))
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
pub(super) fn rest(
    _: Run,
    _: impl Fn(SimTime) -> Result<Run, Failure>,
    _: &str,
    _: &[Target],
    _: &mut OpenOptions,
    _: Words,
) -> Result<Option<Run>, Failure> {
    Err(elsewhere())
}

#[cfg(not(feature = "kafka"))]
pub(super) fn rest_of_replay(
    _: Replay,
    _: impl FnOnce(SimTime) -> Result<Replay, Failure>,
    _: &str,
    _: &[Target],
    _: &mut OpenOptions,
) -> Result<(Replay, u64), Failure> {
    Err(elsewhere())
}

fn elsewhere() -> Failure {
    Failure::input(
        "`--resume` goes on in a topic, and needs it as its only output",
        "write `--out kafka:BROKERS/TOPIC`; files and datasets are whole or not there at all",
    )
}
