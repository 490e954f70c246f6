//! The thread that keeps a lease. It is a member of the run's group. It reads no records and commits no offsets.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::error_text::why;
use super::member::{Group, Member};
use super::settings::settings;
use super::target::KafkaTarget;
use crate::pace;
use crate::time::SimTime;

/// The session: the coordinator removes a member that sends no heartbeat for this long. By default, brokers accept no
/// shorter session.
pub(super) const SESSION: Duration = Duration::from_secs(6);

/// How long one poll of the client takes. The keeper notices a request to end at most this much later.
const TURN: Duration = Duration::from_millis(50);

/// A poll that took longer than this means that the process was suspended or starved. Its session may have ended.
const PAUSE: Duration = Duration::from_secs(4);

/// How long the keeper waits for a list of members.
const LIST: Duration = Duration::from_secs(2);

/// How long one poll takes while the client leaves the group.
const CLOSE: Duration = Duration::from_millis(5);

/// How long the end of a lease waits for the keeper to leave the group. That takes a few milliseconds if the
/// coordinator answers.
const LEAVE: Duration = Duration::from_secs(2);

/// How long the end of a lease waits if the run is being stopped and its time is used up.
const LEAVE_LATE: Duration = Duration::from_millis(200);

/// The time between two requests for the list of members.
const AGAIN: Duration = Duration::from_millis(500);

/// A moment on both clocks. The monotonic clock stops while a machine is suspended, and a user can set the other one.
#[derive(Clone, Copy, Debug)]
struct Beat {
    wall: Instant,
    now: SimTime,
}

impl Beat {
    fn now() -> Beat {
        Beat { wall: pace::wall(), now: pace::now() }
    }

    /// How long ago this moment was, by the clock that shows more.
    fn age(self) -> Duration {
        let passed = u64::try_from((pace::now() - self.now).0).unwrap_or(0);
        (pace::wall() - self.wall).max(Duration::from_millis(passed))
    }
}

/// What a keeper knows. The keeper shares it with the lease and the sinks.
#[derive(Debug)]
pub(super) struct Known {
    view: Mutex<View>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct View {
    /// Whether any list has contained this process as a member.
    pub(super) is_held: bool,
    /// Whether the last list contained members that joined later.
    pub(super) has_later: bool,
    /// The process that sends the run instead. This one must stop sending.
    pub(super) taken_by: Option<Member>,
    /// Why this process cannot get the lease.
    pub(super) refused: Option<String>,
    /// Whether the user was warned about `refused`.
    is_reported: bool,
    /// Whether the process was suspended and the members have not been listed since.
    is_unsure: bool,
    /// How many times the session may have ended. This is a count because several sinks may read it. After each doubt,
    /// each sink asks its topic whether another process has sent the run meanwhile.
    pub(super) doubts: u64,
    /// How many of these doubts are settled: the members were listed, or no coordinator answered.
    pub(super) listed: u64,
    /// When the keeper last began a poll or a request for members, or got a list of them.
    beat: Beat,
    /// Whether another process has the lease. This process then leaves the group at once. Its name is earlier, so as a
    /// member it would make the other process yield.
    is_lost: bool,
    must_end: bool,
    /// The moment by which a stopped run must end.
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
            listed: 0,
            beat: Beat::now(),
            is_lost: false,
            must_end: false,
            end_by: None,
            // The keeper has not begun yet.
            has_ended: true,
        };
        Known { view: Mutex::new(view), changed: Condvar::new() }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        // This is also called while a panic unwinds, so it accepts a poisoned lock.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        self.changed.notify_all();
    }

    /// Notes why this process cannot get the lease.
    pub(super) fn refuse(&self, reason: String) {
        self.change(|view| view.refused = Some(reason));
    }

    /// Notes that the session may have ended.
    pub(super) fn doubt(&self) {
        self.change(|view| view.doubts += 1);
    }

    /// Waits for a change, up to 50 ms.
    pub(super) fn wait(&self) {
        let waited = self.changed.wait_timeout(self.view(), TURN);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Sets the moment by which the run must end.
    pub(super) fn hurry(&self, end: Instant) {
        self.change(|view| view.end_by = Some(end));
    }

    /// Asks the keeper to leave the group, without waiting for it.
    pub(super) fn ask_to_end(&self) {
        self.change(|view| view.must_end = true);
    }

    /// Asks the keeper to leave the group, and waits until it has left: up to `LEAVE`, or as long as a stop allows.
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
    /// Returns why there is no lease. Only the first call returns it, so that the user is warned once.
    pub(super) fn refusal_to_report(&mut self) -> Option<String> {
        self.refused.clone().filter(|_| !std::mem::replace(&mut self.is_reported, true))
    }

    /// Notes that the members were listed, or that no coordinator answers. The sinks can now ask the topic.
    pub(super) fn settle(&mut self) {
        (self.is_unsure, self.listed) = (false, self.doubts);
    }

    /// Whether the process was suspended long enough for its session to end, and no list of members came since.
    pub(super) fn is_unsure(&self) -> bool {
        let is_at_work = self.is_held && !self.has_ended;
        is_at_work && (self.is_unsure || self.beat.age() > PAUSE)
    }
}

/// Keeps the lease until the keeper is asked to end or loses it.
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
    // This leaves the group. Dropping the consumer would do that too, but with polls of 100 ms.
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
        // Two members with one static id would replace each other.
        .remove("group.instance.id");
    settings
}

/// The client's callbacks for changes of the group and for errors.
struct Ear {
    group: Group,
    me: Member,
    known: Arc<Known>,
    wanted: Mutex<Wanted>,
}

/// Whether and when the keeper has to list the members.
#[derive(Default)]
struct Wanted {
    list: bool,
    /// Whether the session may have ended. Any other member then has the lease, even if it joined later.
    has_lost: bool,
    asked: Option<Instant>,
    /// The number of failed lists in a row.
    failed: u32,
}

impl Ear {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().expect("no thread panics while it holds the lock")
    }

    /// Notes that a poll begins.
    fn turn(&self) -> Beat {
        let beat = Beat::now();
        self.known.change(|view| view.beat = beat);
        beat
    }

    /// Notes that the session may have ended if the time since `begun` is longer than [`PAUSE`].
    fn doubt_after(&self, begun: Beat) {
        if begun.age() > PAUSE {
            self.doubt();
            self.known.change(|view| view.is_unsure = true);
        }
    }

    /// Notes that the session may have ended. That alone delays no record, since every session ends while brokers are
    /// away.
    fn doubt(&self) {
        let mut wanted = self.wanted();
        (wanted.list, wanted.has_lost) = (true, true);
        (wanted.asked, wanted.failed) = (None, 0);
        self.known.doubt();
    }

    fn look_if_wanted(&self, consumer: &BaseConsumer<Ear>) {
        let is_due =
            |wanted: &Wanted| wanted.list && wanted.asked.is_none_or(|asked| pace::wall() - asked >= AGAIN);
        if is_due(&self.wanted()) {
            self.look(consumer);
        }
    }

    /// Lists the members, and derives which process has the lease.
    fn look(&self, consumer: &BaseConsumer<Ear>) {
        let listed = self.group.members(consumer.client(), LIST);
        let mut wanted = self.wanted();
        wanted.asked = Some(pace::wall());
        let Ok((members, _)) = listed else {
            wanted.failed += 1;
            // A failed list never ends a run. Only another member does.
            if wanted.failed > 2 && self.known.view().is_unsure {
                self.known.change(View::settle);
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
            view.settle();
            view.taken_by = view.taken_by.take().or(earlier);
        });
    }

    /// Notes an error which means that the user may not join the group. After any other error the client retries.
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
            // The member reads no records.
            let _ = consumer.assign(&TopicPartitionList::new());
        } else {
            // This has to happen before the client joins again. Otherwise a process that took the lease meanwhile sees
            // an earlier member and yields.
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
