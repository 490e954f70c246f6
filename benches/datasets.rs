//! Measures what it costs to write, read and verify datasets, relative to ceilings and to a peer:
//! `cargo bench --bench datasets`. Prints tables.
//!
//! The peer is `tpchgen-cli` (on PyPI), which writes its largest table to Parquet. It is skipped if `target/python`
//! does not have it.

#![expect(clippy::disallowed_methods, reason = "a bench reads the wall clock")]
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::unwrap_used, reason = "a failed bench says where")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use reenact::batch::Batch;
use reenact::engine::models::builtin;
use reenact::golden::Digests;
use reenact::output::{Compression, Encode, NdjsonEncode, ParquetEncode, ParquetSink, Sink, TableOptions};
use reenact::pipeline::Piece;
use reenact::recording::Recording;
use reenact::run::Run;
use reenact::threads::Threads;

use common::{PROGRAM, cpu, least, production, watched};

/// The allocator of the program. With a slower one, the rates of the ceilings would be too low.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SMALL: (u32, u32) = (20, 12);

fn rows_of(run: &Run) -> f64 {
    run.window().num_ticks() as f64 * run.plan().fleet().num_entities() as f64
}

/// Returns the number of values in a row of the entity type at this position.
fn columns(place: usize) -> f64 {
    builtin().types()[place].columns().len() as f64
}

/// Returns the CPU-seconds of the child processes that have ended, with a resolution of 0.01 s.
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let fields: Vec<f64> =
        after.split_whitespace().skip(13).take(2).map(|text| text.parse().unwrap()).collect();
    (fields[0] + fields[1]) / 100.0
}

/// Returns the minimum CPU-seconds of three runs of a program.
fn least_child(mut spawn: impl FnMut() -> Command) -> f64 {
    let mut time = || {
        let begin = children();
        assert!(spawn().stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        children() - begin
    };
    (0..3).map(|_| time()).fold(f64::MAX, f64::min)
}

fn reenact(length: &str, out: &str, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args([
        "run",
        "production",
        "--servers",
        "20",
        "--services",
        "12",
        "--step",
        "1s",
        "--quiet",
        "--force",
    ]);
    command.args(["--for", length, "--out", out]).args(more);
    command
}

fn size_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| if path.is_dir() { size_of(&path) } else { path.metadata().unwrap().len() }).sum()
}

/// Returns the CPU-seconds of encoding and writing alone: the batches are in memory, and no digest is computed.
fn encode_only(batches: &[Batch], compression: Compression) -> f64 {
    let options = TableOptions {
        compression,
        row_group: 1 << 19,
        part_bytes: 512 << 20,
        facts: Vec::new(),
        threads: Threads::new(std::num::NonZeroUsize::MIN),
    };
    least(|| {
        let dir = tempfile::tempdir().unwrap();
        let encode = ParquetEncode::new(builtin());
        let mut sink = ParquetSink::create(dir.path(), "bench".into(), builtin(), &options).unwrap();
        batches.iter().for_each(|batch| sink.write(encode.encode(batch)).unwrap());
        sink.finish().unwrap();
    })
}

fn writing(dir: &Path) {
    let run = production(SMALL, "1s", "2d");
    let rows = rows_of(&run);
    println!("\n**Writing**: 20 servers, 12 instances, 1 s, {rows} rows, one thread, from start to end\n");
    println!(
        "| what | million rows a CPU-second | of encoding and writing alone | bytes a row |\n|---|---|---|---|"
    );
    let sample: Vec<Batch> = run.batches().take(256).collect();
    let sampled: usize = sample.iter().map(Batch::num_rows).sum();
    let mut zstd = 0.0;
    for (name, compression) in [("zstd", Compression::Zstd), ("snappy", Compression::Snappy)] {
        let place = dir.join(name);
        let out = format!("parquet:{}/", place.display());
        let flags = ["--threads", "1", "--compression", name];
        let seconds = least_child(|| reenact("2d", &out, &flags));
        let ceiling = encode_only(&sample, compression) / sampled as f64;
        let bytes =
            (size_of(&place.join("server_metric")) + size_of(&place.join("application_metric"))) as f64;
        println!(
            "| Parquet, {name} | {:.2} | {:.2} of {:.2} | {:.1} |",
            rows / seconds / 1e6,
            ceiling * rows / seconds,
            1e-6 / ceiling,
            bytes / rows
        );
        zstd = if name == "zstd" { seconds } else { zstd };
    }
    for (name, out) in [
        ("NDJSON", "ndjson:nd/"),
        ("CSV", "csv:cs/"),
        ("NDJSON, .gz", "ndjson:x.gz"),
        ("NDJSON, .zst", "ndjson:x.zst"),
    ] {
        let seconds = least_child(|| {
            let mut command = reenact("6h", out, &["--threads", "1"]);
            command.current_dir(dir);
            command
        });
        println!("| {name} | {:.2} | | |", rows / 8.0 / seconds / 1e6);
    }
    let values = rows * (20.0 / 32.0 * columns(0) + 12.0 / 32.0 * columns(1));
    peer(dir, zstd / values * 1e6);
}

fn peer(dir: &Path, ours: f64) {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/tpchgen-cli");
    if !program.exists() {
        println!("\nleft out: `target/python/bin/pip install tpchgen-cli` brings the peer");
        return;
    }
    let place = dir.join("tpch");
    let seconds = least_child(|| {
        // It skips files that exist.
        let _ = std::fs::remove_dir_all(&place);
        let mut command = Command::new(&program);
        command.args([
            "parquet",
            "--scale-factor",
            "1",
            "--tables",
            "lineitem",
            "--num-threads",
            "1",
            "--quiet",
        ]);
        command.args(["--compression", "ZSTD(1)", "--output-dir"]).arg(&place);
        command
    });
    // TPC-H's lineitem at scale 1 has 6,001,215 rows of 16 columns.
    let theirs = seconds / (6_001_215.0 * 16.0) * 1e6;
    println!("\n| CPU-seconds a million values, all columns counted | |\n|---|---|");
    println!("| reenact, zstd 1 | {ours:.4} |\n| tpchgen-cli, lineitem, zstd 1 | {theirs:.4} |");
    println!("| reenact relative to tpchgen-cli | {:.2} |", ours / theirs);
}

fn two_threads(dir: &Path) {
    println!(
        "\n| two threads against two processes with a half each, 4 d | median of five | range |\n|---|---|---|"
    );
    for compression in ["zstd", "snappy"] {
        let ratio = |_: usize| {
            let spawn = |out: &str, more: &[&str]| {
                let out = format!("parquet:{}/", dir.join(out).display());
                let flags = [&["--no-labels", "--compression", compression], more].concat();
                reenact("4d", &out, &flags).spawn().unwrap()
            };
            let begin = Instant::now();
            let (threads, _) = watched(spawn("both", &["--threads", "2"]), begin);
            let begin = Instant::now();
            let halves = [("one", "1/2"), ("other", "2/2")]
                .map(|(out, shard)| spawn(out, &["--threads", "1", "--shard", shard]));
            halves.into_iter().for_each(|mut half| assert!(half.wait().unwrap().success()));
            begin.elapsed().as_secs_f64() / threads
        };
        let mut ratios: Vec<f64> = (0..5).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        println!("| Parquet, {compression} | {:.2} | {:.2} to {:.2} |", ratios[2], ratios[0], ratios[4]);
    }
}

/// Writes a hundred million rows and reads them back.
fn long_run(dir: &Path) {
    let place = dir.join("long");
    let out = format!("parquet:{}/", place.display());
    let begin = Instant::now();
    let (seconds, peak) = watched(reenact("37d", &out, &[]).spawn().unwrap(), begin);
    let recording = Recording::open(&place).unwrap();
    let rows: u64 = recording.manifest().unwrap().parts.iter().map(|part| part.rows).sum();
    println!("\n| {rows} rows in Parquet, all cores | |\n|---|---|");
    println!("| most memory while writing | {peak:.0} MB |\n| wall seconds | {seconds:.1} |");
    let begin = Instant::now();
    let read: usize = recording.batches().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(read as u64, rows);
    println!(
        "| million rows a second, read back and verified | {:.1} |",
        read as f64 / begin.elapsed().as_secs_f64() / 1e6
    );
    let (begin, wall) = (cpu(), Instant::now());
    let tail = reenact::recording::Selection {
        from: Some(production(SMALL, "1s", "37d").plan().clock().at(reenact::time::Tick(37 * 86_400 - 600))),
        ..Default::default()
    };
    let last: usize = recording.select(&tail).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    let wall = wall.elapsed().as_secs_f64();
    println!("| its last ten minutes ({last} rows), files verified | {:.2} s |", wall.max(cpu() - begin));
}

fn verifying() {
    println!(
        "\n| time of `verify` without differences, one thread | relative to NDJSON with labels, discarded | relative to rendering alone |\n|---|---|---|"
    );
    for (name, size, step, length) in [
        ("20 servers, 1 s, 1 d", SMALL, "1s", "1d"),
        ("2,000 servers, 1 s, 30 min", (2_000, 1_200), "1s", "30m"),
        ("20 servers, 60 s, 30 d", SMALL, "60s", "30d"),
    ] {
        let run = production(size, step, length);
        let lines = NdjsonEncode::default();
        let render = |encode: &(dyn Fn(&Batch) + Sync)| {
            let discard = |piece| {
                if let Piece::Labels(labels) = piece {
                    drop(std::hint::black_box(labels));
                }
                Ok::<(), ()>(())
            };
            run.pieces(encode, discard).unwrap();
        };
        let written = least(|| render(&|batch| drop(std::hint::black_box(lines.encode(batch)))));
        let rendered = least(|| {
            render(&|batch| {
                std::hint::black_box(batch);
            })
        });
        let verified = least(|| drop(std::hint::black_box(Digests::of(&run))));
        println!("| {name} | {:.2} | {:.2} |", verified / written, verified / rendered);
    }
}

fn main() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    writing(dir.path());
    two_threads(dir.path());
    long_run(dir.path());
    verifying();
}
