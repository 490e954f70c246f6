//! Measures what rendering the preset `production` costs, relative to its ceilings: `cargo bench --bench ceilings`.
//! Prints tables.
//!
//! One thread is measured in CPU-seconds, as the minimum of several runs. Compare the ratios: absolute times depend on
//! the machine and on the moment. Two threads are compared with two processes that each render half of the run at the
//! same time.

#![expect(clippy::disallowed_methods, reason = "a bench reads the wall clock")]
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::unwrap_used, reason = "a failed bench says where")]

mod common;

use std::process::{Command, Stdio};
use std::time::Instant;

use reenact::batch::Batch;
use reenact::output::{Encode, NdjsonEncode, NdjsonSink, Sink};
use reenact::pipeline::{self, Piece};
use reenact::run::Run;

use common::{PROGRAM, least, production, watched};

fn row(what: &str, rows: usize, seconds: f64, relative: &str) {
    println!("| {what} | {:.2} | {relative} |", rows as f64 / seconds / 1e6);
}

fn discard(run: &Run, labels: bool) {
    let lines = NdjsonEncode::default();
    let encode = |batch: &Batch| lines.encode(batch);
    let span = labels.then(|| run.label_span());
    let take = |piece| {
        match piece {
            Piece::Records(part) => drop(std::hint::black_box(part)),
            Piece::Labels(rows) => drop(std::hint::black_box(rows)),
            Piece::Followed(_) => {}
        }
        Ok::<(), ()>(())
    };
    pipeline::pieces(run.plan(), Some(run.window()), span, run.on_threads(), encode, take).unwrap();
}

fn to_file(batches: impl Iterator<Item = Batch>) {
    let file = tempfile::tempfile().unwrap();
    let mut sink = NdjsonSink::file(file, "bench".into(), "bench".into()).unwrap();
    let lines = NdjsonEncode::default();
    batches.for_each(|batch| sink.write(lines.encode(&batch)).unwrap());
    sink.finish().unwrap();
}

fn figures(name: &str, size: (u32, u32), step: &str, length: &str) {
    let run = production(size, step, length);
    let rows = run.window().num_ticks() as usize * run.plan().fleet().num_entities();
    println!("\n**{name}**: {rows} records\n");
    println!("| what | million records per CPU-second | relative to |\n|---|---|---|");
    let lines = NdjsonEncode::default();
    // A part that fits in memory represents the whole run.
    let sample: Vec<Batch> = run.batches().take(64).collect();
    let sampled: usize = sample.iter().map(Batch::num_rows).sum();
    let encode_all = || sample.iter().for_each(|batch| drop(std::hint::black_box(lines.encode(batch))));
    let encoded = least(encode_all) / sampled as f64;
    let written = least(|| to_file(sample.iter().cloned())) / sampled as f64;
    let rendered = least(|| run.batches().for_each(|batch| drop(std::hint::black_box(batch))));
    row("rendered, not encoded", rows, rendered, "");
    let ceiling = |alone: f64, seconds: f64, what: &str| {
        format!("{:.2} of {what} alone ({:.2})", alone * rows as f64 / seconds, 1e-6 / alone)
    };
    let thrown = least(|| discard(&run, false));
    row("NDJSON, discarded", rows, thrown, &ceiling(encoded, thrown, "encoding"));
    let labelled = least(|| discard(&run, true));
    row("the same with labels", rows, labelled, &format!("{:.2} of without", thrown / labelled));
    if rows < 8_000_000 {
        let filed = least(|| to_file(run.batches()));
        row("NDJSON, to a file", rows, filed, &ceiling(written, filed, "encoding and writing"));
    }
}

/// Runs the program on the preset and discards the output. Returns the wall time in seconds and the peak memory in MB.
fn program(size: (u32, u32), arguments: &[&str]) -> (f64, f64) {
    let begin = Instant::now();
    watched(spawn(size, arguments), begin)
}

fn spawn((servers, services): (u32, u32), arguments: &[&str]) -> std::process::Child {
    Command::new(PROGRAM)
        .args(["run", "production", "--quiet", "--out", "ndjson:/dev/null"])
        .args(["--servers", &servers.to_string(), "--services", &services.to_string()])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn two_threads(name: &str, size: (u32, u32), step: &str, length: &str) {
    let common = ["--step", step, "--for", length, "--no-labels"];
    let with = |more: &[&'static str]| -> Vec<&str> { [&common[..], more].concat() };
    let ratio = |_: usize| {
        let (threads, _) = program(size, &with(&["--threads", "2"]));
        let begin = Instant::now();
        let halves = ["1/2", "2/2"].map(|shard| spawn(size, &with(&["--threads", "1", "--shard", shard])));
        halves.into_iter().for_each(|mut half| assert!(half.wait().unwrap().success()));
        begin.elapsed().as_secs_f64() / threads
    };
    let mut ratios: Vec<f64> = (0..5).map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    println!("| {name} | {:.2} | {:.2} to {:.2} |", ratios[2], ratios[0], ratios[4]);
}

fn memory(name: &str, size: (u32, u32), arguments: &[&str]) {
    let (seconds, peak) = program(size, arguments);
    println!("| {name} | {peak:.0} MB | {seconds:.1} s |");
}

/// Prints the time until the first byte is printed, in milliseconds: the median of nine runs.
fn first_line(name: &str, arguments: &[&str]) {
    let time = |_: usize| {
        let begin = Instant::now();
        let mut child =
            Command::new(PROGRAM).arg("run").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
        let ms = begin.elapsed().as_secs_f64() * 1e3;
        drop(child.stdout.take());
        child.wait().unwrap();
        ms
    };
    let mut times: Vec<f64> = (0..9).map(time).collect();
    times.sort_by(f64::total_cmp);
    println!("| {name} | {:.0} ms |", times[4]);
}

/// Prints the CPU-seconds per million records written to a file, without the time to start: the difference between a
/// long window (`from` to `to`) and a short one (`from` to `shorter`).
fn by_window(name: &str, size: (u32, u32), month: &str, from: &str, to: &str, shorter: &str) {
    let cost = |to: &str| {
        let run = production(size, "1s", month);
        let moment = |text: &str| run.plan().clock().start() + reenact::time::Span::parse(text).unwrap();
        let run = run.clone().between(Some(moment(from)), Some(moment(to))).unwrap();
        let rows = run.window().num_ticks() as f64 * run.plan().fleet().num_entities() as f64;
        (least(|| to_file(run.batches())), rows)
    };
    let ((long, many), (short, few)) = (cost(to), cost(shorter));
    println!("| {name} | {:.3} |", (long - short) / (many - few) * 1e6);
}

fn main() {
    let (small, large) = ((20, 12), (2_000, 1_200));
    figures("20 servers, 12 instances, 1 s", small, "1s", "1d");
    figures("2,000 servers, 1,200 instances, 1 s", large, "1s", "30m");
    figures("20 servers, 12 instances, 60 s", small, "60s", "30d");
    figures("2,000 servers, 1,200 instances, 60 s", large, "60s", "1d");
    println!(
        "\n| two threads against two processes with a half each | median of five | range |\n|---|---|---|"
    );
    two_threads("20 servers, 1 s, 20 d", small, "1s", "20d");
    two_threads("2,000 servers, 1 s, 4 h", large, "1s", "4h");
    two_threads("2,000 servers, 60 s, 4 d", large, "60s", "4d");
    println!("\n| most memory, with labels, two threads | | wall |\n|---|---|---|");
    let labels = tempfile::tempdir().unwrap();
    let path = labels.path().join("labels.ndjson").display().to_string();
    let common = ["--threads", "2", "--force", "--labels", path.as_str()];
    memory("20 servers, 1 s, 10 d", small, &[&common[..], &["--for", "10d"]].concat());
    memory("2,000 servers, 60 s, 30 d", large, &[&common[..], &["--step", "60s", "--for", "30d"]].concat());
    memory("2,000 servers, 1 s, 4 h", large, &[&common[..], &["--for", "4h"]].concat());
    println!("\n| first line | median of nine |\n|---|---|");
    first_line("`dev`", &["dev"]);
    first_line("2,000 servers, 1,200 instances", &["production", "--servers", "2000", "--services", "1200"]);
    println!("\n| into a file at 1 s, the start apart | CPU-seconds a million records |\n|---|---|");
    by_window("20 servers, first hour of a month", small, "30d", "2h", "4h", "3h");
    by_window("20 servers, last hour of a month", small, "30d", "29d22h", "30d", "29d23h");
    by_window("2,000 servers", large, "30d", "2h", "2h4m", "2h2m");
}
