//! A run holds a lease while it is sent, so that no two processes send it at the same time.
//!
//! The lease is membership in a consumer group named after the run. A process that resumes a run first lists the
//! members, and waits until the session of a killed process has ended. Then it joins the group and lists again. If two
//! processes joined, the later one yields. A run yields only if a list contains another member, and never because the
//! coordinator does not answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::claims::FARTHEST;
use super::client::{IN_FLIGHT, POLL, failure};
use super::error_text::{is_forbidden, why};
use super::headers::{Index, RunId, Stamp};
use super::keeper::{Known, keep};
use super::member::{Group, Member};
use super::scan::{LOOK, PATIENCE, Reader};
use super::sink::KafkaSink;
use super::target::KafkaTarget;
use crate::output::{Event, EventListener, OutputError, Stop, is_asked};
use crate::pace;
use crate::threads;
use crate::time::SimTime;

/// How long one list of members may take.
const COORDINATOR: Duration = Duration::from_secs(5);

/// How long joining the group may take. Brokers delay the first rebalance of a new group by 3 s by default.
const JOIN: Duration = Duration::from_secs(10);

/// A killed process has left the group this long after the group last changed: its session of 6 s, plus 1 s for the
/// broker.
const GONE: Duration = Duration::from_secs(7);

/// The longest wait for a killed process to leave the group, even if the group keeps changing.
const GONE_AT_MOST: Duration = Duration::from_secs(20);

/// The time between two lists.
const AGAIN: Duration = Duration::from_millis(250);

/// The time between two requests to a topic that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How long a run waits for a list of members after it was suspended for longer than its session.
const UNSURE: Duration = Duration::from_secs(10);

/// Membership in a run's group. Clones are the same lease.
///
/// [`Lease::end`] ends it. Otherwise it ends when its last clone is dropped, without waiting for the group. If the
/// process then exits at once, it stays in the group until its session ends.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Held>);

#[derive(Debug)]
struct Held {
    run: RunId,
    known: Arc<Known>,
}

/// The result of asking for the lease of a run to resume.
#[derive(Debug)]
pub enum Leased {
    /// This process holds it, and no other one is in the group.
    Held(Lease),
    /// There is no lease, with the reason. The caller should watch the topic for another writer instead.
    Unknown(String),
    /// The user asked to stop before the lease was held.
    Stopped,
}

/// What a sink knows about the time in which no other process can have sent its run.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// How many doubts about the session the topic has resolved.
    answered: u64,
    /// By partition, the last offset that was acknowledged before the first unresolved doubt.
    pub(super) reached: BTreeMap<u32, i64>,
    /// When the sink last asked the topic without an answer.
    asked: Option<Instant>,
}

/// How a wait for the members of a group ends.
enum Waited {
    /// No process is in it.
    Empty,
    /// Its members cannot be listed, with the reason.
    Unknown(String),
    /// The user asked to stop.
    Stopped,
}

impl Lease {
    /// Joins the group of a new run in the background.
    pub fn begin(target: &KafkaTarget, run: RunId) -> Lease {
        Lease::join(target, run, run.moment())
    }

    fn join(target: &KafkaTarget, run: RunId, since: SimTime) -> Lease {
        let known = Arc::new(Known::new());
        let (group, me) = (Group::of(run), Member::of_this_process(since));
        let (target, keeper_s) = (target.clone(), Arc::clone(&known));
        if let Err(error) = threads::apart(move || keep(&target, group, me, &keeper_s)) {
            known.refuse(format!("cannot start a thread: {error}"));
        }
        Lease(Arc::new(Held { run, known }))
    }

    /// Takes the lease of a run that began earlier. `on_event` reports a wait, and `stop` ends it once it is not 0.
    ///
    /// # Errors
    /// If another process sends the run, or if the client does not start.
    pub fn take(
        target: &KafkaTarget,
        run: RunId,
        on_event: Option<EventListener>,
        stop: Option<&Stop>,
    ) -> Result<Leased, OutputError> {
        let reader = target.reader()?;
        match wait_for_the_dead(&reader, run, on_event, stop)? {
            Waited::Empty => {}
            Waited::Unknown(reason) => return Ok(Leased::Unknown(reason)),
            Waited::Stopped => return Ok(Leased::Stopped),
        }
        let lease = Lease::join(target, run, resumed_at(run, pace::now()));
        let begun = pace::wall();
        let taken = loop {
            if let Some(taken) = lease.judge(pace::wall() - begun) {
                break taken;
            }
            if is_asked(stop) {
                break Ok(Leased::Stopped);
            }
            lease.0.known.wait();
        };
        if !matches!(taken, Ok(Leased::Held(_))) {
            lease.end();
        }
        taken
    }

    /// Returns a lease that no thread keeps.
    #[cfg(test)]
    pub(super) fn unkept(run: RunId) -> (Lease, Arc<Known>) {
        let known = Arc::new(Known::new());
        (Lease(Arc::new(Held { run, known: Arc::clone(&known) })), known)
    }

    /// Returns the result of joining the group, `waited` after the join began. None if it is not known yet.
    fn judge(&self, waited: Duration) -> Option<Result<Leased, OutputError>> {
        let run = self.0.run;
        let view = self.0.known.view();
        if let Some(other) = &view.taken_by {
            return Some(Err(is_sent_by(run, other)));
        }
        if let Some(reason) = &view.refused {
            return Some(Ok(Leased::Unknown(reason.clone())));
        }
        if view.is_held && !view.has_later {
            return Some(Ok(Leased::Held(self.clone())));
        }
        if !view.is_held && waited >= JOIN {
            return Some(Ok(Leased::Unknown(format!(
                "no group coordinator answered for {} s",
                JOIN.as_secs()
            ))));
        }
        (waited >= JOIN + GONE_AT_MOST)
            .then(|| Err(refused(run, "another process is resuming it at the same time")))
    }

    /// Leaves the group, so that another process can resume the run at once. Waits up to 2 s for that. After a request
    /// to stop, waits no longer than the stop allows, but up to 0.2 s in any case.
    pub fn end(&self) {
        self.0.known.end();
    }

    /// Notes that the user asked to stop, and that the run must end by this moment.
    pub(super) fn hurry(&self, end: Instant) {
        self.0.known.hurry(end);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.known.ask_to_end();
    }
}

/// Returns the moment at which a process that resumes a run takes its lease.
///
/// This moment is later than the start of the run even if the clocks of the hosts differ. So the process that began
/// the run counts as the earlier one.
fn resumed_at(run: RunId, now: SimTime) -> SimTime {
    now.max(SimTime(run.moment().0 + 1))
}

/// Waits until the session of a killed process has ended.
fn wait_for_the_dead(
    reader: &Reader,
    run: RunId,
    on_event: Option<EventListener>,
    stop: Option<&Stop>,
) -> Result<Waited, OutputError> {
    let group = Group::of(run);
    let begun = pace::wall();
    let (mut settled, mut last_state) = (begun, String::new());
    let mut seen: Option<Member> = None;
    loop {
        if is_asked(stop) {
            return Ok(Waited::Stopped);
        }
        let listed = group.members(reader.client(), COORDINATOR);
        let now = pace::wall();
        let (members, state) = match (listed, &seen) {
            (Ok(listed), _) => listed,
            (Err(error), None) => return Ok(Waited::Unknown(why(&error))),
            // A member that was listed counts as a member while lists fail.
            (Err(_), Some(other)) if now - begun >= GONE_AT_MOST => return Err(is_sent_by(run, other)),
            (Err(_), Some(_)) => {
                let _ = reader.poll(AGAIN);
                continue;
            }
        };
        let Some(other) = members.into_iter().min() else { return Ok(Waited::Empty) };
        if state != last_state {
            (settled, last_state) = (now, state);
        }
        if now - settled >= GONE || now - begun >= GONE_AT_MOST {
            return Err(is_sent_by(run, &other));
        }
        if let (None, Some(on_event)) = (&seen, on_event) {
            let most = GONE_AT_MOST.as_secs();
            on_event(&Event::Warning(format!(
                "run {run} may still be sent by {other}: waiting up to {most} s for its session to end"
            )));
        }
        seen = Some(other);
        // The reader has no partitions, so this only waits.
        let _ = reader.poll(AGAIN);
    }
}

fn is_sent_by(run: RunId, other: &Member) -> OutputError {
    refused(run, &format!("it is being sent by {other}"))
}

fn refused(run: RunId, reason: &str) -> OutputError {
    let help = "stop the other process, or wait until it ends".into();
    failure(format!("cannot resume run {run}: {reason}"), [help])
}

impl KafkaSink {
    /// Fails if another process sends the run.
    ///
    /// If this process was suspended long enough for its session to end, this first waits until the members are listed
    /// again, up to 10 s.
    pub(super) fn check_lease(&mut self) -> Result<(), OutputError> {
        let Some(lease) = self.lease.clone() else { return Ok(()) };
        self.trust_until_doubt(&lease);
        let begun = pace::wall();
        let listed = loop {
            let (taken_by, is_unsure, listed) = {
                let view = lease.0.known.view();
                (view.taken_by.clone(), view.is_unsure(), view.listed)
            };
            if let Some(other) = taken_by {
                return Err(self.yields_to(lease.0.run, &other));
            }
            if !is_unsure || pace::wall() - begun >= UNSURE || self.is_stopped() {
                break listed;
            }
            self.client.poll(POLL);
        };
        let refused = lease.0.known.view().refusal_to_report();
        if let Some(reason) = refused {
            self.emit(&Event::Warning(unseen(&reason)));
        }
        let is_due = || self.trust.asked.is_none_or(|asked| pace::wall() - asked >= ASK_AGAIN);
        if listed > self.trust.answered && is_due() {
            match self.was_overtaken() {
                Some(true) => {
                    let run = lease.0.run;
                    return Err(
                        self.ends_for(&format!("another process has meanwhile sent more of run {run}"))
                    );
                }
                Some(false) => (self.trust.answered, self.trust.asked) = (listed, None),
                None => self.trust.asked = Some(pace::wall()),
            }
        }
        Ok(())
    }

    /// Notes the offsets that were acknowledged, unless the session may have ended.
    ///
    /// The client sends its queue as soon as its broker is back, before the sink can ask the topic. Records of this
    /// process may then follow those of another process.
    fn trust_until_doubt(&mut self, lease: &Lease) {
        // The offsets have to be read before the doubts.
        let reached = self.listener().reached();
        if lease.0.known.view().doubts == self.trust.answered {
            self.trust.reached = reached;
        }
    }

    /// Whether the topic has records of this run that this process has not sent yet, after the offsets that it trusts.
    /// Another process then resumed the run and has ended since.
    ///
    /// Offsets alone do not show this: records of this process can be in flight, or their acknowledgements were lost.
    /// Returns none if the topic does not answer in time, and false if the user may not read it. A request to stop
    /// shortens each wait.
    pub(super) fn was_overtaken(&mut self) -> Option<bool> {
        let reached = self.trust.reached.clone();
        if reached.is_empty() {
            return Some(false);
        }
        let mut is_overtaken = false;
        let begun = pace::wall();
        let looked = self.target.reader().and_then(|reader| {
            let limit = self.within(LOOK);
            let mut ends = self.target.ends(&reader, &reached.keys().copied().collect(), limit)?;
            for (partition, end) in &mut ends {
                end.low = end.low.max(reached[partition] + 1);
            }
            ends.retain(|_, end| end.low < end.high);
            let (stamp, last) = (self.stamp, self.last);
            self.target.read(&reader, &ends, FARTHEST, self.within(PATIENCE), |message| {
                is_overtaken |= Stamp::of(message) == Some(stamp) && Index::of(message) > last;
            })
        });
        self.heed_since(begun);
        match looked {
            Ok(()) => Some(is_overtaken),
            Err(error) if is_forbidden(&error.to_string()) => Some(false),
            Err(_) => None,
        }
    }

    fn yields_to(&self, run: RunId, other: &Member) -> OutputError {
        self.ends_for(&format!("run {run} is being sent by {other}"))
    }

    /// Returns the error of a run that yields. Drops the records that are not in flight yet.
    fn ends_for(&self, reason: &str) -> OutputError {
        let stopped = self.stop(IN_FLIGHT, reason);
        let help = "no action is needed: the other process sends the rest of the run".into();
        let (message, first_missing) = (stopped.to_string(), stopped.first_missing());
        OutputError::Yielded { message, first_missing, help: vec![help] }
    }
}

/// Returns the warning that there is no lease, with the reason.
pub(super) fn unseen(reason: &str) -> String {
    format!(
        "other processes cannot detect that this process sends the run: {reason}. Give the Kafka user the permission \
         Read on groups whose names begin with `reenact-`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::kafka::keeper::SESSION;

    #[test]
    fn a_dead_member_is_waited_for_longer_than_its_session() {
        assert!(GONE > SESSION);
    }

    #[test]
    fn the_process_that_begins_a_run_precedes_one_that_resumes_it() {
        let moment = SimTime(1_767_600_000_123);
        let run = RunId::new(moment);
        // The clock of the second host is an hour behind, correct, or an hour ahead.
        for late in [-3_600_000, 0, 3_600_000] {
            let resumed = resumed_at(run, SimTime(moment.0 + late));
            assert!(Member::of_this_process(run.moment()) < Member::of_this_process(resumed), "{late}");
        }
    }
}
