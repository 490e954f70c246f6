//! Helpers that several tests share: scenarios, and the output of a run as bytes.

use std::num::NonZeroUsize;

use reenact::batch::Batch;
use reenact::label::Label;
use reenact::output::{Encode, NdjsonEncode, NdjsonSink, Sink};
use reenact::plan::Plan;
use reenact::recording::RecordingError;
use reenact::run::Run;
use reenact::scenario::Scenario;
use reenact::threads::Threads;
use reenact::time::Span;

/// A scenario whose hosts run several service instances. Its incidents cover every kind. Some overlap on one host, some
/// start off the grid, and some cross the boundary of a block (10:00). It has background incidents too.
pub const BUSY: &str = r#"
scenario: 1
name: busy
seed: 11
clock: {start: "2026-01-05T09:00:00Z", run: 3h, step: 7s}
fleet:
  zones: {north: {inlet: 24C}, south: {inlet: 19C}, east: {}}
  racks: 2
  servers:
    web: {count: 3}
    db:  {count: 2, cores: 64, memory: 512GB, disk: {size: 4TB, limit: 30MB/s}, nic: 1Gbps, power: {idle: 120W, max: 420W}}
  services:
    api-gateway:      {instances: 2, pool: web, rate: 60/s, calls: [order-service, {user-service: 0.5}]}
    order-service:    {instances: 3, pool: web, calls: [database-primary]}
    user-service:     {instances: 2, pool: web, rate: 10/s, calls: [{database-primary: 0.3}]}
    database-primary: {pool: db, hosts: [db-001], rate: 5/s}
anomalies:
  - {id: hot,   kind: temperature_high, target: web-001,          at: 50m,     for: 25m}
  - {id: spike, kind: cpu_spike,        target: web-001,          at: 55m3.7s, for: 12m, severity: high}
  - {id: slow,  kind: latency_spike,    target: order-service,    at: 58m,     for: 4m}
  - {id: late,  kind: cpu_spike,        target: db-001,           at: 8m1.3s,  for: 90s, severity: low}
  - {id: brief, kind: latency_spike,    target: database-primary, at: 8m1.3s,  for: 2.5s, severity: 3}
  - {id: twice, kind: cpu_spike,        target: web-001,          at: 55m5s,   for: 12m, severity: low}
  - {id: leak,  kind: memory_leak,      target: web-002,          at: 20m,     for: 1h10m, with: {leak: 400GB/h}, ramp: {up: 0s, down: 30s}}
  - {id: surge, kind: power_surge,      target: web-001,          at: 57m,     for: 9m, severity: high}
  - {id: full,  kind: network_saturation, target: web-002,        at: 52m,     for: 14m}
  - {id: fuller, kind: network_saturation, target: web-002,       at: 58m4s,   for: 3m, severity: low}
  - {id: disk,  kind: disk_io_bottleneck, target: db-001,         at: 56m,     for: 11m, severity: high}
  - {id: fails, kind: error_burst,      target: database-primary, at: 59m30s,  for: 6m, severity: 5}
  - {id: often, kind: error_burst,      target: user-service-2,   at: 10m,     for: 40s, every: 25m, jitter: 5m}
background: {share: 3%, kinds: {cpu_spike: 2, power_surge: 1, error_burst: 1, latency_spike: 1}, gap: 10s}
"#;

pub fn plan(text: &str) -> Plan {
    Scenario::read("test.yaml", text).plan().unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A plan with one incident, `it`, on an otherwise quiet fleet.
pub fn alone(seed: u64, kind: &str, target: &str, severity: &str, length: Span) -> Plan {
    plan(&format!(
        "scenario: 1\nseed: {seed}\nclock: {{start: \"2026-01-06T10:00:00Z\", run: 2h, step: 1s}}\n\
         fleet: {{servers: 12, services: 9}}\n\
         anomalies: [{{id: it, kind: {kind}, target: {target}, at: 20m0.4s, for: {length}, severity: {severity}}}]"
    ))
}

pub fn busy() -> Run {
    plan(BUSY).run()
}

/// Returns the batches of a recording as NDJSON, or the first error.
pub fn lines_of(
    batches: impl Iterator<Item = Result<Batch, RecordingError>>,
) -> Result<Vec<u8>, RecordingError> {
    let lines = NdjsonEncode::default();
    let mut all = Vec::new();
    for batch in batches {
        all.extend_from_slice(lines.encode(&batch?).bytes());
    }
    Ok(all)
}

/// Renders the run as NDJSON on the given number of threads.
pub fn ndjson(run: &Run, threads: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.ndjson");
    let file = std::fs::File::create(&path).unwrap();
    let mut sink = NdjsonSink::file(file, path.clone(), "test".into()).unwrap();
    let threads = Threads::new(NonZeroUsize::new(threads).unwrap());
    let lines = NdjsonEncode::default();
    let encode = |batch: &_| lines.encode(batch);
    reenact::pipeline::records(run.plan(), run.window(), &threads, encode, |part| sink.write(part)).unwrap();
    sink.finish().unwrap();
    std::fs::read(&path).unwrap()
}

/// Splits NDJSON into its lines.
pub fn lines(bytes: &[u8]) -> Vec<&str> {
    std::str::from_utf8(bytes).unwrap().lines().collect()
}

/// Describes the first line that differs, for the message of a failed test.
pub fn first_difference(a: &[u8], b: &[u8]) -> Option<String> {
    let (a, b) = (lines(a), lines(b));
    if let Some(i) = (0..a.len().min(b.len())).find(|i| a[*i] != b[*i]) {
        return Some(format!("line {}:\n  {}\n  {}", i + 1, a[i], b[i]));
    }
    (a.len() != b.len()).then(|| format!("{} lines against {}", a.len(), b.len()))
}

/// Panics with the first line that differs.
pub fn assert_same(a: &[u8], b: &[u8], what: &str) {
    if let Some(difference) = first_difference(a, b) {
        panic!("{what}: {difference}");
    }
}

pub fn label_lines(labels: &[Label]) -> Vec<u8> {
    reenact::label::lines(labels)
}
