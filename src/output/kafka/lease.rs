//! A run holds a lease while it is sent, so that no two processes send it at once.
//!
//! The lease is membership in a group named after the run. Who wants to go on with a run lists the members first, waits
//! until the session of a killed one has ended, joins, and lists again: of two that joined, the later one yields. Only
//! another member that was seen ends a run; a coordinator that does not answer never does.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::producer::Producer as _;

use super::claims::FARTHEST;
use super::client::{IN_FLIGHT, POLL, failure};
use super::keeper::{Known, keep};
use super::look::{LOOK, PATIENCE, Reader};
use super::member::{Group, Member};
use super::sink::KafkaSink;
use super::stamp::{RunId, Stamp};
use super::target::KafkaTarget;
use super::wait::is_asked;
use super::words::{is_forbidden, why};
use crate::output::{Event, OutputError, Tell};
use crate::pace;
use crate::threads;
use crate::time::SimTime;

/// Waited for a coordinator that does not answer.
const COORDINATOR: Duration = Duration::from_secs(5);

/// Waited for a group to form: brokers let a new one wait for three seconds by default.
const JOIN: Duration = Duration::from_secs(10);

/// A member that was killed is gone this long after its group has settled: its session, and a second for its broker.
const GONE: Duration = Duration::from_secs(7);

/// Waited for that in all, whatever its group does meanwhile.
const GONE_AT_MOST: Duration = Duration::from_secs(20);

/// Between two lists.
const AGAIN: Duration = Duration::from_millis(250);

/// Waited for the keeper to leave the group.
const LEAVE: Duration = Duration::from_secs(2);

/// Between two questions to a topic that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// A run that was stopped for longer than its session waits so long for a list of members.
const UNSURE: Duration = Duration::from_secs(10);

/// Membership in a run's group. Clones are the same lease; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Held>);

#[derive(Debug)]
struct Held {
    run: RunId,
    known: Arc<Known>,
}

/// What came of asking for the lease of a run that is to be resumed.
#[derive(Debug)]
pub enum Leased {
    /// It is held, and nobody else is in the group.
    Held(Lease),
    /// There is none, and why: the topic has to be watched instead.
    Unknown(String),
}

impl Lease {
    /// Joins the group of a fresh run, in the background.
    pub fn begin(target: &KafkaTarget, run: RunId) -> Lease {
        Lease::join(target, run, run.moment())
    }

    fn join(target: &KafkaTarget, run: RunId, since: SimTime) -> Lease {
        let known = Arc::new(Known::new());
        let (group, me) = (Group::of(run), Member::of_this_process(since));
        let (target, keeper_s) = (target.clone(), Arc::clone(&known));
        if let Err(error) = threads::apart(move || keep(&target, group, me, &keeper_s)) {
            known.refuse(format!("no thread can be started: {error}"));
        }
        Lease(Arc::new(Held { run, known }))
    }

    /// Takes the lease of a run that was begun before. `tell` hears of a wait.
    ///
    /// # Errors
    /// Another process sends the run.
    pub fn take(target: &KafkaTarget, run: RunId, tell: Option<Tell>) -> Result<Leased, OutputError> {
        let reader = target.reader()?;
        if let Err(reason) = wait_for_the_dead(&reader, run, tell)? {
            return Ok(Leased::Unknown(reason));
        }
        let lease = Lease::join(target, run, resumed_at(run, pace::now()));
        let begun = pace::wall();
        loop {
            {
                let view = lease.0.known.view();
                if let Some(other) = &view.taken_by {
                    return Err(is_sent_by(run, other));
                }
                if let Some(reason) = &view.refused {
                    return Ok(Leased::Unknown(reason.clone()));
                }
                if view.is_held && !view.has_later {
                    break;
                }
                let waited = pace::wall() - begun;
                if !view.is_held && waited >= JOIN {
                    return Ok(Leased::Unknown(format!("no coordinator for {} s", JOIN.as_secs())));
                }
                if waited >= JOIN + GONE_AT_MOST {
                    return Err(refused(run, "another process wants to go on with it"));
                }
            }
            lease.0.known.wait();
        }
        Ok(Leased::Held(lease))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.known.end(LEAVE);
    }
}

/// When a process that resumes a run took its lease. The hosts' clocks can differ: never before the run began, so that
/// the process that began it counts as the earlier one.
fn resumed_at(run: RunId, now: SimTime) -> SimTime {
    now.max(SimTime(run.moment().0 + 1))
}

/// Waits until the session of a member that was killed has ended; why nothing is known of members, where that is so.
fn wait_for_the_dead(
    reader: &Reader,
    run: RunId,
    tell: Option<Tell>,
) -> Result<Result<(), String>, OutputError> {
    let group = Group::of(run);
    let begun = pace::wall();
    let (mut settled, mut last_state) = (begun, String::new());
    let mut seen: Option<Member> = None;
    loop {
        let listed = group.members(reader.client(), COORDINATOR);
        let now = pace::wall();
        let (members, state) = match (listed, &seen) {
            (Ok(listed), _) => listed,
            (Err(error), None) => return Ok(Err(why(&error))),
            // One failed list does not make a member that was seen go away.
            (Err(_), Some(other)) if now - begun >= GONE_AT_MOST => return Err(is_sent_by(run, other)),
            (Err(_), Some(_)) => {
                let _ = reader.poll(AGAIN);
                continue;
            }
        };
        let Some(other) = members.into_iter().min() else { return Ok(Ok(())) };
        if state != last_state {
            (settled, last_state) = (now, state);
        }
        if now - settled >= GONE || now - begun >= GONE_AT_MOST {
            return Err(is_sent_by(run, &other));
        }
        if let (None, Some(tell)) = (&seen, tell) {
            let most = GONE_AT_MOST.as_secs();
            tell(&Event::Warning(format!(
                "run {run} may still be sent by {other}: waiting up to {most} s for the end of its session"
            )));
        }
        seen = Some(other);
        // Nothing is assigned: this lets time pass.
        let _ = reader.poll(AGAIN);
    }
}

fn is_sent_by(run: RunId, other: &Member) -> OutputError {
    refused(run, &format!("it is being sent by {other}"))
}

fn refused(run: RunId, reason: &str) -> OutputError {
    let help = "stop the other process, or wait for its end".into();
    failure(format!("cannot resume run {run}: {reason}"), [help])
}

impl KafkaSink {
    /// Ends with an error where another process sends the run. Waits where that is about to be known: after this
    /// process was stopped for so long that its lease may have ended.
    pub(super) fn check_lease(&mut self) -> Result<(), OutputError> {
        let Some(lease) = self.lease.clone() else { return Ok(()) };
        let begun = pace::wall();
        let doubts = loop {
            let (taken_by, is_unsure, doubts) = {
                let view = lease.0.known.view();
                (view.taken_by.clone(), view.is_unsure(), view.doubts)
            };
            if let Some(other) = taken_by {
                return Err(self.yields_to(lease.0.run, &other));
            }
            if !is_unsure || pace::wall() - begun >= UNSURE || is_asked(self.stop.as_ref()) {
                break doubts;
            }
            self.client.poll(POLL);
        };
        let refused = lease.0.known.view().refusal_to_report();
        if let Some(reason) = refused {
            self.emit(&Event::Warning(unseen(&reason)));
        }
        let is_due = || self.asked_topic.is_none_or(|asked| pace::wall() - asked >= ASK_AGAIN);
        if doubts > self.doubts && is_due() {
            match self.was_overtaken() {
                Some(true) => {
                    let run = lease.0.run;
                    return Err(
                        self.ends_for(&format!("another process has sent more of run {run} meanwhile"))
                    );
                }
                Some(false) => (self.doubts, self.asked_topic) = (doubts, None),
                None => self.asked_topic = Some(pace::wall()),
            }
        }
        Ok(())
    }

    /// Whether the topic has records of this run after the last one that was acknowledged here: another process went on
    /// with the run and has ended since. None where the topic does not answer; one that may not be read shows no records.
    fn was_overtaken(&self) -> Option<bool> {
        self.drain(IN_FLIGHT);
        let reached = self.listener().reached();
        if reached.is_empty() {
            return Some(false);
        }
        if self.client.in_flight_count() > 0 {
            return None;
        }
        let mut is_overtaken = false;
        let looked = self.target.reader().and_then(|reader| {
            let mut ends = self.target.ends(&reader, &reached.keys().copied().collect(), LOOK)?;
            for (partition, end) in &mut ends {
                end.low = end.low.max(reached[partition] + 1);
            }
            ends.retain(|_, end| end.low < end.high);
            self.target.read(&reader, &ends, FARTHEST, PATIENCE, |message| {
                is_overtaken |= Stamp::of(message) == Some(self.stamp);
            })
        });
        match looked {
            Ok(()) => Some(is_overtaken),
            Err(error) if is_forbidden(&error.to_string()) => Some(false),
            Err(_) => None,
        }
    }

    fn yields_to(&self, run: RunId, other: &Member) -> OutputError {
        self.ends_for(&format!("run {run} is being sent by {other}"))
    }

    /// What is not on its way yet is not sent.
    fn ends_for(&self, reason: &str) -> OutputError {
        let stopped = self.stop(IN_FLIGHT, reason).to_string();
        let help = "this process has ended its part: the other one goes on with the run";
        failure(stopped, [help.into()])
    }
}

/// What it means that there is no lease.
pub(super) fn unseen(reason: &str) -> String {
    format!(
        "another process cannot see that this one sends the run: {reason}. \
         Its user needs Read on groups whose names begin with `reenact-`"
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
        // The clock of the second host is an hour behind, or right.
        for late in [-3_600_000, 0, 3_600_000] {
            let resumed = resumed_at(run, SimTime(moment.0 + late));
            assert!(Member::of_this_process(run.moment()) < Member::of_this_process(resumed), "{late}");
        }
    }
}
