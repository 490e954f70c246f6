//! How far a topic has grown, seen from outside the program: kills and stops are triggered by it, never by time.

use std::io::Read as _;
use std::process::Child;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use reenact::output::KafkaTarget;

/// One question to a broker; an unreachable leader is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// A topic that is being written to.
pub struct Growth {
    client: BaseConsumer,
    topic: String,
    /// By partition: the first offset without a record, when it was last known.
    ends: Vec<i64>,
}

impl Growth {
    /// Watches a topic, which need not exist yet.
    pub fn of(target: &KafkaTarget) -> Growth {
        let name = target.to_string();
        let (brokers, topic) = name.trim_start_matches("kafka:").rsplit_once('/').unwrap();
        let client = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("allow.auto.create.topics", "false")
            .set("log_level", "0")
            .create()
            .unwrap();
        Growth { client, topic: topic.into(), ends: Vec::new() }
    }

    /// How many records the topic has taken; partitions whose leader does not answer count as they were.
    pub fn records(&mut self) -> u64 {
        if self.ends.is_empty() {
            // All topics: naming one could create it.
            let Ok(metadata) = self.client.fetch_metadata(None, PATIENCE) else { return 0 };
            let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
            self.ends = vec![0; topic.map_or(0, |topic| topic.partitions().len())];
        }
        for (partition, end) in (0..).zip(&mut self.ends) {
            if let Ok((_, high)) = self.client.fetch_watermarks(&self.topic, partition, PATIENCE) {
                *end = high;
            }
        }
        self.ends.iter().sum::<i64>() as u64
    }

    /// Waits until the topic has that many records, or the program that fills it has ended. Gives whether the
    /// program is still running.
    #[expect(clippy::print_stderr, reason = "shown only where the test fails")]
    pub fn reaches(&mut self, records: u64, child: &mut Child) -> bool {
        loop {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                let mut stderr = String::new();
                child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut stderr));
                eprintln!("the program ended with {status}: {stderr}");
                return false;
            }
            if self.records() >= records {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
    }
}
