//! Measures what it costs to send to Kafka, relative to a bare loop that sends the same messages with the same
//! settings: `scripts/kafka run cargo bench --bench kafka`. Prints a table.
//!
//! The broker runs on the same cores in all cases.

#![expect(clippy::disallowed_methods, reason = "a bench reads the wall clock")]
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::unwrap_used, reason = "a failed bench says where")]

#[expect(dead_code, reason = "it has no use for CPU time")]
mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use reenact::output::{Encode as _, NdjsonEncode};

use common::{PROGRAM, production, watched};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const PARTITIONS: i32 = 6;

/// 18 hours of 32 entities, with one record per second each.
const LENGTH: &str = "18h";
const RECORDS: usize = 18 * 3_600 * 32;

/// The messages that the bare loop sends, over and over.
struct Messages {
    /// Key, value and timestamp in milliseconds.
    messages: Vec<(String, Vec<u8>, i64)>,
}

impl Messages {
    fn new() -> Messages {
        let run = production((20, 12), "1s", "1h");
        let mut messages = Vec::new();
        for batch in run.batches() {
            let part = NdjsonEncode::default().encode(&batch);
            let lines = part.bytes().split(|byte| *byte == b'\n');
            for (row, line) in batch.rows().zip(lines) {
                messages.push((row.name().to_string(), line.to_vec(), row.timestamp().0));
            }
        }
        Messages { messages }
    }

    /// Sends `RECORDS` messages. Returns the wall time in seconds until all are acknowledged.
    fn send(&self, bootstrap: &str, topic: &str) -> f64 {
        let begin = Instant::now();
        // The same settings as in `src/output/kafka/settings.rs`.
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("max.in.flight.requests.per.connection", "1")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.messages", "100000")
            .create()
            .unwrap();
        let (stamp, index) = ([7; 28], [9; 18]);
        for (number, (key, value, timestamp)) in self.messages.iter().cycle().take(RECORDS).enumerate() {
            let headers = OwnedHeaders::new_with_capacity(2)
                .insert(Header { key: "reenact-run", value: Some(&stamp) })
                .insert(Header { key: "reenact-index", value: Some(&index) });
            let partition = key.bytes().map(i32::from).sum::<i32>() % PARTITIONS;
            let mut record = BaseRecord::to(topic)
                .partition(partition)
                .key(key)
                .payload(value)
                .timestamp(*timestamp)
                .headers(headers);
            loop {
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                        record = back;
                        producer.poll(Duration::from_millis(20));
                    }
                    Err((error, _)) => panic!("{error}"),
                }
            }
            if number % 1_024 == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        begin.elapsed().as_secs_f64()
    }
}

/// Runs the program. Returns the wall time in seconds and the peak memory in MB.
fn program(arguments: &[&str]) -> (f64, f64) {
    let begin = Instant::now();
    let child = Command::new(PROGRAM).args(arguments).stderr(Stdio::null()).spawn().unwrap();
    watched(child, begin)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") else {
        println!("left out: it needs a broker, see `scripts/kafka run cargo bench --bench kafka`");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let dataset = format!("{}/pq/", dir.path().display());
    program(&["run", "production", "--for", LENGTH, "--out", &format!("parquet:{dataset}")]);
    let messages = Messages::new();
    let (mut bare, mut run, mut replay, mut memory) = (vec![], vec![], vec![], [0.0_f64; 2]);
    for round in 0..ROUNDS {
        let topic = |name: &str| {
            let topic = format!("{name}-{round}-{}", std::process::id());
            // The topic is created before, because its creation is not measured.
            let out = format!("kafka:{bootstrap}/{topic}");
            let partitions = PARTITIONS.to_string();
            program(&["run", "dev", "--for", "2s", "--create-topic", &partitions, "--out", &out]);
            (topic, out)
        };
        bare.push(messages.send(&bootstrap, &topic("bare").0));
        let (seconds, peak) = program(&["run", "production", "--for", LENGTH, "--out", &topic("run").1]);
        run.push(seconds);
        memory[0] = memory[0].max(peak);
        let (seconds, peak) = program(&["replay", &dataset, "--max-speed", "--out", &topic("replay").1]);
        replay.push(seconds);
        memory[1] = memory[1].max(peak);
    }
    println!("{RECORDS} records, medians of {ROUNDS}; the broker on the same cores\n");
    println!(
        "| what | thousand records per second | relative to the bare loop | peak memory |\n|---|---|---|---|"
    );
    let rate = |seconds: f64| RECORDS as f64 / seconds / 1e3;
    let bare = rate(median(bare));
    println!("| bare `BaseProducer` loop | {bare:.0} | | |");
    for (what, seconds, memory) in
        [("`run`", run, memory[0]), ("`replay --max-speed` from Parquet", replay, memory[1])]
    {
        let rate = rate(median(seconds));
        println!("| {what} | {rate:.0} | {:.2} | {memory:.0} MB |", rate / bare);
    }
}
