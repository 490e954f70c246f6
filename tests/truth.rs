//! Removing an incident restores the baseline, and labels state what the incident changed.

use crate::common::{BUSY, alone, assert_same, busy, label_lines, lines, ndjson, plan};
use reenact::engine::{Block, Errors, chunks, fill, render};
use reenact::label::{Label, Role};
use reenact::plan::Plan;
use reenact::schema::MetricId;
use reenact::time::{SimTime, Span};

const IDS: [&str; 12] =
    ["hot", "spike", "slow", "late", "brief", "twice", "leak", "surge", "full", "fuller", "disk", "fails"];

fn written_without(id: &str) -> String {
    let text: Vec<&str> = BUSY.lines().filter(|line| !line.contains(&format!("{{id: {id},"))).collect();
    assert_eq!(text.len() + 1, BUSY.lines().count());
    text.join("\n")
}

#[test]
fn removing_an_incident_restores_the_baseline() {
    for id in IDS {
        let removed = ndjson(&busy().without(id).unwrap(), 1);
        let unwritten = ndjson(&plan(&written_without(id)).run(), 1);
        assert_same(&unwritten, &removed, &format!("without {id}"));
    }
    assert!(busy().without("missing").is_err());
}

#[test]
fn nothing_before_cause_start_differs() {
    let run = busy();
    let with = ndjson(&run, 1);
    for id in IDS {
        let start = run.plan().incident(id).unwrap().start();
        let without = ndjson(&run.clone().without(id).unwrap(), 1);
        let first = lines(&with).into_iter().zip(lines(&without)).find(|(a, b)| a != b);
        let (line, _) = first.unwrap_or_else(|| panic!("`{id}` changes nothing at all"));
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        let moment = SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap();
        assert!(moment >= start, "`{id}` begins at {start}, and a row differs at {moment}");
    }
}

#[test]
fn after_effects_end_at_a_block_boundary() {
    // `hot` lasts from 09:50 to 10:15. The last block with after-effects is 10:00 to 12:00.
    let run = plan(&BUSY.replace("run: 3h", "run: 6h")).run();
    let with = ndjson(&run, 1);
    let without = ndjson(&run.clone().without("hot").unwrap(), 1);
    let differing = lines(&with).into_iter().zip(lines(&without)).filter(|(a, b)| a != b).count();
    let last = lines(&with).into_iter().zip(lines(&without)).rfind(|(a, b)| a != b).unwrap().0;
    let fields: serde_json::Value = serde_json::from_str(last).unwrap();
    let last = SimTime::parse(fields["timestamp"].as_str().unwrap()).unwrap();
    let hot = run.plan().incident("hot").unwrap();
    assert!(differing > 100 && last >= hot.end());
    assert!(last < reenact::truth::after_effects_end(hot.end()), "still different at {last}");
}

#[test]
fn only_entities_in_the_reach_of_an_incident_differ() {
    let run = busy();
    let with = ndjson(&run, 1);
    for incident in IDS.map(|id| run.plan().incident(id).unwrap()) {
        let without = ndjson(&run.clone().without(&incident.id).unwrap(), 1);
        let fleet = run.plan().fleet();
        let reach = incident.reach(fleet);
        let reached: Vec<&str> = reach.entities().map(|entity| fleet.name(entity)).collect();
        assert!(reached.len() < fleet.num_entities(), "`{}` must not reach every entity", incident.id);
        for (a, b) in lines(&with).into_iter().zip(lines(&without)).filter(|(a, b)| a != b) {
            let fields: serde_json::Value = serde_json::from_str(a).unwrap();
            let name =
                fields.get("service_name").unwrap_or(&fields["server_id"]).as_str().unwrap().to_string();
            assert!(reached.contains(&name.as_str()), "`{}` reached {name}:\n  {a}\n  {b}", incident.id);
        }
    }
}

fn cause<'a>(labels: &'a [Label], id: &str) -> Vec<&'a Label> {
    labels.iter().filter(|label| label.incident_id == id && label.role == Role::Cause).collect()
}

#[test]
fn labels_have_the_right_entity_metric_times_and_snr() {
    for (kind, target, metric, lengths) in [
        ("cpu_spike", "srv-002", "cpu_usage_percent", ["20m", "1m"]),
        ("temperature_high", "srv-002", "cpu_temperature_celsius", ["20m", "12m"]),
        ("latency_spike", "order-service-1", "response_time_p95_ms", ["20m", "90s"]),
    ] {
        for (severity, requested) in [("low", 0.5), ("medium", 1.0), ("1.37", 1.37)] {
            for length in lengths {
                let what = format!("{kind} {severity} for {length}");
                let plan = alone(5, kind, target, severity, Span::parse(length).unwrap());
                assert_eq!(
                    plan.warnings().count(reenact::scenario::Level::Warning),
                    0,
                    "{what}: {}",
                    plan.warnings()
                );
                let incident = plan.incident("it").unwrap();
                let (start, end) = (incident.start(), incident.end());
                let labels: Vec<_> = plan.clone().run().labels().collect();
                let causes = cause(&labels, "it");
                assert_eq!(causes.len(), 1, "{what}");
                let label = causes[0];
                assert_eq!(
                    (label.entity.as_str(), label.metric.name(), label.kind.as_str()),
                    (target, metric, kind),
                    "{what}"
                );
                assert_eq!((label.cause_start, label.cause_end), (start, end), "{what}");
                assert!(label.effect_start >= start && label.effect_start < label.effect_end, "{what}");
                assert!(label.effect_end <= end && (start..end).contains(&label.peak_at), "{what}");
                assert!(
                    (label.snr() / requested - 1.0).abs() <= 0.25,
                    "{what}: the snr is {}, not {requested}",
                    label.snr()
                );
                assert_eq!(label.severity, severity, "{what}");
            }
        }
    }
}

#[test]
fn the_ramp_of_an_incident_has_small_steps() {
    for kind in reenact::kinds::KINDS {
        let target = if kind.carrier().entity_type == "server" { "srv-002" } else { "order-service-1" };
        for severity in ["low", "high"] {
            let plan = alone(5, kind.name(), target, severity, Span::minutes(20));
            let baseline = plan.without("it");
            // From one minute before the onset to one minute after its ramp.
            let deviations = &deviations(&plan, &baseline, target, plan.carrier(*kind));
            let peak = deviations.iter().map(|d| d.abs()).max().unwrap();
            let onset = &deviations[19 * 60..22 * 60];
            let step = onset.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
            assert!(peak > 0 && step * 4 <= peak, "{}: a step of {step} on a peak of {peak}", kind.name());
        }
    }
}

/// Returns the difference between a run and its baseline at each tick of one series. For error rates, it uses the
/// expected values.
fn deviations(plan: &Plan, baseline: &Plan, target: &str, metric: MetricId) -> Vec<i64> {
    let series = |plan: &Plan| -> Vec<i64> {
        let run = plan.clone().run();
        let mut block: Option<Block> = None;
        let mut values = Vec::new();
        for chunk in chunks(plan, run.window()) {
            let here = block.take().filter(|block| block.id() == chunk.block);
            let here = here.unwrap_or_else(|| fill(plan, chunk.block, plan.clock().end()));
            let batch = render(plan, &here, &chunk, Errors::Expected);
            let rows = batch.rows_of(metric.entity_type()).filter(|row| row.name() == target);
            values.extend(rows.map(|row| row.value(metric.column())));
            block = Some(here);
        }
        values
    };
    series(plan).into_iter().zip(series(baseline)).map(|(a, b)| a - b).collect()
}

#[test]
fn incremental_labels_equal_brute_force_labels() {
    let plan = plan(BUSY);
    let clock = plan.clock();
    let incidents = plan.incidents_between(clock.start(), clock.end());
    assert!(incidents.len() > 20, "the background incidents and the repeats are missing");
    // All scheduled incidents, and some background incidents.
    let some = incidents.iter().enumerate().filter(|(i, it)| i % 6 == 0 || !it.id.starts_with("bg."));
    for (_, incident) in some {
        let expected = label_lines(&reenact::truth::labels_by_brute_force(&plan, incident));
        let found = label_lines(&reenact::truth::labels(&plan, incident));
        assert_same(&expected, &found, &incident.id);
    }
    // All incidents together, as in a run.
    let all: Vec<Label> =
        incidents.iter().flat_map(|incident| reenact::truth::labels(&plan, incident)).collect();
    assert_same(
        &label_lines(&all),
        &label_lines(&plan.clone().run().labels().collect::<Vec<_>>()),
        "all at once",
    );
}

#[test]
fn overlapping_incidents_are_each_labelled() {
    let labels: Vec<_> = busy().labels().collect();
    for id in IDS {
        let causes = cause(&labels, id);
        let expected = if id == "slow" { 3 } else { 1 };
        assert_eq!(causes.len(), expected, "`{id}`");
    }
    // A service as a target means all its instances. Each of them has a `cause` label.
    let slow: Vec<&str> = cause(&labels, "slow").iter().map(|label| label.entity.as_str()).collect();
    assert_eq!(slow, ["order-service-1", "order-service-2", "order-service-3"]);
    let recovery = |label: &&Label| label.incident_id == "hot" && label.role == Role::Recovery;
    assert!(labels.iter().any(|label| recovery(&label) && label.metric.name() == "cpu_temperature_celsius"));
    let mut sorted = labels.clone();
    sorted.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    assert_same(&label_lines(&sorted), &label_lines(&labels), "sorted");
}

#[test]
fn a_window_has_the_unclipped_labels_of_visible_effects() {
    let run = busy();
    let all: Vec<_> = run.labels().collect();
    let from = SimTime::parse("2026-01-05T09:50:00Z").unwrap();
    let to = SimTime::parse("2026-01-05T09:56:00Z").unwrap();
    let window = run.between(Some(from), Some(to)).unwrap();
    // A window begins and ends at ticks.
    let clock = window.plan().clock();
    let [from, to] = [window.window().from(), window.window().to()].map(|tick| clock.at(tick));
    let expected: Vec<Label> =
        all.into_iter().filter(|label| label.effect_start < to && label.effect_end > from).collect();
    assert!(!expected.is_empty());
    assert_same(
        &label_lines(&expected),
        &label_lines(&window.labels().collect::<Vec<_>>()),
        "labels of a window",
    );
}
