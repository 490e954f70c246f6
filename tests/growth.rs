//! The number of records in a topic, seen from outside the program. It triggers kills and stops, never the time.

use std::io::Read as _;
use std::process::Child;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use reenact::output::KafkaTarget;

/// The timeout of one request to a broker. Requests to an unreachable leader are repeated.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// A topic that is being written to.
pub struct Growth {
    client: BaseConsumer,
    topic: String,
    /// For each partition, the last known offset after its last record.
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

    /// Returns the number of records in the topic. A partition without a reachable leader keeps its last known count.
    pub fn records(&mut self) -> u64 {
        if self.ends.is_empty() {
            // This requests all topics, because a request that names the topic could create it.
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

    /// Waits until the topic has `records` records, or the program that writes to it has ended. Returns whether the
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
