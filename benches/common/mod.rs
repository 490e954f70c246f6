//! What the benches share: the preset, and functions that measure time and memory.

use std::num::NonZeroUsize;
use std::process::Child;
use std::time::Instant;

use reenact::run::Run;
use reenact::scenario::Scenario;

/// The number of runs for each figure.
const RUNS: usize = 3;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_reenact");

/// Returns a run of the preset `production` with other numbers, on one thread.
pub fn production((servers, services): (u32, u32), step: &str, length: &str) -> Run {
    Scenario::preset("production")
        .unwrap()
        .set("fleet.servers", &servers.to_string())
        .unwrap()
        .set("fleet.services", &services.to_string())
        .unwrap()
        .set("clock.step", step)
        .unwrap()
        .set("clock.run", length)
        .unwrap()
        .plan()
        .unwrap()
        .run()
        .threads(NonZeroUsize::MIN)
}

/// Returns the CPU time of this thread in seconds. If the system does not report it, returns the wall time.
pub fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = text.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    nanoseconds.map_or_else(|| BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64(), |ns| ns / 1e9)
}

/// Returns the minimum CPU-seconds of several runs.
pub fn least(mut work: impl FnMut()) -> f64 {
    let mut time = || {
        let begin = cpu();
        work();
        cpu() - begin
    };
    (0..RUNS).map(|_| time()).fold(f64::MAX, f64::min)
}

/// Waits until a program ends. Returns the wall time in seconds since `begin`, and the peak memory in MB.
pub fn watched(mut child: Child, begin: Instant) -> (f64, f64) {
    let mut peak = 0.0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
        peak = kilobytes.map_or(peak, |kb: f64| kb / 1e3).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    (begin.elapsed().as_secs_f64(), peak)
}
