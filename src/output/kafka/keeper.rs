//! The thread that keeps a lease: a member of the run's group, which reads nothing and commits nothing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::member::{Group, Member};
use super::settings::settings;
use super::target::KafkaTarget;
use super::words::why;
use crate::pace;
use crate::time::SimTime;

/// A member that says nothing for so long is no member any more. No broker takes less by default.
pub(super) const SESSION: Duration = Duration::from_secs(6);

/// The length of a turn: an end is heard of within it.
const TURN: Duration = Duration::from_millis(50);

/// A turn that took so long was no turn: the process was stopped, or had no time. Its session may be over.
const PAUSE: Duration = Duration::from_secs(4);

/// Waited for a list of members.
const LIST: Duration = Duration::from_secs(2);

/// The length of a turn while the group is left.
const CLOSE: Duration = Duration::from_millis(5);

/// How long the end of a lease waits until the keeper has left the group. A coordinator that answers takes a few
/// milliseconds.
const LEAVE: Duration = Duration::from_secs(2);

/// The same for a stop that has used up its time.
const LEAVE_LATE: Duration = Duration::from_millis(200);

/// The time between two requests for the list of members.
const AGAIN: Duration = Duration::from_millis(500);

/// A moment on both clocks: one of them stands still while a machine is suspended, the other can be set.
#[derive(Clone, Copy, Debug)]
struct Beat {
    wall: Instant,
    now: SimTime,
}

impl Beat {
    fn now() -> Beat {
        Beat { wall: pace::wall(), now: pace::now() }
    }

    fn age(self) -> Duration {
        let passed = u64::try_from((pace::now() - self.now).0).unwrap_or(0);
        (pace::wall() - self.wall).max(Duration::from_millis(passed))
    }
}

/// What a keeper knows, for those that ask.
#[derive(Debug)]
pub(super) struct Known {
    view: Mutex<View>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct View {
    /// Listed as a member, at least once.
    pub(super) is_held: bool,
    /// Later members that the last list had.
    pub(super) has_later: bool,
    /// Who sends the run instead: this process must not.
    pub(super) taken_by: Option<Member>,
    /// Why there is no lease and will be none.
    pub(super) refused: Option<String>,
    /// Whether the user has been warned of that.
    is_reported: bool,
    /// The session may have ended, and who is in the group now is not known yet.
    is_unsure: bool,
    /// How often that was so: it can be over before anyone has seen it.
    pub(super) doubts: u64,
    /// When the keeper had its last turn.
    beat: Beat,
    /// The lease was lost and another process has it: this one leaves the group at once, so that it is not taken for
    /// an earlier one.
    is_lost: bool,
    must_end: bool,
    /// A run that was asked to stop ends by this moment.
    end_by: Option<Instant>,
    has_ended: bool,
}

impl Known {
    pub(super) fn new() -> Known {
        let view = View {
            is_held: false,
            has_later: false,
            taken_by: None,
            refused: None,
            is_reported: false,
            is_unsure: false,
            doubts: 0,
            beat: Beat::now(),
            is_lost: false,
            must_end: false,
            end_by: None,
            // Until it begins.
            has_ended: true,
        };
        Known { view: Mutex::new(view), changed: Condvar::new() }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        // Also used while a panic unwinds.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        self.changed.notify_all();
    }

    /// There is no lease and will be none.
    pub(super) fn refuse(&self, reason: String) {
        self.change(|view| view.refused = Some(reason));
    }

    /// Waits for a change, or some milliseconds.
    pub(super) fn wait(&self) {
        let waited = self.changed.wait_timeout(self.view(), TURN);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The run has to be over by this moment.
    pub(super) fn hurry(&self, end: Instant) {
        self.change(|view| view.end_by = Some(end));
    }

    /// Asks the keeper to leave the group, without waiting for it.
    pub(super) fn ask_to_end(&self) {
        self.change(|view| view.must_end = true);
    }

    /// Asks the keeper to leave the group, and waits until it has: up to `LEAVE`, or as long as a stop allows.
    pub(super) fn end(&self) {
        self.ask_to_end();
        let begun = pace::wall();
        let left = |end: Instant| end.saturating_duration_since(begun).clamp(LEAVE_LATE, LEAVE);
        let limit = self.view().end_by.map_or(LEAVE, left);
        while !self.view().has_ended && pace::wall() - begun < limit {
            self.wait();
        }
    }
}

impl View {
    /// Why there is no lease, the first time that it is asked for.
    pub(super) fn refusal_to_report(&mut self) -> Option<String> {
        self.refused.clone().filter(|_| !std::mem::replace(&mut self.is_reported, true))
    }

    /// Whether a session may have ended without anyone having looked.
    pub(super) fn is_unsure(&self) -> bool {
        let is_at_work = self.is_held && !self.has_ended;
        is_at_work && (self.is_unsure || self.beat.age() > PAUSE)
    }
}

/// Keeps the lease until it is asked to end.
pub(super) fn keep(target: &KafkaTarget, group: Group, me: Member, known: &Arc<Known>) {
    known.change(|view| view.has_ended = false);
    if let Err(error) = keep_until_end(target, group, me, known) {
        known.refuse(why(&error));
    }
    known.change(|view| view.has_ended = true);
}

fn keep_until_end(
    target: &KafkaTarget,
    group: Group,
    me: Member,
    known: &Arc<Known>,
) -> Result<(), KafkaError> {
    let settings = member_settings(target, &group, &me);
    let ear = Ear { group, me, known: Arc::clone(known), wanted: Mutex::new(Wanted::default()) };
    let consumer = BaseConsumer::from_config_and_context(&settings, ear)?;
    consumer.subscribe(&[target.topic()])?;
    let ear = consumer.context();
    loop {
        let begun = ear.turn();
        ear.look_if_wanted(&consumer);
        ear.doubt_after(begun);
        if known.view().must_end || known.view().is_lost {
            break;
        }
        let begun = ear.turn();
        if let Some(Err(error)) = consumer.poll(TURN) {
            ear.hear(&error);
        }
        ear.doubt_after(begun);
    }
    // Leaves the group; its own end takes longer turns.
    consumer.close_queue()?;
    while !consumer.closed() {
        let _ = consumer.poll(CLOSE);
    }
    Ok(())
}

fn member_settings(target: &KafkaTarget, group: &Group, me: &Member) -> ClientConfig {
    let mut settings = settings(target);
    settings
        .set("client.id", me.name())
        .set("group.id", group.name())
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", SESSION.as_millis().to_string())
        .set("heartbeat.interval.ms", (SESSION / 3).as_millis().to_string())
        .set("max.poll.interval.ms", "300000")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A later process with the same name would take the place of this one.
        .remove("group.instance.id");
    settings
}

/// Hears of changes of the group.
struct Ear {
    group: Group,
    me: Member,
    known: Arc<Known>,
    wanted: Mutex<Wanted>,
}

/// Whether the members are to be listed.
#[derive(Default)]
struct Wanted {
    list: bool,
    /// The session may have ended: another member is then the one that sends the run now, however late it came.
    has_lost: bool,
    asked: Option<Instant>,
    /// Failed lists in a row.
    failed: u32,
}

impl Ear {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().expect("no thread panics while it holds the lock")
    }

    /// Another turn begins.
    fn turn(&self) -> Beat {
        let beat = Beat::now();
        self.known.change(|view| view.beat = beat);
        beat
    }

    /// What should have taken no time has.
    fn doubt_after(&self, begun: Beat) {
        if begun.age() > PAUSE {
            self.doubt();
        }
    }

    /// The session may have ended.
    fn doubt(&self) {
        let mut wanted = self.wanted();
        (wanted.list, wanted.has_lost, wanted.asked, wanted.failed) = (true, true, None, 0);
        self.known.change(|view| {
            view.is_unsure = true;
            view.doubts += 1;
        });
    }

    fn look_if_wanted(&self, consumer: &BaseConsumer<Ear>) {
        let is_due =
            |wanted: &Wanted| wanted.list && wanted.asked.is_none_or(|asked| pace::wall() - asked >= AGAIN);
        if is_due(&self.wanted()) {
            self.look(consumer);
        }
    }

    /// Lists the members, and judges what that means.
    fn look(&self, consumer: &BaseConsumer<Ear>) {
        let listed = self.group.members(consumer.client(), LIST);
        let mut wanted = self.wanted();
        wanted.asked = Some(pace::wall());
        let Ok((members, _)) = listed else {
            wanted.failed += 1;
            // Only a member that was seen ends a run.
            if wanted.failed > 2 {
                self.known.change(|view| view.is_unsure = false);
            }
            return;
        };
        wanted.failed = 0;
        let is_in = members.contains(&self.me);
        let mut others = members.into_iter().filter(|member| *member != self.me);
        let earlier = others.clone().filter(|member| wanted.has_lost || *member < self.me).min();
        let has_later = earlier.is_none() && others.next().is_some();
        if is_in && earlier.is_none() {
            (wanted.has_lost, wanted.list) = (false, has_later);
        }
        self.known.change(|view| {
            view.beat = Beat::now();
            view.is_lost |= wanted.has_lost && earlier.is_some();
            view.has_later = has_later;
            view.is_held |= is_in;
            view.is_unsure = false;
            view.taken_by = view.taken_by.take().or(earlier);
        });
    }

    /// What the group does not allow is no lease; all else the client tries again.
    fn hear(&self, error: &KafkaError) {
        let is_refusal = |code| {
            matches!(
                code,
                RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::InvalidSessionTimeout
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::Authentication
            )
        };
        if error.rdkafka_error_code().is_some_and(is_refusal) {
            self.known.refuse(why(error));
        }
    }
}

impl ClientContext for Ear {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, _: &str) {
        self.hear(&error);
    }
}

impl ConsumerContext for Ear {
    fn rebalance(&self, consumer: &BaseConsumer<Ear>, kind: RDKafkaRespErr, _: &mut TopicPartitionList) {
        if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // Nothing is read.
            let _ = consumer.assign(&TopicPartitionList::new());
        } else {
            // Before the client joins again: whoever came meanwhile must not take this process for an earlier one.
            if consumer.assignment_lost() {
                self.doubt();
                self.look(consumer);
                if self.known.view().is_lost {
                    consumer.unsubscribe();
                }
            }
            let _ = consumer.unassign();
        }
        let mut wanted = self.wanted();
        (wanted.list, wanted.asked) = (true, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_lease_is_reported_once() {
        let known = Known::new();
        assert_eq!(known.view().refusal_to_report(), None);
        known.refuse("no".into());
        assert_eq!(known.view().refusal_to_report().as_deref(), Some("no"));
        known.refuse("no, again".into());
        assert_eq!(known.view().refusal_to_report(), None);
        assert!(known.view().refused.is_some());
    }
}
