//! Finds what a run that is resumed with `--resume` still has to send.

#[cfg(feature = "kafka")]
use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "kafka")]
use std::sync::atomic::Ordering;
#[cfg(feature = "kafka")]
use std::time::Duration;

use serde_json::json;

use super::status::Failure;
#[cfg(feature = "kafka")]
use super::status::Outcome;
use super::{Summary, Words};
#[cfg(feature = "kafka")]
use crate::output::{
    Event, KafkaTarget, Lease, Leased, OutputError, Place, RecordDigest, RunId, Sent, Sequence, Tail,
};
#[cfg(feature = "kafka")]
use crate::replay::Replay;
#[cfg(feature = "kafka")]
use crate::run::RunError;
use crate::run::{OpenOptions, Run, Target};
#[cfg(feature = "kafka")]
use crate::scenario::count;
#[cfg(feature = "kafka")]
use crate::time::{SimTime, Span};

/// How long a topic is watched before a run continues. At any usual pace, this is enough to notice a process that
/// writes without a lease, as older versions do.
#[cfg(feature = "kafka")]
const WATCHED: Duration = Duration::from_secs(1);

/// The minimum of this time if leases cannot be read. It is two ticks if they are longer.
#[cfg(feature = "kafka")]
const WATCHED_WITHOUT_LEASE: Duration = Duration::from_secs(5);

/// The maximum of this time, for the slowest paces.
#[cfg(feature = "kafka")]
const WATCHED_AT_MOST: Duration = Duration::from_secs(30);

/// Something that can be sent to a topic and resumed there.
#[cfg(feature = "kafka")]
pub(super) trait Resumable: Sent<Error: Into<Failure>> {
    /// Returns the sequence of its records in a topic.
    fn sequence_in(&self, target: &KafkaTarget) -> Sequence;

    /// Returns the event time from one tick to the next.
    fn tick(&self) -> Span;

    /// Continues after `tail`. Returns whether anything is left.
    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure>;
}

/// A run, and a function that plans it for the moment at which it began.
pub(super) struct Planned<F> {
    pub(super) run: Run,
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only topics are resumed in"))]
    pub(super) again: F,
}

#[cfg(feature = "kafka")]
impl<F: Fn(SimTime) -> Result<Run, Failure>> Sent for Planned<F> {
    type Error = Failure;

    fn becomes(&mut self, run: RunId) -> Result<bool, Failure> {
        // Plan the run for the moment in its id: `now` meant that moment. An invented id can contain any moment,
        // even one that has no plan.
        let Ok(begun) = (self.again)(run.moment()) else { return Ok(false) };
        self.run = begun;
        Ok(true)
    }

    fn partitions(&mut self, count: u32) -> Result<BTreeSet<u32>, Failure> {
        Ok(self.run.partitions(count))
    }

    fn places(&mut self, rows: &BTreeSet<u64>, partitions: u32) -> Result<BTreeMap<u64, Place>, Failure> {
        Ok(self.run.places(rows, partitions))
    }

    fn digests(&mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, RecordDigest>, Failure> {
        Ok(self.run.digests(rows))
    }
}

#[cfg(feature = "kafka")]
impl<F: Fn(SimTime) -> Result<Run, Failure>> Resumable for Planned<F> {
    fn sequence_in(&self, target: &KafkaTarget) -> Sequence {
        self.run.sequence_in(target)
    }

    fn tick(&self) -> Span {
        self.run.plan().clock().step()
    }

    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure> {
        let Some(left) = (self.again)(tail.id().moment())?.after(tail, has_labels) else { return Ok(false) };
        self.run = left;
        Ok(true)
    }
}

#[cfg(feature = "kafka")]
impl Resumable for Replay {
    fn sequence_in(&self, target: &KafkaTarget) -> Sequence {
        Replay::sequence_in(self, target)
    }

    fn tick(&self) -> Span {
        Replay::tick(self)
    }

    fn resume(&mut self, tail: &Tail, has_labels: bool) -> Result<bool, Failure> {
        Ok(Replay::resume(self, tail, has_labels)?)
    }
}

#[cfg(feature = "kafka")]
impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        RunError::from(error).into()
    }
}

/// Reduces a run or a replay to what its only topic does not have yet. An empty `id` means the newest run. Returns the
/// id of a run that is complete.
#[cfg(feature = "kafka")]
pub(super) fn rest(
    of: &mut impl Resumable,
    id: &str,
    targets: &[Target],
    options: &mut OpenOptions,
) -> Result<Option<String>, Failure> {
    let (target, id) = place(id, targets)?;
    let has_labels = options.labels_topic.is_some();
    let sequence = of.sequence_in(target);
    let stop = options.stop.clone();
    let look =
        |of: &mut _, id, quiet| target.tail(sequence, id, of, (quiet, stop.as_ref())).map_err(Into::into);
    let Some(mut tail) = look(of, id, Duration::ZERO)? else { return Ok(None) };
    let mut is_left = of.resume(&tail, has_labels)?;
    // The complete run may be an older one that was resumed by its id later. A newer one may be incomplete.
    if !is_left
        && id.is_none()
        && let Some(newer) = target.newer_than(sequence, tail.id(), of).map_err(Into::into)?
    {
        is_left = of.resume(&newer, has_labels)?;
        tail = newer;
    }
    if is_left {
        let (lease, quiet) = leased(target, tail.id(), options, of.tick())?;
        // The process that had the lease before may have sent more in the meantime.
        let again = look(of, Some(tail.id()), quiet).and_then(|its_tail| {
            check_stop(options)?;
            let its_tail = its_tail.unwrap_or(tail);
            Ok((of.resume(&its_tail, has_labels)?, its_tail))
        });
        match again {
            Ok((true, _)) => options.lease = lease,
            _ => lease.iter().for_each(Lease::end),
        }
        (is_left, tail) = again?;
    }
    if let (Some(on_event), true) = (options.on_event, tail.ignored > 0) {
        on_event(&Event::Warning(format!(
            "ignored {} in the topic with the id of run {}: they are copies, or differ from the run",
            count(tail.ignored, "record"),
            tail.id()
        )));
    }
    let whole = (!is_left).then(|| tail.id().to_string());
    options.resume = Some(tail);
    Ok(whole)
}

/// Takes the lease of a run. Returns it, and how long to watch its topic for another writer before the run continues.
#[cfg(feature = "kafka")]
fn leased(
    target: &KafkaTarget,
    id: RunId,
    options: &OpenOptions,
    tick: Span,
) -> Result<(Option<Lease>, Duration), Failure> {
    let taken = Lease::take(target, id, options.on_event, options.stop.as_ref()).map_err(RunError::from)?;
    match taken {
        Leased::Held(lease) => Ok((Some(lease), WATCHED)),
        Leased::Stopped => check_stop(options).map(|()| (None, WATCHED)),
        Leased::Unknown(reason) => {
            let ticks = options.pace.takes(tick).0.max(0) as u64;
            let quiet = Duration::from_millis(ticks.saturating_mul(2));
            let quiet = quiet.clamp(WATCHED_WITHOUT_LEASE, WATCHED_AT_MOST);
            if let Some(on_event) = options.on_event {
                on_event(&Event::Warning(format!(
                    "cannot determine whether another process sends run {id}: {reason}. reenact watches its topic \
                     for {} s instead; to avoid this, give the Kafka user the permission Read on the group \
                     `reenact-{id}`",
                    quiet.as_secs()
                )));
            }
            Ok((None, quiet))
        }
    }
}

/// Returns an error if the user asked to stop. Nothing was sent yet.
#[cfg(feature = "kafka")]
fn check_stop(options: &OpenOptions) -> Result<(), Failure> {
    let signal = options.stop.as_ref().map_or(0, |stop| stop.load(Ordering::Relaxed));
    if signal == 0 {
        return Ok(());
    }
    let help = "nothing was sent: run the same command to resume the run";
    Err(Failure::output("stopped before the run was resumed", help).with(Outcome::Stopped(signal as u8)))
}

/// Reports that nothing is left of a run.
pub(super) fn nothing_left(id: &str, words: Words) -> Result<(), Failure> {
    words.say(format_args!("nothing to resume: run {id} is complete"));
    words.end(Summary::Stdout, || json!({ "run": id, "outputs": [], "stopped_at": null }))
}

/// Returns the only topic, and the run in it.
#[cfg(feature = "kafka")]
fn place<'a>(id: &str, targets: &'a [Target]) -> Result<(&'a KafkaTarget, Option<RunId>), Failure> {
    let [target] = targets else { return Err(elsewhere()) };
    let Some(target) = target.topic() else { return Err(elsewhere()) };
    if target.is_by_type() {
        let message = "`--resume` requires a single topic, but `{type}` means one for each record type";
        let help = "send the run again from its start, or name one topic for all record types";
        return Err(Failure::input(message, help));
    }
    if let Some(key) = target.unsafe_setting() {
        let message = format!(
            "`--resume` requires the default `{key}`: with another value, the order of records in a partition \
             cannot be determined"
        );
        return Err(Failure::input(message, "omit that setting, and send the run again from its start"));
    }
    if id.is_empty() {
        return Ok((target, None));
    }
    let id = id.parse().map_err(|error: String| {
        Failure::input(
            error,
            "write the id that reenact printed when the run began, or only `--resume` for the newest run",
        )
    })?;
    Ok((target, Some(id)))
}

/// Whether a run or a replay with these outputs can be resumed.
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
        "`--resume` requires a topic as the only output",
        "write `--out kafka:BROKERS/TOPIC`; files and datasets are complete or not written at all",
    )
}
