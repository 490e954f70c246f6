//! What rendering costs beside its ceilings, in one run: `cargo bench`. Prints a table of ratios.
//!
//! Each figure is the least of several runs on one thread, unless it says otherwise. Absolute times
//! depend on the machine and the minute; the ratios are what to compare.

#![expect(clippy::disallowed_methods, reason = "a bench reads the wall clock")]
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::unwrap_used, reason = "a failed bench says where")]

use std::num::NonZeroUsize;
use std::time::Instant;

use reenact::batch::Batch;
use reenact::drive;
use reenact::output::{Encode, NdjsonEncode, NdjsonSink, Sink};
use reenact::plan::Plan;
use reenact::run::Run;
use reenact::scenario::Scenario;

/// Runs of each figure.
const RUNS: usize = 5;

fn plan(servers: u32, services: u32, step: &str, run: &str, anomalies: &str) -> Plan {
    let text = format!(
        "scenario: 1\nseed: 1\nclock: {{start: \"2026-01-05T08:00:00Z\", run: {run}, step: {step}}}\n\
         fleet: {{servers: {servers}, services: {services}}}\nanomalies: {anomalies}"
    );
    Scenario::read("bench", &text).plan().unwrap()
}

/// Seconds of the fastest of several runs.
fn least(mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    };
    (0..RUNS).map(|_| time(&mut work)).fold(f64::MAX, f64::min)
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn row(what: &str, rows: usize, seconds: f64, ceiling: Option<(&str, f64)>) {
    let rate = rows as f64 / seconds / 1e6;
    match ceiling {
        Some((name, best)) => println!(
            "| {what} | {rate:.2} | {:.2} of {name} ({:.2}) |",
            best / seconds,
            rows as f64 / best / 1e6
        ),
        None => println!("| {what} | {rate:.2} | |"),
    }
}

fn discard(plan: &Plan, n: usize) {
    let run = plan.clone().run();
    let lines = NdjsonEncode::default();
    let encode = |batch: &Batch| lines.encode(batch);
    drive::records(plan, run.window(), threads(n), encode, |part| {
        drop(std::hint::black_box(part));
        Ok::<(), ()>(())
    })
    .unwrap();
}

fn to_file(batches: impl Iterator<Item = Batch>) {
    let file = tempfile::tempfile().unwrap();
    let mut sink = NdjsonSink::file(file, "bench".into(), "bench".into());
    let lines = NdjsonEncode::default();
    batches.for_each(|batch| sink.write(lines.encode(&batch)).unwrap());
    sink.finish().unwrap();
}

#[cfg(feature = "parquet")]
fn to_parquet(batches: impl Iterator<Item = Batch>) {
    use reenact::output::{ParquetEncode, ParquetSink};
    let dir = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::create(dir.path(), "bench".into()).unwrap();
    batches.for_each(|batch| sink.write(ParquetEncode.encode(&batch)).unwrap());
    sink.finish().unwrap();
}

fn figures(name: &str, plan: &Plan) {
    let run: Run = plan.clone().run();
    let batches: Vec<Batch> = run.batches().collect();
    let rows: usize = batches.iter().map(Batch::num_rows).sum();
    println!(
        "\n**{name}**: {rows} rows\n\n| what | million rows a second | against its ceiling |\n|---|---|---|"
    );
    let rendered = least(|| run.batches().for_each(|batch| drop(std::hint::black_box(batch))));
    row("rendered, not encoded", rows, rendered, None);
    let lines = NdjsonEncode::default();
    let encoded = least(|| batches.iter().for_each(|batch| drop(std::hint::black_box(lines.encode(batch)))));
    let discarded = least(|| discard(plan, 1));
    row("NDJSON thrown away", rows, discarded, Some(("encoding alone", encoded)));
    row(
        "NDJSON thrown away, two threads",
        rows,
        least(|| discard(plan, 2)),
        Some(("twice one thread", discarded / 2.0)),
    );
    let written = least(|| to_file(batches.iter().cloned()));
    row(
        "NDJSON to a file",
        rows,
        least(|| to_file(run.batches())),
        Some(("encoding and writing alone", written)),
    );
    #[cfg(feature = "parquet")]
    {
        let written = least(|| to_parquet(batches.iter().cloned()));
        row(
            "Parquet (zstd 1) to files",
            rows,
            least(|| to_parquet(run.batches())),
            Some(("encoding and writing alone", written)),
        );
    }
}

/// The brute-force twin beside what it can't do without: rendering the same ticks once.
fn twin(name: &str, servers: u32, services: u32) {
    let plan =
        plan(servers, services, "1s", "4h", "[{id: it, kind: cpu_spike, target: srv-001, at: 1h, for: 10m}]");
    let run = plan.clone().run();
    let incident = &plan.incident("it").unwrap();
    let end = reenact::truth::after_effects_end(incident.end()).min(plan.clock().end());
    let window = run.between(Some(incident.start()), Some(end)).unwrap();
    let rows = window.window().num_ticks() as usize * plan.fleet().num_entities();
    let once = least(|| window.batches().for_each(|batch| drop(std::hint::black_box(batch))));
    let labelled = least(|| drop(std::hint::black_box(reenact::truth::labels(&plan, incident))));
    row(name, rows, labelled, Some(("rendering those ticks once", once)));
}

fn main() {
    figures("20 servers, 12 instances, 1 s", &plan(20, 12, "1s", "12h", "[]"));
    figures("2,000 servers, 1,200 instances, 1 s", &plan(2_000, 1_200, "1s", "4m", "[]"));
    figures("20 servers, 12 instances, 60 s", &plan(20, 12, "60s", "7d", "[]"));
    println!(
        "\n**labels of one incident of 10 min, by brute force**\n\n| fleet | million rows a second | against its ceiling |\n|---|---|---|"
    );
    twin("20 servers, 12 instances", 20, 12);
    twin("200 servers, 120 instances", 200, 120);
}
