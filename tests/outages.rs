//! Brokers that go away and come back while a run is sent: nothing missing, nothing twice.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::broker::Broker;
use crate::command_line::stdout_of;
use crate::resume::{TO, assert_labels, assert_whole, begin, number, recorded};

/// So much is long enough to be cut off in the middle.
const RUN: &[&str] = &["run", "production", "--for", "5h"];

/// A broker or a cluster that may be killed; it ends with the test, however that ends. There is one at a time.
struct Own {
    name: &'static str,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Own {
    fn start(name: &'static str, options: &[&str]) -> Own {
        let own = Own { name, _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) };
        own.script(&[options, &["start"]].concat());
        own
    }

    /// What the script prints.
    fn script(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
        let output = command.args(["--as", self.name]).args(arguments).output().expect("the script runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// As tests read from it, with somebody's jars.
    fn broker(&self, somebody: Broker) -> Broker {
        let environment = self.script(&["env"]);
        let bootstrap = environment.split("KAFKA_BOOTSTRAP=").nth(1).and_then(|rest| rest.lines().next());
        // A shell would want the commas quoted.
        Broker { bootstrap: bootstrap.unwrap().replace('\\', ""), libs: somebody.libs }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"));
        let _ = command.args(["--as", self.name, "stop"]).output();
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_no_record() {
    let Some(everybody_s) = Broker::of_environment("a_broker_that_is_killed_and_comes_back_costs_no_record")
    else {
        return;
    };
    let own = Own::start("killed", &[]);
    let broker = own.broker(everybody_s);
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("broker-killed");
    // Its events are old: a broker that starts forgets producers whose last event is older than a day
    // (`producer.id.expiration.ms`), and with them which batches it has already.
    let out = target.to_string();
    broker.java(&["--create", target.topic(), "7", "retention.ms=-1"]);
    // Somebody else sends to the same topic, and goes on when the broker is back: with young events, which it knows.
    let other =
        ["run", "dev", "--start", "now", "--step", "100ms", "--for", "30m", "--speed", "120", "--out"];
    let other = begin(&[&other[..], &[&out]].concat());
    std::thread::sleep(Duration::from_millis(500));
    let labels = broker.target("broker-killed-labels");
    broker.java(&["--create", labels.topic(), "2", "retention.ms=-1"]);
    let mut child = begin(&[RUN, &["--out", &out, "--labels-topic", labels.topic()]].concat());
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(child.try_wait().unwrap().is_none(), "the run is whole before its broker is killed");
    own.script(&["kill"]);
    std::thread::sleep(Duration::from_secs(number("AWAY_S", 3)));
    own.script(&["restart"]);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert!(
        words.contains("broker away, waiting for 5m at most: ") && words.contains("broker back"),
        "{words}"
    );
    assert!(other.wait_with_output().unwrap().status.success());
    assert_eq!(assert_whole(broker.read(&target), &recorded(folder.path(), RUN)), 5 * 18_000);
    stdout_of(folder.path(), &[RUN, &["--labels", "l.ndjson", "--out", "ndjson:/dev/null"]].concat());
    assert_labels(broker.read(&labels), &std::fs::read_to_string(folder.path().join("l.ndjson")).unwrap());
}

#[test]
fn the_leaders_of_a_cluster_may_be_killed_one_after_the_other() {
    let name = "the_leaders_of_a_cluster_may_be_killed_one_after_the_other";
    let Some(somebody) = Broker::of_environment(name) else { return };
    let own = Own::start("cluster", &["--brokers", "3"]);
    let broker = own.broker(somebody);
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("leaders");
    let kills = number("LEADER_KILLS", 2);
    // Long enough for all of them: a broker needs a few seconds to be missed, and to come back.
    let (speed, length) = ("200", format!("{}s", 200 * (25 * kills + 10)));
    let run = ["run", "production", "--for", &*length];
    let out = target.to_string();
    let mut child = begin(&[&run[..], &["--speed", speed], TO, &[&*out]].concat());
    // Of one partition all but one broker are followers: one that dies holds back what its leader may show.
    let followers = broker.target("followers");
    broker.java(&["--create", followers.topic(), "1", "retention.ms=-1"]);
    let other = begin(&[&run[..], &["--speed", speed, "--out", &followers.to_string()]].concat());
    // Partitions without copies have no leader for a while.
    let alone = broker.target("alone");
    broker.java(&["--create", alone.topic(), "1,2,3", "retention.ms=-1"]);
    let third = begin(&[&run[..], &["--speed", speed, "--out", &alone.to_string()]].concat());
    std::thread::sleep(Duration::from_secs(3));
    for kill in 0..kills {
        assert!(child.try_wait().unwrap().is_none(), "the run is whole before the kill {kill}");
        let victim = (kill % 3 + 1).to_string();
        own.script(&["kill", &victim]);
        std::thread::sleep(Duration::from_secs(5));
        own.script(&["restart", &victim]);
        std::thread::sleep(Duration::from_secs(2));
        // Leaders change without a lost connection too.
        broker.java(&["--elect", followers.topic()]);
    }
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.contains("broker back"), "{words}");
    let recorded = recorded(folder.path(), &run);
    assert_eq!(assert_whole(broker.read(&target), &recorded), 0);
    for (child, target) in [(other, followers), (third, alone)] {
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        assert_eq!(assert_whole(broker.read(&target), &recorded), 0);
    }
}

#[test]
fn a_follower_and_the_controller_may_be_away_together() {
    let Some(somebody) = Broker::of_environment("a_follower_and_the_controller_may_be_away_together") else {
        return;
    };
    let own = Own::start("cluster", &["--brokers", "3"]);
    let broker = own.broker(somebody);
    let folder = tempfile::tempdir().unwrap();
    let target = broker.target("no-controller");
    broker.java(&["--create", target.topic(), "1:2:3", "retention.ms=-1"]);
    // The leader answers that not all have what it wrote, long before it may go on without the third.
    let run = ["run", "production", "--for", "1h"];
    let more = ["--speed", "80", "-X", "request.timeout.ms=3000", "--out", &target.to_string()];
    let child = begin(&[&run[..], &more].concat());
    std::thread::sleep(Duration::from_secs(4));
    own.script(&["kill", "0"]);
    own.script(&["kill", "3"]);
    std::thread::sleep(Duration::from_secs(25));
    own.script(&["restart", "0"]);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert_eq!(assert_whole(broker.read(&target), &recorded(folder.path(), &run)), 0);
}
