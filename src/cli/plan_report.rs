//! Describes a plan as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::plan::{Seen, TimelineEntry};
use crate::pipeline;
use crate::plan::{Incident, Plan, VALUES_EPOCH};
use crate::scenario::count;
use crate::threads::Threads;
use crate::time::Tick;

/// The approximate length of a record as NDJSON, in bytes.
const BYTES_A_RECORD: u64 = 400;

/// The maximum number of names in a list.
const MOST_NAMES: usize = 5;

/// Returns the plan as text for people.
pub(super) fn text(plan: &Plan, timeline: &[TimelineEntry], drawn: Option<&[Incident]>) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a string takes all");
    let (clock, fleet) = (plan.clock(), plan.fleet());
    line(format_args!("{}", plan.name()));
    if !plan.about().is_empty() {
        line(format_args!("  {}", plan.about().trim()));
    }
    line(format_args!("\nclock   {} for {}, a tick every {}", clock.start(), clock.run(), clock.step()));
    line(format_args!(
        "stream  {} and {}: {}, {} as NDJSON",
        count(fleet.servers.len() as u64, "server"),
        count(fleet.instances.len() as u64, "service instance"),
        count(num_records(plan), "record"),
        bytes(num_records(plan).saturating_mul(BYTES_A_RECORD)),
    ));
    line(format_args!("memory  about {}", bytes(memory(plan))));
    line(format_args!("\nplacement"));
    for server in &fleet.servers {
        let zone = &fleet.zones[server.zone as usize].name;
        let guests = guests(plan, server);
        let guests = if guests.is_empty() { "(no instances)".to_string() } else { guests.join(", ") };
        line(format_args!("  {}  {} {zone}  {guests}", server.name, server.rack));
    }
    let calling = fleet.instances.iter().filter(|instance| !instance.callees.is_empty());
    for (i, instance) in calling.enumerate() {
        if i == 0 {
            line(format_args!("\ncalls"));
        }
        let callee = |(index, calls): &(u32, f64)| {
            format!("{} × {}", fleet.instances[*index as usize].name, rounded(*calls))
        };
        let callees: Vec<String> = instance.callees.iter().map(callee).collect();
        line(format_args!("  {} → {}", instance.name, callees.join(", ")));
    }
    line(format_args!("\ntimeline"));
    if timeline.is_empty() {
        line(format_args!("  no scheduled incidents"));
    }
    for entry in timeline {
        line(format_args!("  {}", happening(plan, &entry.incident)));
        let reach = entry.incident.reach(fleet).entities().count() as u64;
        match &entry.seen {
            Some(seen) => line(format_args!("      {}", changes(seen, reach))),
            None => line(format_args!("      reaches at most {}", entities(reach))),
        }
    }
    let more = plan.num_scheduled() - timeline.len() as u64;
    if more > 0 {
        line(format_args!("  … {more} more"));
    }
    if plan.has_background() {
        let numbers = plan.num_background(clock.start(), clock.end());
        let mut of_types =
            plan.schema().types().iter().zip(numbers).map(|(it, number)| (it.plural(), number));
        let first = of_types.next().map(|(name, number)| format!("{} on {name}", count(number, "incident")));
        let others = of_types.map(|(name, number)| format!("{number} on {name}"));
        let all: Vec<String> = first.into_iter().chain(others).collect();
        line(format_args!("  in the background: {}", all.join(", ")));
    }
    if let Some(drawn) = drawn {
        line(format_args!("\nbackground"));
        drawn.iter().for_each(|incident| line(format_args!("  {}", happening(plan, incident))));
    }
    out
}

fn num_records(plan: &Plan) -> u64 {
    plan.rows().before(Tick(plan.clock().num_ticks()))
}

fn memory(plan: &Plan) -> u64 {
    pipeline::memory(plan, &Threads::all_cores())
}

/// Formats a size for people: `3.6 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let unit = units.iter().find(|(_, size)| bytes as f64 >= *size);
    unit.map_or_else(|| format!("{bytes} B"), |(unit, size)| format!("{:.1} {unit}", bytes as f64 / size))
}

fn guests<'a>(plan: &'a Plan, server: &crate::fleet::Server) -> Vec<&'a str> {
    server.guests.iter().map(|guest| plan.fleet().instances[*guest as usize].name.as_str()).collect()
}

/// Rounds a number to three decimals, so that it prints without trailing zeros.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn entities(n: u64) -> String {
    if n == 1 { "1 entity".into() } else { format!("{n} entities") }
}

/// Describes what happens, when, and to which entities.
fn happening(plan: &Plan, incident: &Incident) -> String {
    let after = (incident.start() - plan.clock().start()).to_string();
    format!(
        "{}  {after:>8}  `{}`: {} on {} for {}, severity {}",
        incident.start(),
        incident.id,
        incident.kind.name(),
        some(&targets(plan, incident)),
        incident.end() - incident.start(),
        incident.severity.as_ref().map_or("set by `with`", |severity| severity.text.as_str()),
    )
}

fn targets<'a>(plan: &'a Plan, incident: &Incident) -> Vec<&'a str> {
    incident.changes.iter().map(|(entity, _)| plan.fleet().name(*entity)).collect()
}

/// Lists the first of many names.
fn some<T: AsRef<str>>(names: &[T]) -> String {
    let first: Vec<&str> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len() {
        n if n > MOST_NAMES => format!("{}, … ({n} in total)", first.join(", ")),
        _ => first.join(", "),
    }
}

/// Describes how visible an incident is, and on which entities.
fn changes(seen: &Seen, reach: u64) -> String {
    let differ = match seen.entities.is_empty() {
        true => "no tick differs from the baseline".to_string(),
        false => {
            format!("differs from the baseline on {} ({} in reach)", some(&seen.entities), entities(reach))
        }
    };
    let mut on: Vec<&str> = seen.visible.iter().map(|(entity, _)| entity.as_str()).collect();
    on.dedup();
    let visible = match seen.visible.len() as u64 {
        0 => "not visible".to_string(),
        n => format!("visible in {} of {}", count(n, "metric"), some(&on)),
    };
    format!("snr {:.2}, {visible}; {differ}", seen.snr)
}

/// Returns the plan as JSON, for scripts.
pub(super) fn json(plan: &Plan, timeline: &[TimelineEntry], drawn: Option<&[Incident]>) -> Value {
    let (clock, fleet) = (plan.clock(), plan.fleet());
    let numbers = plan.num_background(clock.start(), clock.end());
    let background = plan.schema().types().iter().zip(numbers);
    let background: serde_json::Map<String, Value> =
        background.map(|(it, number)| (it.plural().to_string(), number.into())).collect();
    let mut json = json!({
        "name": plan.name(),
        "about": plan.about(),
        "seed": plan.seed(),
        "epoch": VALUES_EPOCH,
        "clock": {
            "start": clock.start().to_string(),
            "end": clock.end().to_string(),
            "run_ms": clock.run().0,
            "step_ms": clock.step().0,
            "ticks": clock.num_ticks(),
        },
        "records": num_records(plan),
        "bytes": num_records(plan).saturating_mul(BYTES_A_RECORD),
        "memory_bytes": memory(plan),
        "fleet": {
            "zones": fleet.zones.iter().map(|zone| &zone.name).collect::<Vec<_>>(),
            "servers": fleet.servers.iter().map(|server| json!({
                "name": server.name,
                "pool": fleet.pools[server.pool as usize],
                "zone": fleet.zones[server.zone as usize].name,
                "rack": server.rack,
                "instances": guests(plan, server),
            })).collect::<Vec<_>>(),
            "instances": fleet.instances.iter().map(|instance| json!({
                "name": instance.name,
                "service": fleet.services[instance.service as usize].name,
                "server": fleet.servers[instance.server as usize].name,
                "calls": instance.callees.iter().map(|(callee, calls)| json!({
                    "instance": fleet.instances[*callee as usize].name,
                    "per_request": rounded(*calls),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        },
        "scheduled": plan.num_scheduled(),
        "timeline": timeline.iter().map(|entry| {
            let mut json = incident(plan, &entry.incident);
            json["reach"] = entry.incident.reach(fleet).entities().count().into();
            json["seen"] = entry.seen.as_ref().map_or(Value::Null, |seen| json!({
                "snr": seen.snr,
                "visible": seen.visible.iter().map(|(entity, metric)| json!({"entity": entity, "metric": metric}))
                    .collect::<Vec<_>>(),
                "differing": {
                    "entities": seen.entities.len(),
                    "cells": seen.cells,
                    "first": seen.entities.iter().take(MOST_NAMES).collect::<Vec<_>>(),
                },
            }));
            json
        }).collect::<Vec<_>>(),
        "background": background,
    });
    if let Some(drawn) = drawn {
        json["background"]["incidents"] =
            drawn.iter().map(|it| incident(plan, it)).collect::<Vec<_>>().into();
    }
    json
}

fn incident(plan: &Plan, incident: &Incident) -> Value {
    json!({
        "id": incident.id,
        "kind": incident.kind.name(),
        "severity": incident.severity.as_ref().map(|severity| &severity.text),
        "targets": targets(plan, incident),
        "cause_start": incident.start().to_string(),
        "cause_end": incident.end().to_string(),
    })
}
