//! Any window equals the same part of the whole run. Threads and shards change nothing.

use crate::common::{assert_same, busy, ndjson, plan};
use proptest::prelude::*;
use reenact::batch::{Batch, Row};
use reenact::engine::{Errors, fill, render};
use reenact::run::Run;
use reenact::time::{BlockId, Chunk, SimTime, Tick};

/// Returns the lines of the ticks `from..to` of the whole run.
fn slice(whole: &[u8], run: &Run, from: u64, to: u64) -> Vec<u8> {
    let entities = run.plan().fleet().num_entities();
    let lines = crate::common::lines(whole);
    let mut out = Vec::new();
    for line in &lines[from as usize * entities..to as usize * entities] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out
}

fn moment(run: &Run, tick: u64) -> SimTime {
    run.plan().clock().at(Tick(tick))
}

#[test]
fn any_window_equals_a_slice_of_the_whole_run() {
    let whole_run = busy();
    let whole = ndjson(&whole_run, 1);
    let ticks = whole_run.plan().clock().num_ticks();
    // Windows inside incidents, during recoveries, and across and at the block boundary at 10:00 (tick 515).
    let fixed = [(470, 480), (540, 560), (514, 516), (515, 516), (68, 70), (0, 1), (ticks - 1, ticks)];
    let random = proptest::collection::vec((0..ticks, 1..40_u64), 24);
    let check = |windows: &[(u64, u64)]| {
        for (from, to) in windows {
            let window = whole_run.clone().between(
                Some(moment(&whole_run, *from)),
                Some(moment(&whole_run, *to).min(whole_run.plan().clock().end())),
            );
            let window = ndjson(&window.unwrap(), 1);
            assert_same(&slice(&whole, &whole_run, *from, *to), &window, &format!("window {from}..{to}"));
        }
    };
    check(&fixed);
    let config = ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&random, |starts| {
            check(
                &starts.iter().map(|(from, length)| (*from, (from + length).min(ticks))).collect::<Vec<_>>(),
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn chunks_in_any_order_and_size_have_the_same_rows() {
    let run = busy();
    let clock = run.plan().clock();
    let whole: Vec<String> = run.batches().flat_map(|batch| facts(&batch)).collect();
    let entities = run.plan().fleet().num_entities();
    for tick in [1_500, 3, 520, 515, 471, 70, 1_000] {
        let block = BlockId::holding(clock.at(Tick(tick)));
        let block = fill(run.plan(), block, clock.at(Tick(tick)));
        let chunk = Chunk { block: block.id(), ticks: tick..tick + 1 };
        let alone = render(run.plan(), &block, &chunk, Errors::Drawn);
        let first = tick as usize * entities;
        assert_eq!(facts(&alone), whole[first..first + entities], "tick {tick}");
    }
}

/// Describes each row of a batch.
fn facts(batch: &Batch) -> Vec<String> {
    let values = |row: &Row<'_>| row.values().collect::<Vec<_>>();
    let fact = |row: Row<'_>| {
        format!("{:?}", (row.timestamp(), row.entity(), row.enums().collect::<Vec<_>>(), values(&row)))
    };
    batch.rows().map(fact).collect()
}

#[test]
fn the_number_of_threads_does_not_change_the_rows() {
    let run = busy();
    let one = ndjson(&run, 1);
    for threads in [2, 8] {
        assert_same(&one, &ndjson(&run, threads), &format!("{threads} threads"));
    }
}

#[test]
fn concatenated_shards_equal_the_run() {
    let run = busy();
    let whole = ndjson(&run, 1);
    for n in [1, 2, 3, 7] {
        let mut all = Vec::new();
        let mut labels = Vec::new();
        for i in 1..=n {
            let shard = run.clone().shard(i, n).unwrap();
            all.extend(ndjson(&shard, 1));
            labels.extend(shard.labels());
        }
        assert_same(&whole, &all, &format!("{n} shards"));
        assert_same(
            &crate::common::label_lines(&run.labels().collect::<Vec<_>>()),
            &crate::common::label_lines(&labels),
            &format!("labels of {n} shards"),
        );
    }
}

#[test]
fn a_coarser_step_samples_the_finer_one() {
    let text = "scenario: 1\nuse: dev\nseed: 3\nclock: {run: 30m, step: 1s}\nanomalies: [{kind: cpu_spike, target: srv-001, at: 5m, for: 10m}]";
    let fine = ndjson(&plan(text).run(), 1);
    let coarse = ndjson(&plan(&text.replace("step: 1s", "step: 60s")).run(), 1);
    // The two error columns depend on the step.
    let without_errors = |line: &str| {
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        fields.retain(|key, _| !key.starts_with("error_"));
        fields
    };
    let fine: Vec<_> = crate::common::lines(&fine)
        .into_iter()
        .enumerate()
        .filter(|(i, _)| (i / 5) % 60 == 0)
        .map(|(_, line)| without_errors(line))
        .collect();
    let coarse: Vec<_> = crate::common::lines(&coarse).into_iter().map(without_errors).collect();
    assert_eq!(fine.len(), coarse.len());
    for (fine, coarse) in fine.iter().zip(&coarse) {
        assert_eq!(fine, coarse);
    }
}

#[test]
fn a_longer_run_starts_with_the_shorter_one() {
    let short = ndjson(&busy(), 1);
    let long = ndjson(&plan(&crate::common::BUSY.replace("run: 3h", "run: 5h")).run(), 1);
    assert_same(&short, &long[..short.len()], "the first three hours");
}

#[test]
fn windows_without_a_tick_or_outside_the_run_are_refused() {
    let run = busy();
    let start = run.plan().clock().start();
    assert!(run.clone().between(Some(SimTime(start.0 + 1)), Some(SimTime(start.0 + 2))).is_err());
    assert!(run.clone().between(Some(SimTime(start.0 - 1)), None).is_err());
    assert!(run.clone().shard(3, 2).is_err());
    assert!(run.clone().shard(0, 2).is_err());
    assert!(run.shard(1, 1_000_000).is_err());
}

/// Returns the CPU time in seconds that a run without labels takes on this thread.
fn seconds(run: &Run) -> f64 {
    // /proc/thread-self/schedstat advances only at the scheduler's ticks, and would show 0 for short work.
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = cpu();
    run.batches().for_each(drop);
    cpu() - before
}

/// Returns the ratio of the fastest time of `run` to the fastest time of `other`. It measures 3 to 20 pairs, until the
/// ratio is at most `bound`.
///
/// Other processes make single measurements slower, never faster. So a run that is too slow never gets below the bound.
fn ratio(run: &Run, other: &Run, bound: f64) -> f64 {
    let (mut its, mut other_s) = (f64::MAX, f64::MAX);
    for pair in 1..=20 {
        its = its.min(seconds(run));
        other_s = other_s.min(seconds(other));
        if pair >= 3 && its <= bound * other_s {
            break;
        }
    }
    its / other_s
}

#[test]
fn a_window_does_not_render_the_rows_before_it() {
    let preset = |step: &str, run: &str| {
        let scenario = reenact::scenario::Scenario::preset("production").unwrap();
        scenario.set("clock.step", step).unwrap().set("clock.run", run).unwrap().plan().unwrap().run()
    };
    let month = preset("1s", "30d");
    let minute = |begin: reenact::time::Span| {
        let from = month.plan().clock().start() + begin;
        month.clone().between(Some(from), Some(from + reenact::time::Span::minutes(1))).unwrap()
    };
    let (first, late) = (minute(reenact::time::Span::ZERO), minute(reenact::time::Span::hours(24 * 29)));
    let times = ratio(&late, &first, 2.0);
    assert!(times <= 2.0, "a minute of the last day takes {times} times as long as the first minute");
    // The run has twenty blocks, and each of the two shards has ten.
    let days = preset("60s", "40h");
    for i in 1..=2 {
        let share = ratio(&days.clone().shard(i, 2).unwrap(), &days, 1.2 / 2.0);
        assert!(share <= 1.2 / 2.0, "shard {i} of 2 takes {share} of the time of the whole run");
    }
}

#[test]
fn an_onset_without_a_ramp_changes_no_earlier_row() {
    // Rows between grid points are interpolated towards the next grid point, at which the incident is already active.
    let text = |at: &str| {
        format!(
            "scenario: 1\nuse: dev\nbackground: {{share: 0%}}\nclock: {{step: 1s}}\n\
             anomalies: [{{id: it, kind: cpu_spike, target: srv-001, at: {at}, for: 5m, ramp: {{up: 0s, down: 0s}}}}]"
        )
    };
    for at in ["10m", "10m0.001s", "9m59.999s", "2h"] {
        let run = plan(&text(at).replace("clock: {step", "clock: {run: 3h, step")).run();
        let start = run.plan().incident("it").unwrap().start();
        let (with, without) = (ndjson(&run, 1), ndjson(&run.clone().without("it").unwrap(), 1));
        let differs =
            crate::common::lines(&with).into_iter().zip(crate::common::lines(&without)).find(|(a, b)| a != b);
        let fields: serde_json::Value = serde_json::from_str(differs.unwrap().0).unwrap();
        let moment = SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap();
        assert!(moment >= start && (moment - start).0 < 1_000, "{at}: differs first at {moment}");
    }
}
